"""Threads for the EVM and for JSON of any depth."""

from __future__ import annotations

import threading
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Final

THREAD_STACK_BYTES: Final = 64 * 1024 * 1024


def deep_stack_executor(name: str, threads: int) -> Executor:
    """Threads whose C stack takes the EVM's 1024 nested calls; all are started here, where the size is set."""
    executor = ThreadPoolExecutor(threads, thread_name_prefix=name)
    previous = threading.stack_size(THREAD_STACK_BYTES)
    try:
        barrier = threading.Barrier(threads + 1)
        for _ in range(threads):
            executor.submit(barrier.wait)
        barrier.wait()
    finally:
        threading.stack_size(previous)
    return executor
