"""What a deployment is told by config.yaml, the environment and its secrets."""
