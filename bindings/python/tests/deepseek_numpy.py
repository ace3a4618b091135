"""DeepSeek EPLB in plain numpy, written from the rules in docs/SPEC.md: what `eplb` is compared with.

It goes step by step as the published program does: one replica after another for all rows at once, one item
after another into the pack with room that has the least. Ties go to the lowest index. Slow and obvious.
"""

from __future__ import annotations

from typing import Tuple

import numpy as np


def balanced_packing(weight: np.ndarray, num_packs: int) -> Tuple[np.ndarray, np.ndarray]:
    """Packs the n items of each row of `weight` [X, n] into packs of n / num_packs: pack and rank of each item."""
    num_rows, num_items = weight.shape
    items_per_pack = num_items // num_packs
    if items_per_pack == 1:
        return np.tile(np.arange(num_items), (num_rows, 1)), np.zeros(weight.shape, np.int64)
    order = np.argsort(-weight, axis=-1, kind="stable")
    pack_index = np.empty(weight.shape, np.int64)
    rank_in_pack = np.empty(weight.shape, np.int64)
    for row in range(num_rows):
        pack_weights = [np.float32(0)] * num_packs
        pack_items = [0] * num_packs
        for item in order[row]:
            pack = min((p for p in range(num_packs) if pack_items[p] < items_per_pack), key=pack_weights.__getitem__)
            pack_index[row, item] = pack
            rank_in_pack[row, item] = pack_items[pack]
            pack_weights[pack] += weight[row, item]
            pack_items[pack] += 1
    return pack_index, rank_in_pack


def replicate_experts(weight: np.ndarray, num_physical: int) -> Tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Replicates the experts of each row of `weight` [X, n]: expert and rank of each replica, counts."""
    num_rows, num_logical = weight.shape
    expert = np.tile(np.arange(num_physical), (num_rows, 1))
    rank = np.zeros((num_rows, num_physical), np.int64)
    count = np.ones((num_rows, num_logical), np.int64)
    rows = np.arange(num_rows)
    for replica in range(num_logical, num_physical):
        largest = np.argmax(weight / count.astype(np.float32), axis=-1)
        expert[:, replica] = largest
        rank[:, replica] = count[rows, largest]
        count[rows, largest] += 1
    return expert, rank, count


def inverse(permutation: np.ndarray) -> np.ndarray:
    """The inverse of the permutation in each row."""
    result = np.empty_like(permutation)
    np.put_along_axis(result, permutation, np.arange(permutation.shape[1])[None, :], axis=1)
    return result


def rebalance_hierarchical(
    weight: np.ndarray, num_replicas: int, num_groups: int, num_nodes: int, num_gpus: int
) -> Tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Groups onto nodes, replicas inside nodes, replicas onto GPUs: expert and rank of each slot, counts."""
    num_layers, num_logical = weight.shape
    group_size = num_logical // num_groups
    experts_per_node = num_logical // num_nodes

    # 1: groups onto nodes; "meta-logical" experts are numbered node by node
    group_weight = np.zeros((num_layers, num_groups), np.float32)
    for member in range(group_size):  # f32 sums in the order of the experts
        group_weight += weight[:, member::group_size]
    node, rank = balanced_packing(group_weight, num_nodes)
    logical_to_meta = (
        ((node * (num_groups // num_nodes) + rank) * group_size)[..., None] + np.arange(group_size)
    ).reshape(num_layers, num_logical)
    meta_to_logical = inverse(logical_to_meta)

    # 2: replicas inside each node, a row of its own
    meta_weight = np.take_along_axis(weight, meta_to_logical, axis=1).reshape(-1, experts_per_node)
    physical_to_meta, physical_rank, meta_count = replicate_experts(meta_weight, num_replicas // num_nodes)

    # 3: replicas onto the GPUs of the node
    physical_weight = np.take_along_axis(meta_weight / meta_count.astype(np.float32), physical_to_meta, axis=1)
    gpu, rank = balanced_packing(physical_weight, num_gpus // num_nodes)
    slot_to_physical = inverse(gpu * (num_replicas // num_gpus) + rank)
    slot_to_meta = np.take_along_axis(physical_to_meta, slot_to_physical, axis=1)
    slot_to_meta = slot_to_meta.reshape(num_layers, num_nodes, -1)
    slot_to_meta = slot_to_meta + (np.arange(num_nodes) * experts_per_node)[None, :, None]
    slot_to_logical = np.take_along_axis(meta_to_logical, slot_to_meta.reshape(num_layers, -1), axis=1)
    slot_rank = np.take_along_axis(physical_rank, slot_to_physical, axis=1).reshape(num_layers, -1)
    count = np.take_along_axis(meta_count.reshape(num_layers, -1), logical_to_meta, axis=1)
    return slot_to_logical, slot_rank, count


def rebalance_experts(
    weight: np.ndarray, num_replicas: int, num_groups: int, num_nodes: int, num_gpus: int
) -> Tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What DeepSeek's function of this name returns: physical_to_logical, logical_to_physical, counts, all int64."""
    weight = np.asarray(weight).astype(np.float32)
    num_layers, num_logical = weight.shape
    if num_groups % num_nodes != 0:
        num_groups = num_nodes = 1
    expert, rank, count = rebalance_hierarchical(weight, num_replicas, num_groups, num_nodes, num_gpus)
    most = int(count.max())
    table = np.full((num_layers, num_logical * most), -1, np.int64)
    np.put_along_axis(table, expert * most + rank, np.arange(num_replicas)[None, :], axis=1)
    return expert, table.reshape(num_layers, num_logical, most), count
