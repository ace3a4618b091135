"""eplb as the planner of SGLang: installed, it is taken in every process. EPLB_MAX_MOVES and EPLB_WINDOWS are its
settings, the same on every rank; SGLANG_PLUGINS leaves it out."""

from __future__ import annotations

import logging
from typing import Any, Callable, Optional, Tuple

import numpy as np
from eplb import GpuState, Rebalancer, number

#: a child of SGLang's own logger
logger = logging.getLogger("sglang.eplb_sglang")

#: What chooses between SGLang's algorithms: every name of --eplb-algorithm arrives there.
TARGET = "sglang.srt.eplb.eplb_algorithms.rebalance_experts"


def register() -> None:
    """The entry point: wraps TARGET."""
    try:
        from sglang.srt.plugins.hook_registry import HookRegistry, HookType

        # as its static dispatch goes; random dispatch loses nothing by it
        rebalancer = Rebalancer.from_environment(split="nearest")
        HookRegistry.register(TARGET, around(rebalancer), HookType.AROUND)
        logger.info("eplb-sglang plans for SGLang, whatever algorithm is configured")
    except Exception:
        logger.exception("eplb-sglang cannot be taken: SGLang plans by itself")


def around(rebalancer: Rebalancer) -> Callable[..., Any]:
    """A hook around TARGET, which it falls back on."""

    def rebalance_experts(own: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        try:
            return _planned(rebalancer, *args, **kwargs)
        except Exception:
            logger.exception("eplb-sglang has no plan: SGLang's own is taken")
            return own(*args, **kwargs)

    return rebalance_experts


def _planned(
    rebalancer: Rebalancer,
    tokens_per_expert: Any,
    num_physical_experts: int,
    num_local_physical_experts: int,
    num_groups: Optional[int],
    num_nodes: int,
    algorithm: Any,
) -> Tuple[Any, Any, Any]:
    """SGLang's three maps: slots on dead ranks hold expert 0, and are no expert's."""
    import torch

    gpus = num_physical_experts // num_local_physical_experts
    elastic = algorithm.name.startswith("elasticity_aware")
    state = _dead(gpus) if elastic else None
    new = rebalancer.plan(
        tokens_per_expert,
        num_physical_experts,
        num_groups,
        num_nodes,
        gpus,
        # as SGLang: what is left of nodes is no hierarchy
        scope="hierarchical" if algorithm.name.endswith("_hierarchical") and state is None else "global",
        previous=_in_force(tokens_per_expert.shape[-2], num_physical_experts),
        gpu_state=state,
        remember=not elastic,  # ranks that are back would not remember the same
    )
    numbers = number(new, tokens_per_expert.shape[-1], gpus, gpu_state=state)
    maps = np.maximum(new, 0), numbers.logical_to_physical_map, numbers.expert_count
    first, second, third = (torch.from_numpy(table) for table in maps)
    return first, second, third


def _in_force(layers: int, slots: int) -> Any:
    """The map in force; None at start-up."""
    from sglang.srt.eplb.expert_location import get_global_expert_location_metadata

    metadata = get_global_expert_location_metadata()
    held = None if metadata is None else metadata.physical_to_logical_map_cpu
    return held if held is not None and tuple(held.shape) == (layers, slots) else None


def _dead(gpus: int) -> Any:
    """[G] the state of each rank; None while all are alive. There are more in the list when ranks may still join."""
    from sglang.srt.elastic_ep.elastic_ep import ElasticEPStateManager

    elastic = ElasticEPStateManager.instance()
    if elastic is None:
        return None
    active = np.asarray(elastic.active_ranks.detach().cpu().numpy()[:gpus], bool)
    return None if active.all() else np.where(active, GpuState.ALIVE, GpuState.DEAD)
