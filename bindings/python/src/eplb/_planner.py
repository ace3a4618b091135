"""The calls: what they take is turned into C structs, what comes back into numpy arrays.

A workspace is made for each call, so that any number of threads can call at once; making one takes a
thousandth of what planning does.
"""

from __future__ import annotations

import ctypes
from typing import Any, NamedTuple, Optional, Tuple, Union

import numpy as np

from . import _abi
from ._abi import Flag, Operation, Policy, Scope, Status
from ._arrays import address, array, choice, floats, integers, shaped, size, word
from ._library import library, refused, saying

_METRICS = np.dtype(_abi.Metrics)
_TRANSFER = np.dtype(_abi.Transfer)


class Plan(NamedTuple):
    """A plan. The first three, `plan(...)[:3]`, are what `rebalance_experts` returns."""

    #: [L, P] int64: the expert in each slot, -1 = empty.
    physical_to_logical_map: np.ndarray
    #: [L, E, X] int64: the slots of each expert in order of their rank, padded with -1; X is the largest count.
    logical_to_physical_map: np.ndarray
    #: [L, E] int64: replicas of each expert.
    expert_count: np.ndarray
    #: [L, P] int32: which replica of its expert a slot holds, from 0; -1 = empty.
    replica_rank: np.ndarray
    #: [L] the fields of eplb_metrics: `metrics.balance`, `metrics.bound`, `metrics.gap` and so on, an array each.
    metrics: np.recarray


class Numbers(NamedTuple):
    """The other maps of a placement."""

    #: [L, E, X] int64: the slots of each expert in order, padded with -1; X is the largest count.
    logical_to_physical_map: np.ndarray
    #: [L, E] int64: replicas of each expert on GPUs that are not dead.
    expert_count: np.ndarray
    #: [L, P] int32: which replica of its expert a slot holds, from 0; -1 = empty, or on a dead GPU.
    replica_rank: np.ndarray


class Transfers(NamedTuple):
    """What moves between two placements, and when."""

    #: The fields of eplb_transfer: `transfers.expert` and so on (but `transfers["round"]`: arrays have a method of that
    #: name); layer by layer, in the order in which they happen.
    transfers: np.recarray
    #: [L + 1] uint32: the first transfer of each layer, and their number at the end.
    layer_start: np.ndarray
    #: [L] uint32: transfers of each layer that use a link: what the gate counts. The others are copies within a GPU.
    layer_moved: np.ndarray
    #: [L] uint32: rounds of each layer.
    layer_rounds: np.ndarray
    #: The sum of layer_moved.
    moved: int


