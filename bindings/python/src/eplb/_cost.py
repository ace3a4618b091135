"""What a step takes, as calls are told of it."""

from __future__ import annotations

import ctypes
from typing import Any, NamedTuple

import numpy as np

from . import _abi
from ._arrays import floats, shaped
from ._numbers import Status
from ._types import Floats


class Cost(NamedTuple):
    """Seconds of a layer in a step, the figures of eplb_cost; `eplb fit` of the project makes them of measurements."""

    #: that a token costs at an expert
    token_seconds: float = 0
    #: that an expert costs which has any token: reading its weights. A replica takes the longer of its tokens and this
    expert_seconds: float = 0
    #: that a layer costs anyway
    layer_seconds: float = 0


def struct(cost: Cost) -> _abi.Cost:
    """As C takes it."""
    return _abi.Cost(ctypes.sizeof(_abi.Cost), 0, *cost)


def each_window(step_tokens: Any, windows: int) -> Floats:
    """[W] of one number, or of one for each window."""
    given = floats("step_tokens", step_tokens, Status.STEP_TOKENS)
    if given.ndim == 0:
        return np.full(windows, given, np.float32)
    each: Floats = shaped("step_tokens", given, [("W", windows)])
    return each
