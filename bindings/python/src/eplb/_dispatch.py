"""The tokens of a batch over the replicas of their experts."""

from __future__ import annotations

import ctypes
from typing import Any, NamedTuple, Optional

import numpy as np

from . import _abi
from ._arrays import placement, records, refuse_any, shaped, tokens as counts
from ._call import Call, Held
from ._cost import Cost
from ._numbers import Operation, Status
from ._types import Ints32, Records, Words


class Dispatch(NamedTuple):
    """Who gets which tokens."""

    #: [L, P] uint32 tokens that each slot gets; with sources [L, G, P] of each source.
    quota: Words
    #: [L, E, X] uint32, with sources [L, G, E, X]: one more than the last token of each place; see `route`.
    route_end: Words
    #: [L, E, X] int32 the slots of an expert that serve, ascending, then -1; the same for all sources.
    route_slot: Ints32
    #: [L] the fields of eplb_split: largest_time, bound, balance, tokens, leaving_node, leaving_gpu, kind, busiest_gpu.
    per_layer: Records


def dispatch(
    tokens: Any,
    physical_to_logical_map: Any,
    num_nodes: int,
    num_gpus: int,
    *,
    effort: int = 0,
    cost: Optional[Cost] = None,
    gpu_speed: Any = None,
    gpu_slots: Any = None,
    gpu_node: Any = None,
    gpu_state: Any = None,
) -> Dispatch:
    """Splits the tokens of a batch over the replicas of their experts: whole tokens, exact, the same on every rank.

    The largest time of a GPU (tokens / speed) is the smallest that any split has; where sources are given the fewest
    tokens leave their node, then their GPU.

    Arguments:
        tokens: [L, E] of each expert, or [L, G, E] that each GPU sends to each expert. Whole numbers of any type.
        physical_to_logical_map: [L, P] any placement; slots on dead GPUs get nothing.
        effort: bounds the replicas looked at in a layer, 0 = its default; when it runs out the split is even, and its
            kind says so.
        cost: `Cost`, what a step takes: times are seconds, and which replicas serve is part of the split, of which
            bound says how good it is.
    """
    batch = counts("tokens", tokens)
    by_source = batch.ndim == 3
    shaped("tokens", batch, [("L", None), ("G", num_gpus), ("E", None)] if by_source else [("L", None), ("E", None)])
    layers, experts = batch.shape[0], batch.shape[-1]
    expert = placement("physical_to_logical_map", physical_to_logical_map, layers)
    slots = expert.shape[1]
    call = Call(
        (1, layers, experts, slots),
        None,
        num_nodes,
        num_gpus,
        None,
        effort=effort,
        cost=cost,
        gpu_speed=gpu_speed,
        gpu_slots=gpu_slots,
        gpu_node=gpu_node,
        gpu_state=gpu_state,
    )
    width = most_replicas(expert, experts)
    sources = (num_gpus,) if by_source else ()
    quota = np.empty((layers, *sources, slots), np.uint32)
    route_end = np.empty((layers, *sources, experts, width), np.uint32)
    route_slot = np.empty((layers, experts, width), np.int32)
    per_layer = records(layers, _abi.Split)
    given = _abi.Batch(ctypes.sizeof(_abi.Batch), num_gpus if by_source else 0, batch.ctypes.data)
    out = _abi.Quotas(
        ctypes.sizeof(_abi.Quotas),
        width,
        quota.ctypes.data,
        route_end.ctypes.data,
        route_slot.ctypes.data,
        per_layer.ctypes.data,
        per_layer.itemsize,
    )
    call.run(Operation.DISPATCH, Held(expert), ctypes.addressof(given), ctypes.addressof(out))
    return Dispatch(quota, route_end, route_slot, per_layer)


def most_replicas(expert: Ints32, experts: int) -> int:
    """A width that always suffices: the most slots that an expert has."""
    refuse_any("physical_to_logical_map", expert, (expert < -1) | (expert >= experts), Status.PLACEMENT_EXPERT)
    place = (np.arange(len(expert))[:, np.newaxis] * experts + expert)[expert >= 0]
    return int(np.bincount(place).max(initial=1))
