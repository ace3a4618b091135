"""Steps into windows."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._arrays import array
from .._types import Array


def windows(load: Any, most: int = 8) -> Array:
    """At most `most` windows [W, L, E] of steps [S, L, E], each the sum of as many successive steps. Steps in which
    nothing was counted, as a recorder has them that was not full, are left out; of those alone one is left."""
    steps = array("load", load)
    if steps.ndim != 3 or not len(steps) or most < 1:
        raise ValueError(f"load has shape {steps.shape}, not [S, L, E]; most is {most}, at least 1")
    counted = steps.any(axis=(1, 2))
    steps = steps[counted] if counted.any() else steps[:1]
    starts = np.arange(min(most, len(steps))) * len(steps) // min(most, len(steps))
    kind = np.float64 if steps.dtype.kind == "f" else np.int64
    return np.add.reduceat(steps, starts, axis=0, dtype=kind)
