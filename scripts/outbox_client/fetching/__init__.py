"""Bringing results here, verified."""
