"""Measurements: `python -m scripts.bench`."""
