"""Measurements, each in a stack of its own; `python -m bench` runs them all."""
