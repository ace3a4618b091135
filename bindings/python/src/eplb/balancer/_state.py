"""What a balancer holds, as what can be saved, and back."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Dict, Tuple

import numpy as np

from .. import _abi
from .._arrays import records
from .._cost import Cost
from .._gate import Prices
from .._tracker import Tracker
from .._types import Array, Records
from ._machine import Limits, Machine
from ._proposal import Proposal

if TYPE_CHECKING:
    from ._balancer import Balancer

_SIZES = ("num_replicas", "num_gpus", "num_nodes", "num_groups", "scope")


def dump(held: "Balancer") -> Tuple[Dict[str, Any], Dict[str, Array]]:
    """What JSON can hold, and the arrays."""
    proposal, prices = held._proposal, held._prices
    about = {
        "sizes": {name: int(getattr(held._machine, name)) for name in _SIZES},
        "limits": asdict(held._limits),
        "loop": [held._half_life, held._before, held._buffers],
        "prices": None if prices is None else {name: float(value) for name, value in asdict(prices).items()},
        "count": held._count,
        "external_source": proposal is not None and proposal.external_source,
    }
    arrays: Dict[str, Any] = {
        "tracker": np.frombuffer(bytes(held._tracker), np.uint8),
        "in_force": held._in_force,
        "at": held._at,
        "states": held._states,
        "next_states": held._next_states,
        **held._machine.gpus,
    }
    if proposal is not None:
        arrays.update(new=proposal.physical_to_logical_map, layers=proposal.layers, metrics=proposal.metrics)
    return about, {name: value for name, value in arrays.items() if value is not None}


def restore(held: "Balancer", about: Dict[str, Any], arrays: Dict[str, Array]) -> None:
    """Makes `held` what was dumped. What the gate said of the plan at hand is not kept, only what it remembers."""
    gpus: Dict[str, Any] = {name: value for name, value in arrays.items() if name.startswith("gpu_")}
    held._machine = Machine(**about["sizes"], **gpus)
    cost = about["limits"].get("cost")
    held._limits = Limits(**{**about["limits"], "cost": None if cost is None else Cost(*cost)})
    held._half_life, held._before, held._buffers = about["loop"]
    held._prices = None if about["prices"] is None else Prices(**about["prices"])
    held._count = about["count"]
    held._tracker = Tracker.from_bytes(arrays["tracker"].tobytes())
    held._in_force, held._at = arrays["in_force"], arrays["at"]
    held._states = _records(arrays["states"], _abi.GateState)
    held._next_states = _records(arrays["next_states"], _abi.GateState) if "next_states" in arrays else None
    held._proposal = None
    if "new" in arrays:
        metrics = _records(arrays["metrics"], _abi.Metrics)
        held._proposal = Proposal(arrays["new"], arrays["layers"], metrics, None, about["external_source"])


def _records(values: Array, kind: Any) -> Records:
    result = records(len(values), kind)
    result[:] = values
    return result
