"""What the ports on this machine answer those whom they do not belong to."""
