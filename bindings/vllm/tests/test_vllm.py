"""What vLLM passes to its policy and takes from it, as read and recorded in 0.14.1, 0.18.1, 0.19.1 and 0.33.0; without
vLLM. engines/vllm_ranks.py has the real one."""

from __future__ import annotations

import os
import re
from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path

import eplb_vllm
import numpy as np
import pytest

import eplb

L = 3


class Abstract(ABC):
    @classmethod
    @abstractmethod
    def rebalance_experts(cls, weight, num_replicas, num_groups, num_nodes, num_ranks, old_global_expert_indices=None):
        raise NotImplementedError


class OneMap(Abstract):
    """As from 0.19.1 on."""

    @classmethod
    def rebalance_experts(
        cls, weight, num_replicas, num_groups, num_nodes, num_ranks, old_global_expert_indices=None
    ) -> "torch.Tensor":  # noqa: F821
        return "vLLM's own"


class ThreeMaps(Abstract):
    """As from 0.14.1 to 0.18.1."""

    @classmethod
    def rebalance_experts(
        cls, weight, num_replicas, num_groups, num_nodes, num_ranks, old_global_expert_indices=None
    ) -> "tuple[torch.Tensor, torch.Tensor, torch.Tensor]":  # noqa: F821
        return "vLLM's own"


@pytest.fixture
def policies(torch, module, monkeypatch):
    for name in "EPLB_MAX_MOVES", "EPLB_WINDOWS":
        monkeypatch.delenv(name, raising=False)
    table = {"default": OneMap, "older": ThreeMaps}
    module("vllm.distributed.eplb.policy", EPLB_POLICIES=table, AbstractEplbPolicy=Abstract)
    return table


@pytest.fixture
def call(policies, torch):
    """Registers as a new process does; answers a call of the policy: arrays in, arrays out."""

    def start(name="default"):
        policies.update(default=OneMap, older=ThreeMaps)
        eplb_vllm.register()

        def rebalance(load, slots, groups, nodes, ranks, *old):
            given = [torch.from_numpy(np.ascontiguousarray(table)) for table in (load, *old)]
            made = policies[name].rebalance_experts(given[0], slots, groups, nodes, ranks, *given[1:])
            if isinstance(made, tuple):
                return tuple(table.numpy() for table in made)
            return made if isinstance(made, str) else made.numpy()

        return rebalance

    return start


def start_map(experts, slots):
    return np.tile(np.arange(slots) % experts, (L, 1))


def whole(held, experts):
    """Whether each slot of each layer has an expert, and each expert a slot."""
    return held.min() >= 0 and all(set(row) == set(range(experts)) for row in held)


def shapes():
    for experts, groups in (8, 1), (60, 1), (64, 8), (160, 8), (256, 8):
        for nodes in 1, 2, 4, 8:
            for ranks in 2 * nodes, 4 * nodes:
                for spare in 0, 1, 4:
                    slots = experts + -experts % ranks + spare * ranks
                    if slots <= min(4 * experts, ranks * experts):
                        yield experts, groups, nodes, ranks, slots


@pytest.mark.parametrize("limit", [0, 48])
def test_start_shapes(call, random, monkeypatch, limit):
    """Zero loads keep the start map, whose groups lie on several nodes; the calls after it plan within the limit."""
    count = 0
    for experts, groups, nodes, ranks, slots in shapes():
        monkeypatch.setenv("EPLB_MAX_MOVES", str(limit))
        rebalance, held = call(), start_map(experts, slots)
        zeros = np.zeros((L, experts), np.int64)
        assert (rebalance(zeros, slots, groups, nodes, ranks, held) == held).all()
        sparse = (random.random((L, experts)) < 0.1) * random.integers(1, 100, (L, experts))
        for load in random.lognormal(7, 1, (L, experts)).astype(np.int64), np.ones_like(zeros), sparse:
            made = rebalance(load, slots, groups, nodes, ranks, held)
            assert made.shape == held.shape and made.dtype == np.int64 and made.flags.c_contiguous
            assert whole(made, experts)
            assert not limit or (made != held).sum(axis=1).max() <= limit
            held, count = made, count + 1
    assert count > 200


def test_every_name_is_taken_once(policies):
    own = dict(policies)
    eplb_vllm.register()
    taken = dict(policies)
    eplb_vllm.register()
    assert policies == taken
    for name, policy in taken.items():
        assert issubclass(policy, Abstract) and policy.falls_back_on is own[name]


def test_the_async_worker_gets_the_same(call, random):
    load, held = random.integers(0, 1000, (L, 256)), start_map(256, 288)
    with ThreadPoolExecutor(4) as threads:
        made = list(threads.map(lambda rebalance: rebalance(load, 288, 8, 1, 4, held), [call() for _ in range(4)]))
    assert all((each == made[0]).all() for each in made)


