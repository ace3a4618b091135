"""What a step takes, in the calls that know it."""

from __future__ import annotations

import numpy as np
import pytest

import eplb
from eplb import Balancer, Cost, Rebalancer, Status

#: Microseconds, DeepSeek's shape in fp8 on an H200.
H200 = Cost(0.0945, 11.5, 18)
L, E, P, G = 6, 64, 80, 8
SIZES = (P, 1, 1, G)
FEW, BETWEEN, MANY = (tokens * G * 8 for tokens in (16, 128, 4096))


@pytest.fixture
def windows():
    """[W, L, E]"""
    random = np.random.default_rng(31)
    return random.lognormal(0, 1, (L, E)) * random.lognormal(0, 0.2, (3, L, E))


def seconds(load, held, tokens):
    return eplb.evaluate(load, held, 1, 1, G, cost=H200, step_tokens=tokens).max_gpu_seconds.mean()


def test_tokens_of_a_step_are_one_number_or_one_a_window(windows):
    one, each = (eplb.plan(windows, *SIZES, cost=H200, step_tokens=tokens) for tokens in (FEW, [FEW] * 3))
    assert (one.physical_to_logical_map == each.physical_to_logical_map).all()
    assert (one.metrics == each.metrics).all()
    mixed = eplb.evaluate(windows, one[0], 1, 1, G, cost=H200, step_tokens=[FEW, FEW, MANY]).max_gpu_seconds
    apart = [
        eplb.evaluate(window, one[0], 1, 1, G, cost=H200, step_tokens=tokens).max_gpu_seconds
        for window, tokens in zip(windows, (FEW, FEW, MANY))
    ]
    assert np.allclose(mixed, np.mean(apart, axis=0))
    with pytest.raises(eplb.Error, match=r"step_tokens has shape \(2,\), not \[W = 3\]"):
        eplb.plan(windows, *SIZES, cost=H200, step_tokens=[FEW, FEW])


def test_without_tokens_a_step_is_what_is_loaded(windows):
    load = windows[0] / windows[0].sum(axis=1, keepdims=True) * FEW
    held = eplb.rebalance_experts(load, *SIZES)[0]
    assert seconds(load, held, None) == pytest.approx(seconds(windows[0], held, FEW), rel=1e-5)


def test_metrics_are_in_seconds(windows):
    held = eplb.rebalance_experts(windows, *SIZES)[0]
    assert not eplb.evaluate(windows, held, 1, 1, G).max_gpu_seconds.any()
    found = eplb.evaluate(windows, held, 1, 1, G, cost=H200, step_tokens=FEW)
    assert (found.max_gpu_seconds >= found.mean_gpu_seconds).all() and (found.mean_gpu_seconds > 18).all()
    assert (found.seconds_bound <= found.max_gpu_seconds).all() and (found.active_experts <= P / G).all()


def dispatched(windows, held, tokens):
    """Mean seconds of the steps that the windows are on average."""
    means = windows / windows.sum(axis=2, keepdims=True) * tokens
    return np.mean([eplb.dispatch(np.rint(m), held, 1, G, cost=H200).per_layer.largest_time.mean() for m in means])


