"""What a bucket, a network and a machine can do to a request, and what is left of it."""
