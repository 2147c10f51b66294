"""The contract between the model, the bucket and everyone who reads from it."""
