"""JSON files, the place of a fault by line and column."""

from __future__ import annotations

import json
from typing import Any

from ._errors import Path, ReadError, reading


def load(path: Path) -> Any:
    """What a JSON file holds."""
    with reading(path), open(path, encoding="utf-8-sig") as file:
        try:
            return json.load(file)
        except json.JSONDecodeError as error:
            raise ReadError(f"is no JSON: {error.msg}", f"line {error.lineno}, column {error.colno}") from error
