"""`metadisco evolve`."""
