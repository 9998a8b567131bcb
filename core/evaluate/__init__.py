"""Evaluate: base, tuned and every export on the same held-out rows, with intervals."""
