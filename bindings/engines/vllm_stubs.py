"""What vLLM's load balancing asks of a GPU, stood in for on the CPU. Imported before anything of vLLM; all that is not
vLLM's own stands here."""

from __future__ import annotations

import torch


class Nothing:
    """An event or a stream of a machine that does one thing after another."""

    def __init__(self, *args, **kwargs):
        pass

    def record(self, *args):
        pass

    wait = synchronize = record

    def elapsed_time(self, other):
        return 1.0


torch.Event = torch.Stream = Nothing
for name, answer in {
    "current_stream": Nothing(),
    "set_stream": None,
    "set_device_index": None,
    "current_accelerator": torch.device("cpu"),
    "synchronize": None,
    "device_count": 8,
    "is_available": True,
    "current_device_index": 0,
}.items():
    setattr(torch.accelerator, name, lambda *args, answer=answer, **kwargs: answer)

import vllm.platforms  # noqa: E402
from vllm.platforms.cpu import CpuPlatform  # noqa: E402

vllm.platforms._current_platform = CpuPlatform()

import vllm.utils.torch_utils  # noqa: E402

vllm.utils.torch_utils.PIN_MEMORY = False
