"""A state as bytes: a mark, a version, a digest, then arrays in numpy's own format. Damage is told before anything is
taken up; nothing of it is run."""

from __future__ import annotations

import hashlib
import io
import json
import struct
from typing import Any, Dict, Tuple

import numpy as np

from .._types import Array

_MARK = b"eplb balancer\0\0\0"
_HEAD = struct.Struct("<16sI32s")

#: Of this layout. A later one reads earlier ones, or says that it does not.
VERSION = 1


def pack(about: Dict[str, Any], arrays: Dict[str, Array]) -> bytes:
    """Bytes of what JSON can hold, and of arrays."""
    text = np.frombuffer(json.dumps(about).encode(), np.uint8)
    file = io.BytesIO()
    members: Dict[str, Any] = {"about": text, **arrays}
    np.savez(file, **members)
    body = file.getvalue()
    return _HEAD.pack(_MARK, VERSION, hashlib.sha256(body).digest()) + body


def unpack(saved: bytes) -> Tuple[Dict[str, Any], Dict[str, Array]]:
    """What was packed. ValueError for bytes of another kind or version, and for damaged ones."""
    if len(saved) < _HEAD.size or saved[: len(_MARK)] != _MARK:
        raise ValueError("saved holds no state of a balancer")
    _, version, digest = _HEAD.unpack_from(saved)
    if version != VERSION:
        raise ValueError(f"saved is of version {version}, this package reads {VERSION}")
    body = bytes(saved[_HEAD.size :])
    if hashlib.sha256(body).digest() != digest:
        raise ValueError("saved is damaged, or cut off: its digest is another")
    with np.load(io.BytesIO(body), allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    return json.loads(arrays.pop("about").tobytes()), arrays
