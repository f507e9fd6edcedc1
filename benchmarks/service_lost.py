"""Kills chain, service and index at random during mixed traffic, and counts what was acknowledged and heard.

1. A write counts as acknowledged when the service answered 200 to it. Whoever got no answer asks again with the same
   signed message, as a program would; the contract's word that it has it (``ALREADY_VOTED``, ``NONCE_USED``) counts as
   an acknowledgement too.
2. A listener comes back with the id of the last event it heard, however its stream ended. In the end it has to have
   heard every event after its first, once and in order.
3. The index is kept by two processes on one database: the service's own, and one that does nothing else.
"""

from __future__ import annotations

import json
import multiprocessing
import random
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from belmont.audit.follower import Follower
from belmont.audit.index import EventIndex
from belmont.chain.process import ChainProcess
from belmont.identity.messages import Vote
from belmont.registry.chain_registry import ChainRegistry
from belmont.registry.errors import RegistryError
from belmont.registry.types import Address, StudyId
from benchmarks.populated import study_terms
from benchmarks.service_parts import World, bearer

LISTENERS = 6
STUDIES = 120
HAS_IT = ("ALREADY_VOTED", "NONCE_USED")
SETTLE_SECONDS = 60


@dataclass
class Ledger:
    """What everybody was told."""

    acknowledged: set[tuple[int, str]] = field(default_factory=set)
    """Votes: study and voter."""
    unanswered: int = 0
    """Times that a writer got no answer, or one that says to come back."""
    refused: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)


def nothing_lost(made: World, seconds: float, seed: int) -> dict[str, Any]:
    """Traffic and killings for so long, and the count afterwards."""
    people, draw = made.people, random.Random(seed)
    tokens = {each.address: made.token(each) for each in people.board}
    studies = _apply(made)
    made.wait(tokens[people.board[0].address])
    ledger, ended, over = Ledger(), threading.Event(), threading.Event()
    listeners = [_Listener(made, tokens[people.board[n % 3].address]) for n in range(LISTENERS)]
    threads = [threading.Thread(target=each.listen, args=(over,)) for each in listeners]
    votes = [(study, voter) for study in studies for voter in people.board[:2]]
    threads += [
        threading.Thread(target=_vote, args=(made, votes[part::3], tokens, ledger, ended, seconds)) for part in range(3)
    ]
    for thread in threads:
        thread.start()
    for each in listeners:
        each.began.wait(30)
    index = _Index(made)
    index.start()
    kills = _kill(made, index, draw, seconds)
    ended.set()
    for thread in threads[LISTENERS:]:
        thread.join()
    made.wait(tokens[people.board[0].address])
    expected = _on_chain(made)
    _until(lambda: all(each.is_done(expected) for each in listeners))
    over.set()
    made.service.stop()  # streams end, so that listeners do
    made.service.start()
    for thread in threads[:LISTENERS]:
        thread.join(30)
    index.kill()
    missing = _missing(made, ledger)
    wrong = [found for each in listeners if (found := each.wrong(expected))]
    return {
        "seconds": seconds,
        "kills": kills,
        "votes_acknowledged": len(ledger.acknowledged),
        "votes_unanswered_at_first": ledger.unanswered,
        "votes_refused": ledger.refused[:5],
        "votes_missing": len(missing),
        "listeners": LISTENERS,
        "times_they_came_back": sum(each.came_back for each in listeners),
        "events_heard": sum(len(each.heard) for each in listeners),
        "streams_wrong": wrong[:3],
        "nothing_lost": not missing and not wrong and not ledger.refused,
    }


def _apply(made: World) -> list[StudyId]:
    registry = made.registry.as_(made.people.researcher)
    datasets = tuple(made.people.dataset(place) for place in range(4))
    return [registry.propose(study_terms(f"to be voted on {n}", datasets)) for n in range(STUDIES)]


# --- writers ---


def _vote(
    made: World,
    votes: list[tuple[StudyId, Any]],
    tokens: dict[str, str],
    ledger: Ledger,
    ended: threading.Event,
    seconds: float,
) -> None:
    """Relay votes one after the other, as many as fit; each until it is acknowledged (1)."""
    domain, pause = made.registry.relay.domain, seconds / max(1, len(votes))
    for study, voter in votes:
        if ended.wait(pause):
            return
        signed = Vote(actor=voter.address, study=int(study), approve=True).sign(voter, domain)
        content = signed.to_json().encode()
        while not _relayed(made, content, tokens[voter.address], ledger):
            time.sleep(0.5)
        with ledger.lock:
            ledger.acknowledged.add((int(study), voter.address))


def _relayed(made: World, content: bytes, token: str, ledger: Ledger) -> bool:
    try:
        headers = bearer(token) | {"Content-Type": "application/json"}
        answer = made.client.post(made.service.url + "/api/v1/relay", content=content, headers=headers)
    except httpx.HTTPError:
        with ledger.lock:
            ledger.unanswered += 1
        return False
    if answer.status_code == 200:
        return True
    code = answer.json()["code"]
    if code in HAS_IT:
        return True
    with ledger.lock:
        if answer.status_code == 503:
            ledger.unanswered += 1
        elif len(ledger.refused) < 100:
            ledger.refused.append(f"{answer.status_code} {code}")
    return answer.status_code != 503


