"""Figures of cheap talk: what a message says, and to which effect. Arrays in, figures out, but for `run`."""
