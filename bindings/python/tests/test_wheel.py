"""The tests run against the wheel, and the wheel is what it should be."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from importlib import metadata
from pathlib import Path

import pytest

import eplb


def test_it_is_the_installed_package(root):
    assert "site-packages" in Path(eplb.__file__).parts
    assert not Path(eplb.__file__).is_relative_to(root / "bindings")


def test_the_wheel_knows_no_python_abi():
    tags = [line for line in metadata.distribution("eplb").read_text("WHEEL").splitlines() if line.startswith("Tag")]
    assert tags
    for tag in tags:
        assert re.fullmatch(r"Tag: py3-none-\w+", tag) and not tag.endswith("any")


def test_the_wheel_is_for_any_linux():
    """That of `make wheel`, which auditwheel has looked at: the library asks nothing of a system but the oldest C
    library."""
    if not sys.platform.startswith("linux"):
        pytest.skip("not on Linux")
    tags = metadata.distribution("eplb").read_text("WHEEL")
    if "manylinux" not in tags and os.environ.get("CI") != "true":
        pytest.skip("auditwheel was not to be had")
    assert "Tag: py3-none-manylinux" in tags and "none-linux" not in tags


def test_types_are_checked_strictly():
    mypy = pytest.importorskip("mypy.api", reason="mypy is not installed")
    with tempfile.TemporaryDirectory() as cache:
        said, faults, code = mypy.run(["--strict", "--cache-dir", cache, "-p", "eplb"])
    assert code == 0, said + faults


def test_versions_agree(root):
    cargo = re.search(r'^version = "(.*)"', (root / "Cargo.toml").read_text(), re.M).group(1)
    assert metadata.version("eplb") == eplb.__version__ == cargo


def test_types_are_shipped():
    files = {str(file) for file in metadata.files("eplb")}
    assert "eplb/py.typed" in files


def test_torch_is_not_needed():
    assert metadata.requires("eplb") == ["numpy>=1.21"]
