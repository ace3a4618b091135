"""The C structs and numbers of include/eplb.h, as far as this package uses them.

tests/test_abi.py compares every size, offset and number with the header.
"""

from __future__ import annotations

import ctypes
from ctypes import c_double, c_int32, c_size_t, c_uint32, c_uint64, c_void_p
from enum import IntEnum, IntFlag

#: EPLB_VERSION of the header that this package was written for.
VERSION = 512


class Problem(ctypes.Structure):
    """eplb_problem."""

    _fields_ = [
        ("struct_size", c_uint32),
        ("num_windows", c_uint32),
        ("num_layers", c_uint32),
        ("num_logical_experts", c_uint32),
        ("num_physical_experts", c_uint32),
        ("num_groups", c_uint32),
        ("num_nodes", c_uint32),
        ("num_gpus", c_uint32),
        ("load_window_stride", c_uint64),
        ("load", c_void_p),
        ("window_weight", c_void_p),
        ("gpu_speed", c_void_p),
        ("gpu_slots", c_void_p),
        ("gpu_node", c_void_p),
        ("gpu_state", c_void_p),
    ]


class Options(ctypes.Structure):
    """eplb_options."""

    _fields_ = [
        ("struct_size", c_uint32),
        ("policy", c_uint32),
        ("scope", c_uint32),
        ("effort", c_uint32),
        ("max_moves", c_uint32),
        ("max_moves_per_gpu_pair", c_uint32),
        ("flags", c_uint32),
        ("target", c_uint32),
        ("previous", c_void_p),
    ]


class Placement(ctypes.Structure):
    """eplb_placement."""

    _fields_ = [
        ("struct_size", c_uint32),
        ("max_replicas", c_uint32),
        ("physical_to_logical", c_void_p),
        ("replica_rank", c_void_p),
        ("logical_count", c_void_p),
        ("logical_to_physical", c_void_p),
        ("physical_load", c_void_p),
    ]


class Metrics(ctypes.Structure):
    """eplb_metrics."""

    _fields_ = [
        ("mean_gpu_load", c_double),
        ("max_gpu_load", c_double),
        ("balance", c_double),
        ("node_balance", c_double),
        ("expert_balance", c_double),
        ("bound", c_double),
        ("gap", c_double),
        ("duplicates", c_uint32),
        ("busiest_gpu", c_uint32),
        ("worst_window_balance", c_double),
        ("worst_window", c_uint32),
        ("moved_slots", c_uint32),
        ("dispatch_balance", c_double),
        ("dispatch_bound", c_double),
    ]


class Transfer(ctypes.Structure):
    """eplb_transfer."""

    _fields_ = [
        ("layer", c_int32),
        ("expert", c_int32),
        ("source_gpu", c_int32),
        ("source_slot", c_int32),
        ("destination_gpu", c_int32),
        ("destination_slot", c_int32),
        ("round", c_uint32),
        ("commit", c_uint32),
    ]


class TransferList(ctypes.Structure):
    """eplb_transfer_list."""

    _fields_ = [
        ("struct_size", c_uint32),
        ("capacity", c_uint32),
        ("transfers", c_void_p),
        ("transfer_size", c_size_t),
        ("layer_start", c_void_p),
        ("layer_moved", c_void_p),
        ("layer_rounds", c_void_p),
        ("totals", c_void_p),
        ("totals_size", c_size_t),
    ]


class TransferTotals(ctypes.Structure):
    """eplb_transfer_totals."""

    _fields_ = [
        ("count", c_uint32),
        ("moved", c_uint32),
        ("moved_layers", c_uint32),
        ("rounds", c_uint32),
    ]


#: The functions that are called, which answer a status: argument types, in the order of the header.
FUNCTIONS = {
    "eplb_workspace": [c_uint32, c_void_p, c_void_p, c_void_p, c_void_p],
    "eplb_plan": [c_void_p, c_void_p, c_void_p, c_size_t, c_void_p, c_void_p, c_size_t],
    "eplb_evaluate": [c_void_p, c_void_p, c_void_p, c_size_t, c_void_p, c_void_p, c_size_t],
    "eplb_number": [c_void_p, c_void_p],
    "eplb_transfers": [c_void_p, c_void_p, c_void_p, c_size_t, c_void_p, c_void_p, c_uint32, c_void_p],
}
#: Those that say why one of them refuses: its arguments, then where the sentence goes. They answer its length.
EXPLANATIONS = {
    "eplb_explain": [c_uint32, c_void_p, c_void_p, c_void_p, c_void_p, c_size_t],
    **{
        name.replace("eplb_", "eplb_explain_"): [*FUNCTIONS[name], c_void_p, c_size_t]
        for name in ("eplb_plan", "eplb_evaluate", "eplb_transfers")
    },
}


