"""Export: merge, GGUF, and the proof that the exported model is the one that was trained."""
