"""Where each token goes."""

from __future__ import annotations

from typing import Any, Union

import numpy as np

from ._arrays import array
from ._dispatch import Dispatch
from ._replicate import Replicas
from ._types import Array


def route(split: Union[Dispatch, Replicas], layer: int, expert: Any, token: Any, source: Any = None) -> Array:
    """The slots [n] that tokens go to, -1 where an expert has fewer: every rank that has the table gets the same answer
    without talking.

    Arguments:
        split: what `dispatch` answered, or `replicate`.
        expert: [n] the expert of each token, or one for all.
        token: [n] its number among the tokens of its expert (and source), from 0, in an order that all ranks agree on.
        source: [n] the GPU that it comes from, or one for all; of a split with sources only.
    """
    if (split.route_end.ndim == 4) != (source is not None):
        raise ValueError("source is given for a split with sources, and for no other")
    experts, numbers = np.broadcast_arrays(array("expert", expert), array("token", token))
    ends = split.route_end[layer]
    row = ends[experts] if source is None else ends[array("source", source), experts]
    place = (row <= numbers[..., np.newaxis]).sum(axis=-1)
    width = split.route_slot.shape[-1]
    slots = split.route_slot[layer][experts, np.minimum(place, width - 1)]
    return np.where(place < width, slots, -1)
