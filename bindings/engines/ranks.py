"""Runs a function on several ranks, a process each, and hears what they say."""

from __future__ import annotations

import logging
import multiprocessing
import os
import socket
import sys
import traceback


class Said(logging.Handler):
    """What the plug-in logs: that it fell back on the engine's own plan."""

    def __init__(self, name):
        super().__init__(logging.WARNING)
        self.said = []
        logging.getLogger(name).addHandler(self)

    def emit(self, record):
        self.said.append(self.format(record))


def run(work, ranks, *arguments, seconds=300):
    """work(rank, ranks, port, say, *arguments) on each rank; ends the program when one fails or hangs."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    context = multiprocessing.get_context("fork")
    lines = context.Queue()

    def one(rank):
        try:
            work(rank, ranks, port, lambda *text: lines.put(" ".join(map(str, text))) if rank == 0 else None, *arguments)
            lines.put((rank, None))
        except BaseException:
            lines.put((rank, traceback.format_exc()))
        lines.close()
        lines.join_thread()
        os._exit(0)  # some threads of engines do not end

    started = [context.Process(target=one, args=(rank,)) for rank in range(ranks)]
    for process in started:
        process.start()
    done = 0
    try:
        while done < ranks:
            line = lines.get(timeout=seconds)
            if isinstance(line, str):
                print("   ", line, flush=True)
                continue
            done += 1
            if line[1] is not None:
                sys.exit(f"rank {line[0]}: {line[1]}")
    finally:
        for process in started:
            process.kill()
