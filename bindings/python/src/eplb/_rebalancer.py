"""Plans for engines whose loop is their own. See `Rebalancer`."""

from __future__ import annotations

import os
import threading
from dataclasses import replace
from typing import Any, Dict, List, Mapping, Optional, Tuple, Union

import numpy as np

from ._arrays import array, size, word
from ._arrays import placement as placed
from ._cost import Cost
from ._library import Error, saying
from ._numbers import Flag, Scope, StaticSplit, Status
from ._types import Array, Ints, Ints32
from .balancer._machine import Limits, Machine
from .balancer._proposal import Task, importance, needed, propose
from .readers._windows import windows as into_windows

#: Windows after which one counts half, as in `Balancer`.
_HALF_LIFE = 4.0


class Rebalancer:
    """What an engine calls that counts, moves and commits by itself, and only asks for a plan: with the loads since it
    last asked, and the map in force. Answers a map without an empty slot in which every expert is alive.

    Kept between calls are the loads. Ranks that plan for themselves must answer the same, also those that joined later:
    loads are forgotten when the number of slots or GPUs changes, and `remember=False` keeps none.
    """

    def __init__(
        self,
        *,
        max_moves: int = 0,
        windows: int = 8,
        split: Union[str, int] = StaticSplit.EVEN,
        cost: Optional[Cost] = None,
        step_tokens: Optional[float] = None,
    ) -> None:
        """
        Arguments:
            max_moves: slots of a layer that a plan may change; 0 = no limit. Slots that are empty, and experts that are
                nowhere, do not count.
            windows: calls whose loads are planned on, at most 32.
            split: how the engine splits the tokens of an expert over its replicas, as `plan` has it.
            cost, step_tokens: what a step takes, and the tokens of a layer in one, for an engine that dispatches as
                `dispatch` does.
        """
        self._limits = Limits.of(max_moves, 0, 0, 0, Flag.EXTERNAL_SOURCE, split, 0, cost, step_tokens)
        if not 0 < size("windows", windows) <= 32:
            raise ValueError(f"windows is {windows}, not from 1 to 32")
        self._windows = windows
        #: by layers and experts: slots and GPUs, and the loads of calls for them, oldest first
        self._calls: Dict[Tuple[int, ...], Tuple[Tuple[int, int], List[Array]]] = {}
        self._lock = threading.Lock()

    @classmethod
    def from_environment(
        cls, environment: Mapping[str, str] = os.environ, split: Union[str, int] = StaticSplit.EVEN
    ) -> "Rebalancer":
        """As EPLB_MAX_MOVES and EPLB_WINDOWS say; ValueError for what is no number."""
        names = {"max_moves": "EPLB_MAX_MOVES", "windows": "EPLB_WINDOWS"}
        given: Dict[str, Any] = {name: int(environment[key]) for name, key in names.items() if environment.get(key)}
        return cls(split=split, **given)

    def plan(
        self,
        load: Any,
        num_replicas: int,
        num_groups: Optional[int],
        num_nodes: int,
        num_gpus: int,
        *,
        scope: Union[str, int] = Scope.AUTO,
        previous: Any = None,
        gpu_state: Any = None,
        remember: bool = True,
    ) -> Ints:
        """[L, P] int64: the expert in each slot, -1 only on GPUs that are dead.

        Arguments, besides those of `eplb.plan`:
            load: [L, E], or [S, L, E] steps. Without any token what is in force stays; where nothing is, or not all of
                it, loads are taken to be all alike.
            previous: [L, any] the map in force. Longer: the last GPUs go, and are still read. Shorter: planned from
                nothing, as by ranks that joined and do not know it.
            remember: whether the loads of earlier calls count too.

        `Error` for what no plan can be made of; nothing is remembered then.
        """
        steps = array("load", load)
        steps = steps[np.newaxis] if steps.ndim == 2 else steps
        total = into_windows(steps, 1)
        layers, experts = total.shape[1:]
        machine = Machine.of(num_replicas, num_gpus, num_nodes, num_groups, scope, gpu_state=gpu_state)
        held = _in_force(previous, layers, machine.num_replicas)
        counted, room = bool(total.any()), needed(machine, held, experts)
        with self._lock:
            earlier = self._earlier(machine, layers, experts) if remember else []
            if not counted and not room:
                return held.astype(np.int64)
            # passes of the first call stand for what is not known yet
            newest = [total if earlier else into_windows(steps, self._windows)] if counted else []
            loads = np.concatenate([*earlier, *newest] or [np.ones_like(total)])[-self._windows :]
            limits = self._limits.with_room_for(room)
            task = Task(machine, limits, held, loads, importance(loads, _HALF_LIFE, before=0))
            new = _planned(task)
            if counted:
                earlier.append(total)
                del earlier[: -self._windows]
        return new.astype(np.int64)

    def _earlier(self, machine: Machine, layers: int, experts: int) -> List[Array]:
        """The loads of earlier calls, [1, L, E] each. None are known once a call was for other slots or GPUs, be it one
        that failed."""
        sizes = machine.num_replicas, machine.num_gpus
        seen, loads = self._calls.get((layers, experts), (sizes, []))
        kept = loads if seen == sizes else []
        self._calls[layers, experts] = sizes, kept
        return kept


def _in_force(previous: Any, layers: int, slots: int) -> Ints32:
    """[L, P] what is in force in the slots that stay; -1 everywhere when that is not known."""
    held = None if previous is None else placed("previous", previous, layers)
    if held is None or held.shape[1] < slots:
        return np.full((layers, slots), -1, np.int32)
    return np.ascontiguousarray(held[:, :slots])


def _planned(task: Task) -> Ints32:
    """A plan for every slot. Fewer groups with load than nodes leave nodes empty: then the plan is global, and better than
    what is in force."""
    try:
        return _filled(task)
    except Error as error:
        if error.status is not Status.INFEASIBLE or task.machine.scope == Scope.GLOBAL:
            raise
        return _filled(replace(task, machine=replace(task.machine, scope=Scope.GLOBAL)))


def _filled(task: Task) -> Ints32:
    """The plan with a second copy of an expert in each slot that only such a copy can fill: of the one on its GPU that
    brings the least load there. `Error` (INFEASIBLE) when a GPU has none."""
    planned, machine, load = propose(task).physical_to_logical_map, task.machine, task.load[-1]
    experts = load.shape[1]
    first = np.append(0, np.cumsum(machine.slots_of, dtype=np.int64))
    for layer, slot in np.argwhere((planned < 0) & machine.alive):
        gpu = int(np.searchsorted(first, slot, side="right")) - 1
        copies = np.bincount(planned[layer][planned[layer] >= 0], minlength=experts)
        row = planned[layer, first[gpu] : first[gpu + 1]]
        here = np.bincount(row[row >= 0], minlength=experts)
        if not here.any():
            raise saying(Status.INFEASIBLE, f"GPU {gpu} would be empty in layer {layer}")
        more = load[layer] * (copies - here) / np.maximum(copies * (copies + 1), 1)
        planned[layer, slot] = np.argmin(np.where(here > 0, more, np.inf))
    return planned
