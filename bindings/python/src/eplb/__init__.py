"""Expert placement for Mixture-of-Experts serving: how many replicas each expert gets, and on which GPU.

`rebalance_experts` takes and returns what DeepSeek EPLB's function of that name does; `plan` also says how good the
plan is, `evaluate` measures any placement, `number` makes its other maps, `transfers` lists what moves between two. The
work is done by the eplb library through its C interface; numpy is all that is needed besides.

Letters in shapes: W windows, L layers, E logical experts, P physical experts (slots), G GPUs.
"""

from ._abi import MOVES_NONE, Flag, GpuState, Policy, Scope, Status
from ._library import Error
from ._library import library as _library
from ._library import version_text as _version_text
from ._planner import Numbers, Plan, Transfers, evaluate, number, plan, rebalance_experts, transfers

__all__ = [
    "Error",
    "Flag",
    "GpuState",
    "MOVES_NONE",
    "Numbers",
    "Plan",
    "Policy",
    "Scope",
    "Status",
    "Transfers",
    "evaluate",
    "number",
    "plan",
    "rebalance_experts",
    "transfers",
]

#: Version of the library that was found.
__version__ = _version_text(_library.eplb_version())
