"""Names of the array types that annotations use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Ints32 = NDArray[np.int32]
Words = NDArray[np.uint32]

if TYPE_CHECKING:
    Records = np.recarray[Any, np.dtype[Any]]
else:  # of old releases of numpy it cannot be said of which elements
    Records = np.recarray
