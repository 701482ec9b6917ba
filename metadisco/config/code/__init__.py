"""User-defined code: finding it, importing it, and identifying it by its source."""
