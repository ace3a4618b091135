"""The loop as bytes: nothing is lost between any two calls, and what is damaged is not taken up."""

from __future__ import annotations

import copy
import dataclasses
import os
import pickle
import signal
import subprocess
import sys

import numpy as np
import pytest
from loops import PRICES, E, G, L, P, complete, start, window

import eplb
from eplb import Balancer, Flag


@pytest.fixture
def random():
    return np.random.default_rng(13)


@pytest.fixture
def skewed(random):
    """[L, E] loads of a model that prefers some experts."""
    return random.lognormal(0, 1, (L, E)) * 500


def test_saved_and_taken_up(random, skewed):
    balancer = Balancer(
        L,
        E,
        P,
        G,
        placement=start(),
        prices=dataclasses.replace(PRICES, stall=np.float32(1)),
        max_moves=np.int64(40),
        half_life=np.float32(4),
        spare_buffers=np.uint8(9),
        gpu_speed=np.linspace(1, 1.2, G),
        flags=Flag.EXTERNAL_SOURCE,
    )
    window(balancer, skewed, random)
    balancer.observe(random.poisson(skewed))
    first, second, *rest = balancer.plan().layers
    balancer.prepare(first)
    balancer.commit(first)
    balancer.prepare(second)  # a kill here
    for again in Balancer.from_bytes(bytes(balancer)), pickle.loads(pickle.dumps(balancer)), copy.deepcopy(balancer):
        assert bytes(again) == bytes(balancer) and again.progress() == balancer.progress()
        assert (again.placement == balancer.placement).all() and complete(again.placement)
        assert again.waiting == [second, *rest] and again.progress().prepared == 1
        again.abort(second)
        again.commit()
        assert (again.placement[second] == start()[second]).all()
    balancer.abort(second)
    balancer.commit()
    for each in again, balancer:
        seed = np.random.default_rng(15)
        window(each, skewed[:, ::-1], seed)
        each.plan()
    assert bytes(again) == bytes(balancer)  # it goes on as if nothing had been


KILLED = """
import os, sys, signal
import numpy as np
import eplb

def keep(balancer):
    with open(sys.argv[1] + ".new", "wb") as file:
        file.write(bytes(balancer))
    os.replace(sys.argv[1] + ".new", sys.argv[1])

random = np.random.default_rng(16)
balancer = eplb.Balancer(6, 32, 48, 8, placement=np.tile(np.arange(48) % 32, (6, 1)))
balancer.observe(random.poisson(random.lognormal(0, 1, (6, 32)) * 500))
balancer.close_window()
first, second, *rest = balancer.plan().layers
balancer.prepare(first)
balancer.commit(first)
balancer.prepare(second)
keep(balancer)
os.kill(os.getpid(), signal.SIGKILL)  # while the weights of the second are under way
"""


def test_a_kill_between_prepare_and_commit_loses_nothing(tmp_path):
    file = tmp_path / "state"
    ended = subprocess.run([sys.executable, "-c", KILLED, file])
    assert ended.returncode == -signal.SIGKILL
    balancer = Balancer.from_bytes(file.read_bytes())
    assert complete(balancer.placement) and balancer.progress().prepared == 1 and balancer.progress().committed == 1
    second = balancer.waiting[0]
    assert (balancer.placement[second] == start()[second]).all()
    balancer.abort(second)
    again = balancer.proposal.physical_to_logical_map
    for layer in balancer.waiting:
        balancer.prepare(layer)
        balancer.commit(layer)
    assert complete(balancer.placement) and (balancer.placement == again).all(axis=1).sum() == L - 1


def test_what_is_damaged_is_not_taken_up(random, skewed):
    balancer = Balancer(L, E, P, G, placement=start())
    window(balancer, skewed, random)
    balancer.plan()
    saved = bytes(balancer)
    for place in [*range(60), *random.integers(0, len(saved), 200)]:
        damaged = bytearray(saved)
        damaged[place] ^= 1 << int(random.integers(8))
        with pytest.raises(ValueError, match="saved (holds no state|is of version|is damaged)"):
            Balancer.from_bytes(bytes(damaged))
    for length in 0, 10, 52, len(saved) - 1:
        with pytest.raises(ValueError, match="saved"):
            Balancer.from_bytes(saved[:length])
