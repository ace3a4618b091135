"""SGLang's expert distribution recorder.

Modes `stat` and `stat_approx` write {logical_count [S, L, E], ..}, summed over ranks. Modes `per_pass` and `per_token`
write a file a rank: {records [{forward_pass_id, rank, global_physical_count [L, P], ..}], last_physical_to_logical_map
[L, P]}. A .json of --init-expert-location may hold logical_count as well.
"""

from __future__ import annotations

import os
from typing import Any, Callable, Dict, List, Tuple

import numpy as np

from .._types import Array
from . import _json, _torch
from ._errors import Path, ReadError, reading
from ._loads import loads, matrix, num_experts, of_dict, of_experts, tensor, whole

Numbers = Callable[[Any, str], Array]


def sglang(*paths: Path) -> Array:
    """Loads [S, L, E] of a recorder's file, or [L, E] where it holds one step; .pt (torch is not needed) or .json. Of
    modes `per_pass` and `per_token` give the files of all ranks: a forward pass is the sum over them."""
    if not paths:
        raise ValueError("paths: none is given")
    return of_contents([(path, *_content(path)) for path in paths])


def of_contents(read: List[Tuple[Path, Any, Numbers]]) -> Array:
    """Loads of what files were found to hold, and how arrays stand in each."""
    first, content, numbers = read[0]
    if isinstance(content, dict) and "logical_count" in content:
        if len(read) > 1:
            raise ReadError("holds logical_count, which is of all ranks already: give it alone", path=str(first))
        with reading(first):
            return loads(numbers(content["logical_count"], "logical_count"), "logical_count")
    passes: Dict[int, Array] = {}
    for path, content, numbers in read:
        with reading(path):
            _add(passes, content, numbers, os.path.getsize(path))
    if not passes:
        raise ReadError("has no records", "records", str(first))
    return np.stack([passes[number] for number in sorted(passes)])


def _content(path: Path) -> Tuple[Any, Numbers]:
    """What a file holds, and how arrays stand in it."""
    with reading(path), open(path, "rb") as file:
        start = file.read(4)
    if start == b"PK\x03\x04":
        return _torch.load(path), tensor
    if start[:1] == b"\x80":
        raise ReadError("is a bare pickle, not the zip that torch.save writes since 1.6: save it again", path=str(path))
    return _json.load(path), matrix


def _add(passes: Dict[int, Array], content: Any, numbers: Numbers, length: int) -> None:
    """Adds what one rank recorded, in a file of so many bytes."""
    records = of_dict(content, "records", "")
    held = numbers(of_dict(content, "last_physical_to_logical_map", ""), "last_physical_to_logical_map")
    experts = num_experts(held, "last_physical_to_logical_map")
    if not isinstance(records, list):
        raise ReadError("is no list", "records")
    for index, record in enumerate(records):
        place = f"records[{index}]"
        number = whole(of_dict(record, "forward_pass_id", place), f"{place}.forward_pass_id", 1 << 62)
        where = f"{place}.global_physical_count"
        counts = loads(numbers(of_dict(record, "global_physical_count", place), where), where)
        length -= counts.size
        if length < 0:  # records of a pickle can be the same ones, any number of times
            raise ReadError("the file has fewer bytes than counts", where)
        step = of_experts(counts, held, experts, where, "last_physical_to_logical_map")
        before = passes.get(number)
        if before is not None and before.shape != step.shape:
            raise ReadError(f"has {list(step.shape)} layers and experts, others {list(before.shape)}", where)
        passes[number] = step if before is None else before + step
    shapes = {step.shape for step in passes.values()}
    if len(shapes) > 1:
        raise ReadError(f"of different shapes: {sorted(shapes)}", "records")
