"""What commands answer, as text and as JSON. A module has what commands load together."""
