"""Fair execution of calls: a quick lane that everyone passes through, and a slow one for what does not end there.

1. A request (one HTTP POST, one call or a batch) has one `Share`: its calls run one after the other, and may use five
   seconds of the processor together. So no request holds more than one thread, and the next is answered meanwhile.
2. A call begins in the quick lane. It ends there after a tenth of a second of processor time, less while others wait;
   then it begins anew in the slow lane, and so do the calls after it in its request.
3. At most 32 requests wait for the slow lane; more are refused at once.
4. The answers to one request have 32 MiB together; what comes after is refused without being looked for.

An honest call of a few milliseconds therefore waits for tenths of seconds, however many endless ones arrive.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any, Final

from belmont.chain.limits import CALL_SECONDS_MAX, TimeIsOver, TimeLimit
from belmont.chain.parameters import LIMIT_EXCEEDED, SERVER_ERROR, RpcError
from belmont.chain.threads import deep_stack_executor

QUICK_THREADS: Final = 2
SLOW_THREADS: Final = 2
QUICK_CPU_SECONDS: Final = 0.1
QUICK_CPU_SECONDS_LEAST: Final = 0.02
SLOW_REQUESTS_MAX: Final = 32
ANSWER_BYTES_MAX: Final = 32 * 1024 * 1024

Execution = Callable[[list[Any], TimeLimit], Any]


class Share:
    """What one request may still use. `cpu_seconds` is for all its calls together."""

    def __init__(self) -> None:
        self.cpu_seconds = CALL_SECONDS_MAX
        self.answer_bytes = ANSWER_BYTES_MAX
        self.slow = False
        self.calling = asyncio.Lock()
        self.reading = asyncio.Lock()
        self.slots: list[tuple[list[Any], asyncio.Future[Any]]] = []
        """Reads of single slots that wait, with where their answers go: a thread takes several at once."""

    def refuse_when_spent(self) -> None:
        """Rule 4. Raises `RpcError`."""
        if self.answer_bytes <= 0:
            raise RpcError(LIMIT_EXCEEDED, f"the answers take more than {ANSWER_BYTES_MAX} bytes: ask for less at once")


class Lanes:
    """The threads that execute calls. Used from one event loop."""

    def __init__(self) -> None:
        self._quick: Executor = deep_stack_executor("chain-call", QUICK_THREADS)
        self._slow: Executor = deep_stack_executor("chain-long-call", SLOW_THREADS)
        self._in_quick = 0
        self._in_slow = 0

    def stop(self) -> None:
        """End the threads once what they run has ended."""
        self._quick.shutdown(wait=True)
        self._slow.shutdown(wait=True)

    async def run(self, share: Share, execution: Execution, parameters: list[Any]) -> Any:
        """The result of one execution. Raises `RpcError`, also when its time is over."""
        async with share.calling:
            share.refuse_when_spent()
            if not share.slow:
                try:
                    return await self._run_quick(share, execution, parameters)
                except TimeIsOver:
                    share.slow = True
            try:
                return await self._run_slow(share, execution, parameters)
            except TimeIsOver:
                message = f"execution aborted (timeout = {CALL_SECONDS_MAX:.0f}s for all calls of a request)"
                raise RpcError(SERVER_ERROR, message) from None

    async def _run_quick(self, share: Share, execution: Execution, parameters: list[Any]) -> Any:
        waiting = self._in_quick / QUICK_THREADS
        cpu_seconds = max(QUICK_CPU_SECONDS_LEAST, QUICK_CPU_SECONDS / (1 + waiting))
        self._in_quick += 1
        try:
            return await _within(self._quick, share, cpu_seconds, execution, parameters)
        finally:
            self._in_quick -= 1

    async def _run_slow(self, share: Share, execution: Execution, parameters: list[Any]) -> Any:
        if share.cpu_seconds <= 0:
            raise TimeIsOver
        if self._in_slow >= SLOW_REQUESTS_MAX:
            raise RpcError(LIMIT_EXCEEDED, "too many long calls at once: send the call again later")
        self._in_slow += 1
        try:
            return await _within(self._slow, share, CALL_SECONDS_MAX, execution, parameters)
        finally:
            self._in_slow -= 1


async def _within(
    executor: Executor, share: Share, cpu_seconds: float, execution: Execution, parameters: list[Any]
) -> Any:
    def run() -> Any:
        began = time.thread_time()
        try:
            return execution(parameters, TimeLimit(CALL_SECONDS_MAX, min(cpu_seconds, share.cpu_seconds)))
        finally:
            share.cpu_seconds -= time.thread_time() - began

    return await asyncio.get_running_loop().run_in_executor(executor, run)
