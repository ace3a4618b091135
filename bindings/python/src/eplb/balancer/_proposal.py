"""A plan for what is in force now: made by pure functions of what a balancer holds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Dict, Optional, Tuple

import numpy as np

from .. import _abi
from .._arrays import records
from .._gate import Gate, Prices, gate
from .._measure import evaluate, number
from .._numbers import Flag
from .._plan import plan
from .._transfers import Transfers, transfers
from .._types import Array, Floats, Ints, Ints32, Records
from .._windows import window_weights
from ._machine import Limits, Machine


@dataclass(frozen=True)
class Proposal:
    """A plan, and the layers that are to take it."""

    #: [L, P] int32: the new placement; layers that are not to move are as they are in force
    physical_to_logical_map: Ints32
    #: [N] the layers that are to move, in order: the gate's, else that of the model
    layers: Ints
    #: [L] the metrics of the plan of each layer, on the windows that it was made for
    metrics: Records
    #: what the gate said of all layers; None without prices, and where moving is no question
    gate: Optional[Gate]
    #: whether experts that no GPU can be read for are to come from outside
    external_source: bool


@dataclass(frozen=True)
class Task:
    """What a proposal is made of."""

    machine: Machine
    limits: Limits
    in_force: Ints32
    load: Floats
    weight: Floats


def importance(load: Floats, half_life: float, before: float) -> Floats:
    """[L, W] how much each window counts: since the last abrupt change, and less the older it is."""
    weight = window_weights(load, before=before).weight
    if half_life:
        age = np.arange(load.shape[0])[::-1]
        weight = weight * np.exp2(-age / half_life).astype(np.float32)
    return np.maximum(weight, np.float32(2**-100) * (weight > 0))  # what faded out would leave a layer without any


def propose(task: Task) -> Proposal:
    """The plan, all of it: no gate."""
    new, metrics = _planned(task, task.weight)
    layers = np.flatnonzero((new != task.in_force).any(axis=1))
    external = _fresh(task).any() or bool(task.limits.flags & Flag.EXTERNAL_SOURCE)
    return Proposal(new, layers, metrics, None, bool(external))


def weighed(task: Task, proposal: Proposal, prices: Prices, states: Optional[Records], steps_since: float) -> Proposal:
    """The proposal, its layers those that the gate lets through."""
    if (_missing(task.machine, task.in_force, task.load.shape[2]) > 0).any():
        return proposal  # what is not served is loaded at any price
    newest = task.load[-1]
    (mean, now), (_, after) = (_waits(task, newest, held) for held in (task.in_force, _unseen(task, proposal)))
    moves = moves_of(task.machine, task.in_force, proposal, None)
    verdict = gate(
        prices,
        task.machine.num_gpus,
        mean,
        now,
        after,
        moves.layer_moved,
        moves.layer_rounds,
        tokens=newest.sum(axis=1, dtype=np.float64),
        node_rounds=_node_rounds(task.machine, moves) if prices.node_bandwidth else 0,
        steps_since=steps_since,
        states=states,
        in_seconds=task.limits.cost is not None,
    )
    moving = np.flatnonzero(
        verdict.verdicts.move_layer & (proposal.physical_to_logical_map != task.in_force).any(axis=1)
    )
    order = moving[np.argsort(verdict.verdicts.order[moving], kind="stable")]
    new = task.in_force.copy()
    new[order] = proposal.physical_to_logical_map[order]
    return replace(proposal, physical_to_logical_map=new, layers=order, gate=verdict)


def moves_of(machine: Machine, in_force: Ints32, proposal: Proposal, spare_buffers: Optional[int]) -> Transfers:
    """The transfers of a proposal; without a number of buffers each GPU has as many as slots."""
    buffers = int(machine.slots_of.max()) if spare_buffers is None else spare_buffers
    return transfers(
        in_force,
        proposal.physical_to_logical_map,
        machine.num_nodes,
        machine.num_gpus,
        spare_buffers=buffers,
        flags=Flag.EXTERNAL_SOURCE if proposal.external_source else Flag(0),
        **machine.topology,
    )


def needed(machine: Machine, in_force: Ints32, experts: int) -> int:
    """The most slots of a layer that change before any does for balance: of experts that are on no GPU that stays, and
    of empty slots."""
    empty = ((in_force < 0) & machine.alive).sum(axis=1)
    return int((_missing(machine, in_force, experts, leaving=True) + empty).max())


def _missing(machine: Machine, in_force: Ints32, experts: int, leaving: bool = False) -> Array:
    """[L] experts that no GPU serves, or with `leaving` none that stays."""
    slots = machine.alive if leaving else machine.readable
    count = number(np.where(slots, in_force, -1), experts, machine.num_gpus, gpu_slots=machine.gpu_slots).expert_count
    missing: Array = (count == 0).sum(axis=1)
    return missing


def _fresh(task: Task) -> Array:
    """[L] whether nothing of a layer is loaded yet: it is planned from nothing, whatever the limits."""
    return np.asarray((task.in_force < 0).all(axis=1))


def _planned(task: Task, weight: Floats) -> Tuple[Ints32, Records]:
    """The placement [L, P] and its metrics [L]."""
    limits, machine, fresh = task.limits, task.machine, _fresh(task)
    new, metrics = np.empty_like(task.in_force), records(len(fresh), _abi.Metrics)
    bounded: Dict[str, Any] = {
        "previous": task.in_force[~fresh],
        "max_moves": limits.max_moves,
        "max_moves_per_gpu_pair": limits.max_moves_per_gpu_pair,
        "target": limits.target,
    }
    for rows, from_previous in ((fresh, {}), (~fresh, bounded)):
        if not rows.any():
            continue
        made = plan(
            task.load[:, rows],
            machine.num_replicas,
            machine.num_groups,
            machine.num_nodes,
            machine.num_gpus,
            scope=machine.scope,
            max_replicas=limits.max_replicas,
            effort=limits.effort,
            flags=limits.flags,
            split=limits.split,
            window_weight=weight[rows],
            cost=limits.cost,
            step_tokens=limits.step_tokens,
            **machine.gpus,
            **from_previous,
        )
        new[rows], metrics[rows] = made.physical_to_logical_map, made.metrics
    return new, metrics


def _waits(task: Task, load: Floats, held: Array) -> Tuple[Array, Array]:
    """[L] mean and largest load of a GPU; with a cost the seconds of a step, dispatched."""
    machine, limits = task.machine, task.limits
    found = evaluate(
        load,
        held,
        *machine.sizes,
        scope=machine.scope,
        split=limits.split,
        flags=Flag(0) if limits.cost is None else Flag.DISPATCH,
        cost=limits.cost,
        step_tokens=limits.step_tokens,
        **machine.gpus,
    )
    if limits.cost is None:
        return found.mean_gpu_load, found.max_gpu_load
    return found.mean_gpu_seconds, found.dispatch_seconds


def _unseen(task: Task, proposal: Proposal) -> Array:
    """A placement like that of the proposal, made without the newest window where there are others that count: what was
    planned on looks better than it will be."""
    rest = task.weight.copy()
    rest[:, -1] = np.where(rest[:, :-1].any(axis=1), 0, rest[:, -1])
    if (rest == task.weight).all():
        return proposal.physical_to_logical_map
    return _planned(task, rest)[0]


def _node_rounds(machine: Machine, moves: Transfers) -> Array:
    """[L] the most experts that enter or leave one node."""
    layers = len(moves.layer_moved)
    table, node = moves.transfers, machine.node_of
    source = np.where(table.source_gpu >= 0, node[table.source_gpu], -1)
    target = node[table.destination_gpu]
    ways = np.zeros((2, layers, machine.num_nodes), np.int64)
    across = source != target
    np.add.at(ways[1], (table.layer[across], target[across]), 1)
    across &= source >= 0
    np.add.at(ways[0], (table.layer[across], source[across]), 1)
    return np.asarray(ways.max(axis=(0, 2)))
