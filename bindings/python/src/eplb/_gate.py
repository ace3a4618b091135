"""Whether a new placement earns what its transfers cost."""

from __future__ import annotations

import ctypes
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple, Optional

import numpy as np

from . import _abi
from ._arrays import array, records, shaped, size
from ._arrays import tokens as whole
from ._library import called
from ._types import Records


@dataclass(frozen=True)
class Prices:
    """Prices and times of the gate: eplb_gate_config. Numbers are 0 or from 2^-100 to 2^100."""

    #: seconds of a step that wait for the experts of all layers; not looked at where the layers are told in seconds
    step_seconds: float
    #: steps until the next occasion to rebalance: how long a new placement has to earn
    steps: float
    #: bytes per second that a GPU sends, and receives at the same time
    gpu_bandwidth: float
    #: bytes of the weights of one expert in one layer
    bytes_per_expert: float
    #: bytes per second into or out of a node; 0 = not a limit
    node_bandwidth: float = 0
    #: part of the transfer time for which serving waits; 0 = 1, all of it
    stall: float = 0
    #: seconds that any rebalance costs
    fixed_seconds: float = 0
    #: standard deviations beyond the largest by chance that the busiest GPU must be to count; 0 = 3
    certainty: float = 0
    #: a layer moves when it gains this many times what it costs; 0 = 2
    payback: float = 0
    #: the part of the step that has to be at stake before anything moves, summed over calls; 0 = 0.2
    evidence: float = 0
    #: seconds that one rebalance may cost at most; 0 = no limit
    max_cost_seconds: float = 0


class GateTotal(NamedTuple):
    """The layers that move, together: eplb_gate_total."""

    moved_layers: int
    moved: int
    gain_seconds: float
    cost_seconds: float
    bytes: float
    evidence: float


class Gate(NamedTuple):
    """What the gate says."""

    #: [L] the fields of eplb_gate_verdict: gain_seconds, cost_seconds, debt_seconds, move_layer, order
    verdicts: Records
    total: GateTotal
    #: [L] the fields of eplb_gate_state: what the next call takes as `states`
    states: Records


def gate(
    prices: Prices,
    num_gpus: int,
    mean: Any,
    now: Any,
    after: Any,
    moved: Any,
    rounds: Any,
    *,
    tokens: Any = 0,
    node_rounds: Any = 0,
    steps_since: float = 0,
    states: Optional[Records] = None,
    in_seconds: bool = False,
) -> Gate:
    """Decides, layer by layer, whether a new placement is worth the move.

    Arguments, [L] each or a number for all:
        mean, now, after: mean_gpu_load of the metrics, and max_gpu_load of the placement in force and of the new one:
            measured with the same loads, best with some that the new one was not planned on. With `in_seconds`
            mean_gpu_seconds and max_gpu_seconds: a gain is the difference of step times.
        moved, rounds: layer_moved and layer_rounds of `transfers`.
        tokens: that the loads were counted from, over all experts; 0 = they are exact.
        node_rounds: the most experts that enter or leave one node; 0 when node_bandwidth is.
        steps_since: steps since the last call with these states.
        states: what the last call answered; None at the start. They are left as they are.

    It takes it that you do what it says. Raises `Error` (GATE_NEVER when no move is ever allowed).
    """
    loads = {"mean": mean, "now": now, "after": after, "tokens": tokens}
    counts = {"moved": moved, "rounds": rounds, "node_rounds": node_rounds}
    columns = {name: array(name, value) for name, value in loads.items()}
    columns.update((name, whole(name, value)) for name, value in counts.items())
    layers = next((len(column) for column in columns.values() if column.ndim), 1)
    told = np.zeros(layers, np.dtype(_abi.GateLayer))
    for name, column in columns.items():
        if column.dtype.kind not in "fiub":
            raise ValueError(f"{name} holds {column.dtype}, not numbers")
        told[name] = shaped(name, column, [("L", layers)]) if column.ndim else column
    config = _abi.GateConfig(
        ctypes.sizeof(_abi.GateConfig),
        layers,
        size("num_gpus", num_gpus),
        _abi.GATE_SECONDS if in_seconds else 0,
        steps_since=steps_since,
        **asdict(prices),
    )
    kept = records(layers, _abi.GateState)
    kept[:] = 0 if states is None else shaped("states", np.asarray(states), [("L", layers)])
    verdicts, total = records(layers, _abi.GateVerdict), _abi.GateTotal()
    called(
        "gate",
        ctypes.addressof(config),
        *(told.ctypes.data, told.itemsize),
        *(kept.ctypes.data, kept.itemsize),
        *(verdicts.ctypes.data, verdicts.itemsize),
        *(ctypes.addressof(total), ctypes.sizeof(total)),
    )
    fields = (getattr(total, name) for name in GateTotal._fields)
    return Gate(verdicts, GateTotal(*fields), kept)
