"""Inference, the Truss server and the stand-in in front of it."""
