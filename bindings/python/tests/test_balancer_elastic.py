"""The loop when GPUs die, leave and come back, and when there are more or fewer."""

from __future__ import annotations

import numpy as np
import pytest
from loops import E, G, L, P, complete, moved_all, start, window

import eplb
from eplb import Balancer, GpuState, Status


@pytest.fixture
def random():
    return np.random.default_rng(13)


@pytest.fixture
def skewed(random):
    """[L, E] loads of a model that prefers some experts."""
    return random.lognormal(0, 1, (L, E)) * 500


def test_repair_after_death(random, skewed):
    placement = eplb.plan(skewed, P, 1, 1, G).physical_to_logical_map
    balancer = Balancer(L, E, P, G, placement=placement, max_moves=2)
    window(balancer, skewed, random)
    waiting = balancer.plan().layers
    dead = np.zeros(G, bool)
    dead[[2, 5]] = True
    alone = [
        set(row.reshape(G, -1)[[2, 5]].ravel()) - set(row.reshape(G, -1)[[0, 1, 3, 4, 6, 7]].ravel())
        for row in placement
    ]
    assert any(alone)
    saved = bytes(balancer)
    with pytest.raises(eplb.Error) as error:  # what only they had is lost, and nothing changes by saying so
        balancer.repair(dead)
    assert error.value.status is Status.SOURCE_LOST
    assert balancer.waiting == list(waiting) and (balancer.placement == placement).all()
    assert bytes(balancer) == saved
    repaired = balancer.repair(dead, external_source=True)
    moved_all(balancer, repaired)
    assert balancer.progress().aborted == len(waiting)
    held = balancer.placement.reshape(L, G, -1)
    assert (held[:, [2, 5]] == -1).all() and complete(balancer.placement, [0, 1, 3, 4, 6, 7])
    kept = held[:, [0, 1, 3, 4, 6, 7]] != np.asarray(placement).reshape(L, G, -1)[:, [0, 1, 3, 4, 6, 7]]
    assert (kept.sum(axis=(1, 2)) == [len(each) for each in alone]).all()  # only what must
    worse = eplb.evaluate(skewed, balancer.placement, 1, 1, G, gpu_state=dead).balance.mean()
    for _ in range(8):
        moved_all(balancer, balancer.plan())
    assert (balancer.placement.reshape(L, G, -1)[:, [2, 5]] == -1).all()
    assert eplb.evaluate(skewed, balancer.placement, 1, 1, G, gpu_state=dead).balance.mean() > worse
    moved_all(balancer, balancer.repair(np.zeros(G, int)))  # both are back, empty
    for _ in range(10):
        moved_all(balancer, balancer.plan())
    assert (balancer.placement >= 0).all()


@pytest.mark.parametrize("limit", [0, 4])
def test_scale_up_and_down(random, skewed, limit):
    balancer = Balancer(L, E, P, G, placement=eplb.plan(skewed, P, 1, 1, G)[0], max_moves=limit)
    window(balancer, skewed, random)
    balancer.plan()
    before = balancer.placement
    up = balancer.resize(P + 12, G + 2)
    assert (balancer.placement[:, :P] == before).all() and (balancer.placement[:, P:] == -1).all()
    for layer in up.layers:
        assert (balancer.prepare(layer).transfers.source_gpu >= 0).all()
        balancer.commit(layer)
    grown = balancer.placement
    assert grown.shape == (L, P + 12) and (grown >= 0).all()
    assert (
        not limit or ((grown != np.pad(before, ((0, 0), (0, 12)), constant_values=-1)).sum(axis=1) <= limit + 12).all()
    )
    window(balancer, skewed, random)
    balancer.observe_slots(np.ones((L, P + 12), int))
    # down, in order: the ranks that go are read from, then they go
    leaving = [GpuState.ALIVE] * 6 + [GpuState.LEAVING] * 4
    down = balancer.repair(leaving)
    for layer in down.layers:
        assert (balancer.prepare(layer).transfers.source_gpu >= 0).all()
        balancer.commit(layer)
    moved_all(balancer, balancer.resize(36, 6))
    assert balancer.placement.shape == (L, 36) and (balancer.placement >= 0).all()
    assert all(len(set(row)) == E for row in balancer.placement)
    # and at once, from the map of an engine that is longer than the new one
    other = Balancer(L, E, P, G, placement=before, max_moves=limit)
    with pytest.raises(eplb.Error) as error:
        other.resize(36, 6)
    assert error.value.status is Status.SOURCE_LOST and other.placement.shape == (L, P)
    moved_all(other, other.resize(36, 6, placement=before, external_source=True))
    assert all(len(set(row)) == E for row in other.placement) and (other.placement >= 0).all()


def test_gpus_that_get_more_or_fewer_slots_keep_what_they_hold(random, skewed):
    """Slots are numbered GPU by GPU: what GPU 3 holds is still there, whatever the number of its slots is now."""
    for was, now in ([6] * G, [8] * G), ([8, 6, 4, 6] * 2, [6, 7, 8, 3] * 2), ([6] * G, [7] * (G + 1)):
        before = eplb.plan(skewed, sum(was), 1, 1, len(was), gpu_slots=was).physical_to_logical_map
        balancer = Balancer(L, E, sum(was), len(was), gpu_slots=was, placement=before)
        proposal = balancer.resize(sum(now), len(now), gpu_slots=now, external_source=True)
        starts = np.cumsum([0, *was]), np.cumsum([0, *now])
        for gpu in range(G):
            kept = min(was[gpu], now[gpu])
            old, new = (start[gpu] for start in starts)
            assert (balancer.placement[:, new : new + kept] == before[:, old : old + kept]).all()
            assert (balancer.placement[:, new + kept : starts[1][gpu + 1]] == -1).all()
        moved_all(balancer, proposal)
        assert all(set(row) >= set(range(E)) for row in balancer.placement)


def test_where_nothing_may_move_only_empty_slots_are_filled(random, skewed):
    balancer = Balancer(L, E, P, G, placement=start(), max_moves=eplb.MOVES_NONE)
    window(balancer, skewed, random)
    assert len(balancer.plan().layers) == 0
    up = balancer.resize(P + 6, G + 1).physical_to_logical_map
    assert ((up[:, :P] != start()).sum(axis=1) <= 6).all() and (up >= 0).all()
    moved_all(balancer, balancer.proposal)
    assert len(balancer.resize(P + 6, G + 1).layers) == 0


def test_what_a_dead_gpu_held_does_not_come_back_with_it():
    twice = np.tile(np.arange(E), (L, 2))
    dead, back = [1] + [0] * (G - 1), [0] * G
    for again in (lambda loop: loop.repair(back)), (lambda loop: loop.resize(2 * E, G)):
        balancer = Balancer(L, E, 2 * E, G, placement=twice)
        balancer.repair(dead)
        balancer.abort()
        for layer in again(balancer).layers:
            rows = balancer.prepare(layer).transfers
            for row in rows[rows.source_gpu == 0]:  # it passes on what it has received, and nothing else
                received = (rows.destination_gpu == 0) & (rows.source_gpu != 0) & (rows.expert == row["expert"])
                assert (rows[received]["round"] < row["round"]).any()
            balancer.commit(layer)
        assert balancer.repair(None).layers.size == 0
