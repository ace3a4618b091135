"""A pickle as torch.save writes it, read by a machine that can do no more than that.

Python's own unpickler imports and calls what a file names, and lets it ask for any memory. This one knows the opcodes
of data, and of the names only those that `Names` resolves: a name that it does not know is an error, and nothing is
imported. Every error says at which byte.
"""

from __future__ import annotations

import struct
from typing import Any, Callable, Dict, List

from ._errors import ReadError

#: What a file may name: what (module, name) stands for; None when it may not.
Names = Callable[[str, str], Any]


class Machine:
    """Reads one pickle."""

    def __init__(self, data: bytes, names: Names, persistent: Callable[[Any], Any]) -> None:
        self._data, self._at = data, 0
        self._names, self._persistent = names, persistent
        self._stack: List[Any] = []
        self._marks: List[int] = []
        self._memo: Dict[int, Any] = {}

    def load(self) -> Any:
        """What the pickle holds."""
        while True:
            start = self._at
            try:
                code = self._take(1)
                if code == b".":
                    return self._pop()
                step = _STEPS.get(code)
                if step is None:
                    raise ReadError(f"opcode {code!r} is none of data")
                step(self)
            except ReadError as error:
                raise ReadError(error.why, ", ".join(filter(None, (_byte(start), error.place)))) from error
            except (IndexError, KeyError, TypeError, ValueError, OverflowError) as error:
                raise ReadError(f"{type(error).__name__}: {error}", _byte(start)) from error

    def _take(self, count: int) -> bytes:
        taken = self._data[self._at : self._at + count]
        if len(taken) < count:
            raise ReadError("it ends here")
        self._at += count
        return taken

    def _number(self, form: str) -> Any:
        return struct.unpack(form, self._take(struct.calcsize(form)))[0]

    def _line(self) -> str:
        end = self._data.find(b"\n", self._at)
        if end < 0:
            raise ReadError("it ends here")
        line = self._data[self._at : end].decode()
        self._at = end + 1
        return line

    def _pop(self) -> Any:
        if len(self._stack) <= (self._marks[-1] if self._marks else 0):
            raise ReadError("nothing is left to take")
        return self._stack.pop()

    def _since_mark(self) -> List[Any]:
        mark = self._marks.pop()
        values = self._stack[mark:]
        del self._stack[mark:]
        return values

    def _push(self, value: Any) -> None:
        self._stack.append(value)

    def _last(self, kind: type) -> Any:
        if not self._stack or not isinstance(self._stack[-1], kind):
            raise ReadError(f"there is no {kind.__name__} here")
        return self._stack[-1]

    def _items(self, values: List[Any]) -> None:
        if len(values) % 2:
            raise ReadError("a key has no value")
        keys = values[::2]
        if not all(isinstance(key, (str, int)) for key in keys):  # a tuple of tuples can take for ever to hash
            raise ReadError("a key is neither text nor a number")
        self._last(dict).update(zip(keys, values[1::2]))

    def _tuple(self, count: int) -> None:
        self._push(tuple(self._pop() for _ in range(count))[::-1])

    def _global(self, module: str, name: str) -> None:
        known = self._names(module, name)
        if known is None:
            raise ReadError(f"names {module}.{name}, which no table of loads needs: it is not loaded")
        self._push(known)

    def _reduce(self) -> None:
        arguments, function = self._pop(), self._pop()
        if not isinstance(function, Allowed) or not isinstance(arguments, tuple):
            raise ReadError("calls what is no function of the list")
        self._push(function.call(*arguments))

    def _build(self) -> None:
        self._pop()  # attributes: of an OrderedDict or a parameter, which loads do not need

    def _long(self) -> None:
        self._push(int.from_bytes(self._take(self._number("<B")), "little", signed=True))


class Allowed:
    """A function that a pickle may call, as often as it likes: none that copies what it is given."""

    def __init__(self, call: Callable[..., Any]) -> None:
        self.call = call


def _byte(start: int) -> str:
    return f"byte {start} of the pickle"


def _unicode(form: str) -> Callable[[Machine], None]:
    return lambda machine: machine._push(machine._take(machine._number(form)).decode())


def _scalar(form: str) -> Callable[[Machine], None]:
    return lambda machine: machine._push(machine._number(form))


def _constant(make: Callable[[], Any]) -> Callable[[Machine], None]:
    return lambda machine: machine._push(make())


def _put(form: str) -> Callable[[Machine], None]:
    return lambda machine: machine._memo.__setitem__(machine._number(form), machine._last(object))


def _get(form: str) -> Callable[[Machine], None]:
    return lambda machine: machine._push(machine._memo[machine._number(form)])


def _pair(machine: Machine) -> List[Any]:
    value, key = machine._pop(), machine._pop()
    return [key, value]


def _stack_global(machine: Machine) -> None:
    name, module = machine._pop(), machine._pop()
    if not isinstance(module, str) or not isinstance(name, str):
        raise ReadError("a name is no text")
    machine._global(module, name)


def _append(machine: Machine) -> None:
    value = machine._pop()
    machine._last(list).append(value)


def _extend(machine: Machine) -> None:
    values = machine._since_mark()
    machine._last(list).extend(values)


def _mark(machine: Machine) -> None:
    machine._marks.append(len(machine._stack))


_STEPS: Dict[bytes, Callable[[Machine], None]] = {
    b"\x80": lambda machine: machine._number("<B"),  # protocol
    b"\x95": lambda machine: machine._number("<Q"),  # frame
    b"N": _constant(lambda: None),
    b"\x88": _constant(lambda: True),
    b"\x89": _constant(lambda: False),
    b")": _constant(tuple),
    b"]": _constant(list),
    b"}": _constant(dict),
    b"J": _scalar("<i"),
    b"K": _scalar("<B"),
    b"M": _scalar("<H"),
    b"G": _scalar(">d"),
    b"\x8a": Machine._long,
    b"X": _unicode("<I"),
    b"\x8c": _unicode("<B"),
    b"\x8d": _unicode("<Q"),
    b"(": _mark,
    b"t": lambda machine: machine._push(tuple(machine._since_mark())),
    b"\x85": lambda machine: machine._tuple(1),
    b"\x86": lambda machine: machine._tuple(2),
    b"\x87": lambda machine: machine._tuple(3),
    b"s": lambda machine: machine._items(_pair(machine)),
    b"u": lambda machine: machine._items(machine._since_mark()),
    b"a": _append,
    b"e": _extend,
    b"q": _put("<B"),
    b"r": _put("<I"),
    b"\x94": lambda machine: machine._memo.__setitem__(len(machine._memo), machine._last(object)),
    b"h": _get("<B"),
    b"j": _get("<I"),
    b"c": lambda machine: machine._global(machine._line(), machine._line()),
    b"\x93": _stack_global,
    b"Q": lambda machine: machine._push(machine._persistent(machine._pop())),
    b"R": Machine._reduce,
    b"b": Machine._build,
}
