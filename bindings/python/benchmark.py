"""Times rebalance_experts against the numpy port of DeepSeek EPLB in tests/, in turns, in one run.

    python benchmark.py [--least deepseek=60 balanced=35] [--rounds 9] [--load file.npy]

58 layers of 256 experts onto 288 slots of 32 GPUs, global scope, float64 loads: lognormal ones, or [L, 256] of a
file. A figure is the median over the rounds; each round times the port once and each policy until it has run for
about a tenth as long. Time is that of the thread on the processor: on a busy machine the clock on the wall counts
the long port's waiting and not the short call's, which flatters the ratio. The wall's is printed too.

Leaves with 1 when a policy is below its --least. Both give the port's answer (DEEPSEEK) or a better one (BALANCED).
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path
from typing import Callable, Dict, List, Tuple

import numpy as np

import eplb

sys.path.insert(0, str(Path(__file__).parent / "tests"))
import deepseek_numpy  # noqa: E402

SIZES = (288, 1, 1, 32)
POLICIES = ("deepseek", "balanced")
#: What the issue that asked for this package wants of rebalance_experts.
WANTED = 200


def timed(call: Callable[[], object], seconds: float) -> Tuple[float, float]:
    """Processor and wall seconds of a call: medians of as many as fit, at least one."""
    processor, wall = [], []
    until = time.perf_counter() + seconds
    while not wall or time.perf_counter() < until:
        before = time.perf_counter(), time.thread_time()
        call()
        processor.append(time.thread_time() - before[1])
        wall.append(time.perf_counter() - before[0])
    return statistics.median(processor), statistics.median(wall)


def balance(load: np.ndarray, physical_to_logical: np.ndarray) -> float:
    return float(eplb.evaluate(load, physical_to_logical, *SIZES[1:]).balance.mean())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--least", nargs="+", default=[], metavar="POLICY=RATIO")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--load", metavar="FILE.npy")
    arguments = parser.parse_args()
    least = {policy: float(ratio) for policy, ratio in (item.split("=") for item in arguments.least)}

    if not set(least) <= set(POLICIES):
        parser.error(f"--least names policies out of {', '.join(POLICIES)}")
    load = np.load(arguments.load) if arguments.load else np.random.default_rng(1).lognormal(size=(58, 256)) * 1000
    port = deepseek_numpy.rebalance_experts(load, *SIZES)
    ours = eplb.rebalance_experts(load, *SIZES, policy="deepseek")
    if not all(np.array_equal(one, other) for one, other in zip(port, ours)):
        print("DEEPSEEK and the port differ")
        return 1

    calls: Dict[str, Callable[[], object]] = {"numpy port": lambda: deepseek_numpy.rebalance_experts(load, *SIZES)}
    for policy in POLICIES:
        calls[policy] = lambda policy=policy: eplb.rebalance_experts(load, *SIZES, policy=policy)
    times: Dict[str, List[Tuple[float, float]]] = {name: [] for name in calls}
    for call in calls.values():
        call()
    for _ in range(arguments.rounds):
        for name, call in calls.items():
            times[name].append(timed(call, 0.0 if name == "numpy port" else 0.02))

    median = {name: [statistics.median(column) for column in zip(*rows)] for name, rows in times.items()}
    print(f"{load.shape[0]} x {load.shape[1]} -> {SIZES[0]} / {SIZES[3]}, {arguments.rounds} rounds in turns")
    print(f"{'':12} {'processor ms':>12} {'wall ms':>9} {'times faster':>13} {'(wall)':>7} {'balance':>8}")
    fell_short = False
    for name, (processor, wall) in median.items():
        placement = port[0] if name == "numpy port" else calls[name]()[0]
        ratio, wall_ratio = median["numpy port"][0] / processor, median["numpy port"][1] / wall
        fell_short |= ratio < least.get(name, 0)
        print(
            f"{name:12} {processor * 1e3:12.3f} {wall * 1e3:9.3f} {ratio:13.1f} {wall_ratio:7.1f}"
            f" {balance(load, placement):8.4f}"
            + (f"  below {least[name]:g}" if ratio < least.get(name, 0) else "")
            + (f"  (wanted: {WANTED})" if name in POLICIES and ratio < WANTED else "")
        )
    return int(fell_short)


if __name__ == "__main__":
    sys.exit(main())
