"""`@stored`, and how it finds its way around a model that knows nothing of it."""
