"""Placements of any origin: how good, whether they keep the rules, all their maps, and whether ranks hold the same."""

from __future__ import annotations

import ctypes
from typing import Any, NamedTuple, Optional, Union

import numpy as np

from . import _abi
from ._arrays import floats, integers, placement, records, shaped, size, windows
from ._call import Call, Held
from ._cost import Cost
from ._library import library, refused, sentence
from ._maps import tables
from ._numbers import Flag, Operation, Policy, Scope, StaticSplit, Status, ViolationKind
from ._types import Array, Ints, Ints32, Records


class Numbers(NamedTuple):
    """The other maps of a placement."""

    #: [L, E, X] int64: the slots of each expert in order, padded with -1; X is the largest count.
    logical_to_physical_map: Ints
    #: [L, E] int64: replicas of each expert on GPUs that are not dead.
    expert_count: Ints
    #: [L, P] int32: which replica of its expert a slot holds, from 0; -1 = empty, or on a dead GPU.
    replica_rank: Ints32


class Violation(NamedTuple):
    """The first promise that a placement breaks. -1 where a field does not apply."""

    kind: ViolationKind
    layer: int
    slot: int
    expert: int
    gpu: int
    #: the slot that this one does not agree with
    other_slot: int
    #: all of it in words
    sentence: str


def evaluate(
    weight: Any,
    physical_to_logical_map: Any,
    num_groups: Optional[int],
    num_nodes: int,
    num_gpus: int,
    *,
    scope: Union[str, int] = Scope.AUTO,
    previous: Any = None,
    split: Union[str, int] = StaticSplit.EVEN,
    flags: int = Flag(0),
    window_weight: Any = None,
    cost: Optional[Cost] = None,
    step_tokens: Any = None,
    physical_load: Any = None,
    gpu_speed: Any = None,
    gpu_slots: Any = None,
    gpu_node: Any = None,
    gpu_state: Any = None,
) -> Records:
    """Measures any placement [L, P], from this library or not, with the loads `weight`: the metrics of `Plan`.

    cost, step_tokens: as in `plan`. Without a cost the metrics in seconds are 0.
    physical_load: [L, P] tokens that each slot had to do, as measured: then `weight` is not read, and may be None.
    Slots on dead GPUs do not count; each expert needs a replica elsewhere.
    """
    expert = placement("physical_to_logical_map", physical_to_logical_map)
    layers, slots = expert.shape
    measured: Optional[Array] = None
    if physical_load is not None:
        measured = floats("physical_load", physical_load, Status.LOAD_INFINITE)
        shaped("physical_load", measured, [("L", layers), ("P", slots)])
    if weight is None and measured is not None:
        load, sizes = None, (1, layers, int(expert.max(initial=0)) + 1, slots)
    else:
        load = windows("weight", weight)
        shaped("physical_to_logical_map", expert, [("L", load.shape[1]), ("P", slots)])
        sizes = (*load.shape, slots)
    call = Call(
        sizes,
        num_groups,
        num_nodes,
        num_gpus,
        load,
        scope=scope,
        previous=previous,
        split=split,
        flags=flags,
        window_weight=window_weight,
        cost=cost,
        step_tokens=step_tokens,
        gpu_speed=gpu_speed,
        gpu_slots=gpu_slots,
        gpu_node=gpu_node,
        gpu_state=gpu_state,
    )
    metrics = records(layers, _abi.Metrics)
    call.run(Operation.EVALUATE, Held(expert, load=measured), metrics.ctypes.data, metrics.itemsize)
    return metrics


def check(
    physical_to_logical_map: Any,
    num_experts: int,
    num_groups: Optional[int],
    num_nodes: int,
    num_gpus: int,
    *,
    policy: Union[str, int] = Policy.BALANCED,
    scope: Union[str, int] = Scope.AUTO,
    replica_rank: Any = None,
    expert_count: Any = None,
    logical_to_physical_map: Any = None,
    gpu_slots: Any = None,
    gpu_node: Any = None,
    gpu_state: Any = None,
) -> Optional[Violation]:
    """Checks that a placement [L, P] keeps the promises of a policy: None, or the first that it breaks.

    The other maps, as `Plan` has them, are checked as far as they are given.
    """
    expert = placement("physical_to_logical_map", physical_to_logical_map)
    layers, slots = expert.shape
    experts = size("num_experts", num_experts)
    call = Call(
        (1, layers, experts, slots),
        num_groups,
        num_nodes,
        num_gpus,
        None,
        policy=policy,
        scope=scope,
        gpu_slots=gpu_slots,
        gpu_node=gpu_node,
        gpu_state=gpu_state,
    )

    def given(name: str, value: Any, *shape: Any) -> Optional[Array]:
        if value is None:
            return None
        numbers = integers(name, value, np.int32, Status.PLACEMENT_EXPERT)
        return np.ascontiguousarray(shaped(name, numbers, [("L", layers), *shape]))

    held = Held(
        expert,
        given("replica_rank", replica_rank, ("P", slots)),
        given("expert_count", expert_count, ("E", experts)),
        given("logical_to_physical_map", logical_to_physical_map, ("E", experts), ("X", None)),
    )
    first = _abi.Violation()
    arguments = call.arguments(Operation.CHECK, held, ctypes.addressof(first), ctypes.sizeof(first))
    status = library.eplb_check(*arguments)
    if status == Status.OK:
        return None
    if status != Status.PLACEMENT_INVALID:
        raise refused(status, "eplb_explain_check", *arguments)
    place = (first.layer, first.slot, first.expert, first.gpu, first.other_slot)
    return Violation(ViolationKind(first.kind), *place, sentence("eplb_explain_check", *arguments))


def number(
    physical_to_logical_map: Any,
    num_experts: int,
    num_gpus: int,
    *,
    gpu_slots: Any = None,
    gpu_state: Any = None,
) -> Numbers:
    """Makes the other maps of a placement [L, P], from this library or not; -1 = empty. Slots on dead GPUs do not
    count, whatever they hold: what is left of a placement when GPUs have died.
    """
    expert = placement("physical_to_logical_map", physical_to_logical_map)
    layers, slots = expert.shape
    sizes = (1, layers, size("num_experts", num_experts), slots)
    call = Call(sizes, None, 1, num_gpus, None, gpu_slots=gpu_slots, gpu_state=gpu_state)
    rank, count = np.empty_like(expert), np.empty((layers, sizes[2]), np.int32)
    call.run_without_workspace(Operation.NUMBER, Held(expert, rank, count))
    return Numbers(*tables(expert, rank, count)[1:], rank)


def digest(physical_to_logical_map: Any) -> int:
    """64 bits of a placement [L, P], the same on every machine: ranks that have the same digest hold the same plan.
    Not cryptographic.
    """
    expert = placement("physical_to_logical_map", physical_to_logical_map)
    layers, slots = expert.shape
    call, result = Call((1, layers, 1, slots), None, 1, 1, None), ctypes.c_uint64()
    call.run_without_workspace(Operation.DIGEST, Held(expert), ctypes.addressof(result))
    return result.value
