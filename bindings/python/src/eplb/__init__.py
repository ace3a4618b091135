"""Expert placement for Mixture-of-Experts serving: how many replicas each expert gets, and on which GPU.

`rebalance_experts` takes and returns what DeepSeek EPLB's function of that name does; `plan` also says how good the
plan is. Around it: `evaluate`, `check`, `number`, `digest` of any placement; `Tracker`, `window_weights`, `forecast`
for load windows; `transfers`, `gate`, `dispatch`; `replicate` for copies that are decided batch by batch; `Balancer`,
all of it as one loop; `Rebalancer` for engines that have a loop of their own; `readers` for the files of engines. The
work is done by the eplb library through its C interface; numpy is all that is needed besides.

Letters in shapes: W windows, L layers, E logical experts, P physical experts (slots), G GPUs.
"""

from . import readers
from ._cost import Cost
from ._dispatch import Dispatch, dispatch
from ._gate import Gate, GateTotal, Prices, gate
from ._library import Error, status_string
from ._library import library as _library
from ._library import version_text as _version_text
from ._measure import Numbers, Violation, check, digest, evaluate, number
from ._numbers import (
    MOVES_NONE,
    Flag,
    ForecastMethod,
    GpuState,
    Policy,
    ReplicateLimit,
    Scope,
    SplitKind,
    StaticSplit,
    Status,
    ViolationKind,
)
from ._plan import Plan, plan, rebalance_experts
from ._rebalancer import Rebalancer
from ._replicate import Replicas, replicate
from ._route import route
from ._tracker import Tracker, Windows
from ._transfers import Transfers, transfers
from ._windows import WindowWeights, forecast, window_weights
from .balancer import Balancer, Progress, Proposal

__all__ = [
    "Balancer",
    "Cost",
    "Dispatch",
    "Error",
    "Flag",
    "ForecastMethod",
    "Gate",
    "GateTotal",
    "GpuState",
    "MOVES_NONE",
    "Numbers",
    "Plan",
    "Policy",
    "Prices",
    "Progress",
    "Proposal",
    "Rebalancer",
    "Replicas",
    "ReplicateLimit",
    "Scope",
    "SplitKind",
    "StaticSplit",
    "Status",
    "Tracker",
    "Transfers",
    "Violation",
    "ViolationKind",
    "WindowWeights",
    "Windows",
    "check",
    "digest",
    "dispatch",
    "evaluate",
    "forecast",
    "gate",
    "number",
    "plan",
    "readers",
    "rebalance_experts",
    "replicate",
    "route",
    "status_string",
    "transfers",
    "window_weights",
]

#: Version of the library that was found.
__version__ = _version_text(_library.eplb_version())
