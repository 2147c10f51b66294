"""A stand-in for Baseten's async service, in front of the real Truss server. For development."""
