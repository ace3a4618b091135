"""Slot by slot: the vectors of the compatibility policies, the published example, and DeepSeek's whole answer."""

from __future__ import annotations

import deepseek_numpy
import numpy as np
import pytest
import vector_files

import eplb

COMPATIBILITY = [policy for policy in eplb.Policy if policy != eplb.Policy.BALANCED]

# the README of DeepSeek EPLB
W = [
    [90, 132, 40, 61, 104, 165, 39, 4, 73, 56, 183, 86],
    [20, 107, 104, 64, 19, 197, 187, 157, 172, 86, 16, 27],
]
PHYSICAL_TO_LOGICAL = [
    [5, 6, 5, 7, 8, 4, 3, 4, 10, 9, 10, 2, 0, 1, 11, 1],
    [7, 10, 6, 8, 6, 11, 8, 9, 2, 4, 5, 1, 5, 0, 3, 1],
]


def same(ours, theirs) -> None:
    for one, other in zip(ours, theirs):
        assert one.dtype == other.dtype == np.int64
        assert one.shape == other.shape
        assert (one == other).all()


@pytest.mark.parametrize("policy", COMPATIBILITY, ids=lambda policy: policy.name.lower())
def test_every_case_of_every_policy(root, policy):
    cases = vector_files.read(root / "vectors" / f"{policy.name.lower()}.txt")
    assert len(cases) == 147
    for case in cases:
        plan = eplb.plan(case.load, *case.sizes, policy=policy.name.lower())
        assert (plan.physical_to_logical_map == case.physical_to_logical).all(), case.name
        assert (plan.replica_rank == case.replica_rank).all(), case.name
        assert (plan.expert_count == case.logical_count).all(), case.name
        same(eplb.rebalance_experts(case.load, *case.sizes, policy=policy), plan[:3])


def test_the_numpy_port_reproduces_the_vectors(root):
    """What the benchmark compares with is DeepSeek's algorithm, and its three arrays are ours."""
    for case in vector_files.read(root / "vectors" / "deepseek.txt"):
        port = deepseek_numpy.rebalance_experts(case.load, *case.sizes)
        assert (port[0] == case.physical_to_logical).all(), case.name
        assert (port[2] == case.logical_count).all(), case.name
        same(eplb.rebalance_experts(case.load, *case.sizes, policy="deepseek"), port)


def test_the_published_example():
    answer = eplb.rebalance_experts(np.array(W), 16, 4, 2, 8, policy="deepseek")
    assert answer[0].tolist() == PHYSICAL_TO_LOGICAL
    # X is the largest count of any layer, as in maxlogcnt
    assert [table.shape for table in answer] == [(2, 16), (2, 12, 2), (2, 12)]
    assert answer[1][0, 5].tolist() == [0, 2]
    assert answer[1][0, 6].tolist() == [1, -1]
    same(answer, deepseek_numpy.rebalance_experts(np.array(W), 16, 4, 2, 8))


def test_full_size_as_deepseek(load):
    for groups, nodes in (1, 1), (8, 4), (1, 4):
        sizes = (288, groups, nodes, 32)
        same(eplb.rebalance_experts(load, *sizes, policy="deepseek"), deepseek_numpy.rebalance_experts(load, *sizes))
