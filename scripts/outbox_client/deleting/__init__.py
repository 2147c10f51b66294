"""Deleting results and all that belongs to them: for good, and nothing of any other job."""
