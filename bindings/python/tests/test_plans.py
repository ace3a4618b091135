"""What comes out: the maps agree, the metrics mean what they say, old placements are kept, empty slots told."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from replaying import replay

import eplb

SIZES = (288, 1, 1, 32)


def agree(physical_to_logical, logical_to_physical, count):
    layers, slots = physical_to_logical.shape
    assert logical_to_physical.shape == (*count.shape, count.max())
    for layer in range(layers):
        held = physical_to_logical[layer]
        assert (np.bincount(held[held >= 0], minlength=count.shape[1]) == count[layer]).all()
        for expert, row in enumerate(logical_to_physical[layer]):
            number = count[layer, expert]
            assert (row[number:] == -1).all()
            assert sorted(row[:number]) == np.flatnonzero(held == expert).tolist()


def test_maps_metrics_and_gap(load):
    plan = eplb.plan(load, *SIZES)
    agree(*plan[:3])
    for table in plan[:3]:
        assert table.dtype == np.int64 and table.flags.c_contiguous and table.flags.writeable
    # the balance from its definition
    replica = load.astype(np.float32) / plan.expert_count
    gpu = np.take_along_axis(replica, plan.physical_to_logical_map, axis=1).reshape(58, 32, 9).sum(axis=2)
    balance = gpu.mean(axis=1) / gpu.max(axis=1)
    assert np.allclose(plan.metrics.balance, balance)
    assert (plan.metrics.duplicates == 0).all()
    assert plan.metrics.balance.min() > 0.999 and plan.metrics.gap.max() < 0.001
    assert (plan.metrics.bound <= plan.metrics.max_gpu_load).all()
    # better than what it replaces, in every layer
    theirs = eplb.plan(load, *SIZES, policy="deepseek")
    agree(*theirs[:3])
    assert (plan.metrics.balance >= theirs.metrics.balance).all()
    assert plan.metrics.balance.mean() > theirs.metrics.balance.mean() + 0.002


def test_evaluate_measures_what_plan_reports(load):
    for policy in "balanced", "deepseek":
        plan = eplb.plan(load, *SIZES, policy=policy)
        assert (eplb.evaluate(load, plan.physical_to_logical_map, 1, 1, 32) == plan.metrics).all()
    identity = np.tile(np.arange(256), (58, 1))
    assert eplb.evaluate(load, identity, 1, 1, 32).balance.mean() < 0.7
    with pytest.raises(eplb.Error) as error:
        eplb.evaluate(load, np.zeros((58, 288), int), 1, 1, 32)
    assert error.value.status == eplb.Status.PLACEMENT_MISSING
    for wrong in np.zeros(288, int), np.zeros((57, 288), int), 0:
        with pytest.raises(eplb.Error, match="physical_to_logical_map has shape"):
            eplb.evaluate(load, wrong, 1, 1, 32)


def test_previous_placement_and_limits(load):
    before = eplb.rebalance_experts(load, *SIZES)[0]
    drifted = load * np.random.default_rng(2).lognormal(0, 0.3, load.shape)
    same = eplb.rebalance_experts(load, *SIZES, previous=before)[0]
    assert (same == before).all()
    stale = eplb.evaluate(drifted, before, 1, 1, 32).balance
    for kind in np.int64, np.int32, np.int16:
        plan = eplb.plan(drifted, *SIZES, previous=before.astype(kind), max_moves=24)
        changed = (plan.physical_to_logical_map != before).sum(axis=1)
        assert (changed <= 24).all() and (changed == plan.metrics.moved_slots).all()
        assert (plan.metrics.balance >= stale).all()
    assert plan.metrics.balance.mean() > stale.mean() + 0.05
    # the policies of others rename GPUs so that less moves, and keep their balance
    fresh = eplb.plan(drifted, *SIZES, policy="deepseek")
    renamed = eplb.plan(drifted, *SIZES, policy="deepseek", previous=before)
    assert (renamed.physical_to_logical_map != before).sum() < (fresh.physical_to_logical_map != before).sum()
    assert np.allclose(renamed.metrics.balance, fresh.metrics.balance)


def test_transfers_replayed_give_the_new_placement(load):
    before = eplb.rebalance_experts(load, *SIZES)[0]
    after = eplb.rebalance_experts(load[:, ::-1], *SIZES, previous=before, max_moves=32)[0]
    moves = eplb.transfers(before, after, 1, 32, spare_buffers=1)
    assert moves.layer_start[-1] == len(moves.transfers) and moves.moved <= len(moves.transfers)
    for layer in range(58):
        rows = moves.transfers[moves.layer_start[layer] : moves.layer_start[layer + 1]]
        assert (rows.layer == layer).all()
        held = replay(rows, before[layer], moves.layer_rounds[layer])
        assert (held == after[layer]).all()
        linked = rows[rows.source_gpu != rows.destination_gpu]
        assert len(linked) == moves.layer_moved[layer]
        for gpu in "source_gpu", "destination_gpu":  # a GPU sends, and receives, once a round
            assert len(set(zip(linked["round"], linked[gpu]))) == len(linked)
        assert linked["round"].max(initial=0) < max(moves.layer_rounds[layer], 1)
    assert moves.layer_moved.sum() == moves.moved
    same = eplb.transfers(after, after, 1, 32)
    assert len(same.transfers) == same.moved == 0


def test_number_makes_the_other_maps(load):
    plan = eplb.plan(load, *SIZES)
    again = eplb.number(plan.physical_to_logical_map, 256, 32)
    for mine, theirs in zip(again, (plan.logical_to_physical_map, plan.expert_count, plan.replica_rank)):
        assert mine.dtype == theirs.dtype and (mine == theirs).all()
    state = np.zeros(32, np.uint8)
    state[5] = eplb.GpuState.DEAD
    left = eplb.number(plan.physical_to_logical_map, 256, 32, gpu_state=state)
    held = plan.physical_to_logical_map.copy()
    held[:, 45:54] = -1  # as if its slots were empty
    agree(held, *left[:2])
    assert (left.replica_rank[:, 45:54] == -1).all() and (left.expert_count.sum(axis=1) == 279).all()
    nothing = eplb.number(np.full((2, 4), -1), 3, 2)
    assert nothing.logical_to_physical_map.shape == (2, 3, 0) and not nothing.expert_count.any()


def test_windows_make_one_placement(load):
    random = np.random.default_rng(3)
    windows = load * random.lognormal(0, 0.5, (4, *load.shape))
    plan = eplb.plan(windows, *SIZES)
    assert plan.physical_to_logical_map.shape == (58, 288)
    alone = [eplb.evaluate(windows[w], plan.physical_to_logical_map, 1, 1, 32).balance for w in range(4)]
    assert np.allclose(plan.metrics.balance, np.mean(alone, axis=0))
    on_the_last = eplb.evaluate(windows, eplb.rebalance_experts(windows[3], *SIZES)[0], 1, 1, 32)
    assert plan.metrics.balance.mean() > on_the_last.balance.mean()
    # all weight on one window is that window alone; a window of one is a plain load
    weight = np.tile([0, 0, 1, 0], (58, 1))
    only = eplb.rebalance_experts(windows, *SIZES, window_weight=weight)[0]
    assert (only == eplb.rebalance_experts(windows[2], *SIZES)[0]).all()
    assert (only == eplb.rebalance_experts(windows[2:3], *SIZES)[0]).all()


def test_slots_that_only_a_duplicate_could_fill():
    load = np.array([[5.0, 4.0, 3.0]])
    call = (load, 8, 1, 1, 2)  # 4 slots a GPU and 3 experts: one slot of each GPU can hold a duplicate only
    table = eplb.rebalance_experts(*call)
    agree(*table)
    assert (table[0] == -1).sum() == 2
    assert (eplb.plan(*call).physical_to_logical_map == table[0]).all()
    full = eplb.rebalance_experts(*call, policy="deepseek")
    agree(*full)
    assert (full[0] >= 0).all()


def test_topology(load):
    state = np.zeros(32, np.uint8)
    state[5] = eplb.GpuState.DEAD
    plan = eplb.plan(load, *SIZES, gpu_state=state)
    agree(*plan[:3])
    assert (plan.physical_to_logical_map[:, 45:54] == -1).all()
    slots = np.array([8, 10] * 16)
    speed = slots / 9
    plan = eplb.plan(load, *SIZES, gpu_slots=slots, gpu_speed=speed)
    agree(*plan[:3])
    assert plan.metrics.balance.min() > 0.99
    node = np.arange(32) % 4
    plan = eplb.plan(load, 288, 8, 4, 32, gpu_node=node)
    first = plan.physical_to_logical_map[0].reshape(32, 9) // 32
    for group in range(8):
        assert len(set(node[np.unique(np.nonzero(first == group)[0])])) == 1
    with pytest.raises(eplb.Error, match=r"gpu_speed has shape \(31,\), not \[G = 32\]"):
        eplb.plan(load, *SIZES, gpu_speed=np.ones(31))
    with pytest.raises(eplb.Error) as error:
        eplb.plan(load, *SIZES, gpu_state=np.full(32, 256))
    assert error.value.status == eplb.Status.GPU_STATE
    survive = eplb.plan(load, 512, 1, 1, 32, flags=eplb.Flag.SURVIVE_GPU)
    assert survive.expert_count.min() >= 2


def test_max_replicas(load):
    hot = load.copy()
    hot[:, 7] = load.sum(axis=1)
    assert eplb.rebalance_experts(hot, *SIZES)[1].shape[2] > 4
    assert eplb.rebalance_experts(hot, *SIZES, max_replicas=4)[1].shape[2] == 4


def test_threads_get_the_same_bytes(load):
    loads = [load * np.random.default_rng(seed).lognormal(0, 0.2, load.shape) for seed in range(8)]

    def work(index):
        return b"".join(table.tobytes() for table in eplb.rebalance_experts(loads[index % 8], *SIZES))

    alone = [work(index) for index in range(8)]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(work, range(64)))
    assert together == alone * 8


def test_every_slot_is_filled():
    """Shapes that 0.1 left slots of empty, lognormal loads."""
    random = np.random.default_rng(7)
    shapes = [
        (8, 12, 1, 1, 4),
        (8, 12, 1, 1, 6),
        (16, 24, 4, 2, 4),
        (64, 80, 1, 1, 16),
        (128, 192, 16, 16, 64),
        (256, 384, 32, 32, 128),
    ]
    for experts, slots, groups, nodes, gpus in shapes:
        load = random.lognormal(size=(100, experts)) * 1000
        assert (eplb.rebalance_experts(load, slots, groups, nodes, gpus)[0] >= 0).all()


def test_homes_and_masks(load):
    homes = np.full((58, 288), -1)
    homes.reshape(58, 32, 9)[:, :, :8] = np.arange(256).reshape(32, 8)
    filled = eplb.plan(load, *SIZES, previous=homes, flags=eplb.Flag.FILL_ONLY).physical_to_logical_map
    assert (filled >= 0).all() and (filled[homes >= 0] == homes[homes >= 0]).all()
    state = np.zeros(32, bool)
    state[7] = True  # a mask of dead ranks will do
    before = eplb.rebalance_experts(load, *SIZES)[0]
    after = eplb.plan(
        load, *SIZES, previous=before, gpu_state=state, max_moves=eplb.MOVES_NONE, flags=eplb.Flag.EXTERNAL_SOURCE
    )
    lost = [256 - len(np.unique(np.delete(row, np.s_[63:72]))) for row in before]
    assert (after.metrics.moved_slots == lost).all()


def test_a_plan_for_the_nearest_replica():
    load = np.random.default_rng(5).gamma(0.5, size=(2, 64))
    known = {"scope": "global", "split": "nearest"}
    even = eplb.plan(load, 96, None, 4, 16, scope="global")
    plan = eplb.plan(load, 96, None, 4, 16, **known)
    measured = eplb.evaluate(load, plan.physical_to_logical_map, None, 4, 16, **known)
    assert (measured.balance == plan.metrics.balance).all()
    before = eplb.evaluate(load, even.physical_to_logical_map, None, 4, 16, **known)
    assert (measured.balance > before.balance + 0.02).all()
    with pytest.raises(eplb.Error) as refused:
        eplb.plan(load, 96, None, 4, 16, policy="deepseek", split="nearest")
    assert refused.value.status == eplb.Status.UNSUPPORTED_SPLIT
