"""Discovered objectives as source files for other training code."""
