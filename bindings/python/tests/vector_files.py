"""Reads vectors/*.txt: docs/SPEC.md, "Vector files"."""

from __future__ import annotations

from pathlib import Path
from typing import Dict, List, NamedTuple

import numpy as np


class Case(NamedTuple):
    name: str
    load: np.ndarray
    num_replicas: int
    num_groups: int
    num_nodes: int
    num_gpus: int
    physical_to_logical: np.ndarray
    replica_rank: np.ndarray
    logical_count: np.ndarray

    @property
    def sizes(self) -> tuple:
        """What follows the loads in a call of rebalance_experts."""
        return self.num_replicas, self.num_groups, self.num_nodes, self.num_gpus


def read(path: Path) -> List[Case]:
    """All cases of a file."""
    cases: List[Case] = []
    arrays: Dict[str, List[List[int]]] = {}
    name, shape, rows = "", [], []
    for line in path.read_text().splitlines():
        word, _, rest = line.partition(" ")
        if word == "case":
            name, arrays = rest, {}
        elif word == "shape":
            shape = [int(number) for number in rest.split()]
        elif word == "end":
            table = {key: np.array(value, np.int64) for key, value in arrays.items()}
            cases.append(Case(name, table.pop("load"), *shape[2:], **table))
        elif word.isidentifier():
            rows = arrays.setdefault(word, [])
        elif line:
            rows.append([int(number) for number in line.split()])
    return cases
