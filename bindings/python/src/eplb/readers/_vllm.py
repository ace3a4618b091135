"""vLLM's dump of expert loads (expert_load_dump_dir): {snapshots [{step, window_expert_load [L][P],
physical_to_logical_map [L][P], ..}], num_logical_experts, ..}; or JSON lines, a snapshot each, with all of this.

It is in branches of vLLM, not in a release yet (0.33.0 has none).
"""

from __future__ import annotations

from typing import Any, Dict, List, Tuple

import numpy as np

from .._types import Array
from . import _json
from ._errors import Path, ReadError, reading
from ._loads import loads, matrix, num_experts, of_dict, of_experts, whole


def vllm(path: Path, *, key: str = "window_expert_load") -> Array:
    """Loads [W, L, E], a window for each snapshot: those of its slots, added up by the map that stands beside them. Of
    several snapshots of a step, as ranks write them that share a file, the first.

    key: "window_expert_load", of the steps of vLLM's window, or "latest_expert_load", of the last step.
    """
    return of_content(path, _json.load(path), key)


def of_content(path: Path, content: Any, key: str = "window_expert_load") -> Array:
    """Loads of what a file was found to hold."""
    with reading(path):
        read: Dict[Any, Tuple[str, Array]] = {}
        for place, snapshot in _snapshots(content):
            step = snapshot.get("step") if isinstance(snapshot, dict) else None
            number = step if isinstance(step, int) else ("", len(read))
            if number not in read:
                about = content if isinstance(content, dict) else snapshot
                read[number] = place, _snapshot(about, snapshot, key, place)
        windows = list(read.values())
        for place, window in windows:
            if window.shape != windows[0][1].shape:
                raise ReadError(f"is {list(window.shape)}, the first {list(windows[0][1].shape)}", place)
        return np.stack([window for _, window in windows])


def _snapshots(content: Any) -> List[Tuple[str, Any]]:
    """Each with its place."""
    if isinstance(content, _json.Lines):
        return [(f"line {number}", record) for number, record in content]
    if isinstance(content, dict) and "window_expert_load" in content:
        return [("line 1", content)]  # JSON lines, of which there is one
    snapshots = of_dict(content, "snapshots", "")
    if not isinstance(snapshots, list) or not snapshots:
        raise ReadError("is no list, or empty", "snapshots")
    return [(f"snapshots[{index}]", snapshot) for index, snapshot in enumerate(snapshots)]


def _snapshot(content: Any, snapshot: Any, key: str, place: str) -> Array:
    slots = loads(matrix(of_dict(snapshot, key, place), f"{place}.{key}"), f"{place}.{key}")
    if slots.ndim != 2:
        raise ReadError(f"has shape {list(slots.shape)}, not [L, P]", f"{place}.{key}")
    where = f"{place}.physical_to_logical_map"
    held = matrix(of_dict(snapshot, "physical_to_logical_map", place), where)
    given = None
    if isinstance(content, dict) and "num_logical_experts" in content:
        given = whole(content["num_logical_experts"], "num_logical_experts")
    return of_experts(slots, held, num_experts(held, where, given), f"{place}.{key}", where)
