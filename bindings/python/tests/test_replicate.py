"""Copies in spare slots for one batch: what holds of every answer, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

import eplb
from eplb import ReplicateLimit, Status

LAYERS, EXPERTS, GPUS, SLOTS = 4, 64, 8, 80  # 8 homes and 2 spare slots a GPU


@pytest.fixture
def home():
    each = np.concatenate([np.arange(EXPERTS).reshape(GPUS, 8), np.full((GPUS, 2), -1)], axis=1)
    return np.tile(each.reshape(SLOTS), (LAYERS, 1))


@pytest.fixture
def tokens():
    skewed = 1000 / np.arange(1, EXPERTS + 1)
    random = np.random.default_rng(7)
    return np.stack([random.permutation(random.poisson(skewed)) for _ in range(LAYERS)])


def of_gpu(values):
    return values.reshape(LAYERS, GPUS, SLOTS // GPUS)


def keeps(answer, home, tokens, held=None):
    """Homes stay, no GPU has an expert twice, tokens are conserved, every fetch and no other is listed."""
    map, quota = answer.physical_to_logical_map, answer.quota
    assert (map[home >= 0] == home[home >= 0]).all()
    assert ((map >= -1) & (map < EXPERTS)).all()
    for slots in of_gpu(map).reshape(-1, SLOTS // GPUS):
        here = slots[slots >= 0]
        assert len(set(here)) == len(here)
    one_row = quota.reshape(LAYERS, -1, SLOTS)
    sent = tokens.reshape(LAYERS, -1, EXPERTS)
    for layer in range(LAYERS):
        for row, wanted in zip(one_row[layer], sent[layer]):
            got = np.bincount(map[layer][map[layer] >= 0], row[map[layer] >= 0], EXPERTS)
            assert (got == wanted).all() and (row[map[layer] < 0] == 0).all()
    new = (home < 0) & (map >= 0) & (map != (-1 if held is None else held))
    fetches = answer.fetches
    assert (answer.per_layer.fetches == new.sum(axis=1)).all() and len(fetches) == new.sum()
    assert new[fetches.layer, fetches.destination_slot].all()
    assert (map[fetches.layer, fetches.destination_slot] == fetches.expert).all()
    assert (map[fetches.layer, fetches.source_slot] == fetches.expert).all()
    assert (fetches.destination_gpu == fetches.destination_slot // (SLOTS // GPUS)).all()
    total = one_row.sum(axis=1)
    assert (total[fetches.layer, fetches.destination_slot] == fetches.tokens).all()
    assert (answer.per_layer.leaving_home == np.where(home < 0, total, 0).sum(axis=1)).all()
    assert (answer.per_layer.largest_time == of_gpu(total).sum(axis=2).max(axis=1)).all()
    assert (answer.per_layer.fetches_bound <= answer.per_layer.fetches).all()


def test_copies_bring_the_time_within_the_tolerance(home, tokens):
    before = eplb.dispatch(tokens, home, 1, GPUS).per_layer.largest_time
    fetches = []
    for tolerance in 0, 10, 102:
        answer = eplb.replicate(tokens, home, 1, GPUS, tolerance=tolerance)
        keeps(answer, home, tokens)
        found = answer.per_layer
        assert (found.limit == ReplicateLimit.NONE).all() and (found.largest_time < before).all()
        assert (found.largest_time <= found.bound * (1 + tolerance / 1024)).all()
        assert (found.tokens == tokens.sum(axis=1)).all()
        fetches.append(int(found.fetches.sum()))
    assert fetches == sorted(fetches, reverse=True) and fetches[0] > fetches[-1] > 0
    again = eplb.replicate(tokens.astype(np.float64), home.tolist(), 1, GPUS, tolerance=102)
    assert all((one == other).all() for one, other in zip(again, answer))


def test_what_is_held_needs_no_fetch(home, tokens):
    first = eplb.replicate(tokens, home, 1, GPUS, tolerance=10)
    same = eplb.replicate(tokens, home, 1, GPUS, tolerance=10, held=first.physical_to_logical_map)
    keeps(same, home, tokens, first.physical_to_logical_map)
    assert len(same.fetches) == 0 and (same.per_layer.limit == ReplicateLimit.NONE).all()
    assert (same.physical_to_logical_map == first.physical_to_logical_map).all()
    drifted = np.random.default_rng(8).poisson(tokens)
    following = eplb.replicate(drifted, home, 1, GPUS, tolerance=10, held=first.physical_to_logical_map)
    keeps(following, home, drifted, first.physical_to_logical_map)
    assert len(following.fetches) < len(eplb.replicate(drifted, home, 1, GPUS, tolerance=10).fetches)


def test_limits_are_kept(home, tokens):
    """And the report says which of them it was."""
    free = eplb.replicate(tokens, home, 1, GPUS)
    one = eplb.replicate(tokens, home, 1, GPUS, max_fetches_in=1, max_fetches_out=1)
    keeps(one, home, tokens)
    for gpu in one.fetches.destination_gpu, one.fetches.source_gpu:
        assert np.bincount(one.fetches.layer * GPUS + gpu).max() == 1
    assert (one.per_layer.largest_time >= free.per_layer.largest_time).all()
    limited = one.per_layer.largest_time > one.per_layer.bound
    assert limited.any() and (one.per_layer.limit[limited] != ReplicateLimit.NONE).all()
    least = eplb.replicate(tokens, home, 1, GPUS, tolerance=10, least_tokens=60)
    keeps(least, home, tokens)
    assert (least.quota[least.fetches.layer, least.fetches.destination_slot] >= 60).all()
    alone = eplb.replicate(tokens, home, 1, GPUS, max_replicas=1)
    assert len(alone.fetches) == 0 and alone.route_slot.shape == (LAYERS, EXPERTS, 1)


def test_fetches_cost_time(home, tokens):
    dear = eplb.replicate(tokens, home, 1, GPUS, fetch_tokens=10**6)
    assert len(dear.fetches) == 0 and (dear.per_layer.limit == ReplicateLimit.LEAST_TOKENS).all()
    some = eplb.replicate(tokens, home, 1, GPUS, fetch_tokens=20)
    load = of_gpu(some.quota).sum(axis=2)
    np.add.at(load, (some.fetches.layer, some.fetches.destination_gpu), 20)
    assert (some.per_layer.largest_time == load.max(axis=1)).all()


def test_every_token_has_a_place(home, tokens):
    random = np.random.default_rng(9)
    by_source = np.stack([random.multinomial(row, np.full(GPUS, 1 / GPUS)).T for row in tokens])
    answer = eplb.replicate(by_source, home, 2, GPUS, tolerance=51)
    keeps(answer, home, by_source)
    assert (answer.per_layer.leaving_node <= answer.per_layer.leaving_gpu).all()
    layer, source, sent = 2, 5, np.zeros(SLOTS, np.int64)
    for expert in range(EXPERTS):
        slots = eplb.route(answer, layer, expert, np.arange(by_source[layer, source, expert]), source)
        assert (answer.physical_to_logical_map[layer, slots] == expert).all()
        np.add.at(sent, slots, 1)
    assert (sent == answer.quota[layer, source]).all()
    whole = eplb.replicate(tokens, home, 2, GPUS, tolerance=51)
    assert eplb.route(whole, layer, 3, tokens[layer, 3]) == -1 != eplb.route(whole, layer, 3, tokens[layer, 3] - 1)


def test_dead_gpus_and_speeds(home, tokens):
    state = [eplb.GpuState.LEAVING, *[eplb.GpuState.ALIVE] * 7]
    speed = np.array([2, 1, 1, 1, 1, 1, 1, 1])
    answer = eplb.replicate(tokens, home, 1, GPUS, tolerance=51, gpu_state=state, gpu_speed=speed)
    assert (of_gpu(answer.physical_to_logical_map)[:, 0] == of_gpu(home)[:, 0]).all()
    assert (answer.per_layer.largest_time == (of_gpu(answer.quota).sum(axis=2) / speed).max(axis=1)).all()
    with pytest.raises(eplb.Error, match="layer 0") as error:
        eplb.replicate(tokens, home, 1, GPUS, gpu_state=[eplb.GpuState.DEAD, *state[1:]])
    assert error.value.status is Status.DISPATCH_NO_REPLICA


def test_refusals_name_the_argument(home, tokens):
    def refused(status, words, tokens=tokens, home=home, **change):
        with pytest.raises(eplb.Error, match=words) as error:
            eplb.replicate(tokens, home, 1, GPUS, **change)
        assert error.value.status is status

    refused(Status.TOLERANCE, "^tolerance is 1048577: ", tolerance=2**20 + 1)
    bad = home.copy()
    bad[1, 3] = EXPERTS
    refused(Status.PLACEMENT_EXPERT, r"physical_to_logical_map\[1, 3\] is 64", home=bad)
    bad = home.copy()
    bad[2, 9] = EXPERTS  # a spare slot
    refused(Status.PLACEMENT_EXPERT, r"^held\[layer 2\]\[slot 9\] is 64: ", held=bad)
    refused(Status.ARRAY_LENGTH, r"held has shape \(4, 79\), not \[L = 4, P = 80\]", held=home[:, 1:])
    refused(Status.LOAD_NEGATIVE, r"tokens\[0, 0\] is -1: counts are", tokens=-np.ones((LAYERS, EXPERTS), int))
    refused(Status.ARRAY_LENGTH, r"tokens has shape \(4, 7, 64\), not", tokens=np.ones((LAYERS, 7, EXPERTS), int))
    refused(Status.MAX_REPLICAS, "max_replicas", max_replicas=0)
    missing = home.copy()
    missing[:, 0] = -1
    refused(Status.DISPATCH_NO_REPLICA, "layer 0", home=missing)
    with pytest.raises(ValueError, match="tolerance is -1: it cannot be negative"):
        eplb.replicate(tokens, home, 1, GPUS, tolerance=-1)
