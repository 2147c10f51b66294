"""Measurements: `python -m scripts.bench`."""

from pathlib import Path

PROJECT = Path(__file__).parents[2]
