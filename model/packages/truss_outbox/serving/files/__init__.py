"""Bringing a request's input files onto the disk, checked and bounded."""
