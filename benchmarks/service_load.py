"""An open loop of requests and any number of event streams, from a process of its own: what loads a service.

    python -m benchmarks.service_load < asked.json          one JSON object

Requests are due by a schedule that nobody's slowness changes (Poisson arrivals, seeded), and a latency counts from when
its request was due: whoever waits in a queue here is waited for. Streams are read as fast as they come.
"""

from __future__ import annotations

import asyncio
import json
import random
import statistics
import sys
import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

HEAD_BYTES_MAX = 64 * 1024
SETTLE_SECONDS = 2.0


@dataclass
class Figures:
    """What was seen."""

    latencies: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    statuses: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    failed: list[str] = field(default_factory=list)
    heard: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """When each event was read, by its id."""


class Client:
    """Keeps connections to one server and asks on whichever is free."""

    def __init__(self, url: str, token: str) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port or 80
        self._head = f"Host: {parts.netloc}\r\nAuthorization: Bearer {token}\r\n"
        self._free: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(self._host, self._port, limit=HEAD_BYTES_MAX * 16)

    async def get(self, path: str) -> int:
        """The status of an answer that was read whole."""
        reader, writer = self._free.pop() if self._free else await self.open()
        writer.write(f"GET {path} HTTP/1.1\r\n{self._head}\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
        await reader.readexactly(length)
        self._free.append((reader, writer))
        return int(head[9:12])

    async def listen(self, path: str, figures: Figures) -> None:
        """Read a stream until it is left."""
        reader, writer = await self.open()
        try:
            writer.write(f"GET {path} HTTP/1.1\r\n{self._head}\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            if int(head[9:12]) != 200:
                figures.failed.append(f"a stream was answered {head[9:12].decode()}")
                return
            last_id = ""
            while line := await reader.readline():
                if line.startswith(b"id: "):
                    last_id = line[4:].decode().strip()
                elif line.startswith(b"data: "):
                    figures.heard[last_id].append(time.monotonic())
            figures.failed.append("a stream ended")
        finally:
            writer.close()


async def load(asked: dict[str, Any]) -> dict[str, Any]:
    """All that is asked for, at once."""
    figures, client = Figures(), Client(asked["url"], asked["token"])
    draw = random.Random(asked["seed"])
    streams = [
        asyncio.create_task(Client(asked["url"], token).listen(asked["stream"], figures))
        for token in asked["stream_tokens"]
    ]
    await asyncio.sleep(SETTLE_SECONDS if streams else 0)
    started, due, waiting = time.monotonic(), 0.0, []
    while (due := due + draw.expovariate(asked["per_second"])) < asked["seconds"]:
        path = draw.choice(asked["paths"])
        await asyncio.sleep(max(0.0, started + due - time.monotonic()))
        waiting.append(asyncio.create_task(_one(client, path, started + due, figures)))
    await asyncio.gather(*waiting)
    seconds = time.monotonic() - started
    await asyncio.sleep(SETTLE_SECONDS if streams else 0)
    for each in streams:
        each.cancel()
    await asyncio.gather(*streams, return_exceptions=True)
    return _told(figures, seconds, len(asked["stream_tokens"]))


async def _one(client: Client, path: str, due: float, figures: Figures) -> None:
    try:
        status = await client.get(path)
        figures.statuses[status] += 1
        if status != 200:
            figures.failed.append(f"{path}: {status}")
    except (OSError, EOFError, ValueError) as error:
        figures.failed.append(f"{path}: {error}")
    figures.latencies[path].append(time.monotonic() - due)


def _told(figures: Figures, seconds: float, streams: int) -> dict[str, Any]:
    every = sorted(each for found in figures.latencies.values() for each in found)
    spread = [(max(times) - min(times)) * 1_000 for times in figures.heard.values() if len(times) > 1]
    return {
        "requests": len(every),
        "per_second": round(len(every) / seconds, 1),
        "p50_ms": _milliseconds(every, 50),
        "p95_ms": _milliseconds(every, 95),
        "p99_ms": _milliseconds(every, 99),
        "max_ms": _milliseconds(every, 100),
        "p95_ms_by_path": {path: _milliseconds(sorted(found), 95) for path, found in sorted(figures.latencies.items())},
        "statuses": dict(figures.statuses),
        "failed": figures.failed[:5],
        "streams": streams,
        "events_heard": len(figures.heard),
        "events_heard_by_all": sum(len(times) == streams for times in figures.heard.values()),
        "first_to_last_listener_ms": round(statistics.median(spread), 1) if spread else 0.0,
    }


def _milliseconds(ordered: list[float], percent: int) -> float:
    """A percentile by nearest rank."""
    if not ordered:
        return 0.0
    return round(ordered[max(0, -(-len(ordered) * percent // 100) - 1)] * 1_000, 2)


if __name__ == "__main__":
    print(json.dumps(asyncio.run(load(json.load(sys.stdin)))))
