"""What is odd in one row: it can be trained on, and perhaps should not be."""