class _Call:
    """One problem with its options: the C structs, and the arrays that they point to, kept alive."""

    def __init__(
        self,
        sizes: Tuple[int, int, int, int],  # W, L, E, P
        num_groups: Optional[int],
        num_nodes: int,
        num_gpus: int,
        load: Optional[np.ndarray],
        *,
        policy: Union[str, int] = Policy.BALANCED,
        scope: Union[str, int] = Scope.AUTO,
        previous: Any = None,
        max_moves: int = 0,
        max_moves_per_gpu_pair: int = 0,
        target: int = 0,
        effort: int = 0,
        flags: int = 0,
        window_weight: Any = None,
        gpu_speed: Any = None,
        gpu_slots: Any = None,
        gpu_node: Any = None,
        gpu_state: Any = None,
    ) -> None:
        windows, layers, experts, slots = sizes
        gpus = size("num_gpus", num_gpus)
        self.problem = problem = _abi.Problem(
            ctypes.sizeof(_abi.Problem),
            size("windows", windows),
            size("layers", layers),
            size("experts", experts),
            slots,
            1 if num_groups is None else size("num_groups", num_groups),
            size("num_nodes", num_nodes),
            gpus,
        )
        self.options = options = _abi.Options(
            ctypes.sizeof(_abi.Options),
            choice(Policy, policy, Status.UNKNOWN_POLICY),
            choice(Scope, scope, Status.UNKNOWN_SCOPE),
            word("effort", effort),
            word("max_moves", max_moves),
            word("max_moves_per_gpu_pair", max_moves_per_gpu_pair),
            word("flags", flags),
            word("target", target),
        )
        self.arrays = [load]
        problem.load = address(load)
        if window_weight is not None:
            weights = shaped("window_weight", floats("window_weight", window_weight, Status.WINDOW_WEIGHT), [("L", layers), ("W", windows)])
            problem.window_weight = self._keep(weights)
        each_gpu = [("G", gpus)]
        if gpu_speed is not None:
            problem.gpu_speed = self._keep(shaped("gpu_speed", floats("gpu_speed", gpu_speed, Status.GPU_SPEED), each_gpu))
        if gpu_slots is not None:
            counts = integers("gpu_slots", gpu_slots, np.uint32, Status.GPU_SLOTS)
            problem.gpu_slots = self._keep(shaped("gpu_slots", counts, each_gpu))
        if gpu_node is not None:
            nodes = integers("gpu_node", gpu_node, np.uint32, Status.GPU_NODE)
            problem.gpu_node = self._keep(shaped("gpu_node", nodes, each_gpu))
        if gpu_state is not None:
            states = integers("gpu_state", gpu_state, np.uint8, Status.GPU_STATE)
            problem.gpu_state = self._keep(shaped("gpu_state", states, each_gpu))
        if previous is not None:
            options.previous = self._keep(_placement("previous", previous, layers, slots))

    def _keep(self, value: np.ndarray) -> int:
        self.arrays.append(value)
        return value.ctypes.data

    def run(self, operation: Operation, *rest: Any) -> None:
        """Calls the function of that name with problem, options, a workspace and the rest."""
        problem, options = ctypes.addressof(self.problem), ctypes.addressof(self.options)
        need, align = ctypes.c_size_t(), ctypes.c_size_t()
        status = library.eplb_workspace(operation, problem, options, ctypes.addressof(need), ctypes.addressof(align))
        if status != 0:
            raise refused(status, "eplb_explain", operation, problem, options, None)
        assert align.value <= 8
        workspace = np.empty(-(-need.value // 8), np.uint64)
        arguments = problem, options, workspace.ctypes.data, workspace.nbytes, *rest
        name = operation.name.lower()
        status = getattr(library, f"eplb_{name}")(*arguments)
        if status != 0:
            raise refused(status, f"eplb_explain_{name}", *arguments)

    def plan(self, metrics: Optional[np.ndarray], max_replicas: int) -> Tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Plans: physical_to_logical, replica_rank, logical_count, all int32."""
        layers, experts = self.problem.num_layers, self.problem.num_logical_experts
        expert = np.empty((layers, self.problem.num_physical_experts), np.int32)
        rank = np.empty_like(expert)
        count = np.empty((layers, experts), np.int32)
        placement = _abi.Placement(
            ctypes.sizeof(_abi.Placement),
            size("max_replicas", max_replicas),
            expert.ctypes.data,
            rank.ctypes.data,
            count.ctypes.data,
        )
        self.run(Operation.PLAN, ctypes.addressof(placement), address(metrics), _METRICS.itemsize)
        return expert, rank, count

    def number(self, expert: np.ndarray) -> Tuple[np.ndarray, np.ndarray]:
        """Numbers a placement: replica_rank, logical_count, both int32."""
        rank = np.empty_like(expert)
        count = np.empty((self.problem.num_layers, self.problem.num_logical_experts), np.int32)
        placement = _abi.Placement(
            ctypes.sizeof(_abi.Placement), 0, expert.ctypes.data, rank.ctypes.data, count.ctypes.data
        )
        problem, held = ctypes.addressof(self.problem), ctypes.addressof(placement)
        status = library.eplb_number(problem, held)
        if status != 0:
            raise refused(status, "eplb_explain", Operation.NUMBER, problem, None, held)
        return rank, count


def _placement(name: str, value: Any, layers: int, slots: int) -> np.ndarray:
    """[L, P] int32."""
    return shaped(name, integers(name, value, np.int32, Status.PLACEMENT_EXPERT), [("L", layers), ("P", slots)])


def _windows(weight: Any) -> np.ndarray:
    """[W, L, E] float32 of what is [L, E] or [W, L, E]."""
    load = floats("weight", weight, Status.LOAD_INFINITE)
    if load.ndim == 2:
        return load[np.newaxis]
    if load.ndim == 3:
        return load
    raise saying(Status.ARRAY_LENGTH, f"weight has shape {load.shape}, not [L, E] or [W, L, E]")


def _tables(expert: np.ndarray, rank: np.ndarray, count: np.ndarray) -> Tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The three maps of DeepSeek EPLB, int64, of what the library writes: see `rebalance_experts`."""
    (layers, slots), experts = expert.shape, count.shape[1]
    width = int(count.max())
    table = np.full(layers * experts * width, -1, np.int64)
    # where each slot belongs in the table; flat and in 32 bits where they do, which is twice as fast
    place = np.multiply(expert, width, dtype=np.int32 if table.size < 1 << 31 else np.int64)
    place += rank
    place += (np.arange(layers, dtype=place.dtype) * (experts * width))[:, np.newaxis]
    places, numbers = place.ravel(), np.tile(np.arange(slots), layers)
    if int(count.sum()) != expert.size:  # some slots are empty, or on GPUs that are dead
        full = rank.ravel() >= 0
        places, numbers = places[full], numbers[full]
    table[places.astype(np.intp)] = numbers
    return expert.astype(np.int64), table.reshape(layers, experts, width), count.astype(np.int64)


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
    max_replicas: int = 0,
    effort: int = 0,
    window_weight: Any = None,
) -> Tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Places experts: DeepSeek EPLB's function of this name, with its arguments, shapes and dtypes.

    Arguments:
        weight: [L, E] tokens routed to each expert of each layer, or [W, L, E], several windows of them, for which
            BALANCED makes one placement. Finite, >= 0. A numpy array, anything with `__array__` (a torch tensor on
            the CPU), or nested lists; of any real type, dense or not. It is rounded to float32, as DeepSeek's
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
        max_replicas: replicas that an expert may have at most, 0 = no limit. BALANCED only.
        effort: bounds the work of BALANCED; 0 = its default.
        window_weight: [L, W] how much each window counts; None: all the same.

    Returns three int64 arrays:
        physical_to_logical_map: [L, P] the expert in each slot. Every slot has one, but for those (-1) that only a second
            copy of an expert on its GPU, more than max_replicas, or more moves than allowed could fill.
        logical_to_physical_map: [L, E, X] the slots of each expert in order of their replicas, padded with -1; X is
            the largest expert_count.
        expert_count: [L, E] replicas of each expert.

    Raises ValueError (`Error`, which names the argument and the element, but for types). The GIL is free while the library works:
    any number of threads can plan at once. Nothing may write to the arguments meanwhile.
    """
    load = _windows(weight)
    call = _Call(
        (*load.shape, size("num_replicas", num_replicas)),
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
        effort=effort,
        window_weight=window_weight,
    )
    expert, rank, count = call.plan(None, max_replicas)
    return _tables(expert, rank, count)


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
    max_replicas: int = 0,
    effort: int = 0,
    flags: int = Flag(0),
    window_weight: Any = None,
    gpu_speed: Any = None,
    gpu_slots: Any = None,
    gpu_node: Any = None,
    gpu_state: Any = None,
) -> Plan:
    """Places experts as `rebalance_experts` does, empty slots allowed, and says how good the plan is.

    More arguments:
        flags: `Flag`, or-ed.
        gpu_speed: [G] relative speeds. None: all equal.
        gpu_slots: [G] slots of each GPU, their sum P. None: P / G each.
        gpu_node: [G] node of each GPU. None: contiguous.
        gpu_state: [G] `GpuState`. None: all alive.
    """
    load = _windows(weight)
    call = _Call(
        (*load.shape, size("num_replicas", num_replicas)),
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
        effort=effort,
        flags=flags,
        window_weight=window_weight,
        gpu_speed=gpu_speed,
        gpu_slots=gpu_slots,
        gpu_node=gpu_node,
        gpu_state=gpu_state,
    )
    metrics = np.recarray(load.shape[1], _METRICS)
    expert, rank, count = call.plan(metrics, max_replicas)
    return Plan(*_tables(expert, rank, count), rank, metrics)


def evaluate(
    weight: Any,
    physical_to_logical_map: Any,
    num_groups: Optional[int],
    num_nodes: int,
    num_gpus: int,
    *,
    scope: Union[str, int] = Scope.AUTO,
    previous: Any = None,
    flags: int = Flag(0),
    window_weight: Any = None,
    gpu_speed: Any = None,
    gpu_slots: Any = None,
    gpu_node: Any = None,
    gpu_state: Any = None,
) -> np.recarray:
    """Measures any placement [L, P], from this library or not, with the loads `weight`: the metrics of `Plan`."""
    load = _windows(weight)
    layers = load.shape[1]
    slots = array("physical_to_logical_map", physical_to_logical_map).shape[-1:] or (0,)
    expert = _placement("physical_to_logical_map", physical_to_logical_map, layers, slots[0])
    call = _Call(
        (*load.shape, *slots),
        num_groups,
        num_nodes,
        num_gpus,
        load,
        scope=scope,
        previous=previous,
        flags=flags,
        window_weight=window_weight,
        gpu_speed=gpu_speed,
        gpu_slots=gpu_slots,
        gpu_node=gpu_node,
        gpu_state=gpu_state,
    )
    metrics = np.recarray(layers, _METRICS)
    placement = _abi.Placement(ctypes.sizeof(_abi.Placement), 0, expert.ctypes.data)
    call.run(Operation.EVALUATE, ctypes.addressof(placement), metrics.ctypes.data, _METRICS.itemsize)
    return metrics


def transfers(
    previous: Any,
    physical_to_logical_map: Any,
    num_nodes: int,
    num_gpus: int,
    *,
    spare_buffers: int = 0,
    flags: int = Flag(0),
    gpu_slots: Any = None,
    gpu_node: Any = None,
    gpu_state: Any = None,
) -> Transfers:
    """Lists the transfers that turn the placement `previous` [L, P] into another, in rounds: replayed in order, a GPU
    sends and receives at most one expert a round, and no expert is ever missing.

    spare_buffers: experts of a layer that a GPU can receive beside its slots.
    """
    new = array("physical_to_logical_map", physical_to_logical_map)
    layers, slots = shaped("physical_to_logical_map", new, [("L", None), ("P", None)]).shape
    expert = _placement("physical_to_logical_map", new, layers, slots)
    old = _placement("previous", previous, layers, slots)
    experts = int(max(expert.max(initial=0), old.max(initial=0))) + 1
    call = _Call(
        (1, layers, experts, slots),
        None,
        num_nodes,
        num_gpus,
        None,
        flags=flags,
        gpu_slots=gpu_slots,
        gpu_node=gpu_node,
        gpu_state=gpu_state,
    )
    # most placements differ in part: the bound that always suffices, of which only what is written is touched
    listed = np.recarray(2 * layers * slots, _TRANSFER)
    starts, moved, rounds = np.empty(layers + 1, np.uint32), np.empty(layers, np.uint32), np.empty(layers, np.uint32)
    totals = _abi.TransferTotals()
    out = _abi.TransferList(
        ctypes.sizeof(_abi.TransferList),
        listed.size,
        listed.ctypes.data,
        _TRANSFER.itemsize,
        starts.ctypes.data,
        moved.ctypes.data,
        rounds.ctypes.data,
        ctypes.addressof(totals),
        ctypes.sizeof(totals),
    )
    before, after = (_abi.Placement(ctypes.sizeof(_abi.Placement), 0, held.ctypes.data) for held in (old, expert))
    call.run(
        Operation.TRANSFERS,
        ctypes.addressof(before),
        ctypes.addressof(after),
        size("spare_buffers", spare_buffers),
        ctypes.addressof(out),
    )
    done = listed[: totals.count].copy().view(np.recarray)
    return Transfers(done, starts, moved, rounds, totals.moved)


def number(
    physical_to_logical_map: Any,
    num_experts: int,
    num_gpus: int,
    *,
    gpu_slots: Any = None,
    gpu_state: Any = None,
) -> Numbers:
    """Makes the other maps of a placement [L, P], from this library or not; -1 = empty. Slots on dead GPUs do not count,
    whatever they hold: what is left of a placement when GPUs have died.
    """
    held = array("physical_to_logical_map", physical_to_logical_map)
    layers, slots = shaped("physical_to_logical_map", held, [("L", None), ("P", None)]).shape
    expert = _placement("physical_to_logical_map", held, layers, slots)
    sizes = (1, layers, size("num_experts", num_experts), slots)
    call = _Call(sizes, None, 1, num_gpus, None, gpu_slots=gpu_slots, gpu_state=gpu_state)
    rank, count = call.number(expert)
    return Numbers(*_tables(expert, rank, count)[1:], rank)
