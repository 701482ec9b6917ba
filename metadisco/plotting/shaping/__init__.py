"""Figures of opponent shaping: how a meta-policy and its opponents play. Arrays in, figures out, but for `run`."""
