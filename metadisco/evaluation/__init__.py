"""Objectives judged on fresh agents."""
