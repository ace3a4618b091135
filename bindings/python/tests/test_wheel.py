"""The tests run against the wheel, and the wheel is what it should be."""

from __future__ import annotations

import re
from importlib import metadata
from pathlib import Path

import eplb


def test_it_is_the_installed_package(root):
    assert "site-packages" in Path(eplb.__file__).parts
    assert not Path(eplb.__file__).is_relative_to(root / "bindings")


def test_the_wheel_knows_no_python_abi():
    tags = [line for line in metadata.distribution("eplb").read_text("WHEEL").splitlines() if line.startswith("Tag")]
    assert len(tags) == 1
    assert re.fullmatch(r"Tag: py3-none-\w+", tags[0]) and not tags[0].endswith("any")


def test_versions_agree(root):
    cargo = re.search(r'^version = "(.*)"', (root / "Cargo.toml").read_text(), re.M).group(1)
    assert metadata.version("eplb") == eplb.__version__ == cargo


def test_types_are_shipped():
    files = {str(file) for file in metadata.files("eplb")}
    assert "eplb/py.typed" in files


def test_torch_is_not_needed():
    assert metadata.requires("eplb") == ["numpy>=1.21"]
