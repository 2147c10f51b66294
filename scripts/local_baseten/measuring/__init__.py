"""Metrics and their history."""
