"""Question-answer rows from documents: a model proposes, the passage is the judge, a person accepts."""
