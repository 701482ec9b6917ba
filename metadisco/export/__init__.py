"""Taking discovered objectives home."""
