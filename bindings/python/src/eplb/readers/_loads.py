"""Values of a file into arrays of loads, each fault with its place."""

from __future__ import annotations

from typing import Any, List, Optional

import numpy as np

from .._types import Array
from ._errors import ReadError


def matrix(value: Any, place: str) -> Array:
    """An array of nested lists of numbers, or of what is an array already."""
    if isinstance(value, np.ndarray):
        if value.dtype.kind not in "fiub":
            raise ReadError(f"holds {value.dtype}, not numbers", place)
        return value
    if not isinstance(value, list):
        raise ReadError(f"is {_kind(value)}, not a list of numbers", place)
    if not value or not isinstance(value[0], list):
        return _row(value, place)
    rows = [matrix(row, f"{place}[{index}]") for index, row in enumerate(value)]
    for index, row in enumerate(rows):
        if row.shape != rows[0].shape:
            raise ReadError(f"has shape {list(row.shape)}, but [0] has {list(rows[0].shape)}", f"{place}[{index}]")
    return np.stack(rows)


def tensor(value: Any, place: str) -> Array:
    """An array that is one already: lists in a pickle can hold themselves, and each other any number of times."""
    if not isinstance(value, np.ndarray):
        raise ReadError(f"is {_kind(value)}, not a tensor", place)
    return matrix(value, place)


def loads(numbers: Array, place: str) -> Array:
    """`numbers`, when they are [L, E] or [W, L, E] loads: finite, >= 0."""
    if numbers.ndim not in (2, 3) or 0 in numbers.shape:
        raise ReadError(f"has shape {list(numbers.shape)}, not [L, E] or [W, L, E]", place)
    wrong = ~(numbers >= 0) | ~np.isfinite(numbers)
    if wrong.any():
        where = tuple(np.argwhere(wrong)[0].tolist())
        index = "".join(f"[{number}]" for number in where)
        raise ReadError(f"is {numbers[where]}: loads are finite and at least 0", f"{place}{index}")
    return numbers


def num_experts(held: Array, place: str, given: Optional[int] = None) -> int:
    """How many experts there are: as the file says, or as the placement [L, P] names. Each has a slot, so at most P."""
    named = int(held.max()) + 1 if held.size and held.dtype.kind in "iu" else 0
    experts = named if given is None else given
    if held.ndim != 2 or not 0 < experts <= held.shape[1]:
        raise ReadError(f"is {held.dtype} {list(held.shape)} of {experts} experts, not [L, P] of 1 to P", place)
    return experts


def of_experts(slots: Array, held: Array, experts: int, place: str, held_place: str) -> Array:
    """[..., L, E] of the loads [..., L, P] of slots under the placement [L, P]; -1 = empty, which counts nothing."""
    if held.ndim != 2 or held.dtype.kind not in "iu" or slots.shape[-2:] != held.shape:
        raise ReadError(f"is {held.dtype} {list(held.shape)}, {place} is {list(slots.shape)}", held_place)
    wrong = (held < -1) | (held >= experts)
    if wrong.any():
        layer, slot = np.argwhere(wrong)[0].tolist()
        raise ReadError(f"is {held[layer, slot]}, no expert below {experts}", f"{held_place}[{layer}][{slot}]")
    layers, width = held.shape[0], experts + 1  # one more, for the slots that are empty
    rows = slots.reshape(-1, held.size).astype(np.float64 if slots.dtype.kind == "f" else np.int64)
    result = np.zeros((len(rows), layers * width), rows.dtype)
    place_of = (held.astype(np.int64) % width + np.arange(layers)[:, np.newaxis] * width).ravel()
    for row, sums in zip(rows, result):
        np.add.at(sums, place_of, row)
    return result.reshape(*slots.shape[:-2], layers, width)[..., :experts]


def of_dict(value: Any, key: str, place: str) -> Any:
    """The value of a key."""
    if not isinstance(value, dict):
        raise ReadError(f"is {_kind(value)}, not a dict", place)
    if key not in value:
        raise ReadError(f"has no {key}: {_keys(value)}", place)
    return value[key]


def whole(value: Any, place: str, most: int = 1 << 31) -> int:
    """A whole number from 0 to below `most`."""
    if isinstance(value, bool) or not isinstance(value, int):  # nothing else is shown: lists of lists can be endless
        raise ReadError(f"is {_kind(value)}, not a whole number", place)
    if not 0 <= value < most:
        raise ReadError(f"is {value!s:.40}, not from 0 to {most - 1}", place)
    return value


def _row(value: List[Any], place: str) -> Array:
    for index, number in enumerate(value):
        if isinstance(number, bool) or not isinstance(number, (int, float)):
            raise ReadError(f"is {_kind(number)}, not a number", f"{place}[{index}]")
        if isinstance(number, int) and not -(1 << 63) <= number < 1 << 63:
            raise ReadError("does not fit 64 bits", f"{place}[{index}]")
    return np.array(value)


def _kind(value: Any) -> str:
    return "null" if value is None else type(value).__name__


def _keys(value: "dict[Any, Any]") -> str:
    return "it has " + (", ".join(str(key)[:40] for key in list(value)[:8]) or "nothing")
