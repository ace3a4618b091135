"""vLLM 0.33.0's own EplbState, async worker and weight transfers on 4 gloo ranks with a model of numbers: what it holds
after each rebalance is looked at, slot by slot."""

from __future__ import annotations

import hashlib
import os
import time
from types import SimpleNamespace

os.environ.update(VLLM_PLUGINS="eplb", VLLM_LOGGING_LEVEL="WARNING")

import vllm_stubs  # noqa: F401, I001
import numpy as np
import torch
import vllm.distributed.eplb.eplb_communicator as communicator
import vllm.distributed.eplb.eplb_state as state
import vllm.distributed.parallel_state as parallel
from ranks import Said, run
from vllm.config import VllmConfig, set_current_vllm_config
from vllm.config.parallel import EPLBConfig
from vllm.model_executor.models.interfaces import MixtureOfExperts
from vllm.plugins import load_general_plugins

E, GROUPS, LAYERS, RANKS, INTERVAL = 256, 8, 4, 4, 4


def expected(expert, layer):
    return (expert * 1000 + layer * 10 + torch.arange(4)).float(), torch.full((2,), expert * 7 + layer).int()


class Layer:
    """Expert weights that say which expert they are."""

    def __init__(self, layer, held):
        self.eplb_state, self.layer = state.EplbLayerState(), layer
        self.weights = [torch.zeros(len(held), 4), torch.zeros(len(held), 2, dtype=torch.int32)]
        for slot, expert in enumerate(held):
            if expert >= 0:
                for weight, value in zip(self.weights, expected(expert, layer)):
                    weight[slot] = value

    def get_expert_weights(self):
        return self.weights

    def set_eplb_state(self, **given):
        self.eplb_state.set_layer_state(**given)

    def wrong(self, held):
        return sum(
            not all(torch.equal(weight[slot], value) for weight, value in zip(self.weights, expected(expert, self.layer)))
            for slot, expert in enumerate(held)
            if expert >= 0
        )


class Model(MixtureOfExperts):
    pass


def model_of(rank, slots, start):
    model = Model.__new__(Model)
    model.num_moe_layers, model.num_expert_groups, model.num_logical_experts = LAYERS, GROUPS, E
    model.num_physical_experts, model.num_local_physical_experts = len(start), slots
    model.num_routed_experts, model.num_shared_experts, model.num_redundant_experts = E, 0, len(start) - E
    mine = [*start, *[-1] * slots * RANKS][rank * slots : (rank + 1) * slots]
    model.moe_layers = [Layer(layer, mine) for layer in range(LAYERS)]
    return model


class Rank:
    """EplbState on one rank, as a worker holds it."""

    def __init__(self, rank, port, say, nodes, background, slots, ranks):
        self.rank, self.say, self.slots, self.faults = rank, say, slots, Said("vllm.eplb_vllm")
        load_general_plugins()
        state.PIN_MEMORY = communicator.PIN_MEMORY = False
        state.get_node_count = lambda: nodes
        state._node_count_with_rank_mapping = lambda *given: nodes
        self.ready(port)
        start = state.EplbState.build_initial_global_physical_to_logical_map(E, slots * ranks - E)
        self.model = model_of(rank, slots, start)
        config = EPLBConfig(
            window_size=2,
            step_interval=INTERVAL,
            num_redundant_experts=len(start) - E,
            use_async=background,
            communicator="torch_gloo",
        )
        self.config = SimpleNamespace(compute_hash=lambda: "model", model="model")
        self.state = state.EplbState(
            SimpleNamespace(
                eplb_config=config,
                enable_elastic_ep=ranks != RANKS,
                elastic_ep_max_dp_size=RANKS,
                data_parallel_size=ranks,
                num_ubatches=0,
            ),
            torch.device("cpu"),
        )
        self.state.device_index = 0
        group = state.get_ep_group
        if ranks != RANKS:  # the group of that moment
            state.get_ep_group = lambda: SimpleNamespace(world_size=ranks)
        self.state.add_model(self.model, self.config)
        state.get_ep_group = group
        self.held = self.state.model_states["model"]
        assert hasattr(self.state.policy, "falls_back_on"), self.state.policy

    def ready(self, port):
        """The groups of ranks."""
        everyone = [list(range(RANKS))]
        with set_current_vllm_config(VllmConfig()):
            parallel.init_distributed_environment(RANKS, self.rank, f"tcp://127.0.0.1:{port}", self.rank, backend="gloo")
            parallel._EP = parallel.init_model_parallel_group(everyone, self.rank, "gloo", group_name="ep")
            parallel._EPLB = parallel.init_model_parallel_group(everyone, self.rank, "gloo", group_name="eplb")

    def feed(self, load):
        """A step: each rank counts its share."""
        held = self.held.physical_to_logical_map
        expert = held.clamp(min=0)
        share = torch.gather(torch.from_numpy(load) / self.held.logical_replica_count, 1, expert)
        self.held.expert_load_pass.copy_(torch.where(held < 0, 0, share / RANKS).int())

    def steps(self, load, count):
        for _ in range(count):
            self.feed(load)
            self.state.step()
            self.alive()

    def alive(self):
        if self.state.is_async:
            time.sleep(0.02)  # of a forward pass
            assert self.state.async_worker is None or self.state.async_worker.is_alive(), "the async worker is dead"

    def check(self, what, load, ranks, before):
        """Each slot holds the weights that the map says, each expert is there, all ranks have one map, the plan is ours."""
        held = self.held.physical_to_logical_map.numpy()
        assert held.shape[1] == ranks * self.slots and held.min() >= 0, f"{what}: {held.shape}, least {held.min()}"
        assert all(set(row) == set(range(E)) for row in held), f"{what}: an expert is lost"
        mine = held[:, self.rank * self.slots : (self.rank + 1) * self.slots]
        wrong = sum(layer.wrong(row.tolist()) for layer, row in zip(self.model.moe_layers, mine))
        assert not wrong, f"{what}: {wrong} slots of rank {self.rank} have other weights than the map says"
        digests = [None] * RANKS
        torch.distributed.all_gather_object(digests, hashlib.sha256(held.tobytes()).hexdigest())
        assert len(set(digests)) == 1, f"{what}: ranks hold different maps"
        assert not self.faults.said, self.faults.said[0]
        counts = np.stack([np.bincount(row, minlength=E) for row in held])
        each = np.take_along_axis(load / counts, held, 1).reshape(LAYERS, ranks, -1).sum(2)
        width = min(held.shape[1], before.shape[1])
        changed = (held[:, :width] != before[:, :width]).sum(axis=1).mean()
        self.say(f"{what}: balance {(each.mean(1) / each.max(1)).mean():.4f}, {changed:.1f} slots of a layer changed")

    def map(self):
        return self.held.physical_to_logical_map.numpy().copy()


