"""Loads out of files that engines write, as numpy arrays [L, E] or [W, L, E]: what `eplb.plan` takes.

`read` tells the format by the content. Nothing of a file is run, and a damaged one is a `ReadError` that says where.

Letters in shapes: W windows (steps, snapshots), L layers, E logical experts, P slots.
"""

from ._errors import ReadError
from ._read import read
from ._sglang import sglang
from ._tables import csv, npz
from ._vllm import vllm
from ._windows import windows

__all__ = ["ReadError", "csv", "npz", "read", "sglang", "vllm", "windows"]
