"""What is said of a file that cannot be read."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import Iterator, Union

Path = Union[str, "os.PathLike[str]"]


class ReadError(ValueError):
    """A file that cannot be read: which one, where in it, why."""

    def __init__(self, why: str, place: str = "", path: str = "") -> None:
        super().__init__(": ".join(part for part in (path, place, why) if part))
        self.why, self.place, self.path = why, place, path

    def __reduce__(self) -> "tuple[type, tuple[str, str, str]]":
        return type(self), (self.why, self.place, self.path)


@contextmanager
def reading(path: Path, place: str = "") -> Iterator[None]:
    """Whatever damaged bytes make the parsers of others raise becomes a ReadError of this file and place. That the
    file is not there, or may not be read, stays the OSError that it is."""
    try:
        yield
    except ReadError as error:
        if error.path:
            raise
        where = ", ".join(part for part in (place, error.place) if part)
        raise ReadError(error.why, where, os.fspath(path)) from error.__cause__
    except (FileNotFoundError, PermissionError, IsADirectoryError):
        raise
    except Exception as error:
        raise ReadError(f"{type(error).__name__}: {error}", place, os.fspath(path)) from error
