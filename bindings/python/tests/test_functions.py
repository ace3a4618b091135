"""What stands around a plan: check, digest, measured loads, windows, gate, dispatch; and tensors as arguments."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from tensors import Tensor

import eplb
from eplb import Status

SIZES = (288, 1, 1, 32)
PRICES = eplb.Prices(step_seconds=0.05, steps=3000, gpu_bandwidth=50e9, bytes_per_expert=44e6)


@pytest.fixture
def held(load):
    return eplb.plan(load, *SIZES)


def test_tensors_of_every_kind(load):
    """From a device, with a gradient, of a type that numpy has not: all go by .detach().cpu(), and .float() if need
    be."""
    expected = eplb.rebalance_experts(load.astype(np.float32), *SIZES)
    for strange in False, True:
        tensor = Tensor(load.astype(np.float32), strange=strange)
        assert (eplb.rebalance_experts(tensor, *SIZES)[0] == expected[0]).all()
        with pytest.raises(TypeError):
            tensor.numpy()
    big = Tensor(np.array([[2**24 + 1, 3]]))  # integers stay integers
    assert eplb.rebalance_experts(big, 2, 1, 1, 1)[2].tolist() == [[1, 1]]
    tracker = eplb.Tracker(1, 1, 2)
    tracker.observe(big)
    assert int(bytes(tracker)[84:88][::-1].hex(), 16) == 2**24 + 1
    previous = Tensor(expected[0])
    assert (eplb.rebalance_experts(load, *SIZES, previous=previous, max_moves=eplb.MOVES_NONE)[0] == expected[0]).all()


def test_check_names_the_first_broken_promise(held):
    map = held.physical_to_logical_map
    maps = {
        "replica_rank": held.replica_rank,
        "expert_count": held.expert_count,
        "logical_to_physical_map": held.logical_to_physical_map,
    }
    assert eplb.check(map, 256, 1, 1, 32, **maps) is None
    twice = map.copy()
    twice[3, 10] = twice[3, 9]
    found = eplb.check(twice, 256, 1, 1, 32)
    assert found.kind is eplb.ViolationKind.DUPLICATE or found.kind is eplb.ViolationKind.MISSING
    assert found.layer == 3 and "layer 3" in found.sentence
    wrong = held.expert_count.copy()
    wrong[5, 6] += 1
    found = eplb.check(map, 256, 1, 1, 32, expert_count=wrong)
    assert (found.kind, found.layer, found.expert) == (eplb.ViolationKind.COUNT, 5, 6)
    twice_in_deepseek = eplb.check(np.array([[0, 0, 1, 1]]), 2, 1, 1, 2, policy="deepseek")
    assert twice_in_deepseek is None
    assert eplb.check(np.array([[0, 0, 1, 1]]), 2, 1, 1, 2).kind is eplb.ViolationKind.DUPLICATE
    with pytest.raises(eplb.Error) as error:
        eplb.check(map, 0, 1, 1, 32)
    assert error.value.status is Status.SHAPE_ZERO


def test_digests_tell_placements_apart(held):
    map = held.physical_to_logical_map
    other = map.copy()
    other[57, 287] += 1
    assert eplb.digest(map) == eplb.digest(map.astype(np.int32)) != eplb.digest(other)
    assert 0 <= eplb.digest(map) < 1 << 64
    with pytest.raises(eplb.Error) as error:
        eplb.digest(np.zeros((0, 4), int))
    assert error.value.status is Status.SHAPE_ZERO


def test_measured_loads_are_taken_as_they_are(load, held):
    measured = np.zeros((58, 288))
    measured[:, ::9] = np.arange(1, 33)  # one slot of each GPU does all
    metrics = eplb.evaluate(None, held.physical_to_logical_map, 1, 1, 32, physical_load=measured)
    assert np.allclose(metrics.balance, 16.5 / 32) and (metrics.busiest_gpu == 31).all()
    same = eplb.evaluate(load, held.physical_to_logical_map, 1, 1, 32, physical_load=measured)
    assert (same.max_gpu_load == metrics.max_gpu_load).all()
    with pytest.raises(eplb.Error, match=r"physical_load has shape \(58, 287\), not \[L = 58, P = 288\]"):
        eplb.evaluate(load, held.physical_to_logical_map, 1, 1, 32, physical_load=measured[:, 1:])


def test_windows_from_before_a_change_do_not_count(load):
    random = np.random.default_rng(4)
    changed = load[:, ::-1]
    windows = np.stack([random.poisson(each) for each in [load] * 4 + [changed] * 3])
    said = eplb.window_weights(windows)
    assert said.weight.shape == (58, 7) and said.weight.tolist() == [[0] * 4 + [1] * 3] * 58
    assert (said.counted == 3).all()
    assert (eplb.window_weights(windows, before=0.25).weight[:, 0] == 0.25).all()
    assert (eplb.window_weights(windows[:4]).weight == 1).all()
    with pytest.raises(eplb.Error) as error:
        eplb.window_weights(np.ones((33, 2, 4)))
    assert error.value.status is Status.TOO_MANY_WINDOWS
    with pytest.raises(eplb.Error, match="ratio is -1") as error:
        eplb.window_weights(windows, ratio=-1)
    assert error.value.status is Status.CHANGE_OPTION
    with pytest.raises(eplb.Error, match="NaN"):
        eplb.window_weights(np.full((3, 1, 4), np.nan))


def test_forecasts(load):
    windows = np.stack([load, 3 * load, 2 * load]).astype(np.float32)
    assert (eplb.forecast(windows) == windows[2]).all()
    assert np.allclose(eplb.forecast(windows, "mean"), 2 * load)
    assert np.allclose(
        eplb.forecast(windows, eplb.ForecastMethod.HALF_LIFE, half_life=1), load * (0.25 + 1.5 + 2) / 1.75
    )
    assert np.allclose(eplb.forecast(windows, "mean_plus_sigma", sigmas=1), load * (2 + np.sqrt(2 / 3)))
    only = np.tile([0, 1, 0], (58, 1))
    assert np.allclose(eplb.forecast(windows, "mean", window_weight=only), 3 * load)
    with pytest.raises(eplb.Error, match="'middle' is not one of last, mean, half_life"):
        eplb.forecast(windows, "middle")
    with pytest.raises(eplb.Error, match="sigmas is -1") as error:
        eplb.forecast(windows, "mean_plus_sigma", sigmas=-1)
    assert error.value.status is Status.FORECAST_OPTION


def test_the_gate_takes_what_pays_and_remembers(load, held):
    start = np.tile(np.arange(288) % 256, (58, 1))
    before = eplb.evaluate(load, start, 1, 1, 32)
    moves = eplb.transfers(start, held.physical_to_logical_map, 1, 32, spare_buffers=9)
    call = (
        32,
        before.mean_gpu_load,
        before.max_gpu_load,
        held.metrics.max_gpu_load,
        moves.layer_moved,
        moves.layer_rounds,
    )
    first = eplb.gate(PRICES, *call)
    assert (first.verdicts.move_layer == 1).all() and first.total.moved_layers == 58
    assert sorted(first.verdicts.order) == list(range(58))
    assert first.total.gain_seconds > first.total.cost_seconds > 0 and (first.states.debt_seconds > 0).all()
    zero = first.states.copy()
    again = eplb.gate(PRICES, 32, 1.0, np.ones(58), 1.0, 0, 0, states=first.states, steps_since=3000)
    assert again.total.moved_layers == 0 and (first.states == zero).all()  # what was given is left alone
    assert (again.states.debt_seconds < first.states.debt_seconds).all()
    with pytest.raises(eplb.Error) as error:
        eplb.gate(dataclasses.replace(PRICES, step_seconds=0), *call)
    assert error.value.status in (Status.GATE_NEVER, Status.GATE_TIME)
    with pytest.raises(eplb.Error, match="NaN") as error:
        eplb.gate(PRICES, 32, np.full(58, np.nan), *call[2:])
    assert error.value.status is Status.GATE_LOAD
    with pytest.raises(eplb.Error, match=r"moved has shape \(57,\)"):
        eplb.gate(PRICES, *call[:4], moves.layer_moved[1:], 1)
    with pytest.raises(ValueError, match="rounds is -1: counts are at least 0"):
        eplb.gate(PRICES, *call[:5], -1)
    with pytest.raises(ValueError, match=r"moved\[1\] is nan: counts are"):
        eplb.gate(PRICES, 32, [1, 1], 1, 1, [0, np.nan], 0)


def test_the_gate_in_seconds():
    free = dataclasses.replace(PRICES, step_seconds=0, evidence=0.05)
    saved = np.array([20e-6, 0, 1e-6])
    now = np.full(3, 120e-6)
    said = eplb.gate(free, 32, 110e-6, now, now - saved, 20, 2, in_seconds=True)
    assert np.allclose(said.verdicts.gain_seconds, free.steps * saved)
    assert said.verdicts.move_layer.tolist() == [1, 0, 0] and np.isclose(said.total.evidence, 20 / 360)
    with pytest.raises(eplb.Error, match=r"layers\[layer 1\].after is 0") as error:
        eplb.gate(free, 32, 110e-6, now, [1, 0, 1], 20, 2, in_seconds=True)
    assert error.value.status is Status.GATE_LOAD
    with pytest.raises(eplb.Error, match="EPLB_GATE_SECONDS") as error:
        eplb.gate(free, 32, 110e-6, now, now - saved, 20, 2)
    assert error.value.status is Status.GATE_NEVER


def test_dispatch_and_routes(load, held):
    map = held.physical_to_logical_map
    tokens = np.random.default_rng(5).poisson(load / 100)
    split = eplb.dispatch(tokens, map, 1, 32)
    assert (split.quota.sum(axis=1) == tokens.sum(axis=1)).all()
    assert (split.per_layer.kind == eplb.SplitKind.EXACT).all()
    assert (split.per_layer.largest_time == split.per_layer.bound).all()
    by_source = np.random.default_rng(6).poisson(0.5, (58, 32, 256))
    routed = eplb.dispatch(by_source, map, 4, 32)
    assert routed.quota.shape == (58, 32, 288) and (routed.quota.sum(axis=(1, 2)) == by_source.sum(axis=(1, 2))).all()
    assert (routed.per_layer.leaving_node <= routed.per_layer.leaving_gpu).all()
    # every token goes where the quotas say
    layer, sent = 7, np.zeros(288, np.int64)
    for expert in range(256):
        slots = eplb.route(split, layer, expert, np.arange(tokens[layer, expert]))
        assert (map[layer, slots] == expert).all()
        np.add.at(sent, slots, 1)
    assert (sent == split.quota[layer]).all()
    assert eplb.route(split, layer, 3, tokens[layer, 3]) == -1
    source, expert = 5, int(by_source[layer, 5].argmax())
    count = by_source[layer, source, expert]
    slots = eplb.route(routed, layer, expert, np.arange(count), source)
    assert (np.bincount(slots, minlength=288) == np.where(map[layer] == expert, routed.quota[layer, source], 0)).all()
    with pytest.raises(ValueError, match="source is given for a split with sources"):
        eplb.route(split, 0, 0, 0, source=1)


def test_dispatch_refuses_by_name(held):
    map = held.physical_to_logical_map
    with pytest.raises(eplb.Error, match=r"tokens\[0, 0\] is -1: counts are at least 0"):
        eplb.dispatch(np.full((58, 256), -1), map, 1, 32)
    with pytest.raises(eplb.Error, match=r"tokens\[0, 0\] is 0.5: counts are whole numbers"):
        eplb.dispatch(np.full((58, 256), 0.5), map, 1, 32)
    with pytest.raises(eplb.Error, match=r"tokens\[0, 0\] is 4294967296: counts are below 2\^32"):
        eplb.dispatch(np.full((58, 256), 2**32), map, 1, 32)
    with pytest.raises(eplb.Error, match=r"tokens has shape \(58, 31, 256\), not \[L, G = 32, E\]"):
        eplb.dispatch(np.ones((58, 31, 256), int), map, 1, 32)
    with pytest.raises(eplb.Error, match="layer 0") as error:
        eplb.dispatch(np.ones((1, 4), int), [[0, 1, 2, -1]], 1, 2)
    assert error.value.status is Status.DISPATCH_NO_REPLICA
    with pytest.raises(eplb.Error, match=r"physical_to_logical_map\[0, 3\] is 9") as error:
        eplb.dispatch(np.ones((1, 4), int), [[0, 1, 2, 9]], 1, 2)
    assert error.value.status is Status.PLACEMENT_EXPERT


def test_a_refused_call_speaks_the_words_of_this_package(load):
    with pytest.raises(eplb.Error, match=r"^weight\[window 0\]\[layer 0\]\[expert 0\] is -1: ") as error:
        eplb.forecast(np.full((2, 1, 4), -1.0), "mean")
    assert error.value.status is Status.LOAD_NEGATIVE
    with pytest.raises(
        eplb.Error, match="^the tracker has observed no step since its last window: call observe before"
    ):
        eplb.Tracker(1, 1, 1).close()


def test_all_that_is_public_is_documented():
    for name in eplb.__all__:
        assert getattr(eplb, name).__doc__ if name != "MOVES_NONE" else eplb.MOVES_NONE == 2**32 - 1, name
