"""What a plan is for, and within which limits."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, Dict, Optional, Tuple, Union

import numpy as np

from .._arrays import choice, each_gpu, size, word
from .._call import Call
from .._cost import Cost
from .._measure import number
from .._numbers import MOVES_NONE, GpuState, Operation, Scope, StaticSplit, Status
from .._types import Array, Ints32


@dataclass(frozen=True)
class Machine:
    """Slots, GPUs, nodes and groups, and what is said of each GPU."""

    num_replicas: int
    num_gpus: int
    num_nodes: int = 1
    num_groups: int = 1
    scope: int = Scope.AUTO
    gpu_speed: Optional[Array] = None
    gpu_slots: Optional[Array] = None
    gpu_node: Optional[Array] = None
    gpu_state: Optional[Array] = None

    @classmethod
    def of(
        cls,
        num_replicas: int,
        num_gpus: int,
        num_nodes: int,
        num_groups: Optional[int],
        scope: Union[str, int],
        **gpus: Any,
    ) -> "Machine":
        """A machine out of arguments; the arrays are copied."""
        count = size("num_gpus", num_gpus)
        kept = {name: value.copy() for name, value in each_gpu(count, gpus).items()}
        groups = 1 if num_groups is None else size("num_groups", num_groups)
        number = choice(Scope, scope, Status.UNKNOWN_SCOPE)
        return cls(size("num_replicas", num_replicas), count, size("num_nodes", num_nodes), groups, number, **kept)

    @property
    def gpus(self) -> Dict[str, Any]:
        """The arguments of calls that are about each GPU."""
        return {field.name: getattr(self, field.name) for field in fields(self) if field.name.startswith("gpu_")}

    @property
    def topology(self) -> Dict[str, Any]:
        """The same without speeds, which placements do not know."""
        return {name: value for name, value in self.gpus.items() if name != "gpu_speed"}

    @property
    def sizes(self) -> Tuple[int, int, int]:
        """Groups, nodes, GPUs: how calls are told of them."""
        return self.num_groups, self.num_nodes, self.num_gpus

    @property
    def slots_of(self) -> Array:
        """[G] slots of each GPU."""
        if self.gpu_slots is not None:
            return self.gpu_slots
        return np.full(self.num_gpus, self.num_replicas // max(self.num_gpus, 1), np.uint32)

    @property
    def node_of(self) -> Array:
        """[G] node of each GPU."""
        if self.gpu_node is not None:
            return self.gpu_node
        return np.arange(self.num_gpus) * self.num_nodes // self.num_gpus

    @property
    def readable(self) -> Array:
        """[P] whether a slot is on a GPU that is not dead."""
        return self._slots_where(GpuState.DEAD, False)

    @property
    def alive(self) -> Array:
        """[P] whether a slot is on a GPU that serves and stays."""
        return self._slots_where(GpuState.ALIVE, True)

    def _slots_where(self, state: int, equal: bool) -> Array:
        if self.gpu_state is None:
            return np.ones(self.num_replicas, bool)
        each: Array = np.repeat((self.gpu_state == state) == equal, self.slots_of)
        return each

    def in_state(self, gpu_state: Any) -> "Machine":
        """The same machine with other states of its GPUs."""
        states = each_gpu(self.num_gpus, {"gpu_state": gpu_state}).get("gpu_state")
        return replace(self, gpu_state=None if states is None else states.copy())


def carried(held: Ints32, old: Machine, new: Machine) -> Ints32:
    """What `old` holds, in the slots of the same GPUs of `new`; what has no slot there is gone."""
    result = np.full((len(held), new.num_replicas), -1, np.int32)
    before_of, after_of = (
        np.split(slots, np.cumsum(machine.slots_of)[:-1], axis=1) for slots, machine in ((held, old), (result, new))
    )
    for before, after in zip(before_of, after_of):
        width = min(before.shape[1], after.shape[1])
        after[:, :width] = before[:, :width]
    return result


@dataclass(frozen=True)
class Limits:
    """How a plan is made: options of every call."""

    max_moves: int = 0
    max_moves_per_gpu_pair: int = 0
    max_replicas: int = 0
    effort: int = 0
    flags: int = 0
    split: int = StaticSplit.EVEN
    target: int = 0
    cost: Optional[Cost] = None
    step_tokens: Optional[float] = None

    @classmethod
    def of(
        cls,
        max_moves: int,
        max_moves_per_gpu_pair: int,
        max_replicas: int,
        effort: int,
        flags: int,
        split: Union[str, int] = StaticSplit.EVEN,
        target: int = 0,
        cost: Optional[Cost] = None,
        step_tokens: Optional[float] = None,
    ) -> "Limits":
        """Limits out of arguments."""
        if cost is not None and step_tokens is None:
            raise ValueError("cost without step_tokens: a window counts many steps, so say how many tokens one has")
        return cls(
            word("max_moves", max_moves),
            word("max_moves_per_gpu_pair", max_moves_per_gpu_pair),
            size("max_replicas", max_replicas),
            word("effort", effort),
            word("flags", flags),
            choice(StaticSplit, split, Status.UNKNOWN_SPLIT),
            word("target", target),
            None if cost is None else Cost(*map(float, cost)),
            None if step_tokens is None else float(step_tokens),
        )

    def with_room_for(self, more: int) -> "Limits":
        """The same when `more` slots of a layer do not count against max_moves."""
        if not self.max_moves:
            return self
        moves = more if self.max_moves == MOVES_NONE else min(self.max_moves + more, MOVES_NONE - 1)
        return replace(self, max_moves=moves or MOVES_NONE)


def checked(machine: Machine, limits: Limits, layers: int, experts: int, in_force: Ints32) -> Machine:
    """`machine`, when a plan for it could be made."""
    call = Call(
        (1, layers, experts, machine.num_replicas),
        *machine.sizes,
        None,
        scope=machine.scope,
        previous=in_force,
        max_moves=limits.max_moves,
        max_moves_per_gpu_pair=limits.max_moves_per_gpu_pair,
        effort=limits.effort,
        flags=limits.flags,
        split=limits.split,
        target=limits.target,
        cost=limits.cost,
        step_tokens=limits.step_tokens,
        **machine.gpus,
    )
    call.arguments(Operation.PLAN)
    number(in_force, experts, machine.num_gpus, gpu_slots=machine.gpu_slots)  # looks at every slot
    return machine
