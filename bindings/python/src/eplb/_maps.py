"""The maps that DeepSeek EPLB answers, of those that the library writes."""

from __future__ import annotations

from typing import Tuple

import numpy as np

from ._types import Array, Ints, Ints32


def tables(expert: Ints32, rank: Ints32, count: Ints32) -> Tuple[Ints, Ints, Ints]:
    """The three maps of DeepSeek EPLB, int64, of what the library writes: see
    `rebalance_experts`."""
    (layers, slots), experts = expert.shape, count.shape[1]
    width = int(count.max())
    table = np.full(layers * experts * width, -1, np.int64)
    # where each slot belongs in the table; flat and in 32 bits where they do, which is twice as fast
    place: Array = np.multiply(expert, width, dtype=np.int32 if table.size < 1 << 31 else np.int64)
    place += rank
    place += (np.arange(layers, dtype=place.dtype) * (experts * width))[:, np.newaxis]
    places, numbers = place.ravel(), np.tile(np.arange(slots), layers)
    if int(count.sum()) != expert.size:  # some slots are empty, or on GPUs that are dead
        full = rank.ravel() >= 0
        places, numbers = places[full], numbers[full]
    table[places.astype(np.intp)] = numbers
    return expert.astype(np.int64), table.reshape(layers, experts, width), count.astype(np.int64)
