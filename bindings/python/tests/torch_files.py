"""Writes files as torch.save does (eplb/readers/_torch.py has the format): dicts, lists, numbers, arrays as tensors."""

from __future__ import annotations

import io
import pickle
import zipfile
from typing import Any, NamedTuple, Tuple

import numpy as np

_STORAGES = {"int64": "LongStorage", "int32": "IntStorage", "float32": "FloatStorage", "float64": "DoubleStorage"}


class View(NamedTuple):
    """A tensor on a storage, whatever it says of itself."""

    storage: np.ndarray
    size: Tuple[int, ...]
    stride: Tuple[int, ...]
    offset: int = 0


class _Named:
    """Pickled as a name alone."""

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name


class _Tensor:
    def __init__(self, *arguments: Any) -> None:
        self.arguments = arguments


class _Storage(NamedTuple):
    kind: _Named
    key: str
    elements: int


class _Pickler(pickle._Pickler):  # type: ignore[name-defined]
    """Python's own, which lets a name be written that cannot be imported here."""

    def persistent_id(self, value: Any) -> Any:
        if isinstance(value, _Storage):
            return ("storage", value.kind, value.key, "cpu", value.elements)
        return None

    def save(self, value: Any, save_persistent_id: bool = True) -> None:
        if isinstance(value, _Named):
            self.write(pickle.GLOBAL + f"{value.module}\n{value.name}\n".encode())
        elif isinstance(value, _Tensor):
            self.save(_Named("torch._utils", "_rebuild_tensor_v2"))
            self.save(value.arguments)
            self.write(pickle.REDUCE)
        else:
            super().save(value, save_persistent_id)


def write(path: Any, content: Any) -> None:
    """Writes `content` to `path`."""
    storages = []

    def tensors(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            value = View(value, value.shape, tuple(np.array(np.empty(value.shape, np.int8).strides).tolist()))
        if isinstance(value, View):
            data = np.ascontiguousarray(value.storage)
            storages.append(data.tobytes())
            kind = _Named("torch", _STORAGES[data.dtype.name])
            storage = _Storage(kind, str(len(storages) - 1), data.size)
            return _Tensor(storage, value.offset, value.size, value.stride, False, {})
        if isinstance(value, dict):
            return {key: tensors(held) for key, held in value.items()}
        return [tensors(held) for held in value] if isinstance(value, list) else value

    pickled = io.BytesIO()
    _Pickler(pickled, 2).dump(tensors(content))
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("archive/data.pkl", pickled.getvalue())
        file.writestr("archive/byteorder", b"little")
        for key, data in enumerate(storages):
            file.writestr(f"archive/data/{key}", data)
        file.writestr("archive/version", b"3\n")
