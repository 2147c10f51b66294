"""A PDF page's own text: what it says, where, and whether it can be trusted."""
