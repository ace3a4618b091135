"""What moves between two placements, and when."""

from __future__ import annotations

import ctypes
from typing import Any, NamedTuple

import numpy as np

from . import _abi
from ._arrays import placement, records, size
from ._call import Call, Held
from ._numbers import Flag, Operation
from ._types import Records, Words


class Transfers(NamedTuple):
    """What moves between two placements, and when."""

    #: The fields of eplb_transfer: `transfers.expert` and so on (but `transfers["round"]`: arrays have a method of that
    #: name); layer by layer, in the order in which they happen.
    transfers: Records
    #: [L + 1] uint32: the first transfer of each layer, and their number at the end.
    layer_start: Words
    #: [L] uint32: transfers of each layer that use a link: what the gate counts. The others are copies within a GPU.
    layer_moved: Words
    #: [L] uint32: rounds of each layer.
    layer_rounds: Words
    #: The sum of layer_moved.
    moved: int


def transfers(
    previous: Any,
    physical_to_logical_map: Any,
    num_nodes: int,
    num_gpus: int,
    *,
    spare_buffers: int = 0,
    flags: int = Flag(0),
    gpu_slots: Any = None,
    gpu_node: Any = None,
    gpu_state: Any = None,
) -> Transfers:
    """Lists the transfers that turn the placement `previous` [L, P] into another, in rounds: replayed in order, a GPU
    sends and receives at most one expert a round, and no expert is ever missing.

    spare_buffers: experts of a layer that a GPU can receive beside its slots.
    flags: `Flag.EXTERNAL_SOURCE` allows source -1 for experts that no GPU can be read for; `Error` else.
    """
    expert = placement("physical_to_logical_map", physical_to_logical_map)
    layers, slots = expert.shape
    old = placement("previous", previous, layers, slots)
    experts = int(max(expert.max(initial=0), old.max(initial=0))) + 1
    call = Call(
        (1, layers, experts, slots),
        None,
        num_nodes,
        num_gpus,
        None,
        flags=flags,
        gpu_slots=gpu_slots,
        gpu_node=gpu_node,
        gpu_state=gpu_state,
    )
    # most placements differ in part: the bound that always suffices, of which only what is written is touched
    listed = records(2 * layers * slots, _abi.Transfer)
    starts, moved, rounds = np.empty(layers + 1, np.uint32), np.empty(layers, np.uint32), np.empty(layers, np.uint32)
    totals = _abi.TransferTotals()
    out = _abi.TransferList(
        ctypes.sizeof(_abi.TransferList),
        listed.size,
        listed.ctypes.data,
        listed.itemsize,
        starts.ctypes.data,
        moved.ctypes.data,
        rounds.ctypes.data,
        ctypes.addressof(totals),
        ctypes.sizeof(totals),
    )
    before, after = Held(old), Held(expert)
    buffers = size("spare_buffers", spare_buffers)
    call.run(Operation.TRANSFERS, before, after, buffers, ctypes.addressof(out))
    done = records(totals.count, _abi.Transfer)
    done[:] = listed[: totals.count]
    return Transfers(done, starts, moved, rounds, totals.moved)
