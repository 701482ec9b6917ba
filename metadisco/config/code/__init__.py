"""Code of one's own: found, imported, and known by its source."""
