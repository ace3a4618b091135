"""Arguments into what C takes: dense arrays of the right type and shape, numbers that fit. Nothing wraps around."""

from __future__ import annotations

import operator
from enum import IntEnum
from typing import Any, Optional, Sequence, Tuple, Type, Union

import numpy as np

from ._abi import Status
from ._library import Error, saying

#: None, or the length that an axis must have; the rest is what messages say.
Shape = Sequence[Tuple[str, Optional[int]]]


def array(name: str, value: Any) -> np.ndarray:
    """`value` as a numpy array: a numpy array as it is, anything with __array__, nested sequences."""
    if isinstance(value, np.ma.MaskedArray):
        raise ValueError(f"{name} is a masked array: say what a masked element counts, with filled()")
    try:
        return np.asarray(value)
    except (TypeError, RuntimeError) as error:  # a tensor on a device, or one that asks for its gradient
        raise ValueError(f"{name} cannot be read as a numpy array: {error}") from error


def floats(name: str, value: Any, status: Status) -> np.ndarray:
    """Dense float32, rounded to nearest, ties to even; `status` is the error when one does not fit."""
    numbers = array(name, value)
    if numbers.dtype.kind not in "fiub":
        raise ValueError(f"{name} holds {numbers.dtype}, not numbers")
    if numbers.dtype == np.float32:
        return np.require(numbers, np.float32, ["C", "A"])
    with np.errstate(all="ignore"):  # what underflows is 0, whatever np.seterr says
        result = np.require(numbers, np.float32, ["C", "A"])
        too_large = np.isinf(result)
        if too_large.any() and (too_large := too_large & np.isfinite(numbers)).any():
            place = tuple(np.argwhere(too_large)[0].tolist())
            index = ", ".join(map(str, place))
            raise Error(status, f"{name}[{index}] is {numbers[place]}, which does not fit float32: scale it down")
    return result


def integers(name: str, value: Any, kind: Type[np.generic], status: Status) -> np.ndarray:
    """Dense integers of type `kind`; `status` is the error when one does not fit."""
    numbers = array(name, value)
    if numbers.dtype.kind not in "iub":
        raise ValueError(f"{name} holds {numbers.dtype}, not integers")
    result = np.require(numbers, kind, ["C", "A"])
    if numbers.dtype != result.dtype and not np.array_equal(numbers, result):
        place = tuple(np.argwhere(numbers != result)[0].tolist())
        raise saying(status, f"{name}[{', '.join(map(str, place))}] is {numbers[place]}")
    return result


def shaped(name: str, value: np.ndarray, shape: Shape) -> np.ndarray:
    """`value`, when its shape is `shape`."""
    if value.ndim != len(shape) or any(want not in (None, have) for (_, want), have in zip(shape, value.shape)):
        expected = ", ".join(letter if want is None else f"{letter} = {want}" for letter, want in shape)
        raise saying(Status.ARRAY_LENGTH, f"{name} has shape {value.shape}, not [{expected}]")
    return value


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
            return kind[value.upper()].value
        except KeyError:
            names = ", ".join(member.name.lower() for member in kind)
            raise saying(status, f"{value!r} is not one of {names}") from None
    return word(kind.__name__.lower(), value)


def address(value: Optional[np.ndarray]) -> Optional[int]:
    """Where the elements lie; None for NULL. The array must outlive the call."""
    return None if value is None else value.ctypes.data
