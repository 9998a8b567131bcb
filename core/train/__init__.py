"""Training: batches, masks, loss, checkpoints, and the step that puts them together."""
