"""vLLM's dump of expert loads (expert_load_dump_dir): {snapshots [{window_expert_load [L][P], physical_to_logical_map
[L][P], ..}], num_logical_experts, ..}."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._types import Array
from . import _json
from ._errors import Path, ReadError, reading
from ._loads import loads, matrix, of_dict, of_experts, whole


def vllm(path: Path, *, key: str = "window_expert_load") -> Array:
    """Loads [W, L, E], a window for each snapshot: those of its slots, added up by the map that stands beside them.

    key: "window_expert_load", of the steps of vLLM's window, or "latest_expert_load", of the last step.
    """
    content = _json.load(path)
    with reading(path):
        snapshots = of_dict(content, "snapshots", "")
        if not isinstance(snapshots, list) or not snapshots:
            raise ReadError("is no list, or empty", "snapshots")
        read = [_snapshot(content, snapshot, key, f"snapshots[{index}]") for index, snapshot in enumerate(snapshots)]
        for index, window in enumerate(read):
            if window.shape != read[0].shape:
                raise ReadError(f"is {list(window.shape)}, the first {list(read[0].shape)}", f"snapshots[{index}]")
        return np.stack(read)


def _snapshot(content: Any, snapshot: Any, key: str, place: str) -> Array:
    slots = loads(matrix(of_dict(snapshot, key, place), f"{place}.{key}"), f"{place}.{key}")
    if slots.ndim != 2:
        raise ReadError(f"has shape {list(slots.shape)}, not [L, P]", f"{place}.{key}")
    where = f"{place}.physical_to_logical_map"
    held = matrix(of_dict(snapshot, "physical_to_logical_map", place), where)
    if "num_logical_experts" in content:
        experts = whole(content["num_logical_experts"], "num_logical_experts")
    else:
        experts = int(held.max(initial=-1)) + 1 if held.dtype.kind in "iu" else 0
    if not 0 < experts <= max(held.size, 1):
        raise ReadError(f"{experts} experts on {held.shape[-1]} slots", where)
    return of_experts(slots, held, experts, f"{place}.{key}", where)