def test_plans_are_for_the_steps_that_are_named(windows):
    tokens_alone = eplb.plan(windows, *SIZES)[0]
    for tokens, spare in (FEW // 4, 8), (MANY, 0):
        held = eplb.plan(windows, *SIZES, cost=H200, step_tokens=tokens, flags=eplb.Flag.EMPTY_SLOTS)[0]
        assert dispatched(windows, held, tokens) <= dispatched(windows, tokens_alone, tokens) * 1.001
        assert (held < 0).sum(axis=1).min() >= spare  # copies that do not pay are not made
    filled = eplb.rebalance_experts(windows, *SIZES, cost=H200, step_tokens=FEW)[0]
    assert (filled == eplb.plan(windows, *SIZES, cost=H200, step_tokens=FEW)[0]).all() and filled.min() == 0


def test_dispatch_leaves_copies_out(windows):
    held = eplb.rebalance_experts(windows, *SIZES)[0]
    batch = np.full((L, E), 3)
    every, few = (eplb.dispatch(batch, held, 1, G, cost=cost) for cost in (None, H200))
    assert ((few.quota > 0).sum(axis=1) == E).all() and (every.per_layer.largest_time < 40).all()
    assert (few.per_layer.largest_time == 18 + 8 * 11.5).all()


def test_the_loops_plan_in_seconds(windows):
    random = np.random.default_rng(33)
    start = np.tile(np.arange(P) % E, (L, 1))
    balancer = Balancer(L, E, P, G, placement=start, cost=Cost(*map(np.float64, H200)), step_tokens=np.int64(BETWEEN))
    for window in windows:
        balancer.observe(random.poisson(window * 1000))
        balancer.close_window()
    balancer = Balancer.from_bytes(bytes(balancer))
    new = balancer.plan()
    assert (new.metrics.max_gpu_seconds > 0).all()

    assert dispatched(windows, new.physical_to_logical_map, BETWEEN) < dispatched(windows, start, BETWEEN)
    held = Rebalancer(cost=H200, step_tokens=BETWEEN).plan(windows[0], *SIZES, previous=start)
    assert held.min() == 0 and dispatched(windows, held, BETWEEN) < dispatched(windows, start, BETWEEN)
    for loop in (lambda: Balancer(L, E, P, G, cost=H200)), lambda: Rebalancer(cost=H200):
        with pytest.raises(ValueError, match="cost without step_tokens"):
            loop()


def test_the_gate_of_a_loop_weighs_seconds(windows):
    """What is even in tokens but reads more than it must is worth a move, as long as one pays."""
    random = np.random.default_rng(35)
    start = np.tile(np.arange(P) % E, (L, 1))
    cost = Cost(*(figure * 1e-6 for figure in H200))

    def moved(steps, tokens):
        prices = eplb.Prices(step_seconds=0, steps=steps, gpu_bandwidth=50e9, bytes_per_expert=44e6)
        loop = Balancer(L, E, P, G, placement=start, cost=cost, step_tokens=tokens, prices=prices)
        for window in windows:
            loop.observe(random.poisson(window * 1000))
            loop.close_window()
        proposal = loop.plan()
        return proposal.layers, proposal.gate

    layers, gate = moved(100_000, BETWEEN)
    assert len(layers) == L
    planned = dispatched(windows, eplb.plan(windows, *SIZES, cost=H200, step_tokens=BETWEEN)[0], BETWEEN)
    gain = (dispatched(windows, start, BETWEEN) - planned) * 1e-6 * 100_000
    assert 0.5 * gain < gate.verdicts.gain_seconds.mean() < 1.5 * gain
    assert len(moved(100, BETWEEN)[0]) == 0


def test_what_is_no_cost_is_refused(windows):
    for status, about, given in (
        (Status.COST, "cost.expert_seconds is -1", {"cost": Cost(1, -1)}),
        (Status.COST, "cost", {"cost": Cost()}),
        (Status.STEP_TOKENS, r"step_tokens\[window 1\] is 0", {"cost": H200, "step_tokens": [1, 0, 1]}),
        (Status.STEP_TOKENS, "step_tokens is 1e", {"cost": H200, "step_tokens": 1e60}),
        (Status.UNSUPPORTED_COST, None, {"cost": H200, "policy": "deepseek"}),
        (Status.UNSUPPORTED_COST, None, {"cost": H200, "previous": np.zeros((L, P), int), "target": 1}),
    ):
        with pytest.raises(eplb.Error, match=about) as error:
            eplb.rebalance_experts(windows if status != Status.UNSUPPORTED_COST else windows[0], *SIZES, **given)
        assert error.value.status is status, error.value
    with pytest.raises(eplb.Error) as error:
        Balancer(L, E, P, G, cost=Cost(1, 1), step_tokens=-1)
    assert error.value.status is Status.STEP_TOKENS
