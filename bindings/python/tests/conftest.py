"""What the tests share. EPLB_ROOT is the project's folder: vectors/, include/, docs/ are read from there."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(os.environ.get("EPLB_ROOT", Path(__file__).parents[3])).resolve()


@pytest.fixture
def root() -> Path:
    return ROOT


@pytest.fixture
def compiler() -> str:
    """A C compiler. Where there is none the test is skipped, but not in CI."""
    found = shutil.which(os.environ.get("CC", "cc"))
    if found is None:
        if os.environ.get("CI") == "true":
            pytest.fail("no C compiler")
        pytest.skip("no C compiler")
    return found


@pytest.fixture
def load() -> np.ndarray:
    """58 layers of 256 experts, as a large model has them."""
    return np.random.default_rng(1).lognormal(size=(58, 256)) * 1000
