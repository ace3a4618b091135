"""Runs docs/guides/python.md: every Python block, in order, in one namespace; and the README of the package.

torch, vLLM and SGLang are stood in for by as little as the blocks use, with the signatures that they have.
"""

from __future__ import annotations

import re
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

import eplb


class Tensor:
    """Of torch.Tensor what the guide uses; int64 counts, as engines have them."""

    def __init__(self, values):
        self.values = values

    shape = property(lambda self: self.values.shape)
    dtype = property(lambda self: self.values.dtype)

    def detach(self):
        return self

    def cpu(self):
        return self

    def numpy(self):
        return self.values

    def __array__(self, dtype=None, copy=None):
        return self.values if dtype is None else self.values.astype(dtype)


def blocks(text):
    return re.findall(r"^```python\n(.*?)^```", text, re.S | re.M)


@pytest.fixture
def engines(monkeypatch):
    """Modules as far as the guide imports them."""

    def module(name, **content):
        made = ModuleType(name)
        made.__dict__.update(content)
        monkeypatch.setitem(sys.modules, name, made)
        return made

    module("torch", Tensor=Tensor, from_numpy=Tensor)
    for name in "vllm", "vllm.distributed", "vllm.distributed.eplb", "sglang", "sglang.srt":
        module(name)
    policies = {"default": None}
    module(
        "vllm.distributed.eplb.policy", EPLB_POLICIES=policies, AbstractEplbPolicy=type("AbstractEplbPolicy", (), {})
    )
    algorithms = module("sglang.srt.eplb.eplb_algorithms", rebalance_experts=None)
    module("sglang.srt.eplb", eplb_algorithms=algorithms)
    return SimpleNamespace(policies=policies, algorithms=algorithms)


def test_every_block_of_the_guide_runs_and_the_engines_get_what_they_expect(root, engines, load):
    code = blocks((root / "docs" / "guides" / "python.md").read_text())
    assert len(code) == 8
    namespace = {}
    for block in code:
        exec(block, namespace)
    counts = Tensor(load.astype(np.int64))

    # vLLM: positional, the old map last; only the new map comes back
    policy = engines.policies["default"]
    first = policy.rebalance_experts(counts, 288, 8, 3, 32, None)
    assert isinstance(first, Tensor) and first.shape == (58, 288) and first.dtype == np.int64
    drifted = Tensor((load[:, ::-1]).astype(np.int64))
    second = policy.rebalance_experts(drifted, 288, 8, 3, 32, first)
    assert (second.values != first.values).sum(axis=1).max() <= 48
    grown = policy.rebalance_experts(drifted, 320, 8, 3, 32, first)
    assert grown.shape == (58, 320)

    # SGLang: by name, three maps
    recorded = Tensor(np.random.default_rng(5).poisson(load, (20, *load.shape)))
    maps = engines.algorithms.rebalance_experts(
        tokens_per_expert=recorded,
        num_physical_experts=288,
        num_local_physical_experts=9,
        num_groups=None,
        num_nodes=4,
        algorithm=None,
    )
    assert [table.shape[:2] for table in maps] == [(58, 288), (58, 256), (58, 256)]
    assert eplb.evaluate(recorded.values.sum(axis=0), maps[0].values, 1, 1, 32).balance.min() > 0.99


def test_the_packages_readme_runs(root):
    for block in blocks((root / "bindings" / "python" / "README.md").read_text()):
        exec(block, {})
