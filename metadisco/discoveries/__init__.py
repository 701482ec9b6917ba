"""Discoveries: resolving their names, loading and saving them."""
