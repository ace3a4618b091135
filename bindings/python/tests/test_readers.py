"""Files of engines: read as torch and the engines mean them; damaged ones refused with a place; nothing of them is run.

data/sglang_*.pt were written by the recorder of SGLang 0.5.23 (modes stat and per_token, two ranks), the others by torch
2.14.1 alone; data/expected.npz is what torch made of them. tests/torch_files.py writes the same format.
"""

from __future__ import annotations

import io
import json
import os
import pickle
import tracemalloc
import zipfile

import numpy as np
import pytest
import torch_files

import eplb
from eplb import readers
from eplb.readers import ReadError

L, E, P = 3, 8, 10


@pytest.fixture
def data(root):
    return root / "bindings" / "python" / "tests" / "data"


@pytest.fixture
def expected(data):
    with np.load(data / "expected.npz") as held:
        return dict(held)


@pytest.fixture
def counts():
    return np.random.default_rng(9).integers(0, 1000, (4, L, E))


def text_files(folder, counts):
    """A good file of each format of text, and of numpy's, and what it holds."""
    slots = np.random.default_rng(10).permuted(np.tile(np.arange(P) % E, (L, 1)), axis=1)
    by_slot = np.random.default_rng(11).integers(0, 100, (2, L, P))
    by_expert = np.stack([[np.bincount(slots[row], window[row], E) for row in range(L)] for window in by_slot])
    snapshots = [
        {"step": step, "window_expert_load": window.tolist(), "physical_to_logical_map": slots.tolist()}
        for step, window in enumerate(by_slot)
    ]
    (folder / "vllm.json").write_text(json.dumps({"num_logical_experts": E, "snapshots": snapshots}))
    lines = [json.dumps({"num_logical_experts": E, **snapshot}) for snapshot in snapshots]
    (folder / "vllm.jsonl").write_text("\n".join([*lines, lines[0], ""]))  # as two ranks that write the same step
    (folder / "sglang.json").write_text(json.dumps({"logical_count": counts.tolist()}))
    header = "window,layer," + ",".join(f"expert_{e}" for e in range(E))
    rows = [f"w{w},{row + 3}," + ",".join(map(str, counts[w, row])) for row in range(L) for w in range(4)]
    (folder / "windows.csv").write_text("\n".join([header, *rows]) + "\n")
    (folder / "matrix.csv").write_text("\n".join(",".join(map(str, row)) for row in counts[0]))
    np.savez(folder / "one.npz", anything=counts)
    np.savez_compressed(folder / "more.npz", load=counts.astype(np.float32), other=np.ones(3))
    np.save(folder / "plain.npy", np.asfortranarray(counts))
    return {
        "vllm.json": by_expert,
        "vllm.jsonl": by_expert,
        "sglang.json": counts,
        "windows.csv": counts,
        "matrix.csv": counts[0],
        "one.npz": counts,
        "more.npz": counts,
        "plain.npy": counts,
    }


def test_what_torch_wrote(data, expected):
    for name in "counts", "bfloat16", "uint16":
        held = readers.read(data / f"{name}.pt")
        assert held.shape == expected["counts"].shape and (held == expected["counts"]).all(), name
    view = readers.sglang(data / "view.pt")  # every second step and expert of a larger tensor
    assert view.shape == expected["view"].shape and (view == expected["view"]).all()


def test_what_sglang_recorded(data, expected):
    steps = readers.read(data / "sglang_stat.pt")
    assert (steps == expected["stat"]).all() and len(steps) == 8
    assert len(readers.windows(steps)) == 5  # the rest of its buffer is empty
    ranks = readers.read(data / "sglang_per_token_1.pt", str(data / "sglang_per_token_0.pt"))
    assert (ranks == expected["per_token"]).all() and ranks.dtype == np.int64
    assert readers.sglang(data / "sglang_per_token_0.pt").sum() < ranks.sum()
    assert eplb.plan(readers.windows(ranks, 2), 10, 1, 1, 2).physical_to_logical_map.shape == (3, 10)
    with pytest.raises(ReadError, match="holds logical_count, which is of all ranks already"):
        readers.read(data / "sglang_stat.pt", data / "sglang_stat.pt")