def loads(count):
    random = np.random.default_rng(3)
    return [random.lognormal(7, 1, (LAYERS, E)) for _ in range(count)]


def serve(rank, ranks, port, say, background, limit, nodes):
    """Start, then rebalances."""
    os.environ["EPLB_MAX_MOVES"] = str(limit)
    self = Rank(rank, port, say, nodes, background, 72, ranks)
    before = self.map()
    self.state.step(is_profile=True)
    self.check("start", loads(1)[0], ranks, before)
    self.state.start_async_loop()
    for number, load in enumerate(loads(4)):
        before = self.map()
        self.steps(load, INTERVAL)
        while background and self.held.rebalanced:  # a layer a step, and none begins meanwhile
            self.state.expert_rearrangement_step = 0
            self.steps(load, 1)
        self.check(f"rebalance {number + 1}", load, ranks, before)
        assert not limit or (self.map() != before).sum(axis=1).max() <= limit


def scale(rank, ranks, port, say, background, limit):
    """3 ranks, then 4, then 3: the fourth is there from the start, and holds nothing."""
    os.environ["EPLB_MAX_MOVES"] = str(limit)
    self = Rank(rank, port, say, 1, background, 96, ranks - 1)
    before, load = self.map(), loads(1)[0]
    self.held.last_expert_load = torch.from_numpy(load.astype(np.int64))
    self.state.reconfigure_physical_expert_slots(self.config, 96 * ranks)
    self.model.num_physical_experts = 96 * ranks
    held = self.held
    self.model.set_eplb_state(held.expert_load_pass_buffer, held.logical_to_physical_map, held.logical_replica_count)
    self.state.start_async_loop()
    self.state.rearrange(use_last_expert_load=True)
    while background and held.rebalanced:
        self.state.expert_rearrangement_step = 0
        self.steps(load, 1)
    self.check("3 -> 4 ranks", load, ranks, before)
    before = self.map()
    parallel.get_ep_group().tcp_store_group, state.StatelessGroupCoordinator = None, type(parallel.get_ep_group())
    self.state.is_async = False  # as vLLM does for it
    leaving = {each: each if each < ranks - 1 else -1 for each in range(ranks)}
    self.state.rearrange(rank_mapping=leaving, use_last_expert_load=True)
    self.check("4 -> 3 ranks", load, ranks - 1, before)


if __name__ == "__main__":
    for background, limit in (False, 0), (False, 48), (True, 0), (True, 48):
        how = f"{'async' if background else 'sync'}, {f'{limit} moves' if limit else 'no limit'}"
        for nodes in 1, 2:
            print(f"{how}, {nodes} node{'s' * (nodes > 1)}", flush=True)
            run(serve, RANKS, background, limit, nodes)
        print(f"{how}, elastic", flush=True)
        run(scale, RANKS, background, limit)
