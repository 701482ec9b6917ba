"""`metadisco report`."""