def _missing(made: World, ledger: Ledger) -> list[tuple[int, str]]:
    """Acknowledged votes that the chain does not have."""
    registry, found = made.registry, set()
    for study in {each for each, _ in ledger.acknowledged}:
        record = registry.study(StudyId(study))
        found |= {(study, ballot.voter) for ballot in (record.ballots if record else ())}
    return sorted(each for each in ledger.acknowledged if (each[0], Address(each[1])) not in found)


# --- listeners ---


class _Listener:
    def __init__(self, made: World, token: str) -> None:
        self._made, self._token = made, token
        self.heard: list[str] = []
        self.resets = 0
        self.came_back = -1
        self._last_id = ""
        self.began = threading.Event()

    def listen(self, over: threading.Event) -> None:
        """Until it is over (2)."""
        while not over.is_set():
            try:
                self._once(over)
            except httpx.HTTPError:
                time.sleep(0.5)

    def _once(self, over: threading.Event) -> None:
        headers = bearer(self._token) | ({"Last-Event-ID": self._last_id} if self._last_id else {})
        url = self._made.service.url + "/api/v1/events/stream"
        with self._made.client.stream("GET", url, headers=headers) as answer:
            if answer.status_code != 200:
                time.sleep(0.5)
                return
            self.came_back += 1
            waiting, kind, next_id = "", "message", ""
            for line in answer.iter_lines():
                name, _, value = line.partition(": ")
                if not line:
                    self._last_id = next_id or self._last_id
                    if waiting and kind == "message":
                        self.heard.append(json.loads(waiting)["position"])
                    self.resets += kind == "reset"
                    waiting, kind = "", "message"
                    self.began.set()
                elif name == "data":
                    waiting = value
                elif name == "event":
                    kind = value
                elif name == "id":
                    next_id = value
                if over.is_set():
                    return

    def is_done(self, expected: list[str]) -> bool:
        """Whether it heard the newest event."""
        return bool(self.heard) and self.heard[-1] == expected[-1]

    def wrong(self, expected: list[str]) -> str:
        """What it heard otherwise than the chain has it; empty where nothing."""
        if not self.heard or self.resets:
            return f"{len(self.heard)} events heard, {self.resets} resets"
        start = expected.index(self.heard[0]) if self.heard[0] in expected else 0
        own = expected[start:]
        if self.heard == own:
            return ""
        return f"heard {len(self.heard)} of {len(own)} events, {len(self.heard) - len(set(self.heard))} twice"


def _on_chain(made: World) -> list[str]:
    """Where every event stands, read from the chain and not from the index."""
    last = made.registry.head().number
    return [
        f"{each.event.block}.{each.log}" for found in made.registry.event_log.ranges(0, last) for each in found.events
    ]


# --- killing ---


class _Index:
    """A process that keeps the service's index up with the chain."""

    def __init__(self, made: World) -> None:
        self._made = made
        self._process: Any = None

    def start(self) -> None:
        database = f"sqlite:///{self._made.service.config.parent / 'service.sqlite'}"
        address = self._made.registry.addresses["Members"]
        arguments = (self._made.chain.url, str(address), database)
        self._process = multiprocessing.get_context("spawn").Process(target=follow, args=arguments, daemon=True)
        self._process.start()

    def kill(self) -> None:
        self._process.kill()
        self._process.join()


def follow(url: str, members: str, database: str) -> None:
    """Keep an index, in a process of its own."""
    while True:
        try:
            registry = ChainRegistry.connect(url, Address(members))
            follower = Follower(EventIndex.open(database, registry), lambda advance: None)
            break
        except RegistryError:
            time.sleep(0.5)
    follower.start()
    threading.Event().wait()


def _kill(made: World, index: _Index, draw: random.Random, seconds: float) -> dict[str, int]:
    """Kill one of the three every few seconds, and start it again."""
    kills = {"service": 0, "chain": 0, "index": 0}
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        time.sleep(draw.uniform(0.5, 4.0))
        which = draw.choice(list(kills))
        kills[which] += 1
        if which == "service":
            made.service.stop(signal.SIGKILL)
            time.sleep(draw.uniform(0, 1))
            made.service.start()
        elif which == "chain":
            directory, port = Path(made.chain.directory), made.chain.port
            made.chain.kill()
            time.sleep(draw.uniform(0, 1))
            made.chain = ChainProcess.start(directory, port=port, heartbeat_seconds=1.0)
        else:
            index.kill()
            index.start()
    return kills


def _until(condition: Callable[[], bool]) -> None:
    give_up = time.monotonic() + SETTLE_SECONDS
    while not condition() and time.monotonic() < give_up:
        time.sleep(0.1)
