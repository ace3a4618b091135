"""eplb as the planning policy of vLLM: installed, it is taken in every worker. EPLB_MAX_MOVES and EPLB_WINDOWS are its
settings, the same on every rank; VLLM_PLUGINS leaves it out."""

from __future__ import annotations

import logging
from typing import Any

from eplb import Rebalancer, number

#: a child of vLLM's own logger, which writes where vLLM writes
logger = logging.getLogger("vllm.eplb_vllm")


def register() -> None:
    """The entry point: stands in for every policy that a configuration can name, each keeping its own to fall back on.
    May be called again."""
    try:
        from vllm.distributed.eplb.policy import EPLB_POLICIES

        rebalancer = Rebalancer.from_environment()
        for name, own in EPLB_POLICIES.items():
            if not hasattr(own, "falls_back_on"):
                EPLB_POLICIES[name] = policy(own, rebalancer)
        logger.info("eplb-vllm plans for vLLM, whatever of %s is configured", sorted(EPLB_POLICIES))
    except Exception:
        logger.exception("eplb-vllm cannot be taken: vLLM plans by itself")


def policy(own: Any, rebalancer: Rebalancer) -> Any:
    """A policy for vLLM 0.14.1 and later that falls back on `own`, which says how many maps are wanted: three up to
    0.18.1, on the device of the loads; then one, on the CPU."""
    with_tables = "tuple" in str(own.rebalance_experts.__annotations__.get("return")).lower()

    class EplbPolicy(own):  # type: ignore[misc]
        falls_back_on = own

        @classmethod
        def rebalance_experts(
            cls,
            weight: Any,
            num_replicas: int,
            num_groups: int,
            num_nodes: int,
            num_ranks: int,
            old_global_expert_indices: Any = None,
        ) -> Any:
            sizes = num_replicas, num_groups, num_nodes, num_ranks
            try:
                import torch

                new = rebalancer.plan(weight, *sizes, previous=old_global_expert_indices)
                if not with_tables:
                    return torch.from_numpy(new)
                numbers = number(new, weight.shape[-1], num_ranks)
                maps = new, numbers.logical_to_physical_map, numbers.expert_count
                return tuple(torch.from_numpy(table).to(weight.device) for table in maps)
            except Exception:
                logger.exception("eplb-vllm has no plan: vLLM's own is taken")
                return own.rebalance_experts(weight, *sizes, old_global_expert_indices)

    return EplbPolicy
