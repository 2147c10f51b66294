"""Storing a result, beside the bare clients."""
