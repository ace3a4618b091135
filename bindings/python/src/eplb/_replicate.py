"""Copies of experts in spare slots, for one batch whose tokens are known."""

from __future__ import annotations

import ctypes
from typing import Any, NamedTuple, Optional

import numpy as np

from . import _abi
from ._arrays import address, placement, records, shaped, size, tokens as counts, word
from ._call import Call, Held
from ._dispatch import most_replicas
from ._numbers import Operation
from ._types import Ints32, Records, Words


class Replicas(NamedTuple):
    """Which experts are copied where for a batch, and who gets which tokens."""

    #: [L, P] int32: the homes, and what the spare slots hold for this batch: `held` of the next one.
    physical_to_logical_map: Ints32
    #: [L, P] uint32 tokens that each slot gets; with sources [L, G, P] of each source.
    quota: Words
    #: [L, E, X] uint32, with sources [L, G, E, X]: one more than the last token of each place; see `route`.
    route_end: Words
    #: [L, E, X] int32 the slots of an expert that serve, ascending, then -1; the same for all sources.
    route_slot: Ints32
    #: The fields of eplb_fetch: `fetches.expert` and so on (but `fetches["round"]`: arrays have a method of that name);
    #: layer by layer, by round.
    fetches: Records
    #: [L] the fields of eplb_replicated: largest_time, bound, balance, tokens, leaving_home, leaving_node, leaving_gpu,
    #: fetches, fetches_bound, busiest_gpu, limit.
    per_layer: Records


def replicate(
    tokens: Any,
    physical_to_logical_map: Any,
    num_nodes: int,
    num_gpus: int,
    *,
    held: Any = None,
    tolerance: int = 0,
    fetch_tokens: int = 0,
    least_tokens: int = 0,
    max_fetches_in: int = 0,
    max_fetches_out: int = 0,
    max_replicas: Optional[int] = None,
    effort: int = 0,
    gpu_speed: Any = None,
    gpu_slots: Any = None,
    gpu_node: Any = None,
    gpu_state: Any = None,
) -> Replicas:
    """Decides for one batch, whose tokens are known, which experts are copied into spare slots, and splits the tokens
    over homes and copies: the largest time of a GPU within a tolerance of the least, by few fetches, the same on every
    rank.

    Arguments:
        tokens: [L, E] of each expert, or [L, G, E] that each GPU sends to each expert. Whole numbers of any type.
        physical_to_logical_map: [L, P] the homes, which stay: any placement, with -1 in the spare slots.
        held: [L, P] what the spare slots hold from the last batch, -1 for nothing: `physical_to_logical_map` of its
            answer. Such copies need no fetch.
        tolerance: the largest time may be (1 + tolerance / 1024) times its bound; at most 2^20. 0: the least, whatever
            is fetched for it; 10 is 1 %.
        fetch_tokens: a fetch costs the GPU that receives it as much time as so many tokens.
        least_tokens: a copy that is fetched gets at least so many tokens; 0 = 1.
        max_fetches_in, max_fetches_out: fetches of a layer into and out of a GPU at most; 0 = no limit.
        max_replicas: width of the routing table, which no expert has more replicas than; None: as many as there can be.
        effort: bounds the replicas looked at in a layer while fewer fetches are searched for, 0 = its default.
    """
    batch = counts("tokens", tokens)
    by_source = batch.ndim == 3
    shaped("tokens", batch, [("L", None), ("G", num_gpus), ("E", None)] if by_source else [("L", None), ("E", None)])
    layers, experts = batch.shape[0], batch.shape[-1]
    home = placement("physical_to_logical_map", physical_to_logical_map, layers)
    slots = home.shape[1]
    last = None if held is None else placement("held", held, layers, slots)
    call = Call(
        (1, layers, experts, slots),
        None,
        num_nodes,
        num_gpus,
        None,
        effort=effort,
        gpu_speed=gpu_speed,
        gpu_slots=gpu_slots,
        gpu_node=gpu_node,
        gpu_state=gpu_state,
    )
    at_home = most_replicas(home, experts)
    spare = (home == -1).sum(axis=1)
    most = min(at_home + int(spare.max(initial=0)), max(at_home, call.problem.num_gpus))
    width = most if max_replicas is None else size("max_replicas", max_replicas)
    sources = (num_gpus,) if by_source else ()
    filled = np.empty((layers, slots), np.int32)
    quota = np.empty((layers, *sources, slots), np.uint32)
    route_end = np.empty((layers, *sources, experts, width), np.uint32)
    route_slot = np.empty((layers, experts, width), np.int32)
    listed = records(int(spare.sum()), _abi.Fetch)
    per_layer = records(layers, _abi.Replicated)
    request = _abi.Replication(
        ctypes.sizeof(_abi.Replication),
        num_gpus if by_source else 0,
        batch.ctypes.data,
        address(last),
        word("tolerance", tolerance),
        word("fetch_tokens", fetch_tokens),
        word("least_tokens", least_tokens),
        word("max_fetches_in", max_fetches_in),
        word("max_fetches_out", max_fetches_out),
    )
    out = _abi.Replicas(
        ctypes.sizeof(_abi.Replicas),
        width,
        filled.ctypes.data,
        quota.ctypes.data,
        route_end.ctypes.data,
        route_slot.ctypes.data,
        listed.ctypes.data,
        listed.itemsize,
        listed.size,
        0,
        per_layer.ctypes.data,
        per_layer.itemsize,
    )
    call.run(Operation.REPLICATE, Held(home), ctypes.addressof(request), ctypes.addressof(out))
    done = records(int(per_layer.fetches.sum()), _abi.Fetch)
    done[:] = listed[: done.size]
    return Replicas(filled, quota, route_end, route_slot, done, per_layer)
