"""Bucket servers on this machine."""
