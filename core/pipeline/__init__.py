"""Steps in order: what each needs, whether it is done already, and the child that does it."""
