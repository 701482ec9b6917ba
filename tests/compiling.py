"""Compiler options for programs whose speed does not matter."""

QUICK = {"xla_backend_optimization_level": 0}  # compilation takes most of the time