class Operation(IntEnum):
    """EPLB_OPERATION_*: what a workspace is asked for."""

    PLAN = 0
    EVALUATE = 1
    CHECK = 2
    TRANSFERS = 3
    DISPATCH = 4
    REBALANCE = 5
    NUMBER = 6
    DIGEST = 7


class Policy(IntEnum):
    """EPLB_POLICY_*: how a plan is made. The names in lower case do as well."""

    BALANCED = 0
    DEEPSEEK = 1
    MULTI_SWAP = 2
    K2_HYBRID = 3
    HYBRID_ARGMAX = 4
    PEAK_AWARE = 5
    WATERFILL = 6
    WATERFILL_FIXUP = 7


class Scope(IntEnum):
    """EPLB_SCOPE_*: which hierarchy a plan keeps. The names in lower case do as well."""

    AUTO = 0
    HIERARCHICAL = 1
    GLOBAL = 2


class GpuState(IntEnum):
    """EPLB_GPU_*: what `gpu_state` holds."""

    ALIVE = 0
    DEAD = 1
    LEAVING = 2


class Flag(IntFlag):
    """EPLB_FLAG_*, to be or-ed."""

    EXTERNAL_SOURCE = 1
    SURVIVE_GPU = 2
    SURVIVE_NODE = 4
    DISPATCH = 8
    EMPTY_SLOTS = 16
    FILL_ONLY = 32


#: max_moves: only what must move.
MOVES_NONE = 0xFFFFFFFF


class Status(IntEnum):
    """EPLB_STATUS_*: what `Error.status` holds. Pinned for ever."""

    OK = 0
    NULL_POINTER = -1
    MISALIGNED_POINTER = -2
    STRUCT_SIZE = -3
    RESERVED_NOT_ZERO = -4
    OVERLAPPING_ARRAYS = -5
    UNKNOWN_OPERATION = -6
    UNKNOWN_POLICY = -7
    UNKNOWN_SCOPE = -8
    UNKNOWN_FLAG = -9
    MOVES_WITHOUT_PREVIOUS = -10
    TARGET = -11
    WORKSPACE_TOO_SMALL = -20
    WORKSPACE_MISALIGNED = -21
    SHAPE_ZERO = -30
    SHAPE_TOO_LARGE = -31
    TOO_FEW_SLOTS = -32
    SLOTS_NOT_DIVISIBLE = -33
    GROUPS_NOT_DIVISIBLE = -34
    EXPERTS_NOT_DIVISIBLE = -35
    GPUS_NOT_DIVISIBLE = -36
    WINDOW_STRIDE = -37
    ARRAY_LENGTH = -38
    TOO_MANY_NODES = -39
    LOAD_NAN = -40
    LOAD_INFINITE = -41
    LOAD_NEGATIVE = -42
    LOAD_TOO_LARGE = -43
    WINDOW_WEIGHT = -44
    GPU_SLOTS = -50
    GPU_SPEED = -51
    GPU_NODE = -52
    GPU_STATE = -53
    NO_ALIVE_GPU = -54
    PLACEMENT_EXPERT = -60
    PLACEMENT_INVALID = -61
    PLACEMENT_MISSING = -62
    MAX_REPLICAS = -63
    PLACEMENT_STATE = -69
    INFEASIBLE = -70
    SOURCE_LOST = -71
    NEEDS_BUFFER = -72
    LIST_TOO_SMALL = -73
    UNSUPPORTED_POLICY = -80
    UNSUPPORTED_WINDOWS = -81
    UNSUPPORTED_PREVIOUS = -82
    UNSUPPORTED_SPEED = -83
    UNSUPPORTED_SLOTS = -84
    UNSUPPORTED_NODES = -85
    UNSUPPORTED_STATE = -86
    UNSUPPORTED_FLAG = -87
    TRACKER_FOREIGN = -90
    TRACKER_TORN = -91
    TRACKER_TOO_SMALL = -92
    TRACKER_LAYER = -93
    TRACKER_COUNTS = -94
    TRACKER_SLOT = -95
    TRACKER_EMPTY = -96
    DISPATCH_NO_REPLICA = -100
    DISPATCH_DEAD_SOURCE = -101
    DISPATCH_TOKENS = -102
    DISPATCH_SOURCES = -103
    GATE_TIME = -110
    GATE_BANDWIDTH = -111
    GATE_LOAD = -112
    GATE_STATE = -113
    GATE_NEVER = -114
    OLDEST_WINDOW = -115
    TOO_MANY_WINDOWS = -116
    CHANGE_OPTION = -117
    UNKNOWN_FORECAST = -118
    FORECAST_OPTION = -119
