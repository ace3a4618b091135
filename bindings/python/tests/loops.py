"""What the tests of the loop share: its sizes, and what is done with one."""

from __future__ import annotations

import numpy as np

import eplb

L, E, P, G = 6, 32, 48, 8
PRICES = eplb.Prices(step_seconds=0.05, steps=3000, gpu_bandwidth=50e9, bytes_per_expert=44e6)


def start(experts=E, slots=P, layers=L):
    """The map that vLLM starts with."""
    return np.tile(np.arange(slots) % experts, (layers, 1))


def window(balancer, load, random, steps=4):
    for _ in range(steps):
        balancer.observe(random.poisson(load))
    balancer.close_window()


def moved_all(balancer, proposal):
    for layer in proposal.layers:
        balancer.prepare(layer)
        balancer.commit(layer)


def complete(placement, gpus=None, experts=E):
    """Every expert of every layer is on some GPU (of those)."""
    held = placement.reshape(len(placement), G, -1)[:, slice(None) if gpus is None else gpus]
    return all(len(set(row[row >= 0])) == experts for row in held.reshape(len(placement), -1))
