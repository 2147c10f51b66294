"""Looking after a bucket and a deployment."""
