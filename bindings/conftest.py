"""What the tests of the plug-ins share: tensors, of torch where it is installed, and modules of engines that are not."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest


class Tensor:
    """Of torch.Tensor what the plug-ins use."""

    def __init__(self, values, device="cpu"):
        self.values, self.device = values, device

    shape = property(lambda self: self.values.shape)

    def detach(self):
        return self

    def cpu(self):
        return Tensor(self.values)

    def to(self, device):
        return Tensor(self.values, device)

    def numpy(self):
        assert self.device == "cpu"
        return self.values


@pytest.fixture
def torch(monkeypatch):
    """torch, or as much of it as the plug-ins use."""
    try:
        import torch
    except ImportError:
        torch = SimpleNamespace(from_numpy=Tensor, __spec__=None)
        monkeypatch.setitem(sys.modules, "torch", torch)
    return torch


@pytest.fixture
def module(monkeypatch):
    """Makes a module of an engine, and the packages around it."""

    def make(name, **content):
        parts = name.split(".")
        for end in range(1, len(parts)):
            package = ".".join(parts[:end])
            if not isinstance(sys.modules.get(package), ModuleType):
                monkeypatch.setitem(sys.modules, package, ModuleType(package))
        made = ModuleType(name)
        made.__dict__.update(content)
        monkeypatch.setitem(sys.modules, name, made)
        return made

    return make


@pytest.fixture
def random():
    return np.random.default_rng(17)
