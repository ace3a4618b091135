"""Arguments into what C takes: dense arrays of the right type and shape, numbers that fit. Nothing wraps around."""

from __future__ import annotations

import operator
from enum import IntEnum
from typing import Any, Dict, Optional, Sequence, Tuple, Type, Union

import numpy as np

from ._library import Error, saying
from ._numbers import Status
from ._types import Array, Floats, Ints32, Records, Words

#: None, or the length that an axis must have; the rest is what messages say.
Shape = Sequence[Tuple[str, Optional[int]]]


def array(name: str, value: Any) -> Array:
    """`value` as a numpy array: a numpy array as it is, a tensor, anything with __array__, nested sequences."""
    if isinstance(value, np.ma.MaskedArray):
        raise ValueError(f"{name} is a masked array: say what a masked element counts, with filled()")
    try:
        return np.asarray(_tensor(value) if hasattr(value, "detach") else value)
    except (TypeError, RuntimeError, ValueError) as error:
        raise ValueError(f"{name} cannot be read as a numpy array: {error}") from error


def _tensor(value: Any) -> Any:
    """What torch has, without torch: from any device, without its gradient; bfloat16 and float8 as float32."""
    held = value.detach().cpu()
    try:
        return held.numpy()
    except (TypeError, RuntimeError):  # numpy has no such type
        return held.float().numpy()


def floats(name: str, value: Any, status: Status) -> Floats:
    """Dense float32, rounded to nearest, ties to even; `status` is the error when one does not fit."""
    numbers = array(name, value)
    if numbers.dtype.kind not in "fiub":
        raise ValueError(f"{name} holds {numbers.dtype}, not numbers")
    if numbers.dtype == np.float32:
        return np.require(numbers, np.float32, ["C", "A"])
    with np.errstate(all="ignore"):  # what underflows is 0, whatever np.seterr says
        result = np.require(numbers, np.float32, ["C", "A"])
        too_large = np.isinf(result)
        if too_large.any():
            too_large &= np.isfinite(numbers)
            refuse_any(name, numbers, too_large, status, ", which does not fit float32: scale it down")
    return result


def integers(name: str, value: Any, kind: Type[np.generic], status: Status) -> Array:
    """Dense integers of type `kind`; `status` is the error when one does not fit."""
    numbers = array(name, value)
    if numbers.dtype.kind not in "iub":
        raise ValueError(f"{name} holds {numbers.dtype}, not integers")
    result: Array = np.require(numbers, kind, ["C", "A"])
    if numbers.dtype != result.dtype:
        refuse_any(name, numbers, numbers != result, status)
    return result


def tokens(name: str, value: Any) -> Words:
    """Dense uint32 counts of tokens, whole numbers of any type. What is negative has wrapped around somewhere."""
    numbers = array(name, value)
    if numbers.dtype.kind not in "fiub":
        raise ValueError(f"{name} holds {numbers.dtype}, not numbers")
    if numbers.dtype.kind == "b" or numbers.dtype == np.uint32:
        return np.require(numbers, np.uint32, ["C", "A"])
    for wrong, status, why in (
        (~(numbers >= 0), Status.LOAD_NEGATIVE, ": counts are at least 0, and a counter that wrapped is lost"),
        (numbers >= np.float64(1 << 32), Status.LOAD_TOO_LARGE, ": counts are below 2^32: count in shorter steps"),
        (numbers != np.trunc(numbers), Status.LOAD_NAN, ": counts are whole numbers"),
    ):
        refuse_any(name, numbers, wrong, status, why)
    return np.require(numbers, np.uint32, ["C", "A"])


def each_gpu(gpus: int, given: Dict[str, Any]) -> Dict[str, Array]:
    """gpu_speed, gpu_slots, gpu_node, gpu_state, [G] each, as eplb_problem has them: those that are not None."""
    kinds: Dict[str, Tuple[Any, Status]] = {
        "gpu_slots": (np.uint32, Status.GPU_SLOTS),
        "gpu_node": (np.uint32, Status.GPU_NODE),
        "gpu_state": (np.uint8, Status.GPU_STATE),
    }
    return {
        name: shaped(
            name,
            integers(name, value, *kinds[name]) if name in kinds else floats(name, value, Status.GPU_SPEED),
            [("G", gpus)],
        )
        for name, value in given.items()
        if value is not None
    }


def refuse_any(name: str, values: Array, wrong: Array, status: Status, why: Optional[str] = None) -> None:
    """Raises with the place and value of the first element that is `wrong`, and why: else what the status says."""
    if not wrong.any():
        return
    where = tuple(np.argwhere(wrong)[0].tolist())
    about = f"{name}{list(where) or ''} is {values[where]}"
    raise saying(status, about) if why is None else Error(status, about + why)


def shaped(name: str, value: Array, shape: Shape) -> Any:
    """`value`, when its shape is `shape`."""
    if value.ndim != len(shape) or any(want not in (None, have) for (_, want), have in zip(shape, value.shape)):
        expected = ", ".join(letter if want is None else f"{letter} = {want}" for letter, want in shape)
        raise saying(Status.ARRAY_LENGTH, f"{name} has shape {value.shape}, not [{expected}]")
    return value


def placement(name: str, value: Any, layers: Optional[int] = None, slots: Optional[int] = None) -> Ints32:
    """[L, P] int32."""
    held: Ints32 = shaped(name, integers(name, value, np.int32, Status.PLACEMENT_EXPERT), [("L", layers), ("P", slots)])
    return held


def windows(name: str, value: Any) -> Floats:
    """[W, L, E] float32 of what is [L, E] or [W, L, E]."""
    load = floats(name, value, Status.LOAD_INFINITE)
    if load.ndim == 2:
        return load[np.newaxis]
    if load.ndim == 3:
        return load
    raise saying(Status.ARRAY_LENGTH, f"{name} has shape {load.shape}, not [L, E] or [W, L, E]")


def records(length: int, kind: Any) -> Records:
    """`length` structs that C is to fill."""
    return np.recarray(length, np.dtype(kind))


def size(name: str, value: Any) -> int:
    """A size, below 2^31 as the library asks."""
    result = word(name, value)
    if result >= 1 << 31:
        raise saying(Status.SHAPE_TOO_LARGE, f"{name} is {result}")
    return result


def word(name: str, value: Any) -> int:
    """A whole number that fits a uint32: ctypes alone would wrap it around."""
    result = operator.index(value)
    if not 0 <= result < 1 << 32:
        raise ValueError(f"{name} is {result}: it cannot be {'negative' if result < 0 else 'above 2^32 - 1'}")
    return result


def choice(kind: Type[IntEnum], value: Union[str, int], status: Status) -> int:
    """The number of a policy or scope, given as its name, in any case, or as a number."""
    if isinstance(value, str):
        try:
            return int(kind[value.upper()])
        except KeyError:
            names = ", ".join(member.name.lower() for member in kind)
            raise saying(status, f"{value!r} is not one of {names}") from None
    return word(kind.__name__.lower(), value)


def address(value: Optional[Array]) -> Optional[int]:
    """Where the elements lie; None for NULL. The array must outlive the call."""
    return None if value is None else value.ctypes.data
