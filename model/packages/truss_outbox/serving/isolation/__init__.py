"""Running code on untrusted input in a process of its own, which may crash, hang or be stopped."""
