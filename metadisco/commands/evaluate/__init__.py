"""`metadisco evaluate`: a module for each family of meta-problems."""
