"""Tables: CSV and numpy's own files."""

from __future__ import annotations

import csv as _csv
import math
import zipfile
from typing import IO, Any, Dict, List, Optional, Tuple

import numpy as np

from .._types import Array
from ._errors import Path, ReadError, reading
from ._loads import loads

#: names of the array in an .npz, in order of preference
_NAMES = ("load", "logical_count", "weight", "expert_load", "arr_0")
#: bytes of an array that is unpacked: at most so many, or where that is more so many times those of the file
_MOST, _TIMES = 256 << 20, 16


def csv(path: Path) -> Array:
    """Loads of a CSV file. With a header `window,layer,expert_0,..`: a row for each window and layer, in any order;
    [W, L, E], windows as they first appear, layers ascending. Without one: a row for each layer, [L, E]."""
    with reading(path), open(path, encoding="utf-8-sig", newline="") as file:
        lines = _csv.reader(file, strict=True)
        rows: List[Tuple[int, List[str]]] = []
        try:
            rows.extend((lines.line_num, row) for row in lines if row)
        except _csv.Error as error:
            raise ReadError(str(error), f"line {lines.line_num}") from error
        if not rows:
            raise ReadError("is empty")
        for line, row in rows:
            if len(row) != len(rows[0][1]):
                raise ReadError(f"has {len(row)} fields, the first {len(rows[0][1])}", f"line {line}")
        if [name.strip().lower() for name in rows[0][1][:2]] == ["window", "layer"]:
            return _by_window(rows[1:])
        return loads(_numbers(rows), "load")


def _by_window(rows: List[Tuple[int, List[str]]]) -> Array:
    windows: Dict[str, Dict[int, int]] = {}
    for index, (line, row) in enumerate(rows):
        layers, layer = windows.setdefault(row[0].strip(), {}), _layer(row[1], line)
        if layer in layers:
            raise ReadError(f"window {row[0]:.40} has layer {layer} once more", f"line {line}")
        layers[layer] = index
    if not windows:
        raise ReadError("has no rows", "line 1")
    first = sorted(next(iter(windows.values())))
    for name, layers in windows.items():
        if sorted(layers) != first:
            line = rows[next(iter(layers.values()))][0]
            raise ReadError(f"window {name:.40} has other layers than the first", f"line {line}")
    numbers = _numbers([(line, row[2:]) for line, row in rows])
    order = [layers[layer] for layers in windows.values() for layer in first]
    return loads(numbers[order].reshape(len(windows), len(first), -1), "load")


def _layer(field: str, line: int) -> int:
    if not field.strip().isdecimal() or len(field) > 9:
        raise ReadError(f"is layer {field!r:.40}, not a number from 0", f"line {line}")
    return int(field)


def _numbers(rows: List[Tuple[int, List[str]]]) -> Array:
    result = np.empty((len(rows), len(rows[0][1])))
    for index, (line, row) in enumerate(rows):
        try:
            result[index] = row
        except ValueError:
            for column, field in enumerate(row):
                _number(field, f"line {line}, load {column + 1}")
            raise
    return result


def _number(field: str, place: str) -> float:
    try:
        return float(field)
    except ValueError:
        raise ReadError(f"is {field!r:.40}, not a number", place) from None


def npz(path: Path, name: Optional[str] = None) -> Array:
    """Loads [L, E] or [W, L, E] of an .npz or .npy file of numpy.

    name: of the array in an .npz; None: the only one, else load, logical_count, weight, expert_load or arr_0.
    """
    with reading(path), open(path, "rb") as file:
        if file.read(6) == b"\x93NUMPY":
            length = file.seek(0, 2)
            file.seek(0)
            return loads(_array(file, length), "the array")
        most = max(_MOST, _TIMES * file.seek(0, 2))
        with zipfile.ZipFile(file) as archive:
            member = _member([each[:-4] for each in archive.namelist() if each.endswith(".npy")], name)
            with reading(path, f"{member}.npy"), archive.open(f"{member}.npy") as held:
                length = archive.getinfo(f"{member}.npy").file_size
                if length > most:
                    raise ReadError(f"unpacks to {length} bytes, more than {most}")
                return loads(_array(held, length), member)


def _member(names: List[str], wanted: Optional[str]) -> str:
    if wanted is None:
        wanted = names[0] if len(names) == 1 else next((name for name in _NAMES if name in names), None)
    if wanted is None or wanted not in names:
        raise ReadError(f"which array? It has {', '.join(names[:8])[:200] or 'none'}")
    return wanted


def _array(file: "IO[bytes]", length: int) -> Array:
    """An array of .npy format, not longer than its file."""
    version = np.lib.format.read_magic(file)
    header: Any = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}.get(
        version
    )
    if header is None:
        raise ReadError(f"is of version {version}")
    shape, fortran, kind = header(file)
    if kind.kind not in "fiub":
        raise ReadError(f"holds {kind}, not numbers")
    count = math.prod(shape)
    if not 0 <= count * kind.itemsize <= length:
        raise ReadError(f"says that it is {list(shape)} of {kind}, more than its {length} bytes")
    data = file.read(count * kind.itemsize)
    if len(data) < count * kind.itemsize:
        raise ReadError(f"ends after {len(data)} of {count * kind.itemsize} bytes")
    return np.frombuffer(data, kind).reshape(shape, order="F" if fortran else "C")
