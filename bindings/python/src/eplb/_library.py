"""Finds and opens the shared library, once, when the package is imported; its errors as exceptions.

The library lies beside this file in the wheel. EPLB_LIBRARY, a path, takes another one.
"""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path
from typing import Optional

from . import _abi

NAME = "libeplb.dylib" if sys.platform == "darwin" else "libeplb.so"


class Error(ValueError):
    """The library refused: its text, that of eplb_status_string, behind what numpy can see to be wrong."""

    #: One of `Status`, or a plain int that this package does not know.
    status: int

    def __init__(self, status: int, about: Optional[str] = None) -> None:
        text = status_string(status)
        super().__init__(text if about is None else f"{about}: {text}")
        self._about = about
        try:
            self.status = _abi.Status(status)
        except ValueError:
            self.status = status

    def __reduce__(self) -> tuple:
        # an exception is made again of its arguments: without this of its text, and no pool could hand it on
        return type(self), (int(self.status), self._about)


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


def check(status: int) -> None:
    """Raises unless the status is OK."""
    if status != 0:
        raise Error(status)


library = _open()
