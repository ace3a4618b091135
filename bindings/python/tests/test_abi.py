"""The structs and numbers of eplb/_abi.py against include/eplb.h, and how the library is found."""

from __future__ import annotations

import ctypes
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import eplb
from eplb import _abi, _numbers

STRUCTS = {
    "eplb_problem": _abi.Problem,
    "eplb_cost": _abi.Cost,
    "eplb_options": _abi.Options,
    "eplb_placement": _abi.Placement,
    "eplb_metrics": _abi.Metrics,
    "eplb_transfer": _abi.Transfer,
    "eplb_transfer_list": _abi.TransferList,
    "eplb_transfer_totals": _abi.TransferTotals,
    "eplb_violation": _abi.Violation,
    "eplb_tracker_config": _abi.TrackerConfig,
    "eplb_windows": _abi.Windows,
    "eplb_change": _abi.Change,
    "eplb_forecast_options": _abi.ForecastOptions,
    "eplb_gate_config": _abi.GateConfig,
    "eplb_gate_layer": _abi.GateLayer,
    "eplb_gate_state": _abi.GateState,
    "eplb_gate_verdict": _abi.GateVerdict,
    "eplb_gate_total": _abi.GateTotal,
    "eplb_batch": _abi.Batch,
    "eplb_split": _abi.Split,
    "eplb_quotas": _abi.Quotas,
    "eplb_replication": _abi.Replication,
    "eplb_fetch": _abi.Fetch,
    "eplb_replicated": _abi.Replicated,
    "eplb_replicas": _abi.Replicas,
}
ENUMS = {
    "EPLB_STATUS_": eplb.Status,
    "EPLB_POLICY_": eplb.Policy,
    "EPLB_SCOPE_": eplb.Scope,
    "EPLB_OPERATION_": _numbers.Operation,
    "EPLB_GPU_": eplb.GpuState,
    "EPLB_FLAG_": eplb.Flag,
    "EPLB_VIOLATION_KIND_": eplb.ViolationKind,
    "EPLB_SPLIT_KIND_": eplb.SplitKind,
    "EPLB_REPLICATE_LIMIT_": eplb.ReplicateLimit,
    "EPLB_FORECAST_METHOD_": eplb.ForecastMethod,
}


@pytest.fixture
def header(root):
    return re.sub(r"/\*.*?\*/", "", (root / "include" / "eplb.h").read_text(), flags=re.S)


def test_numbers_are_the_headers(header):
    for prefix, kind in ENUMS.items():
        found = re.findall(rf"\b{prefix}(\w+) = (-?\d+)|#define {prefix}(\w+) (\d+)", header)
        numbers = {(a or c): int(b or d) for a, b, c, d in found}
        assert numbers == {member.name: member.value for member in kind}, prefix
    assert f"#define EPLB_VERSION {_abi.VERSION}\n" in header
    assert f"#define EPLB_GATE_SECONDS {_abi.GATE_SECONDS}\n" in header


def test_fields_are_the_headers(header):
    """Names and order, all of them."""
    for name, struct in STRUCTS.items():
        body = re.search(rf"typedef struct {name} {{(.*?)}} {name};", header, re.S).group(1)
        assert re.findall(r"(\w+);", body) == [field[0] for field in struct._fields_], name


def test_nothing_of_the_header_is_left_out(header):
    """Each function, each struct; those that are not bound are said here."""
    functions = set(re.findall(r"^(?:int32_t|size_t|uint32_t|const char \*)\s?\*?(eplb_\w+)\(", header, re.M))
    opened = {"eplb_version", "eplb_status_string"}  # by _library.py
    assert functions - opened == {*_abi.FUNCTIONS, *_abi.EXPLANATIONS}
    assert set(re.findall(r"typedef struct (\w+) {", header)) == set(STRUCTS)


def test_layouts_are_the_compilers(root, compiler, tmp_path):
    lines = []
    for name, struct in STRUCTS.items():
        lines.append(f'printf("{name} %zu\\n", sizeof({name}));')
        for field, *_ in struct._fields_:
            place = f"offsetof({name}, {field}), sizeof((({name} *)0)->{field})"
            lines.append(f'printf("{name}.{field} %zu %zu\\n", {place});')
    source = tmp_path / "layout.c"
    source.write_text(f'#include <stdio.h>\n#include "eplb.h"\nint main(void) {{ {" ".join(lines)} }}\n')
    subprocess.run([compiler, f"-I{root / 'include'}", source, "-o", tmp_path / "layout"], check=True)
    printed = subprocess.run([tmp_path / "layout"], check=True, stdout=subprocess.PIPE, text=True).stdout
    expected = []
    for name, struct in STRUCTS.items():
        expected.append(f"{name} {ctypes.sizeof(struct)}")
        for field, *_ in struct._fields_:
            place = getattr(struct, field)
            expected.append(f"{name}.{field} {place.offset} {place.size}")
    assert printed.splitlines() == expected


def test_prototypes_are_the_headers(header):
    functions = [("int32_t", *function) for function in _abi.FUNCTIONS.items()]
    explanations = [("size_t", *function) for function in _abi.EXPLANATIONS.items()]
    for answer, name, arguments in functions + explanations:
        prototype = re.search(rf"\b{answer} {name}\((.*?)\);", header, re.S).group(1)
        kinds = {"uint32_t": ctypes.c_uint32, "size_t": ctypes.c_size_t}
        written = [
            ctypes.c_void_p if "*" in argument else kinds[argument.split()[0]] for argument in prototype.split(",")
        ]
        assert written == arguments, name


def run(code, **environment):
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_the_library_of_the_environment_is_taken(tmp_path):
    inside = Path(eplb.__file__).with_name("libeplb.dylib" if sys.platform == "darwin" else "libeplb.so")
    other = tmp_path / "other.so"
    other.write_bytes(inside.read_bytes())
    result = run("import eplb; print(eplb._library._name)", EPLB_LIBRARY=str(other))
    assert result.stdout.strip() == str(other), result.stderr


def test_a_library_that_does_not_fit_is_refused(compiler, tmp_path):
    missing = run("import eplb", EPLB_LIBRARY=str(tmp_path / "none.so"))
    assert missing.returncode != 0 and "ImportError: eplb: no library at" in missing.stderr
    names = (*_abi.FUNCTIONS, *_abi.EXPLANATIONS, "eplb_status_string")
    functions = "".join(f"int {name}(void) {{ return 0; }}" for name in names)
    for version, fits in (_abi.VERSION, True), (_abi.VERSION + 1, True), (_abi.VERSION + 256, False), (1 << 16, False):
        library = tmp_path / f"version{version}.so"
        source = tmp_path / "version.c"
        source.write_text(f"{functions} unsigned eplb_version(void) {{ return {version}; }}")
        subprocess.run([compiler, "-shared", "-fPIC", source, "-o", library], check=True)
        result = run("import eplb", EPLB_LIBRARY=str(library))
        assert (result.returncode == 0) == fits, result.stderr
        if not fits:
            assert "this package is for 0.2.0" in result.stderr
