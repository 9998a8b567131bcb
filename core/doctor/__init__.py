"""What would go wrong on this machine, and how to mend it."""
