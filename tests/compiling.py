"""Compiler options for programs whose speed does not matter."""

QUICK = {"xla_backend_optimization_level": 0}  # compiling is what takes the time
