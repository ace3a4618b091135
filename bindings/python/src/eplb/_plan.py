"""Plans: DeepSeek EPLB's function, and the one that also says how good its answer is."""

from __future__ import annotations

from typing import Any, NamedTuple, Optional, Tuple, Union

import numpy as np

from . import _abi
from ._arrays import address, records, windows
from ._call import Call, Held
from ._cost import Cost
from ._maps import tables
from ._numbers import Flag, Operation, Policy, Scope, StaticSplit
from ._types import Ints, Ints32, Records


class Plan(NamedTuple):
    """A plan. The first three, `plan(...)[:3]`, are what `rebalance_experts` returns."""

    #: [L, P] int64: the expert in each slot, -1 = empty.
    physical_to_logical_map: Ints
    #: [L, E, X] int64: the slots of each expert in order of their rank, padded with -1; X is the largest count.
    logical_to_physical_map: Ints
    #: [L, E] int64: replicas of each expert.
    expert_count: Ints
    #: [L, P] int32: which replica of its expert a slot holds, from 0; -1 = empty.
    replica_rank: Ints32
    #: [L] the fields of eplb_metrics: `metrics.balance`, `metrics.bound`, `metrics.gap` and so on, an array each.
    metrics: Records


def rebalance_experts(
    weight: Any,
    num_replicas: int,
    num_groups: Optional[int],
    num_nodes: int,
    num_gpus: int,
    *,
    policy: Union[str, int] = Policy.BALANCED,
    scope: Union[str, int] = Scope.AUTO,
    previous: Any = None,
    max_moves: int = 0,
    max_moves_per_gpu_pair: int = 0,
    target: int = 0,
    split: Union[str, int] = StaticSplit.EVEN,
    max_replicas: int = 0,
    effort: int = 0,
    window_weight: Any = None,
    cost: Optional[Cost] = None,
    step_tokens: Any = None,
) -> Tuple[Ints, Ints, Ints]:
    """Places experts: DeepSeek EPLB's function of this name, with its arguments, shapes and dtypes.

    Arguments:
        weight: [L, E] tokens routed to each expert of each layer, or [W, L, E], several windows of them, for which
            BALANCED makes one placement. Finite, >= 0. A numpy array, a torch tensor of any device, anything
            with `__array__`, or nested lists; of any real type, dense or not. It is rounded to float32, as DeepSeek's
            `weight.float()` does: integers above 2^24 lose their last bits.
        num_replicas: P, physical experts (slots) on all GPUs.
        num_groups: K, groups of experts; None is 1.
        num_nodes: N.
        num_gpus: G, on all nodes.
        policy: "balanced", the default of the library in every language: nearer to the optimum, never an expert
            twice on a GPU. "deepseek" gives what DeepSeek's program gives, slot by slot. The others: `Policy`.
        scope: "auto" is DeepSeek's rule: hierarchical when num_groups is a multiple of num_nodes, else global.
        previous: [L, P] the physical_to_logical_map in force, -1 = empty: the plan starts from it. None: from
            nothing.
        max_moves, max_moves_per_gpu_pair: with previous, the slots of a layer that may change at most; 0 = no limit,
            eplb.MOVES_NONE = only what must. BALANCED only.
        target: with previous, the balance, in 1/65536, that is enough, with the fewest moves that reach it; 0 = as good
            as it gets. BALANCED only.
        split: how the engine splits an expert's tokens over its replicas: "even", or "nearest", as SGLang's static
            dispatch. BALANCED only.
        max_replicas: replicas that an expert may have at most, 0 = no limit. BALANCED only.
        effort: bounds the work of BALANCED; 0 = its default.
        window_weight: [L, W] how much each window counts; None: all the same.
        cost: `Cost`, what a step takes: the plan is for the least seconds under `dispatch`. None: for tokens. BALANCED
            only, without target.
        step_tokens: tokens of a layer in a step (a token counts at each of its experts), one number or [W]: a prefill
            window has more than a decode window. None: as many as the loads of the layer sum to. Matters with cost.

    Returns three int64 arrays:
        physical_to_logical_map: [L, P] the expert in each slot. Every slot has one, but for those (-1) that only a
            second copy of an expert on its GPU, more than max_replicas, or more moves than allowed could fill.
        logical_to_physical_map: [L, E, X] the slots of each expert in order of their replicas, padded with -1; X is
            the largest expert_count.
        expert_count: [L, E] replicas of each expert.

    Raises ValueError (`Error`, which names the argument and the element, but for types). The GIL is free while the
    library works: any number of threads can plan at once. Nothing may write to the arguments meanwhile.
    """
    load = windows("weight", weight)
    call = Call(
        (*load.shape, num_replicas),
        num_groups,
        num_nodes,
        num_gpus,
        load,
        policy=policy,
        scope=scope,
        previous=previous,
        max_moves=max_moves,
        max_moves_per_gpu_pair=max_moves_per_gpu_pair,
        target=target,
        split=split,
        effort=effort,
        window_weight=window_weight,
        cost=cost,
        step_tokens=step_tokens,
    )
    return tables(*_planned(call, None, max_replicas))


