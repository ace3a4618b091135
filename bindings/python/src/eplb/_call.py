"""One problem with its options, as C takes them.

A workspace is made for each call, so that any number of threads can call at once; making one takes a
thousandth of what planning does.
"""

from __future__ import annotations

import ctypes
from typing import Any, List, Optional, Tuple, Union

import numpy as np

from . import _abi
from ._arrays import address, choice, each_gpu, floats, placement, shaped, size, word
from ._cost import Cost, each_window, struct
from ._library import library, refused
from ._numbers import Operation, Policy, Scope, StaticSplit, Status
from ._types import Array, Floats


class Held:
    """An eplb_placement of arrays that are kept alive; None for those that are not wanted."""

    def __init__(
        self,
        expert: Array,
        rank: Optional[Array] = None,
        count: Optional[Array] = None,
        table: Optional[Array] = None,
        load: Optional[Array] = None,
        max_replicas: int = 0,
    ) -> None:
        self._arrays = expert, rank, count, table, load
        self._struct = _abi.Placement(
            ctypes.sizeof(_abi.Placement),
            size("max_replicas", max_replicas if table is None else table.shape[-1]),
            *map(address, self._arrays),
        )
        self.address = ctypes.addressof(self._struct)


def _plain(argument: Any) -> Any:
    return argument.address if isinstance(argument, Held) else argument


class Call:
    """The C structs, and the arrays that they point to, kept alive."""

    def __init__(
        self,
        sizes: Tuple[int, int, int, int],  # W, L, E, P
        num_groups: Optional[int],
        num_nodes: int,
        num_gpus: int,
        load: Optional[Floats],
        *,
        policy: Union[str, int] = Policy.BALANCED,
        scope: Union[str, int] = Scope.AUTO,
        previous: Any = None,
        max_moves: int = 0,
        max_moves_per_gpu_pair: int = 0,
        target: int = 0,
        split: Union[str, int] = StaticSplit.EVEN,
        effort: int = 0,
        flags: int = 0,
        window_weight: Any = None,
        cost: Optional[Cost] = None,
        step_tokens: Any = None,
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
            size("num_replicas", slots),
            1 if num_groups is None else size("num_groups", num_groups),
            size("num_nodes", num_nodes),
            gpus,
        )
        self.options = _abi.Options(
            ctypes.sizeof(_abi.Options),
            choice(Policy, policy, Status.UNKNOWN_POLICY),
            choice(Scope, scope, Status.UNKNOWN_SCOPE),
            word("effort", effort),
            word("max_moves", max_moves),
            word("max_moves_per_gpu_pair", max_moves_per_gpu_pair),
            word("flags", flags),
            word("target", target),
        )
        self.options.split = choice(StaticSplit, split, Status.UNKNOWN_SPLIT)
        self._arrays: List[Array] = []
        if load is not None:
            problem.load = self._keep(load)
        if window_weight is not None:
            weights = floats("window_weight", window_weight, Status.WINDOW_WEIGHT)
            problem.window_weight = self._keep(shaped("window_weight", weights, [("L", layers), ("W", windows)]))
        if cost is not None:
            self._cost = struct(cost)
            problem.cost = ctypes.addressof(self._cost)
        if step_tokens is not None:
            problem.step_tokens = self._keep(each_window(step_tokens, windows))
        given = {"gpu_speed": gpu_speed, "gpu_slots": gpu_slots, "gpu_node": gpu_node, "gpu_state": gpu_state}
        for name, value in each_gpu(gpus, given).items():
            setattr(problem, name, self._keep(value))
        if previous is not None:
            self.options.previous = self._keep(placement("previous", previous, layers, slots))

    def _keep(self, value: Array) -> int:
        self._arrays.append(value)
        return value.ctypes.data

    def arguments(self, operation: Operation, *rest: Any) -> Tuple[Any, ...]:
        """Those of the function of that name: problem, options, a workspace and the rest. They live as long as this
        call, or until it is asked for others."""
        problem, options = ctypes.addressof(self.problem), ctypes.addressof(self.options)
        need, align = ctypes.c_size_t(), ctypes.c_size_t()
        status = library.eplb_workspace(operation, problem, options, ctypes.addressof(need), ctypes.addressof(align))
        if status != 0:
            raise refused(status, "eplb_explain", operation, problem, options, None)
        assert align.value <= 8
        workspace = np.empty(-(-need.value // 8), np.uint64)
        self._alive = workspace, rest
        return (problem, options, workspace.ctypes.data, workspace.nbytes, *map(_plain, rest))

    def run(self, operation: Operation, *rest: Any) -> None:
        """Calls the function of that name."""
        arguments = self.arguments(operation, *rest)
        name = operation.name.lower()
        status = getattr(library, f"eplb_{name}")(*arguments)
        if status != 0:
            raise refused(status, f"eplb_explain_{name}", *arguments)

    def run_without_workspace(self, operation: Operation, held: Held, *rest: Any) -> None:
        """Calls the function of that name, which takes the problem, a placement and the rest."""
        problem = ctypes.addressof(self.problem)
        status = getattr(library, f"eplb_{operation.name.lower()}")(problem, held.address, *rest)
        if status != 0:
            raise refused(status, "eplb_explain", operation, problem, None, held.address)
