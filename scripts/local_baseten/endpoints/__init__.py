"""The HTTP endpoints of the async and sync API."""
