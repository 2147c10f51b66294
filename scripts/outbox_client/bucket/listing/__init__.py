"""Listing what lies in the bucket, by pages."""
