"""JSON files, the place of a fault by line and column."""

from __future__ import annotations

import json
from typing import Any, List

from ._errors import Path, ReadError, reading


class Lines(List[Any]):
    """Values of a file that has one a line, each with the number of its line."""


def load(path: Path) -> Any:
    """What a JSON file holds; of one that holds several values, a line each, `Lines`."""
    with reading(path), open(path, encoding="utf-8-sig") as file:
        text = file.read()
        try:
            return json.loads(text)
        except json.JSONDecodeError as error:
            if error.msg != "Extra data" or error.lineno == 1:
                raise _fault(error, error.lineno) from error
        lines = Lines()
        for number, line in enumerate(text.split("\n"), 1):
            try:
                lines.extend([(number, json.loads(line))] if line.strip() else [])
            except json.JSONDecodeError as error:
                raise _fault(error, number) from error
        return lines


def _fault(error: json.JSONDecodeError, line: int) -> ReadError:
    return ReadError(f"is no JSON: {error.msg}", f"line {line}, column {error.colno}")
