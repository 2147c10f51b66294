"""A request's way through a Truss: from its input to its committed result."""
