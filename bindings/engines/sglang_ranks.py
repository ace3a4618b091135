"""SGLang 0.5.23's own init_by_eplb and ExpertLocationUpdater, on 4 gloo ranks with weights that are numbers; and with 2
of 32 ranks dead. What it holds after each rebalance is looked at, slot by slot."""

from __future__ import annotations

import os
import sys
from types import SimpleNamespace

os.environ["SGLANG_PLUGINS"] = "eplb"

import numpy as np
import sglang.srt.arg_groups.pipeline  # noqa: F401, imported by every rank else
import torch
from ranks import Said, run
from sglang.srt.elastic_ep import elastic_ep
from sglang.srt.eplb import eplb_algorithms, expert_location
from sglang.srt.eplb.expert_location_updater import ExpertLocationUpdater
from sglang.srt.plugins import load_plugins
from sglang.srt.runtime_context import get_context

LAYERS, E, GROUPS, REBALANCES = 4, 64, 8, 60
NAMES = [each.name for each in eplb_algorithms.EplbAlgorithm]


def engine(experts, ranks, nodes, spare, algorithm):
    """SGLang as it is configured."""
    about = expert_location.ModelConfigForExpertLocation(LAYERS, experts, GROUPS)
    expert_location.ModelConfigForExpertLocation.from_model_config = staticmethod(lambda config: about)
    return get_context().override_server_args(
        ep_size=ranks,
        nnodes=nodes,
        ep_num_redundant_experts=spare,
        eplb_algorithm=algorithm,
        ep_dispatch_algorithm=None,
        moe_a2a_backend="deepep",
        device="cpu",
    )


def planned(counts):
    return expert_location.ExpertLocationMetadata.init_by_eplb(SimpleNamespace(hf_config=None), counts)


def look(metadata, ranks, experts, dead=()):
    """Slots of dead ranks hold expert 0 and are nobody's; every expert of every layer is alive."""
    held = metadata.physical_to_logical_map.numpy()
    tables = metadata.logical_to_all_physical_map.numpy()
    gone = np.isin(np.arange(held.shape[1]) // (held.shape[1] // ranks), list(dead))
    assert (held[:, gone] == 0).all()
    for layer in range(LAYERS):
        for expert in range(experts):
            listed = sorted(slot for slot in tables[layer, expert] if slot >= 0)
            assert listed == np.flatnonzero((held[layer] == expert) & ~gone).tolist() != [], (layer, expert, listed)
    assert (metadata.logical_to_all_physical_map_num_valid.numpy() == (tables >= 0).sum(axis=2)).all()


def balance(held, load, ranks):
    counts = np.stack([np.bincount(row, minlength=load.shape[1]) for row in held])
    each = np.take_along_axis(load / counts, held, 1).reshape(len(held), ranks, -1).sum(2)
    return (each.mean(1) / each.max(1)).mean()


def value(expert, layer):
    return (expert * 1000 + layer * 10 + torch.arange(4)).float()


def update(rank, ranks, port, say):
    """Rebalances by every name that needs no elastic engine, in chunks of layers; the load drifts."""
    load_plugins()
    faults = Said("sglang.eplb_sglang")
    torch.distributed.init_process_group("gloo", f"tcp://127.0.0.1:{port}", rank=rank, world_size=ranks)
    slots, random = 20, np.random.default_rng(5)
    start = np.arange(slots * ranks) % E
    mine = slice(rank * slots, (rank + 1) * slots)
    weights = {
        layer: [torch.stack([value(expert, layer) for expert in start[mine]])] for layer in range(LAYERS)
    }
    updater, load, changed = ExpertLocationUpdater(), random.lognormal(0, 1, (LAYERS, E)), []
    updater._first_execution = False  # empties the cache of a GPU
    for number in range(REBALANCES):
        with engine(E, ranks, 2, slots * ranks - E, NAMES[number % 4]):
            if number == 0:
                trivial = expert_location.ExpertLocationMetadata.init_by_mapping(
                    SimpleNamespace(hf_config=None), np.tile(start, (LAYERS, 1)), moe_ep_rank=None
                )
            expert_location.set_global_expert_location_metadata(trivial, allow_overwrite=True)
            load = load * random.lognormal(0, 0.3, load.shape)
            counts = torch.from_numpy(random.poisson(load * 100, (10, LAYERS, E)).astype(np.int32))
            new, before = planned(counts), trivial.physical_to_logical_map.numpy().copy()
            look(new, ranks, E)
            for chunk in [0, 1], [2, 3]:
                missing = updater.update(weights, new, update_layer_ids=chunk, nnodes=2, rank=rank)
                assert not missing
            held = trivial.physical_to_logical_map.numpy()
            assert (held == new.physical_to_logical_map.numpy()).all()
            for layer in range(LAYERS):
                for weight, expert in zip(weights[layer][0], held[layer, mine]):
                    assert torch.equal(weight, value(int(expert), layer)), (number, layer, int(expert))
            changed.append((held != before).sum(axis=1).mean())
    assert not faults.said, faults.said[0]
    say(f"{REBALANCES} rebalances, {np.mean(changed):.1f} slots of a layer changed, weights right after each")


def elastic(rank, ranks, port, say):
    """32 ranks, of which two die and come back."""
    load_plugins()
    faults, experts, ranks = Said("sglang.eplb_sglang"), 256, 32
    random = np.random.default_rng(6)
    counts = torch.from_numpy(random.poisson(random.lognormal(3, 1, (LAYERS, experts)), (10, LAYERS, experts)))
    for algorithm in "elasticity_aware", "elasticity_aware_hierarchical":
        for dead in (), (3, 17), ():
            active = torch.ones(ranks, dtype=torch.int32)
            active[list(dead)] = 0
            elastic_ep.ElasticEPStateManager._instance = SimpleNamespace(active_ranks=active, pending_ep_size=None)
            with engine(experts, ranks, 4, 64, algorithm):
                new = planned(counts)
                look(new, ranks, experts, dead)
                expert_location.set_global_expert_location_metadata(new, allow_overwrite=True)
    assert not faults.said, faults.said[0]
    say(f"2 of {ranks} ranks dead: each of {experts} experts of {LAYERS} layers is alive, and again when they are back")


def names(rank, ranks, port, say):
    """Every name of an algorithm, with groups on nodes and without."""
    load_plugins()
    faults, random = Said("sglang.eplb_sglang"), np.random.default_rng(7)
    elastic_ep.ElasticEPStateManager._instance = SimpleNamespace(
        active_ranks=torch.ones(32, dtype=torch.int32), pending_ep_size=None
    )
    load = random.lognormal(5, 1, (LAYERS, 256))
    for algorithm in ["auto", *NAMES]:
        for nodes in 1, 4:
            with engine(256, 32, nodes, 32, algorithm):
                expert_location.set_global_expert_location_metadata(None, allow_overwrite=True)
                new = planned(torch.from_numpy(load.astype(np.int32)))
                look(new, 32, 256)
                say(f"{algorithm}, {nodes} nodes: {balance(new.physical_to_logical_map.numpy(), load, 32):.4f}")
    assert not faults.said, faults.said[0]


if __name__ == "__main__":
    for work, ranks in (names, 1), (update, 4), (elastic, 1):
        print(work.__name__, flush=True)
        run(work, ranks)
    sys.exit(0)
