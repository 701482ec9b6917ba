"""What a name of an objective means, and how it is loaded and kept."""
