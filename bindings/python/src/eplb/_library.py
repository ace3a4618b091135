"""Finds and opens the shared library, once, when the package is imported; its errors as exceptions.

The library lies beside this file in the wheel. EPLB_LIBRARY, a path, takes another one.
"""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path
from typing import Any, Tuple

from . import _abi
from ._numbers import Status

NAME = "libeplb.dylib" if sys.platform == "darwin" else "libeplb.so"


#: Room for what eplb_explain and its kin say.
SENTENCE = 400

#: What the C interface calls the arguments of this package.
NAMES = {
    "problem.load": "weight",
    "windows.load": "weight",
    "memory has": "the tracker has",
    "memory holds": "saved holds",
    "eplb_tracker_init": "Tracker",
    "eplb_tracker_": "",
    "num_physical_experts": "num_replicas",
    "placement.physical_to_logical": "physical_to_logical_map",
    "from.physical_to_logical": "previous",
    "to.physical_to_logical": "physical_to_logical_map",
    "home.physical_to_logical": "physical_to_logical_map",
    "problem.": "",
    "options.": "",
    "placement.": "",
    "windows.": "",
    "change.": "",
    "forecast.": "",
    "batch.": "",
    "request.": "",
    "out.max_replicas": "max_replicas",
    "config.": "",
}


class Error(ValueError):
    """What was refused, and why: which argument, which element of it, what to do."""

    #: One of `Status`, or a plain int that this package does not know.
    status: int  # an IntEnum is one

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        try:
            self.status = Status(status)
        except ValueError:
            self.status = status

    def __reduce__(self) -> Tuple[Any, ...]:
        # an exception is made again of its arguments: without this of its text, and no pool could hand it on
        return type(self), (int(self.status), str(self))


def _open() -> ctypes.CDLL:
    path = os.environ.get("EPLB_LIBRARY") or str(Path(__file__).with_name(NAME))
    try:
        # PyDLL would keep the GIL; CDLL lets go of it for the time of a call
        library = ctypes.CDLL(path)
        version = library.eplb_version
        library.eplb_status_string.restype = ctypes.c_char_p
        library.eplb_status_string.argtypes = [ctypes.c_int32]
        for name, arguments in _abi.FUNCTIONS.items():
            function = getattr(library, name)
            function.restype = ctypes.c_int32
            function.argtypes = arguments
        for name, arguments in _abi.EXPLANATIONS.items():
            function = getattr(library, name)
            function.restype = ctypes.c_size_t
            function.argtypes = arguments
    except (OSError, AttributeError) as error:
        raise ImportError(f"eplb: no library at {path} (EPLB_LIBRARY can name another): {error}") from error
    version.restype = ctypes.c_uint32
    found = version()
    # the same major version, before 1.0 the same minor version too
    shift = 16 if _abi.VERSION >> 16 else 8
    if found >> shift != _abi.VERSION >> shift:
        raise ImportError(
            f"eplb: {path} is version {version_text(found)}, this package is for {version_text(_abi.VERSION)}"
        )
    return library


def version_text(number: int) -> str:
    """major.minor.patch of what eplb_version answers."""
    return f"{number >> 16}.{number >> 8 & 255}.{number & 255}"


def status_string(status: int) -> str:
    """The text of a status: what is wrong and what to change."""
    text: bytes = library.eplb_status_string(status)
    return text.decode()


def sentence(explain: str, *arguments: Any) -> str:
    """What the function `explain` says of a call with these arguments, in the words of this package."""
    said = ctypes.create_string_buffer(SENTENCE)
    getattr(library, explain)(*arguments, ctypes.addressof(said), SENTENCE)
    text = said.value.decode()
    for name, ours in NAMES.items():
        text = text.replace(name, ours)
    return text


def refused(status: int, explain: str, *arguments: Any) -> Error:
    """The error for a call that was refused."""
    return Error(status, sentence(explain, *arguments))


def called(function: str, *arguments: Any) -> None:
    """Calls a function that has an explanation of its own, and raises what that says when it refuses."""
    status = getattr(library, f"eplb_{function}")(*arguments)
    if status != 0:
        raise refused(status, f"eplb_explain_{function}", *arguments)


def saying(status: int, about: str) -> Error:
    """An error about what this package sees before the library does."""
    return Error(status, f"{about}: {status_string(status)}")


library = _open()