def test_ranks_that_joined_plan_as_the_others(call, random):
    """Scaled 3 -> 4 -> 3 -> 4: -1 for new ranks, and only old ones have seen what was before."""
    first = call()
    held = first(random.integers(0, 1000, (L, 64)), 72, 1, 1, 3, start_map(64, 72))
    for ranks, late in (4, call()), (3, None), (4, call()):
        grown = np.full((L, 24 * ranks), -1)
        grown[:, : held.shape[1]] = held[:, : grown.shape[1]]
        old = grown if ranks == 4 else held  # of ranks that go, it is as long as before
        load = random.integers(0, 1000, (L, 64)) if ranks == 4 else np.zeros((L, 64), int)
        held = first(load, 24 * ranks, 1, 1, ranks, old)
        assert held.shape == grown.shape and whole(held, 64)
        if late is not None:
            assert (late(load, 24 * ranks, 1, 1, ranks, old) == held).all()


@pytest.mark.parametrize("limit", [1, 6])
def test_what_joined_and_went_does_not_count_against_the_limit(call, random, monkeypatch, limit):
    monkeypatch.setenv("EPLB_MAX_MOVES", str(limit))
    load = random.lognormal(7, 1, (L, 64)).astype(np.int64)
    rebalance, held = call(), start_map(64, 72)
    grown = np.concatenate([held, np.full((L, 24), -1)], axis=1)
    up = rebalance(load, 96, 1, 1, 4, grown)
    assert whole(up, 64) and (up[:, :72] != held).sum(axis=1).max() <= 24 + limit
    assert whole(rebalance(load, 72, 1, 1, 3, up), 64)


def test_older_releases_get_three_maps(call, random, torch):
    load, held = random.integers(0, 1000, (L, 64)), start_map(64, 72)
    for old in [], [held]:
        slots_of, tables, count = call("older")(load, 72, 8, 2, 4, *old)
        assert {slots_of.dtype, tables.dtype, count.dtype} == {np.dtype(np.int64)}
        assert tables.shape[:2] == count.shape == (L, 64)
        for layer, expert in np.ndindex(L, 64):
            slots = tables[layer, expert][tables[layer, expert] >= 0]
            assert (slots == np.flatnonzero(slots_of[layer] == expert)).all() and len(slots) == count[layer, expert]


def test_ranks_that_joined_an_older_release_know_no_old_map(call, random):
    """There the old ranks pass one that is shorter, and the new ones none."""
    old, new, load = call("older"), call("older"), random.integers(0, 1000, (L, 64))
    held = old(random.integers(0, 1000, (L, 64)), 72, 1, 1, 3, start_map(64, 72))[0]
    for mine, theirs in zip(old(load, 96, 1, 1, 4, held), new(load, 96, 1, 1, 4)):
        assert (mine == theirs).all()


def test_answers_are_on_the_device_of_the_loads(policies, torch, random):
    if hasattr(torch, "nn"):
        pytest.skip("torch is here, and has no other device")
    eplb_vllm.register()
    load = torch.from_numpy(random.integers(0, 1000, (L, 64))).to("cuda:1")
    assert {table.device for table in policies["older"].rebalance_experts(load, 72, 1, 1, 4)} == {"cuda:1"}
    assert policies["default"].rebalance_experts(load, 72, 1, 1, 4).device == "cpu"


def test_windows_are_kept(call, random, monkeypatch):
    calls = [random.lognormal(0, 1, (L, 256)) * 100 for _ in range(6)]
    unseen = {}
    for windows in "1", "8":
        monkeypatch.setenv("EPLB_WINDOWS", windows)
        rebalance, held = call(), start_map(256, 288)
        for load in calls:
            held = rebalance((load + sum(calls)).astype(int), 288, 1, 1, 32, held)
        unseen[windows] = eplb.evaluate(sum(calls), held, 1, 1, 32).balance.mean()
    assert unseen["8"] > unseen["1"]


def test_a_failure_is_logged_and_falls_back(call, random, caplog, monkeypatch):
    rebalance = call()
    broken = np.full((L, 64), np.nan)
    assert rebalance(broken, 72, 1, 1, 4, start_map(64, 72)) == "vLLM's own"
    assert "vLLM's own is taken" in caplog.text and "LOAD_NAN" not in caplog.text.split("Traceback")[0]
    load = random.integers(0, 1000, (L, 64))
    assert whole(rebalance(load, 72, 1, 1, 4, start_map(64, 72)), 64)  # and is over
    monkeypatch.setenv("EPLB_MAX_MOVES", "many")
    assert call()(load, 72, 1, 1, 4, start_map(64, 72)) == "vLLM's own"
    assert "cannot be taken" in caplog.text


def test_without_vllm_nothing_happens(caplog, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "vllm", None)
    eplb_vllm.register()
    assert "cannot be taken" in caplog.text


def test_it_is_found(torch):
    points = metadata.distribution("eplb-vllm").entry_points
    assert [(point.group, point.load()) for point in points] == [("vllm.general_plugins", eplb_vllm.register)]


def test_versions_agree():
    root = Path(os.environ.get("EPLB_ROOT", Path(__file__).parents[3]))
    cargo = re.search(r'^version = "(.*)"', (root / "Cargo.toml").read_text(), re.M).group(1)
    assert metadata.version("eplb-vllm") == cargo
    assert metadata.requires("eplb-vllm") == [f"eplb=={cargo}"]
