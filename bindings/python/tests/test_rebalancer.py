"""Plans for engines whose loop is their own. What vLLM and SGLang make of it: bindings/vllm/tests, bindings/sglang/tests."""

from __future__ import annotations

import numpy as np
import pytest

import eplb
from eplb import GpuState, Rebalancer, Status

L, E, P, G = 4, 64, 72, 8
START = np.tile(np.arange(P) % E, (L, 1))


@pytest.fixture
def random():
    return np.random.default_rng(21)


@pytest.fixture
def skewed(random):
    """[L, E] loads of a model that prefers some experts."""
    return random.lognormal(5, 1, (L, E))


def whole(held):
    return held.min() >= 0 and all(set(row) == set(range(E)) for row in held)


def test_without_load_what_is_in_force_stays():
    held = Rebalancer().plan(np.zeros((L, E), int), P, 1, 1, G, previous=START)
    assert (held == START).all() and held.dtype == np.int64


def test_without_load_what_is_not_whole_is_planned(skewed):
    lost = np.where(START == 5, 6, START)
    for previous in None, lost, np.where(START == 5, -1, START), START[:, :40]:
        assert whole(Rebalancer().plan(np.zeros((L, E), int), P, 1, 1, G, previous=previous))
    rebalancer = Rebalancer()  # on the loads of earlier calls, where there are some
    rebalancer.plan(skewed, P, 1, 1, G, previous=START)
    held = rebalancer.plan(np.zeros((L, E)), P, 1, 1, G)
    assert eplb.evaluate(skewed, held, 1, 1, G).balance.min() > 0.97


@pytest.mark.parametrize("limit", [1, 5, 48])
def test_the_limit_holds_for_any_start(skewed, limit):
    """Groups on several nodes too: they come together as far as the limit goes."""
    rebalancer, held = Rebalancer(max_moves=limit), START
    for _ in range(3):
        before, held = held, rebalancer.plan(skewed, P, 8, 2, G, previous=held)
        assert whole(held) and (held != before).sum(axis=1).max() <= limit
    was, now = (eplb.evaluate(skewed, each, 1, 1, G).balance.mean() for each in (START, held))
    assert now > was


def test_without_a_limit_groups_are_put_on_nodes(skewed):
    held = Rebalancer().plan(skewed, P, 8, 2, G, previous=START)
    assert eplb.check(held, E, 8, 2, G) is None


def test_slots_that_only_a_second_copy_can_fill(random):
    """More slots on a GPU than experts, or than its node's groups have; experts without load."""
    load = (random.random((L, E)) < 0.1) * random.integers(1, 100, (L, E))
    for slots, groups, nodes, gpus in (192, 8, 8, 16), (512, 1, 1, 4), (256, 1, 1, 2):
        assert whole(Rebalancer().plan(load, slots, groups, nodes, gpus))
    # the copy is of an expert that has no other: it takes no load from elsewhere
    held = Rebalancer().plan([[4.0, 4.0]], 6, 1, 1, 2)
    assert held.reshape(2, 3).min() >= 0 and eplb.evaluate([[4.0, 4.0]], held, 1, 1, 2).balance.min() == 1


def test_dead_gpus_hold_nothing(skewed):
    state = np.zeros(G, np.uint8)
    state[[2, 5]] = GpuState.DEAD
    rebalancer, dead = Rebalancer(max_moves=3), np.repeat(state == GpuState.DEAD, 96 // G)
    held = rebalancer.plan(skewed, 96, 1, 1, G, previous=np.tile(np.arange(96) % E, (L, 1)), gpu_state=state)
    assert (held[:, dead] == -1).all() and whole(held[:, ~dead])
    back = rebalancer.plan(skewed, 96, 1, 1, G, previous=held)
    assert whole(back) and (back != held)[:, ~dead].sum(axis=1).max() <= 3 + 2 * 12


def test_loads_are_kept_until_slots_or_gpus_change(random, skewed):
    """What a call for other slots did not bring is forgotten all the same, be it that it failed."""

    def after(*calls):
        rebalancer = Rebalancer()
        for load, slots, gpus in calls:
            try:
                held = rebalancer.plan(load, slots, 1, 1, gpus)
            except eplb.Error:
                pass
        return held

    other, nothing = np.roll(skewed, 9, axis=1), np.zeros((L, E))
    alone = after((other, P, G))
    assert (after((skewed, P, G), (other, P, G)) != alone).any()
    for between in (skewed, 80, G), (nothing, 80, G), (np.full((L, E), np.nan), 80, G), (skewed, P, 4):
        assert (after((skewed, P, G), between, (other, P, G)) == alone).all()
    assert (after((skewed, P, G), (np.full((L, E), np.nan), P, G), (other, P, G)) != alone).any()


def test_passes_of_the_first_call_are_windows(random, skewed):
    steps = random.poisson(skewed * random.lognormal(0, 1, (16, L, E)))
    first = Rebalancer(windows=8).plan(steps, P, 1, 1, G)
    windows = eplb.readers.windows(steps, 8)
    worst = [
        eplb.evaluate(windows, held, 1, 1, G).worst_window_balance.mean()
        for held in (first, Rebalancer(windows=1).plan(steps, P, 1, 1, G))
    ]
    assert worst[0] > worst[1]
    forgetful = Rebalancer()
    for _ in range(2):
        assert (forgetful.plan(steps, P, 1, 1, G, remember=False) == first).all()


def test_what_is_refused(skewed):
    with pytest.raises(eplb.Error) as error:
        Rebalancer().plan(-skewed, P, 1, 1, G, previous=START)
    assert error.value.status is Status.LOAD_NEGATIVE
    for windows in 0, 33:
        with pytest.raises(ValueError, match="from 1 to 32"):
            Rebalancer(windows=windows)


def test_settings_of_the_environment(skewed):
    held = Rebalancer.from_environment({"EPLB_MAX_MOVES": "2", "EPLB_WINDOWS": ""}).plan(
        skewed, P, 1, 1, G, previous=START
    )
    assert (held != START).sum(axis=1).max() == 2
    with pytest.raises(ValueError):
        Rebalancer.from_environment({"EPLB_WINDOWS": "all"})


def test_plans_for_the_nearest_replica(skewed):
    """Where the engine sends to it, that is what is planned for, from nothing and within a limit, by both loops."""
    for limit in 0, 48:
        held = {split: Rebalancer(max_moves=limit, split=split).plan(skewed, P, 1, 4, G, scope="global", previous=START)
                for split in ("even", "nearest")}
        even, nearest = (eplb.evaluate(skewed, each, 1, 4, G, scope="global", split="nearest").balance.mean()
                         for each in held.values())
        assert nearest > even
    loop = eplb.Balancer(L, E, P, G, num_nodes=4, scope="global", split="nearest")
    loop.observe(skewed.astype(np.int64))
    loop.close_window()
    planned = loop.plan().physical_to_logical_map
    assert eplb.evaluate(skewed, planned, 1, 4, G, scope="global", split="nearest").balance.mean() > even
