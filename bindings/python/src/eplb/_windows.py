"""Load windows: how much each should count, and one load made of several."""

from __future__ import annotations

import ctypes
from typing import Any, NamedTuple, Optional, Tuple, Union

import numpy as np

from . import _abi
from ._arrays import choice, floats, shaped, size, windows
from ._library import called
from ._numbers import ForecastMethod, Status
from ._types import Floats, Words


class WindowWeights(NamedTuple):
    """How much each window counts."""

    #: [L, W] float32: what `plan` takes as window_weight.
    weight: Floats
    #: [L] uint32: how many of the newest windows are since the last change.
    counted: Words


def window_weights(
    weight: Any,
    *,
    each_layer: bool = False,
    ratio: float = 0,
    distance: float = 0,
    before: float = 0,
    tokens_per_load: float = 0,
) -> WindowWeights:
    """Says how much each of at most 32 windows [W, L, E], oldest first, should count, so that a plan does not cling to
    what the load was before it changed abruptly: 1 since the last change, `before` (0 to 1) for those from before it.

    Arguments:
        each_layer: judge each layer by itself; else all together, since a change of domain shows in all.
        ratio: spread between the windows before and after a change over that within them, at least; 0 = 6.
        distance: squared distance of the mean windows before and after a change, at least; 0 = 0.3.
        tokens_per_load: tokens that a load of 1 stands for, to judge the scatter of counts; 0 = 1.
    """
    load = windows("weight", weight)
    given, _ = _windows(load, None)
    change = _abi.Change(ctypes.sizeof(_abi.Change), bool(each_layer), ratio, distance, before, tokens_per_load)
    result = np.empty((load.shape[1], load.shape[0]), np.float32)
    counted = np.empty(load.shape[1], np.uint32)
    addresses = ctypes.addressof(given), ctypes.addressof(change), result.ctypes.data, counted.ctypes.data
    called("window_weights", *addresses)
    return WindowWeights(result, counted)


def forecast(
    weight: Any,
    method: Union[str, int] = ForecastMethod.LAST,
    *,
    half_life: float = 0,
    sigmas: float = 0,
    window_weight: Any = None,
) -> Floats:
    """Makes one load [L, E] float32 of windows [W, L, E], oldest first, for a policy that plans on one.

    Arguments:
        method: "last" the newest window; "mean" the weighted mean; "half_life" the mean in which a window counts half
            as much as one that is half_life windows younger; "mean_plus_sigma" the mean and so many standard deviations.
        half_life: windows, at least 2^-10; 0 = 1.
        sigmas: standard deviations above the mean, at least 0.
        window_weight: [L, W]; None: all the same.
    """
    load = windows("weight", weight)
    given, kept = _windows(load, window_weight)
    number = choice(ForecastMethod, method, Status.UNKNOWN_FORECAST)
    options = _abi.ForecastOptions(ctypes.sizeof(_abi.ForecastOptions), number, half_life, sigmas)
    result = np.empty(load.shape[1:], np.float32)
    called("forecast", ctypes.addressof(given), ctypes.addressof(options), result.ctypes.data)
    del kept
    return result


def _windows(load: Floats, window_weight: Any) -> Tuple[_abi.Windows, Optional[Floats]]:
    """The struct, and what it points to besides load."""
    count, layers, experts = (size(name, length) for name, length in zip(("windows", "layers", "experts"), load.shape))
    weights = None
    if window_weight is not None:
        weights = floats("window_weight", window_weight, Status.WINDOW_WEIGHT)
        shaped("window_weight", weights, [("L", layers), ("W", count)])
    where = None if weights is None else weights.ctypes.data
    given = _abi.Windows(ctypes.sizeof(_abi.Windows), count, layers, experts, 0, 0, 0, 0, load.ctypes.data, where)
    return given, weights
