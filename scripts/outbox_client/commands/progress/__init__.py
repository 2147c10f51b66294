"""How progress is shown while a command runs."""