def test_the_writer_of_the_tests_is_read_alike(tmp_path, data, expected):
    torch_files.write(tmp_path / "ours.pt", {"rank": 0, "logical_count": expected["counts"]})
    assert (readers.read(tmp_path / "ours.pt") == readers.read(data / "counts.pt")).all()


def test_text_and_tables(tmp_path, counts):
    for name, held in text_files(tmp_path, counts).items():
        read = readers.read(tmp_path / name)
        assert read.shape == held.shape and (read == held).all(), name
    assert (readers.npz(tmp_path / "more.npz", "load") == counts).all()
    with pytest.raises(ReadError, match="which array. It has load, other"):
        readers.npz(tmp_path / "more.npz", "loads")
    with pytest.raises(FileNotFoundError):
        readers.read(tmp_path / "none.csv")


def test_a_text_is_parsed_once(tmp_path, counts, monkeypatch):
    text_files(tmp_path, counts)
    parsed = []
    loads = json.loads
    monkeypatch.setattr(json, "loads", lambda text: parsed.append(text) or loads(text))
    for name in "vllm.json", "sglang.json":
        readers.read(tmp_path / name)
    assert len(parsed) == 2


def test_steps_become_windows(counts):
    padded = np.concatenate([counts, np.zeros_like(counts)])  # a buffer that is not full
    assert (readers.windows(padded, 8) == counts).all()
    assert (readers.windows(padded, 1)[0] == counts.sum(axis=0)).all()
    three = readers.windows(padded, 3)
    assert len(three) == 3 and (three.sum(axis=0) == counts.sum(axis=0)).all()
    assert (readers.windows(np.zeros((2, 3, 4))) == np.zeros((1, 3, 4))).all()
    with pytest.raises(ValueError, match=r"load has shape \(0, 3, 4\), not \[S, L, E\]"):
        readers.windows(np.zeros((0, 3, 4)))


FAULTS = [
    ("a.csv", "window,layer,e0,e1\na,0,1,2\na,1,3\n", "line 3: has 3 fields, the first 4"),
    ("a.csv", "window,layer,e0,e1\na,0,1,2\na,1,3,x\n", "line 3, load 2: is 'x', not a number"),
    ("a.csv", "window,layer,e0,e1\na,0,1,2\na,0,3,4\n", "line 3: window a has layer 0 once more"),
    ("a.csv", "window,layer,e0,e1\na,0,1,2\nb,1,3,4\n", "line 3: window b has other layers than the first"),
    ("a.csv", "window,layer,e0,e1\na,zero,1,2\n", "line 2: is layer 'zero', not a number"),
    ("a.csv", "window,layer,e0,e1\n", "line 1: has no rows"),
    ("a.csv", "1,2\n3,-4\n", r"load\[1\]\[1\]: is -4.0: loads are finite and at least 0"),
    ("a.csv", "1,2\n3,nan\n", r"load\[1\]\[1\]: is nan"),
    ("a.csv", '1,"2\n3,4\n', "line 2: unexpected end"),
    ("a.csv", b"1,2\n3,\xff\n", "UnicodeDecodeError"),
    ("a.csv", "", "is empty"),
    ("a.json", '{"logical_count": [[1, 2],\n [3, }', "line 2, column 6: is no JSON"),
    ("a.json", '{"logical_count": [[1, 2], [3]]}', r"logical_count\[1\]: has shape \[1\], but \[0\] has \[2\]"),
    ("a.json", '{"logical_count": [[1, 2], [3, "4"]]}', r"logical_count\[1\]\[1\]: is str, not a number"),
    ("a.json", '{"logical_count": [[1, 2], [3, 1e999]]}', r"logical_count\[1\]\[1\]: is inf"),
    (
        "a.json",
        '{"logical_count": [[1, 2], [3, 99999999999999999999]]}',
        r"logical_count\[1\]\[1\]: does not fit 64 bits",
    ),
    ("a.json", '{"logical_count": null}', "logical_count: is null, not a list"),
    ("a.json", '{"load": 1}', "has no records: it has load"),
    ("a.json", "[" * 100000, "RecursionError"),
    ("a.json", '{"snapshots": []}', "snapshots: is no list, or empty"),
    ("a.jsonl", '{"step": 1}\n{"step": 2, }', "line 2, column [0-9]+: is no JSON"),
    ("a.jsonl", '{"step": 1}\n{"step": 2}', "line 1: has no window_expert_load: it has step"),
    ("a.json", '{"snapshots": [{"step": 1}]}', r"snapshots\[0\]: has no window_expert_load: it has step"),
    (
        "a.json",
        '{"snapshots": [{"window_expert_load": [[1, 2]], "physical_to_logical_map": [[0, 7]]}], "num_logical_experts": 2}',
        r"snapshots\[0\].physical_to_logical_map\[0\]\[1\]: is 7, no expert below 2",
    ),
    (
        "a.json",
        '{"snapshots": [{"window_expert_load": [[1, 2]], "physical_to_logical_map": [[0, 1, 2]]}]}',
        r"snapshots\[0\].physical_to_logical_map: is int64 \[1, 3\], .* is \[1, 2\]",
    ),
    (
        "a.json",
        '{"snapshots": [{"window_expert_load": [[1, 2], [3, 4]], "physical_to_logical_map": [[0, 1], [0, 3]]}]}',
        r"snapshots\[0\].physical_to_logical_map: is int64 \[2, 2\] of 4 experts, not",
    ),
    ("a.jsonl", '{"a": "\u2028"}\n{"a": 1}', "line 1: has no window_expert_load: it has a"),
    ("a.pt", b"\x80\x02}q\x00.", "is a bare pickle, not the zip"),
    ("a.pt", b"PK\x03\x04 and no more", "BadZipFile"),
    ("a.npy", b"\x93NUMPY\x01\x00\x10\x00 and no header", "ValueError|EOFError|SyntaxError"),
]


