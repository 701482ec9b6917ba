"""Evaluation of objectives: fresh agents trained on seeds that no search used."""
