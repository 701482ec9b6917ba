"""Distillation of a learned loss into closed forms and smaller networks."""
