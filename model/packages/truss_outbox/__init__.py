"""Keep the outputs of any Truss in your own bucket."""
