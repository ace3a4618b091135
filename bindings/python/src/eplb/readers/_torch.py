"""Files of torch.save, without torch: a zip of a pickle and of the bytes of its tensors.

ARCHIVE/data.pkl is the pickle; its tensors are `_rebuild_tensor_v2(storage, offset, size, stride, ..)`, a storage is a
persistent id ("storage", TYPE, KEY, device, elements), and its bytes are the record ARCHIVE/data/KEY, stored as they
are.
"""

from __future__ import annotations

import math
import os
import zipfile
from typing import Any, Dict, NamedTuple, Optional, Tuple

import numpy as np

from .._types import Array
from ._errors import Path, ReadError, reading
from ._loads import whole
from ._pickle import Allowed, Machine

#: Types of elements, by the name of the storage and of the dtype. bfloat16, which numpy has not, is widened.
_STORAGES = {
    "DoubleStorage": "float64",
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
}
_DTYPES = {*_STORAGES.values(), "uint16", "uint32", "uint64"}


class _Kind(NamedTuple):
    """A storage's type of element; None for bytes whose type the tensor says."""

    element: Optional[str]


class _Storage(NamedTuple):
    """Bytes of tensors, not read yet."""

    element: Optional[str]
    record: str


def load(path: Path) -> Any:
    """What torch.save was given: dicts, lists and numbers, tensors as numpy arrays."""
    with reading(path), zipfile.ZipFile(path) as archive:
        return _Archive(path, archive).load()


class _Archive:
    def __init__(self, path: Path, archive: zipfile.ZipFile) -> None:
        self._path, self._archive = path, archive
        pickles = [name for name in archive.namelist() if name.endswith("/data.pkl") and name.count("/") == 1]
        if len(pickles) != 1:
            raise ReadError("has no data.pkl, or several: it is not of torch.save")
        self._folder = pickles[0][: -len("data.pkl")]
        self._left = os.path.getsize(path)  # bytes that no record was of yet
        self._bytes: Dict[str, bytes] = {}
        self._arrays: Dict[_Storage, Array] = {}

    def load(self) -> Any:
        order = self._folder + "byteorder"
        if order in self._archive.namelist() and self._record(order) != b"little":
            raise ReadError("is of another byte order than little", order)
        machine = Machine(self._record(self._folder + "data.pkl"), self._names, self._storage)
        with reading(self._path, self._folder + "data.pkl"):
            return machine.load()

    def _record(self, name: str) -> bytes:
        if name not in self._bytes:
            with reading(self._path, name):
                about = self._archive.getinfo(name)
                if about.compress_type != zipfile.ZIP_STORED:
                    raise ReadError("is compressed, which torch.save does not")
                self._left -= about.file_size
                if self._left < 0:
                    raise ReadError("is longer than what the file has left for it")
                self._bytes[name] = self._archive.read(name)
        return self._bytes[name]

    def _names(self, module: str, name: str) -> Any:
        if module == "torch":
            if name in _STORAGES:
                return _Kind(_STORAGES[name])
            return {"Size": Allowed(_whole), "device": Allowed(lambda *about: None)}.get(name) or (
                name if name in _DTYPES else None
            )
        return {
            ("torch.storage", "UntypedStorage"): _Kind(None),
            ("torch._utils", "_rebuild_tensor_v2"): Allowed(self._tensor),
            ("torch._utils", "_rebuild_tensor_v3"): Allowed(self._tensor_of_type),
            ("torch._utils", "_rebuild_parameter"): Allowed(lambda data, *about: data),
            ("collections", "OrderedDict"): Allowed(lambda: {}),  # what it holds comes after
        }.get((module, name))

    def _storage(self, identity: Any) -> _Storage:
        if not isinstance(identity, tuple) or len(identity) != 5 or identity[0] != "storage":
            raise ReadError("a persistent id is none of a storage")
        _, kind, key, _, _ = identity
        if not isinstance(kind, _Kind) or not isinstance(key, str):
            raise ReadError("a storage has no type, or no key")
        return _Storage(kind.element, f"{self._folder}data/{key}")

    def _tensor_of_type(
        self, storage: Any, offset: Any, size: Any, stride: Any, gradient: Any, hooks: Any, element: Any, *rest: Any
    ) -> Array:
        if not isinstance(storage, _Storage) or not isinstance(element, str) or element not in _DTYPES:
            raise ReadError("a tensor has no storage, or elements of no type that loads have")
        return self._tensor(storage._replace(element=element), offset, size, stride)

    def _tensor(self, storage: Any, offset: Any, size: Any, stride: Any, *rest: Any) -> Array:
        if not isinstance(storage, _Storage) or storage.element is None:
            raise ReadError("a tensor has no storage")
        counts, steps = _whole(size), _whole(stride)
        (start,) = _whole((offset,))
        held = self._elements(storage)
        if len(counts) != len(steps) or math.prod(counts) > max(held.size, 1):
            raise ReadError(f"a tensor {list(counts)} of strides {list(steps)} is larger than {storage.record}")
        end = start + sum((count - 1) * step for count, step in zip(counts, steps)) + 1
        if 0 in counts:
            return np.empty(counts, held.dtype)
        if end > held.size:
            raise ReadError(f"a tensor reaches behind {storage.record}, which has {held.size} elements")
        bytes_of = tuple(step * held.itemsize for step in steps)
        return np.lib.stride_tricks.as_strided(held[start:end], counts, bytes_of, writeable=False)

    def _elements(self, storage: _Storage) -> Array:
        """Those of all tensors on a storage: however many there are, it is widened once."""
        if storage not in self._arrays:
            data = self._record(storage.record)
            kind = np.dtype("uint16" if storage.element == "bfloat16" else storage.element).newbyteorder("<")
            held: Array = np.frombuffer(data, kind, len(data) // kind.itemsize)
            if storage.element == "bfloat16":  # the upper half of a float32
                held = (held.astype(np.uint32) << 16).view(np.float32)
            self._arrays[storage] = held
        return self._arrays[storage]


def _whole(values: Any) -> Tuple[int, ...]:
    if not isinstance(values, (tuple, list)) or len(values) > 64:
        raise ReadError("the size of a tensor is no tuple")
    return tuple(whole(value, "the size of a tensor", 1 << 62) for value in values)
