"""The numbers of include/eplb.h: policies, scopes, flags, kinds, limits, statuses. tests/test_abi.py compares them."""

from __future__ import annotations

from enum import IntEnum, IntFlag


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
    REPLICATE = 8


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


class StaticSplit(IntEnum):
    """EPLB_SPLIT_*: how the engine splits tokens over replicas. The names in lower case do as well."""

    EVEN = 0
    NEAREST = 1


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


class ViolationKind(IntEnum):
    """EPLB_VIOLATION_KIND_*: which promise a placement breaks."""

    NONE = 0
    EXPERT = 1
    STATE = 2
    EMPTY = 3
    MISSING = 4
    DUPLICATE = 5
    NODE = 6
    COUNT = 7
    RANK = 8
    TABLE = 9


class SplitKind(IntEnum):
    """EPLB_SPLIT_KIND_*: how good the split of a batch is."""

    EXACT = 0
    TIME = 1
    EVEN = 2


class ReplicateLimit(IntEnum):
    """EPLB_REPLICATE_LIMIT_*: what kept the largest time above the tolerance."""

    NONE = 0
    SLOTS = 1
    FETCHES_IN = 2
    FETCHES_OUT = 3
    LEAST_TOKENS = 4
    EFFORT = 5


class ForecastMethod(IntEnum):
    """EPLB_FORECAST_METHOD_*: how one load is made of windows. The names in lower case do as well."""

    LAST = 0
    MEAN = 1
    HALF_LIFE = 2
    MEAN_PLUS_SIGMA = 3


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
    UNKNOWN_SPLIT = -12
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
    COST = -45
    STEP_TOKENS = -46
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
    UNSUPPORTED_SPLIT = -88
    UNSUPPORTED_COST = -89
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
    TOLERANCE = -104
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
