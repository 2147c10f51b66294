"""The page at the stand-in's address."""
