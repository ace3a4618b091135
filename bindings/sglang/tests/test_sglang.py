"""What SGLang passes to its choice of algorithms and takes from it, as read and recorded in 0.5.23; without SGLang.
engines/sglang_ranks.py has the real one."""

from __future__ import annotations

import os
import re
from enum import Enum, auto
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import eplb_sglang
import numpy as np
import pytest

import eplb

L, E, P, G = 4, 256, 320, 32


class EplbAlgorithm(Enum):
    deepseek = auto()
    deepseek_hierarchical = auto()
    deepseek_vec = auto()
    deepseek_vec_hierarchical = auto()
    elasticity_aware = auto()
    elasticity_aware_hierarchical = auto()


@pytest.fixture
def sglang(torch, module, monkeypatch):
    """Modules as far as the plug-in imports them; `metadata`, `elastic` are what the engine holds."""
    for name in "EPLB_MAX_MOVES", "EPLB_WINDOWS":
        monkeypatch.delenv(name, raising=False)
    engine = SimpleNamespace(metadata=None, elastic=None, hooks={})
    module(
        "sglang.srt.plugins.hook_registry",
        HookRegistry=SimpleNamespace(register=lambda target, hook, kind: engine.hooks.update({target: (hook, kind)})),
        HookType=SimpleNamespace(AROUND="around"),
    )
    module("sglang.srt.eplb.expert_location", get_global_expert_location_metadata=lambda: engine.metadata)
    module(
        "sglang.srt.elastic_ep.elastic_ep", ElasticEPStateManager=SimpleNamespace(instance=lambda: engine.elastic)
    )
    return engine


@pytest.fixture
def call(sglang, torch):
    """Registers as a new process does; answers a call by name, as init_by_eplb makes it."""

    def start():
        eplb_sglang.register()
        hook, kind = sglang.hooks[eplb_sglang.TARGET]
        assert kind == "around"

        def rebalance(counts, algorithm="deepseek", groups=8, nodes=4, slots=P, gpus=G):
            made = hook(
                lambda **given: "SGLang's own",
                tokens_per_expert=torch.from_numpy(counts),
                num_physical_experts=slots,
                num_local_physical_experts=slots // gpus,
                num_groups=groups,
                num_nodes=nodes,
                algorithm=EplbAlgorithm[algorithm],
            )
            return made if isinstance(made, str) else tuple(table.numpy() for table in made)

        return rebalance

    return start


@pytest.fixture
def in_force(sglang, torch):
    def hold(held):
        sglang.metadata = SimpleNamespace(physical_to_logical_map_cpu=torch.from_numpy(held))

    return hold


@pytest.fixture
def active(sglang, torch):
    def hold(dead=(), capacity=G):
        ranks = np.ones(capacity, np.int32)
        ranks[list(dead)] = 0
        sglang.elastic = SimpleNamespace(active_ranks=torch.from_numpy(ranks))

    return hold


@pytest.fixture
def counts(random):
    """[S, L, E] passes"""
    return random.poisson(random.lognormal(0, 1, (L, E)) * 50, (20, L, E)).astype(np.int32)


def agree(maps, dead=(), gpus=G):
    """Whether the three maps are of one placement, in which every expert is alive and none on a dead rank."""
    held, tables, count = maps
    assert {held.dtype, tables.dtype, count.dtype} == {np.dtype(np.int64)}
    gone = np.zeros(gpus, bool)
    gone[list(dead)] = True
    gone = np.repeat(gone, held.shape[1] // gpus)
    assert held.min() >= 0 and (held[:, gone] == 0).all() and tables.shape[2] == count.max()
    for layer, expert in np.ndindex(count.shape):
        slots = np.flatnonzero((held[layer] == expert) & ~gone)
        assert len(slots) == count[layer, expert] > 0
        assert (tables[layer, expert] == np.append(slots, [-1] * (tables.shape[2] - len(slots)))).all()
    return held


@pytest.mark.parametrize("algorithm", [each.name for each in EplbAlgorithm])
@pytest.mark.parametrize("groups", [None, 8])
def test_every_name(call, active, counts, algorithm, groups):
    """At start-up, from a file of loads: there is no map yet."""
    active()
    held = agree(call()(counts, algorithm, groups, 1 if groups is None else 4))
    assert eplb.evaluate(counts.sum(axis=0), held, 1, 1, G).balance.mean() > (0.8 if "hierarchical" in algorithm else 0.98)
    if "hierarchical" in algorithm and groups:
        assert eplb.check(held, E, groups, 4, G, scope="hierarchical") is None


def test_a_table_of_one_pass_and_no_tokens(call, in_force, counts):
    assert agree(call()(np.zeros((1, L, E), np.int32))).shape == (L, P)
    start = np.tile(np.arange(P) % E, (L, 1))
    in_force(start)
    assert (agree(call()(np.zeros((1, L, E), np.int32))) == start).all()
    assert agree(call()(counts[:1])).shape == (L, P)


def test_plans_start_from_the_map_in_force(call, in_force, counts, monkeypatch):
    monkeypatch.setenv("EPLB_MAX_MOVES", "20")
    rebalance = call()
    held = agree(rebalance(counts))
    for drift in range(1, 5):
        in_force(held)
        new = agree(rebalance(np.roll(counts, drift, axis=2)))
        assert 0 < (new != held).sum(axis=1).max() <= 20
        held = new
    in_force(held[:2])  # of another model
    agree(rebalance(counts))


def test_dead_ranks(call, in_force, active, counts, monkeypatch):
    monkeypatch.setenv("EPLB_MAX_MOVES", "8")
    rebalance = call()
    active()
    held = agree(rebalance(counts, "elasticity_aware"))
    for dead in (3, 17), (3,), (), (0, 1, 2, 3):
        in_force(held)
        active(dead)
        for algorithm in "elasticity_aware", "elasticity_aware_hierarchical":
            held = agree(rebalance(counts, algorithm, 8, 4), dead)
    active((3, 17), capacity=40)  # ranks may still join
    agree(rebalance(counts, "elasticity_aware"), (3, 17))
    active(range(10))  # too few slots are left
    assert rebalance(counts, "elasticity_aware") == "SGLang's own"


def test_ranks_that_are_back_plan_as_the_others(call, in_force, active, counts):
    first, late = call(), call()
    active()
    in_force(agree(first(counts, "elasticity_aware")))
    other = np.roll(counts, 7, axis=2)
    for mine, theirs in zip(first(other, "elasticity_aware"), late(other, "elasticity_aware")):
        assert (mine == theirs).all()


def test_a_failure_is_logged_and_falls_back(call, counts, caplog, monkeypatch):
    rebalance = call()
    assert rebalance(-counts) == "SGLang's own"
    assert rebalance(counts, "deepseek_hierarchical", groups=7) == "SGLang's own"
    assert caplog.text.count("SGLang's own is taken") == 2
    agree(rebalance(counts))
    monkeypatch.setenv("EPLB_WINDOWS", "0")
    eplb_sglang.register()
    assert "cannot be taken" in caplog.text


def test_it_is_found():
    points = metadata.distribution("eplb-sglang").entry_points
    assert [(point.group, point.load()) for point in points] == [("sglang.srt.plugins", eplb_sglang.register)]


def test_versions_agree():
    root = Path(os.environ.get("EPLB_ROOT", Path(__file__).parents[3]))
    cargo = re.search(r'^version = "(.*)"', (root / "Cargo.toml").read_text(), re.M).group(1)
    assert metadata.version("eplb-sglang") == cargo
    assert metadata.requires("eplb-sglang") == [f"eplb=={cargo}"]
