"""Baseten's async API."""
