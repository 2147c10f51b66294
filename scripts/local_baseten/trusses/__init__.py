"""Laying out, starting and calling real Truss servers."""
