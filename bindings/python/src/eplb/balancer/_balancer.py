"""The loop around a placement in force. See `Balancer`."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any, List, Optional, Tuple, Type, TypeVar, Union

import numpy as np

from .. import _abi
from .._arrays import placement as placed
from .._arrays import records, size
from .._cost import Cost
from .._gate import Prices
from .._numbers import MOVES_NONE, Flag, Scope, StaticSplit
from .._tracker import Tracker
from .._transfers import Transfers
from .._types import Floats, Ints32, Records
from ._machine import Limits, Machine, carried, checked
from ._progress import Progress
from ._proposal import Proposal, Task, importance, moves_of, needed, propose, weighed
from ._saved import pack, unpack
from ._state import dump, restore

#: What a layer of a proposal is at: not part of it, to be prepared, between prepare and commit.
_SETTLED, _WAITING, _PREPARED = range(3)
_COUNTS = ("steps", "steps_at_gate", "plans", "committed", "aborted", "moved_slots")

Self = TypeVar("Self", bound="Balancer")


class Balancer:
    """Counts tokens, plans from the placement in force, weighs what moving costs, and takes layers over one by one.

    A step:                  observe (or observe_slots); close_window when a window is full
    When it is time:         plan, then for each of proposal.layers: prepare, move the weights, commit (or abort)
    When GPUs die or leave:  repair. When there are more or fewer: resize. Both answer a proposal, as plan does.

    What is in force changes with `commit` alone: an exception, an abort or a kill before it loses nothing, and
    `bytes(balancer)` may be taken between any two calls. `Balancer.from_bytes` takes it up. Ranks that are given the
    same calls hold the same bytes, so each can run its own; `digest(balancer.placement)` compares them.

    There is no thread of its own. Calls from several threads wait for each other, but `observe` does not wait for a
    plan that is being made.
    """

    def __init__(
        self,
        num_layers: int,
        num_experts: int,
        num_replicas: int,
        num_gpus: int,
        *,
        num_groups: Optional[int] = None,
        num_nodes: int = 1,
        scope: Union[str, int] = Scope.AUTO,
        placement: Any = None,
        windows: int = 8,
        steps_per_window: int = 0,
        half_life: float = 4,
        before: float = 0,
        max_moves: int = 0,
        max_moves_per_gpu_pair: int = 0,
        max_replicas: int = 0,
        effort: int = 0,
        flags: int = Flag(0),
        split: Union[str, int] = StaticSplit.EVEN,
        target: int = 0,
        cost: Optional[Cost] = None,
        step_tokens: Optional[float] = None,
        prices: Optional[Prices] = None,
        spare_buffers: Optional[int] = None,
        gpu_speed: Any = None,
        gpu_slots: Any = None,
        gpu_node: Any = None,
        gpu_state: Any = None,
    ) -> None:
        """
        Arguments, besides those of `plan`:
            placement: [L, P] what is in force, -1 = empty: any map that an engine starts with. None: nothing is loaded
                yet, and the first plan moves what it likes, from outside.
            windows: how many are kept, at most 32.
            steps_per_window: steps after which a window closes by itself; 0 = `close_window` alone does it.
            half_life: windows after which one counts half; 0 = all since the last change of domain count the same.
            before: how much windows from before such a change count, 0 to 1.
            max_moves, max_moves_per_gpu_pair: slots of a layer that a plan may change; 0 = no limit.
            step_tokens: with cost, tokens of a layer in a step: one number, for all windows.
            prices: of the gate, in seconds where there is a cost, which then chooses the layers that move; None: all
                that differ do.
            spare_buffers: experts of a layer that a GPU can receive beside its slots; None: as many as it has slots.
        """
        gpus = {"gpu_speed": gpu_speed, "gpu_slots": gpu_slots, "gpu_node": gpu_node, "gpu_state": gpu_state}
        machine = Machine.of(num_replicas, num_gpus, num_nodes, num_groups, scope, **gpus)
        layers, experts = size("num_layers", num_layers), size("num_experts", num_experts)
        if not 0 < size("windows", windows) <= 32:
            raise ValueError(f"windows is {windows}, not from 1 to 32")
        if not 0 <= half_life < float("inf"):
            raise ValueError(f"half_life is {half_life}: it is 0 or more windows")
        if not 0 <= before <= 1:
            raise ValueError(f"before is {before}, not from 0 to 1")
        self._limits = Limits.of(
            max_moves, max_moves_per_gpu_pair, max_replicas, effort, flags, split, target, cost, step_tokens
        )
        self._half_life, self._before, self._prices = float(half_life), float(before), prices
        self._buffers = None if spare_buffers is None else size("spare_buffers", spare_buffers)
        if placement is None:
            self._in_force = np.full((layers, machine.num_replicas), -1, np.int32)
        else:
            self._in_force = placed("placement", placement, layers, machine.num_replicas).copy()
        self._machine = checked(machine, self._limits, layers, experts, self._in_force)
        self._tracker = Tracker(windows, layers, experts, steps_per_window=steps_per_window)
        self._proposal: Optional[Proposal] = None
        self._next_states: Optional[Records] = None  # of the gate, for layers that are committed
        self._at = np.full(layers, _SETTLED, np.uint8)
        self._states = records(layers, _abi.GateState)
        self._states[:] = 0
        self._count = dict.fromkeys(_COUNTS, 0)
        self._locks()

    def _locks(self) -> None:
        self._counting, self._changing = threading.Lock(), threading.RLock()

    # What is known

    @property
    def placement(self) -> Ints32:
        """[L, P] int32, a copy: what is in force."""
        return self._in_force.copy()

    @property
    def proposal(self) -> Optional[Proposal]:
        """The plan at hand; None when no layer of it waits any more."""
        return self._proposal

    @property
    def waiting(self) -> List[int]:
        """The layers of the plan at hand that are neither committed nor aborted, in order."""
        with self._changing:
            return [] if self._proposal is None else [int(layer) for layer in self._proposal.layers if self._at[layer]]

    def progress(self) -> Progress:
        """What was done so far; waits for nothing but a step that is being counted."""
        with self._counting:
            count, at = self._count, self._at
            return Progress(
                count["steps"],
                self._tracker.open_steps,
                self._tracker.num_closed,
                self._tracker.num_kept,
                count["plans"],
                int((at == _WAITING).sum()),
                int((at == _PREPARED).sum()),
                count["committed"],
                count["aborted"],
                count["moved_slots"],
            )

    # Counting

    def observe(self, counts: Any) -> None:
        """Counts a step: [L, E] tokens of each expert."""
        with self._counting:
            self._tracker.observe(counts)
            self._count["steps"] += 1

    def observe_slots(self, counts: Any) -> None:
        """Counts a step: [L, P] tokens of each slot, under the placement in force."""
        with self._counting:
            self._tracker.observe(counts, self._in_force)
            self._count["steps"] += 1

    def close_window(self) -> None:
        """Closes the open window. `Error` (TRACKER_EMPTY) when nothing was observed since the last one."""
        with self._counting:
            self._tracker.close()

    def discard_window(self) -> None:
        """Forgets the open window: after the warm-up, or a batch that is not like others."""
        with self._counting:
            self._tracker.discard()

    # Planning

    def plan(self) -> Proposal:
        """Plans on the windows that count, from what is in force and within the limits; with prices the gate chooses
        the layers, which costs a second plan. `Error` (TRACKER_EMPTY) while no window is closed, (GATE_NEVER) for prices
        at which nothing ever moves; RuntimeError while layers wait. Refused, nothing changes."""
        with self._changing:
            if self._proposal is not None:
                raise RuntimeError(f"layers {self.waiting[:8]} of the last plan wait: commit or abort them")
            with self._counting:
                load, steps = self._tracker.windows().load, self._count["steps"]
            task = self._task(load, self._machine, self._limits, self._in_force)
            proposal = propose(task)
            if self._prices is not None:
                since = steps - self._count["steps_at_gate"]
                proposal = weighed(task, proposal, self._prices, self._states, since)
            if proposal.gate is not None:
                self._count["steps_at_gate"] = steps
                still = np.setdiff1d(np.arange(len(self._at)), proposal.layers)
                self._states[still] = proposal.gate.states[still]
            return self._take(proposal, None if proposal.gate is None else proposal.gate.states)

    def repair(self, gpu_state: Any, *, external_source: bool = False) -> Proposal:
        """Takes over the states of the GPUs, and plans only what must move for it: each expert that is on no GPU that
        stays gets a slot. `plan` then balances what is left.

        Arguments:
            gpu_state: [G] `GpuState`, or a mask of the dead; all of them, those that are back too: these are empty. None:
                all alive.
            external_source: experts of which no copy is left are loaded from outside; else they are an `Error`
                (SOURCE_LOST) and nothing changes.

        Layers of a plan at hand are aborted.
        """
        with self._changing:
            machine = self._machine.in_state(gpu_state)
            only_what_must = replace(self._limits, max_moves=MOVES_NONE, max_moves_per_gpu_pair=0)
            limits = self._with_source(only_what_must, external_source)
            return self._replan(machine, limits, self._readable())

    def resize(
        self,
        num_replicas: int,
        num_gpus: int,
        *,
        num_nodes: Optional[int] = None,
        placement: Any = None,
        external_source: bool = False,
        gpu_speed: Any = None,
        gpu_slots: Any = None,
        gpu_node: Any = None,
        gpu_state: Any = None,
    ) -> Proposal:
        """Takes over another number of slots and GPUs, and plans for them: new ranks come after the old ones with empty
        slots, and the last ranks go. Slots that are empty, and experts that were only on ranks that went, do not count
        against max_moves; the limit on pairs does not hold. What is not said of the GPUs is as for a new balancer.

        Arguments:
            placement: [L, any] what is in force, in the slots of the new GPUs: longer where ranks went, shorter or -1
                for new ranks. None: what is in force here, GPU by GPU.
            external_source: experts that were only on ranks that went are loaded from outside (or by an engine that
                still reads them there); else they are an `Error` (SOURCE_LOST) and nothing changes. `repair` with
                `GpuState.LEAVING` first reads them from there.

        Layers of a plan at hand are aborted.
        """
        gpus = {"gpu_speed": gpu_speed, "gpu_slots": gpu_slots, "gpu_node": gpu_node, "gpu_state": gpu_state}
        with self._changing:
            old = self._machine
            nodes = old.num_nodes if num_nodes is None else num_nodes
            machine = Machine.of(num_replicas, num_gpus, nodes, old.num_groups, old.scope, **gpus)
            layers, experts = len(self._in_force), self._tracker.num_experts
            if placement is None:
                in_force = carried(self._readable(), old, machine)
            else:
                held = placed("placement", placement, layers)[:, : machine.num_replicas]
                empty = ((0, 0), (0, machine.num_replicas - held.shape[1]))
                in_force = np.pad(held, empty, constant_values=-1)
            limits = self._with_source(replace(self._limits, max_moves_per_gpu_pair=0), external_source)
            machine = checked(machine, limits, layers, experts, in_force)
            return self._replan(machine, limits.with_room_for(needed(machine, in_force, experts)), in_force)

    # Moving

    def prepare(self, layer: int) -> Transfers:
        """Begins to move a layer: what has to travel, in rounds. `commit` or `abort` ends it; what is in force stays.

        In the list `layer` is this layer; layer_start, layer_moved and layer_rounds are of it alone. `Error`
        (NEEDS_BUFFER) when spare_buffers are too few for any order: the layer still waits.
        """
        with self._changing:
            proposal = self._expect(layer, _WAITING)
            row = replace(proposal, physical_to_logical_map=proposal.physical_to_logical_map[layer : layer + 1])
            moves = moves_of(self._machine, self._in_force[layer : layer + 1], row, self._buffers)
            moves.transfers["layer"] = layer
            self._at[layer] = _PREPARED
            return moves

    def commit(self, layer: Optional[int] = None) -> None:
        """The weights of a prepared layer are where the plan has them: it is in force from now on. Without a layer: all
        that wait, prepared or not, for an engine that moves all at once."""
        with self._changing:
            if layer is not None:
                self._expect(layer, _PREPARED)
            layers = self.waiting if layer is None else [layer]
            if self._proposal is None or not layers:
                return
            in_force = self._in_force.copy()
            in_force[layers] = self._proposal.physical_to_logical_map[layers]
            if self._next_states is not None:
                self._states[layers] = self._next_states[layers]
            moved = int((in_force != self._in_force).sum())
            with self._counting:
                self._in_force = in_force  # whole at any moment: a reader has the old one or this one
            self._settle(layers, "committed", moved)

    def abort(self, layer: Optional[int] = None) -> None:
        """Gives a layer up, prepared or not: what was in force stays so. Without a layer: all that wait."""
        with self._changing:
            if layer is not None:
                self._expect(layer, _WAITING, _PREPARED)
            self._settle(self.waiting if layer is None else [layer], "aborted", 0)

    # Keeping

    def __bytes__(self) -> bytes:
        with self._changing, self._counting:
            return pack(*dump(self))

    @classmethod
    def from_bytes(cls: Type[Self], saved: bytes) -> Self:
        """A balancer as it was when `bytes(balancer)` was taken, with the plan at hand. A layer that was prepared then is so
        still: abort it unless its weights have arrived. ValueError for what is damaged or of another version."""
        self = cls.__new__(cls)
        restore(self, *unpack(saved))
        self._locks()
        return self

    def __reduce__(self) -> Tuple[Any, ...]:
        return type(self).from_bytes, (bytes(self),)

    # Inside

    def _task(self, load: Floats, machine: Machine, limits: Limits, in_force: Ints32) -> Task:
        return Task(machine, limits, in_force, load, importance(load, self._half_life, self._before))

    def _readable(self) -> Ints32:
        """What is in force, but for what was lost with GPUs that are dead: it does not come back with them."""
        return np.where(self._machine.readable, self._in_force, np.int32(-1))

    def _with_source(self, limits: Limits, external_source: bool) -> Limits:
        return replace(limits, flags=limits.flags | (Flag.EXTERNAL_SOURCE if external_source else 0))

    def _replan(self, machine: Machine, limits: Limits, in_force: Ints32) -> Proposal:
        """A plan that must be, on loads that are all alike while none are known. Nothing changes when it is refused."""
        with self._counting:
            known = self._tracker.num_kept > 0
            load = (
                self._tracker.windows().load
                if known
                else np.ones((1, len(in_force), self._tracker.num_experts), np.float32)
            )
        proposal = propose(self._task(load, machine, limits, in_force))
        self.abort()
        with self._counting:
            self._machine, self._in_force = machine, in_force
        return self._take(proposal, None)

    def _take(self, proposal: Proposal, next_states: Optional[Records]) -> Proposal:
        self._count["plans"] += 1
        self._at[proposal.layers] = _WAITING
        self._proposal = proposal if len(proposal.layers) else None
        self._next_states = next_states
        return proposal

    def _expect(self, layer: int, *at: int) -> Proposal:
        """The proposal, when the layer is at one of these."""
        if self._proposal is None or not 0 <= layer < len(self._at) or self._at[layer] not in at:
            what = "waits to be committed" if at == (_PREPARED,) else "waits"
            raise RuntimeError(f"layer {layer} is none that {what}: those that wait are {self.waiting[:8]}")
        return self._proposal

    def _settle(self, layers: List[int], how: str, moved: int) -> None:
        self._at[layers] = _SETTLED
        self._count[how] += len(layers)
        self._count["moved_slots"] += moved
        if not self._at.any():
            self._proposal = None