def plan(
    weight: Any,
    num_replicas: int,
    num_groups: Optional[int],
    num_nodes: int,
    num_gpus: int,
    *,
    policy: Union[str, int] = Policy.BALANCED,
    scope: Union[str, int] = Scope.AUTO,
    previous: Any = None,
    max_moves: int = 0,
    max_moves_per_gpu_pair: int = 0,
    target: int = 0,
    split: Union[str, int] = StaticSplit.EVEN,
    max_replicas: int = 0,
    effort: int = 0,
    flags: int = Flag(0),
    window_weight: Any = None,
    cost: Optional[Cost] = None,
    step_tokens: Any = None,
    gpu_speed: Any = None,
    gpu_slots: Any = None,
    gpu_node: Any = None,
    gpu_state: Any = None,
) -> Plan:
    """Places experts as `rebalance_experts` does, and says how good the plan is, for what an `evaluate` costs besides.

    More arguments:
        flags: `Flag`, or-ed.
        gpu_speed: [G] relative speeds. None: all equal.
        gpu_slots: [G] slots of each GPU, their sum P. None: P / G each.
        gpu_node: [G] node of each GPU. None: contiguous.
        gpu_state: [G] `GpuState`. None: all alive.
    """
    load = windows("weight", weight)
    call = Call(
        (*load.shape, num_replicas),
        num_groups,
        num_nodes,
        num_gpus,
        load,
        policy=policy,
        scope=scope,
        previous=previous,
        max_moves=max_moves,
        max_moves_per_gpu_pair=max_moves_per_gpu_pair,
        target=target,
        split=split,
        effort=effort,
        flags=flags,
        window_weight=window_weight,
        cost=cost,
        step_tokens=step_tokens,
        gpu_speed=gpu_speed,
        gpu_slots=gpu_slots,
        gpu_node=gpu_node,
        gpu_state=gpu_state,
    )
    metrics = records(load.shape[1], _abi.Metrics)
    expert, rank, count = _planned(call, metrics, max_replicas)
    return Plan(*tables(expert, rank, count), rank, metrics)


def _planned(call: Call, metrics: Optional[Records], max_replicas: int) -> Tuple[Ints32, Ints32, Ints32]:
    """physical_to_logical, replica_rank, logical_count."""
    problem = call.problem
    expert = np.empty((problem.num_layers, problem.num_physical_experts), np.int32)
    rank = np.empty_like(expert)
    count = np.empty((problem.num_layers, problem.num_logical_experts), np.int32)
    held = Held(expert, rank, count, max_replicas=max_replicas)
    call.run(Operation.PLAN, held, address(metrics), np.dtype(_abi.Metrics).itemsize)
    return expert, rank, count
