"""A load tracker: tokens of each step into windows."""

from __future__ import annotations

import ctypes
from typing import Any, NamedTuple, Optional, Tuple

import numpy as np

from . import _abi
from ._arrays import array, placement, refuse_any, shaped, size, tokens
from ._library import Error, called, library, saying
from ._numbers import Status
from ._types import Array, Floats

#: Words of the memory's header (docs/SPEC.md, "The load tracker"), and where in it things are.
_HEADER, _KEPT, _CLOSED = 20, 7, 10


class Windows(NamedTuple):
    """The windows that are closed."""

    #: [W, L, E] float32 tokens of each expert, the oldest window first: what `plan` takes as weight.
    load: Floats
    #: windows closed since the tracker was made, those that have left the ring included
    closed: int


class Tracker:
    """Adds up tokens of experts, step by step, in windows, the newest of which it keeps.

    All its state is plain data: `bytes(tracker)` can be kept in a file, `Tracker.from_bytes` takes it up, in another
    process too. One call at a time for a tracker.
    """

    def __init__(self, num_windows: int, num_layers: int, num_experts: int, *, steps_per_window: int = 0) -> None:
        """
        Arguments:
            num_windows: W, how many windows are kept.
            steps_per_window: steps after which a window closes by itself; 0 = `close` alone closes it.
        """
        sizes = (
            size("num_windows", num_windows),
            size("num_layers", num_layers),
            size("num_experts", num_experts),
        )
        config = _abi.TrackerConfig(
            ctypes.sizeof(_abi.TrackerConfig), *sizes, size("steps_per_window", steps_per_window), 0
        )
        need, align = ctypes.c_size_t(), ctypes.c_size_t()
        address = ctypes.addressof(config)
        status = library.eplb_tracker_size(address, ctypes.addressof(need), ctypes.addressof(align))
        if status != 0:
            raise saying(status, "num_windows, num_layers, num_experts are {}, {}, {}".format(*sizes))
        self._memory: Array = np.empty(need.value // 4, np.uint32)
        called("tracker_init", address, *self._held())

    @classmethod
    def from_bytes(cls, saved: bytes) -> "Tracker":
        """A tracker as it was when `bytes(tracker)` was taken. What is damaged is refused: `Error`."""
        if len(saved) < 4 * _HEADER or len(saved) % 4:
            raise saying(Status.TRACKER_FOREIGN, f"saved has {len(saved)} bytes")
        self = cls.__new__(cls)
        self._memory = np.frombuffer(saved, np.uint32).copy()
        self._checked()
        return self

    def __bytes__(self) -> bytes:
        return self._memory.tobytes()

    def __reduce__(self) -> Tuple[Any, ...]:
        return type(self).from_bytes, (bytes(self),)

    @property
    def num_layers(self) -> int:
        return int(self._memory[3])

    @property
    def num_experts(self) -> int:
        return int(self._memory[4])

    @property
    def num_closed(self) -> int:
        """Windows closed since the tracker was made."""
        return int(self._memory[_CLOSED]) | int(self._memory[_CLOSED + 1]) << 32

    @property
    def num_kept(self) -> int:
        """Those of them that `windows` tells."""
        return int(self._memory[_KEPT])

    @property
    def open_steps(self) -> int:
        """Steps of the layers in the open window: of the one that has most."""
        return int(self._memory[_HEADER : _HEADER + self.num_layers].max())

    def observe(self, counts: Any, physical_to_logical_map: Any = None) -> None:
        """Adds a step of all layers to the open window.

        Arguments:
            counts: [L, E] tokens of each expert, or with a placement [L, P] of each slot. Whole numbers of any type, a
                tensor too; a negative one, a counter that wrapped, is refused.
            physical_to_logical_map: [L, P] the placement in force at this step; an empty slot (-1) must count 0.

        When a layer is refused, none is counted.
        """
        numbers = tokens("counts", counts)
        row = None
        if physical_to_logical_map is None:
            shaped("counts", numbers, [("L", self.num_layers), ("E", self.num_experts)])
        else:
            shaped("counts", numbers, [("L", self.num_layers), ("P", None)])
            row = placement("physical_to_logical_map", physical_to_logical_map, *numbers.shape)
            _counted(numbers, row, self.num_experts)
        for layer in range(self.num_layers):
            self._observe(layer, numbers[layer], None if row is None else row[layer])

    def observe_layer(self, layer: int, counts: Any, physical_to_logical_map: Any = None) -> None:
        """Adds a step of one layer to the open window: [E], or with its row of the placement, [P] each."""
        numbers = shaped("counts", tokens("counts", counts), [("E" if physical_to_logical_map is None else "P", None)])
        row = None
        if physical_to_logical_map is not None:
            row = placement(
                "physical_to_logical_map",
                array("physical_to_logical_map", physical_to_logical_map)[None],
                1,
                len(numbers),
            )[0]
        self._observe(layer, numbers, row)

    def close(self) -> None:
        """Closes the open window: it becomes the newest, in place of the oldest when all are kept that can be.
        `Error` (TRACKER_EMPTY) when nothing was observed since the last one."""
        called("tracker_close", *self._held())

    def discard(self) -> None:
        """Forgets what the open window holds: the warm-up, a batch of padding. Closed windows stay."""
        called("tracker_discard", *self._held())

    def windows(self) -> Windows:
        """The closed windows, a copy. `Error` (TRACKER_EMPTY) while there is none."""
        told = _abi.Windows()
        called("tracker_windows", *self._held(), ctypes.addressof(told), ctypes.sizeof(told))
        count = told.num_windows * self.num_layers * self.num_experts
        start = (told.load - self._memory.ctypes.data) // 4
        load: Floats = self._memory[start : start + count].view(np.float32)
        ring = load.reshape(told.num_windows, self.num_layers, self.num_experts)
        return Windows(np.roll(ring, -told.oldest, axis=0), told.closed)

    def _observe(self, layer: int, counts: Array, row: Optional[Array]) -> None:
        called(
            "tracker_observe",
            *self._held(),
            size("layer", layer),
            counts.ctypes.data,
            len(counts),
            None if row is None else row.ctypes.data,
        )

    def _held(self) -> Tuple[int, int]:
        return self._memory.ctypes.data, self._memory.nbytes

    def _checked(self) -> None:
        """Raises when the memory is damaged."""
        try:
            self.windows()
        except Error as error:
            if error.status != Status.TRACKER_EMPTY:
                raise


def _counted(counts: Array, held: Array, experts: int) -> None:
    """Raises what the library would in the middle of a step, before the first layer is counted."""
    refuse_any("physical_to_logical_map", held, (held < -1) | (held >= experts), Status.PLACEMENT_EXPERT)
    refuse_any("counts", counts, (held == -1) & (counts != 0), Status.TRACKER_SLOT)
