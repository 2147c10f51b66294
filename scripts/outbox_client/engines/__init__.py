"""A job's results on many machines, by an engine that is there already: Ray, Spark or another."""
