"""Faults that happen on request."""
