"""The durable queue of requests."""
