"""The C structs and functions of include/eplb.h: all but eplb_version and eplb_status_string, which _library.py opens.

tests/test_abi.py compares every function, size and offset with the header.
"""

from __future__ import annotations

import ctypes
from ctypes import c_double, c_float, c_int32, c_size_t, c_uint32, c_uint64, c_void_p
from typing import Any, Dict, List

#: EPLB_VERSION of the header that this package was written for.
VERSION = 512
#: EPLB_GATE_SECONDS.
GATE_SECONDS = 1


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
        ("cost", c_void_p),
        ("step_tokens", c_void_p),
    ]


class Cost(ctypes.Structure):
    """eplb_cost."""

    _fields_ = [
        ("struct_size", c_uint32),
        ("reserved", c_uint32),
        ("token_seconds", c_double),
        ("expert_seconds", c_double),
        ("layer_seconds", c_double),
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
        ("split", c_uint32),
        ("reserved", c_uint32),
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
        ("max_gpu_seconds", c_double),
        ("mean_gpu_seconds", c_double),
        ("time_balance", c_double),
        ("active_experts", c_double),
        ("seconds_bound", c_double),
        ("seconds_gap", c_double),
        ("dispatch_seconds", c_double),
        ("dispatch_seconds_bound", c_double),
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


class Violation(ctypes.Structure):
    """eplb_violation."""

    _fields_ = [
        ("kind", c_uint32),
        ("layer", c_int32),
        ("slot", c_int32),
        ("expert", c_int32),
        ("gpu", c_int32),
        ("other_slot", c_int32),
    ]


class TrackerConfig(ctypes.Structure):
    """eplb_tracker_config."""

    _fields_ = [
        ("struct_size", c_uint32),
        ("num_windows", c_uint32),
        ("num_layers", c_uint32),
        ("num_logical_experts", c_uint32),
        ("steps_per_window", c_uint32),
        ("reserved", c_uint32),
    ]


class Windows(ctypes.Structure):
    """eplb_windows."""

    _fields_ = [
        ("struct_size", c_uint32),
        ("num_windows", c_uint32),
        ("num_layers", c_uint32),
        ("num_logical_experts", c_uint32),
        ("oldest", c_uint32),
        ("reserved", c_uint32),
        ("load_window_stride", c_uint64),
        ("closed", c_uint64),
        ("load", c_void_p),
        ("window_weight", c_void_p),
    ]


class Change(ctypes.Structure):
    """eplb_change."""

    _fields_ = [
        ("struct_size", c_uint32),
        ("each_layer", c_uint32),
        ("ratio", c_float),
        ("distance", c_float),
        ("before", c_float),
        ("tokens_per_load", c_float),
    ]


class ForecastOptions(ctypes.Structure):
    """eplb_forecast_options."""

    _fields_ = [
        ("struct_size", c_uint32),
        ("method", c_uint32),
        ("half_life", c_float),
        ("sigmas", c_float),
    ]


class GateConfig(ctypes.Structure):
    """eplb_gate_config."""

    _fields_ = [
        ("struct_size", c_uint32),
        ("num_layers", c_uint32),
        ("num_gpus", c_uint32),
        ("flags", c_uint32),
        ("step_seconds", c_double),
        ("steps", c_double),
        ("steps_since", c_double),
        ("bytes_per_expert", c_double),
        ("gpu_bandwidth", c_double),
        ("node_bandwidth", c_double),
        ("stall", c_double),
        ("fixed_seconds", c_double),
        ("certainty", c_double),
        ("payback", c_double),
        ("evidence", c_double),
        ("max_cost_seconds", c_double),
    ]


class GateLayer(ctypes.Structure):
    """eplb_gate_layer."""

    _fields_ = [
        ("mean", c_double),
        ("now", c_double),
        ("after", c_double),
        ("tokens", c_double),
        ("moved", c_uint32),
        ("rounds", c_uint32),
        ("node_rounds", c_uint32),
        ("reserved", c_uint32),
    ]


class GateState(ctypes.Structure):
    """eplb_gate_state."""

    _fields_ = [("debt_seconds", c_double), ("seconds_per_step", c_double), ("evidence", c_double)]


class GateVerdict(ctypes.Structure):
    """eplb_gate_verdict."""

    _fields_ = [
        ("gain_seconds", c_double),
        ("cost_seconds", c_double),
        ("debt_seconds", c_double),
        ("move_layer", c_uint32),
        ("order", c_uint32),
    ]


class GateTotal(ctypes.Structure):
    """eplb_gate_total."""

    _fields_ = [
        ("moved_layers", c_uint32),
        ("moved", c_uint32),
        ("gain_seconds", c_double),
        ("cost_seconds", c_double),
        ("bytes", c_double),
        ("evidence", c_double),
    ]


class Batch(ctypes.Structure):
    """eplb_batch."""

    _fields_ = [("struct_size", c_uint32), ("num_sources", c_uint32), ("tokens", c_void_p)]


class Split(ctypes.Structure):
    """eplb_split."""

    _fields_ = [
        ("largest_time", c_double),
        ("bound", c_double),
        ("balance", c_double),
        ("tokens", c_uint64),
        ("leaving_node", c_uint64),
        ("leaving_gpu", c_uint64),
        ("kind", c_uint32),
        ("busiest_gpu", c_uint32),
    ]


class Quotas(ctypes.Structure):
    """eplb_quotas."""

    _fields_ = [
        ("struct_size", c_uint32),
        ("max_replicas", c_uint32),
        ("quota", c_void_p),
        ("route_end", c_void_p),
        ("route_slot", c_void_p),
        ("per_layer", c_void_p),
        ("split_size", c_size_t),
    ]


class Replication(ctypes.Structure):
    """eplb_replication."""

    _fields_ = [
        ("struct_size", c_uint32),
        ("num_sources", c_uint32),
        ("tokens", c_void_p),
        ("held", c_void_p),
        ("tolerance", c_uint32),
        ("fetch_tokens", c_uint32),
        ("least_tokens", c_uint32),
        ("max_fetches_in", c_uint32),
        ("max_fetches_out", c_uint32),
        ("reserved", c_uint32),
    ]


class Fetch(ctypes.Structure):
    """eplb_fetch."""

    _fields_ = [
        ("layer", c_int32),
        ("expert", c_int32),
        ("source_gpu", c_int32),
        ("source_slot", c_int32),
        ("destination_gpu", c_int32),
        ("destination_slot", c_int32),
        ("round", c_uint32),
        ("tokens", c_uint32),
    ]


class Replicated(ctypes.Structure):
    """eplb_replicated."""

    _fields_ = [
        ("largest_time", c_double),
        ("bound", c_double),
        ("balance", c_double),
        ("tokens", c_uint64),
        ("leaving_home", c_uint64),
        ("leaving_node", c_uint64),
        ("leaving_gpu", c_uint64),
        ("fetches", c_uint32),
        ("fetches_bound", c_uint32),
        ("busiest_gpu", c_uint32),
        ("limit", c_uint32),
    ]


class Replicas(ctypes.Structure):
    """eplb_replicas."""

    _fields_ = [
        ("struct_size", c_uint32),
        ("max_replicas", c_uint32),
        ("physical_to_logical", c_void_p),
        ("quota", c_void_p),
        ("route_end", c_void_p),
        ("route_slot", c_void_p),
        ("fetches", c_void_p),
        ("fetch_size", c_size_t),
        ("capacity", c_uint32),
        ("reserved", c_uint32),
        ("per_layer", c_void_p),
        ("replicated_size", c_size_t),
    ]


#: Arguments of most functions: problem, options, workspace and its size.
_PROBLEM: List[Any] = [c_void_p, c_void_p, c_void_p, c_size_t]
_MEMORY: List[Any] = [c_void_p, c_size_t]

#: The functions that are called, which answer a status: argument types, in the order of the header.
FUNCTIONS: Dict[str, List[Any]] = {
    "eplb_workspace": [c_uint32, c_void_p, c_void_p, c_void_p, c_void_p],
    "eplb_plan": [*_PROBLEM, c_void_p, c_void_p, c_size_t],
    "eplb_evaluate": [*_PROBLEM, c_void_p, c_void_p, c_size_t],
    "eplb_check": [*_PROBLEM, c_void_p, c_void_p, c_size_t],
    "eplb_number": [c_void_p, c_void_p],
    "eplb_digest": [c_void_p, c_void_p, c_void_p],
    "eplb_tracker_size": [c_void_p, c_void_p, c_void_p],
    "eplb_tracker_init": [c_void_p, *_MEMORY],
    "eplb_tracker_observe": [*_MEMORY, c_uint32, c_void_p, c_uint32, c_void_p],
    "eplb_tracker_close": _MEMORY,
    "eplb_tracker_discard": _MEMORY,
    "eplb_tracker_windows": [*_MEMORY, c_void_p, c_size_t],
    "eplb_window_weights": [c_void_p, c_void_p, c_void_p, c_void_p],
    "eplb_forecast": [c_void_p, c_void_p, c_void_p],
    "eplb_transfers": [*_PROBLEM, c_void_p, c_void_p, c_uint32, c_void_p],
    "eplb_gate": [c_void_p, c_void_p, c_size_t, c_void_p, c_size_t, c_void_p, c_size_t, c_void_p, c_size_t],
    "eplb_dispatch": [*_PROBLEM, c_void_p, c_void_p, c_void_p],
    "eplb_replicate": [*_PROBLEM, c_void_p, c_void_p, c_void_p],
}
#: Functions without one of their own that says why they refuse: eplb_explain does, by the operation.
_BY_OPERATION = ("eplb_workspace", "eplb_number", "eplb_digest", "eplb_tracker_size")
#: Those that say why one of them refuses: its arguments, then where the sentence goes. They answer its length.
EXPLANATIONS: Dict[str, List[Any]] = {
    "eplb_explain": [c_uint32, c_void_p, c_void_p, c_void_p, c_void_p, c_size_t],
    **{
        name.replace("eplb_", "eplb_explain_"): [*arguments, c_void_p, c_size_t]
        for name, arguments in FUNCTIONS.items()
        if name not in _BY_OPERATION
    },
}