@pytest.mark.parametrize("name, content, words", FAULTS, ids=lambda value: str(value)[:24])
def test_a_fault_is_told_with_its_place(tmp_path, name, content, words):
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(ReadError, match=words) as error:
        readers.read(path)
    assert str(error.value).startswith(str(path)) and error.value.path == str(path)
    again = pickle.loads(pickle.dumps(error.value))
    assert str(again) == str(error.value) and again.place == error.value.place


class Evil:
    """What an unpickler would run."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)


def archive(path, content, **records):
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("archive/data.pkl", content)
        for name, data in records.items():
            file.writestr(f"archive/data/{name}", data)


@pytest.mark.parametrize("protocol", range(6))
def test_no_code_of_a_pickle_is_run(tmp_path, protocol):
    marker = tmp_path / "was-run"
    for content in Evil(marker), {"logical_count": Evil(marker)}, [Evil(marker)] * 3:
        archive(tmp_path / "evil.pt", pickle.dumps(content, protocol))
        with pytest.raises(ReadError, match="byte [0-9]+ of the pickle: (names .*mkdir, which|opcode )"):
            readers.read(tmp_path / "evil.pt")
    assert not marker.exists()


def test_names_that_torch_has_are_no_way_round(tmp_path):
    for module, name in (
        ("torch", "load"),
        ("torch.storage", "_load_from_bytes"),
        ("builtins", "eval"),
        ("numpy.core.multiarray", "_reconstruct"),
        ("collections", "Counter"),
        ("torch._utils", "__builtins__"),
    ):
        archive(tmp_path / "name.pt", b"\x80\x02c" + f"{module}\n{name}\n".encode() + b"(X\x01\x00\x00\x001tR.")
        with pytest.raises(ReadError, match=f"names {module}.{name}, which no table of loads needs"):
            readers.read(tmp_path / "name.pt")


def test_a_small_file_cannot_ask_for_much(tmp_path):
    """Sizes and indices out of nothing: no memory is taken for them."""
    for size, stride, offset in (
        ((1 << 40, 3, 8), (0, 0, 0), 0),
        ((1 << 61, 8), (8, 1), 0),
        ((2, 3, 8), (24, 8, 1), 1 << 50),
        ((2, 3, 8), (1 << 61, 8, 1), 0),
        ((2, 3, 8), (24, 8, -1), 23),
        ((3, 3, 8), (24, 8, 1), 0),
    ):
        torch_files.write(
            tmp_path / "large.pt", {"logical_count": torch_files.View(np.arange(48), size, stride, offset)}
        )
        with pytest.raises(ReadError, match="a tensor"):
            readers.read(tmp_path / "large.pt")
    for content in (
        b"\x80\x02}r\xff\xff\xff\xff.",  # a memo of four thousand million places
        b"\x80\x02X\xff\xff\xff\x7fabc.",
        b"\x80\x02" + b"(" * 1000 + b"." * 3,
        b"\x80\x02]q\x00(h\x00h\x00e.",  # a list of itself
    ):
        archive(tmp_path / "large.pt", content)
        with pytest.raises(ReadError):
            readers.read(tmp_path / "large.pt")
    with zipfile.ZipFile(tmp_path / "large.pt", "w") as file:
        file.writestr("archive/data.pkl", b"\x80\x02N.")
        about = file.getinfo("archive/data.pkl")
        about.file_size = about.compress_size = 1 << 31
    with pytest.raises(ReadError, match="archive/data.pkl: is longer than what the file has left for it"):
        readers.sglang(tmp_path / "large.pt")
    np.savez(tmp_path / "large.npz", load=np.ones((2, 3)))
    for shape in "(1000000000000, 3)", "(2, 3, 9999)":
        body = io.BytesIO()
        np.lib.format.write_array_header_1_0(body, {"descr": "<f8", "fortran_order": False, "shape": eval(shape)})
        with zipfile.ZipFile(tmp_path / "large.npz", "w") as file:
            file.writestr("load.npy", body.getvalue())
        with pytest.raises(ReadError, match="says that it is .* more than its"):
            readers.read(tmp_path / "large.npz")
    zeros = np.zeros((1000, 10000, 4))
    np.savez_compressed(tmp_path / "large.npz", load=zeros)
    assert os.path.getsize(tmp_path / "large.npz") < 1 << 20
    with pytest.raises(ReadError, match="load.npy: unpacks to 320000128 bytes, more than 268435456"):
        readers.read(tmp_path / "large.npz")
    np.savez(tmp_path / "objects.npz", load=np.array([Evil(tmp_path / "was-run")], object))
    with pytest.raises(ReadError, match="holds object, not numbers"):
        readers.read(tmp_path / "objects.npz")


def text(word):
    return b"X" + len(word).to_bytes(4, "little") + word


#: What a pickle says before what rebuilds a tensor is called: its storage, of the record "a".
STORAGE = b"(" + text(b"storage") + b"ctorch\nBFloat16Storage\n" + text(b"a") + text(b"cpu") + b"M\x10'tQ"
TENSOR = b"ctorch._utils\n_rebuild_tensor_v2\n"
TENSOR_OF_TYPE = b"ctorch._utils\n_rebuild_tensor_v3\n"
MAP = text(b"last_physical_to_logical_map")
PAIRS = b")" + b"".join(b"q%ch%c\x86" % (i, i) for i in range(60))  # 2^60 tuples, if each were walked


@pytest.mark.parametrize(
    "content, words",
    [
        (b"}" + text(b"logical_count") + PAIRS + b"s", "is tuple, not a tensor"),
        (b"}" + PAIRS + b"Ns", "a key is neither"),
        (PAIRS + text(b"x") + b"\x93", "a name is no text"),
        (TENSOR + b"(" + STORAGE + b"K\0" + PAIRS + b"\x85K\x01\x85tR", "size of a tensor: is tuple, not a whole"),
        (TENSOR_OF_TYPE + b"(" + STORAGE + b"K\0))NN" + PAIRS + b"tR", "elements of no type"),
        (
            b"}(" + text(b"records") + b"](}" + text(b"forward_pass_id") + PAIRS + b"se" + MAP + TENSOR_OF_TYPE + b"("
            + STORAGE + b"K\0K\x01K\x01\x86K\x01K\x01\x86NNctorch\nint16\ntRu",
            r"records\[0\].forward_pass_id: is tuple, not a whole number",
        ),
    ],
    ids=["value", "key", "name", "size", "type", "number"],
)  # fmt: skip
def test_what_holds_itself_is_not_walked(tmp_path, content, words):
    archive(tmp_path / "deep.pt", b"\x80\x02" + content + b".", a=b"\0\0" * 10000)
    with pytest.raises(ReadError, match=words):
        readers.read(tmp_path / "deep.pt")


@pytest.mark.parametrize(
    "function, arguments",
    [
        (b"ccollections\nOrderedDict\n", b"}(" + b"".join(b"J%c%c\0\0N" % divmod(i, 256) for i in range(9999)) + b"u\x85"),
        (b"ctorch\nSize\n", b"](" + b"N" * 99999 + b"e\x85"),
        (TENSOR, b"(" + STORAGE + b"K\0K\x01\x85K\x01\x85t"),
    ],
    ids=["dict", "size", "tensor"],
)
def test_calls_do_not_add_up(tmp_path, function, arguments):
    """What one call answers can be large, what ten thousand of the same answer is not ten thousand times that."""
    calls = b"](" + function + b"q\0" + arguments + b"q\x01R" + b"h\0h\x01R" * 9999 + b"e."
    archive(tmp_path / "calls.pt", b"\x80\x02" + calls, a=b"\0\0" * 10000)
    tracemalloc.start()
    with pytest.raises(ReadError):
        readers.read(tmp_path / "calls.pt")
    assert tracemalloc.get_traced_memory()[1] < 20e6
    tracemalloc.stop()


def test_records_that_are_one_are_not_read_any_number_of_times(tmp_path):
    held = TENSOR + b"(" + STORAGE.replace(b"BFloat16", b"Short") + b"K\0K\x01M\x10'\x86K\x01K\x01\x86tR"
    record = b"}(" + text(b"forward_pass_id") + b"M%c%c" + text(b"global_physical_count") + b"h\0u"
    records = b"".join(record % divmod(i, 256) for i in range(2000))
    content = b"\x80\x02}(" + MAP + held + b"q\0" + text(b"records") + b"](" + records + b"eu."
    archive(tmp_path / "same.pt", content, a=np.arange(10000, dtype=np.int16).tobytes())
    with pytest.raises(ReadError, match=r"records\[\d+\].global_physical_count: the file has fewer bytes than counts"):
        readers.read(tmp_path / "same.pt")


def mutated(random, content):
    """One of a dozen ways to damage a file."""
    damaged = bytearray(content)
    for _ in range(random.integers(1, 4)):
        place = int(random.integers(0, max(len(damaged), 1)))
        how = random.integers(5)
        if how == 0:
            damaged[place : place + 1] = bytes([random.integers(256)])
        elif how == 1:
            del damaged[place:]
        elif how == 2:
            del damaged[place : place + int(random.integers(1, 40))]
        elif how == 3:
            damaged[place:place] = random.bytes(int(random.integers(1, 20)))
        else:
            damaged[place : place + 4] = random.choice([b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x80\0\0\0", b"[[[["])
    return bytes(damaged)


def test_a_thousand_damaged_files(tmp_path, data, counts):
    """Each is read, or refused with its name and place by a ReadError: nothing else comes out. Of archives the records
    are damaged as well, with sums that fit, so that the damage is met by what reads them."""
    random = np.random.default_rng(12)
    good = {name: (tmp_path / name).read_bytes() for name in text_files(tmp_path, counts)}
    good.update({path.name: path.read_bytes() for path in sorted(data.glob("*.pt"))})
    refused = 0
    for number in range(1300):
        name = sorted(good)[number % len(good)]
        path = tmp_path / f"damaged-{name}"
        content = good[name]
        if number % 3 and name.endswith((".pt", ".npz")):
            path.write_bytes(rezipped(random, content))
        else:
            path.write_bytes(mutated(random, content))
        try:
            held = readers.read(path)
            assert held.ndim in (2, 3) and np.isfinite(held).all() and (held >= 0).all()
        except ReadError as error:
            assert str(error).startswith(str(path)) and error.why
            refused += 1
    assert refused >= 1000


def rezipped(random, content):
    """The archive with one record damaged."""
    body = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(body, "w") as new:
        names = [name for name in old.namelist() if name.endswith((".pkl", ".npy")) or "/data/" in name]
        worst = names[int(random.integers(len(names)))] if random.integers(4) == 0 else names[0]
        for name in old.namelist():
            held = old.read(name)
            new.writestr(name, mutated(random, held) if name == worst else held)
    return body.getvalue()
