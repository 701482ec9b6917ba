"""A search with its run directory: what is written down and said of it, and how it is stopped."""
