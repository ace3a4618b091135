"""The format of a file, told by its content."""

from __future__ import annotations

import os
import zipfile

from .._types import Array
from . import _json, _sglang, _vllm
from ._errors import Path, ReadError, reading
from ._loads import matrix
from ._sglang import sglang
from ._tables import csv, npz


def read(*paths: Path) -> Array:
    """Loads [L, E] or [W, L, E] of a file of SGLang's recorder (.pt, .json), of vLLM's load dump (.json, .jsonl), of
    CSV, .npz or .npy. Several files are those of the ranks of SGLang's recorder."""
    if len(paths) != 1:
        return sglang(*paths)
    (path,) = paths
    with reading(path), open(path, "rb") as file:
        start = file.read(256)
    if start[:4] == b"PK\x03\x04":
        with reading(path), zipfile.ZipFile(path) as archive:
            tables = any(name.endswith(".npy") for name in archive.namelist())
        return npz(path) if tables else sglang(path)
    if start[:6] == b"\x93NUMPY":
        return npz(path)
    if start[:1] == b"\x80":
        return sglang(path)
    if start.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"["):
        content = _json.load(path)
        dumped = isinstance(content, dict) and ("snapshots" in content or "window_expert_load" in content)
        if dumped or isinstance(content, _json.Lines):
            return _vllm.of_content(path, content)
        return _sglang.of_contents([(path, content, matrix)])
    if not start:
        raise ReadError("is empty", path=os.fspath(path))
    return csv(path)
