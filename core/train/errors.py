"""What can go wrong in training."""

from __future__ import annotations

from tunery.errors import TuneryError


class TrainingFailed(TuneryError):
    """Training cannot go on: the loss is no longer a number, or the memory is used up."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether torch, on a CPU or a GPU, or Python says that it got no memory."""
    import torch

    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
