"""Who listens is told of every event once and in order, also across a lost connection; and only as long as they may."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.service.api.listening import Listener
from tests.service.conftest import World
from tests.service.running import Running, body_of, running

from belmont.audit.events import Advance
from belmont.registry.errors import RegistryUnreachable
from belmont.registry.types import MemberProfile, Role
from belmont.service import sending
from belmont.service.api import streams
from belmont.service.config import ServiceConfig, StreamLimits
from belmont.service.state.snapshot import Snapshot

URL = "/api/v1/events/stream"


@pytest.fixture
def own(world: World, config: ServiceConfig, tmp_path: Path) -> Iterator[Running]:
    """A service whose streams stay open."""
    database = f"sqlite:///{tmp_path / 'service.sqlite'}"
    with running(world, replace(config, database=database), StreamLimits(most=4, of_an_account=3, seconds=60)) as made:
        yield made


def listen(service: Running, name: str, query: str = "", **headers: str) -> Listener:
    return Listener(service.url + URL + query, {**service.headers(name), **headers}).start()


def positions(listener: Listener) -> list[str]:
    return [json.loads(each.data)["position"] for each in listener.told if each.kind == "message"]


def on_chain(world: World, service: Running) -> list[str]:
    service.catch_up()
    found, after = [], None
    while True:
        page = service.service.index.after(after)
        if not page:
            return found
        found += [str(each.position) for each in page]
        after = page[-1].position


def test_a_stranger_is_refused(own: Running) -> None:
    for name, status in (("stranger", 401), ("unknown", 403), ("removed", 403)):
        answer = own.client(name).get(URL)
        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/problem+json"
    assert own.service.streams.count == 0


def test_events_come_as_they_happen_each_as_the_list_has_it(own: Running, world: World) -> None:
    listener = listen(own, "board")
    study = world.study()
    listener.wait(lambda: any(json.loads(each.data)["study"] == int(study) for each in listener.told))
    own.catch_up()
    listed = body_of(own.client("board").get("/api/v1/events", params={"study": int(study), "ascending": True}))
    assert [json.loads(each.data) for each in listener.told if json.loads(each.data)["study"] == int(study)] == (
        listed["items"]
    )
    listener.leave()


def test_from_the_start_everything_is_told_once_and_in_order(own: Running, world: World) -> None:
    listener = listen(own, "auditor", "?after=0.0")
    expected = on_chain(world, own)
    listener.wait(lambda: len(listener.told) >= len(expected))
    assert positions(listener) == expected
    listener.leave()


def test_who_comes_back_is_told_what_they_missed_and_nothing_twice(own: Running, world: World) -> None:
    heard: list[str] = []
    before = len(on_chain(world, own))
    last_id = ""
    for _ in range(4):
        listener = listen(own, "board", **({"Last-Event-ID": last_id} if last_id else {}))
        study = str(int(world.study()))
        listener.wait(lambda found=listener, study=study: any(f'"study":{study}' in each.data for each in found.told))
        listener.leave()
        heard += positions(listener)
        last_id = listener.last_id
        world.study()  # nobody listens
    listener = listen(own, "board", **{"Last-Event-ID": last_id})
    expected = on_chain(world, own)[before:]
    listener.wait(lambda: len(heard) + len(listener.told) >= len(expected))
    assert heard + positions(listener) == expected
    listener.leave()


def test_a_place_that_is_not_on_the_chain_is_answered_with_a_reset(own: Running, world: World) -> None:
    newest = own.service.index.search(streams.EventQuery(limit=1)).events[0]
    for place in ("99999999.0", f"{newest.position}-00000000"):
        listener = listen(own, "board", **{"Last-Event-ID": place})
        listener.wait(lambda found=listener: bool(found.told))
        assert listener.told[0].kind == "reset"
        after = json.loads(listener.told[0].data)["after"]
        study = world.study()
        listener.wait(lambda found=listener, study=study: any(f'"study":{study}' in each.data for each in found.told))
        assert on_chain(world, own)[on_chain(world, own).index(after) + 1 :] == positions(listener)
        listener.leave()


def test_blocks_that_are_dropped_while_somebody_listens_are_told_as_a_reset(own: Running, world: World) -> None:
    listener = listen(own, "board")
    head = own.service.index.head
    assert head is not None
    own.service._advanced(Advance(head, (), 3))  # as the follower tells of blocks that the chain dropped
    listener.wait(lambda: any(each.kind == "reset" for each in listener.told))
    study = world.study()
    listener.wait(lambda: any(f'"study":{study}' in each.data for each in listener.told))
    assert [each.kind for each in listener.told].count("reset") == 1
    assert len(positions(listener)) == len(set(positions(listener)))
    listener.leave()


def test_nothing_is_told_before_what_it_changed_was_read(
    own: Running, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    listener, read, is_away = listen(own, "board"), own.service.keeper.told, threading.Event()

    def told(advance: Advance) -> Snapshot:
        if is_away.is_set() and advance.added:
            raise RegistryUnreachable("the chain went away between two reads")
        return read(advance)

    monkeypatch.setattr(own.service.keeper, "told", told)
    before = own.service.index.search(streams.EventQuery(limit=1)).events[0].position
    is_away.set()
    study = world.study()
    give_up = time.monotonic() + 20
    while own.service.follower.state != "unreachable":
        assert time.monotonic() < give_up
        time.sleep(0.01)
    assert own.service.index.after(before) and not own.service.feed.since(before)
    is_away.clear()
    listener.wait(lambda: any(f'"study":{study}' in each.data for each in listener.told))
    assert int(study) in own.service.snapshot.studies
    assert len(positions(listener)) == len(set(positions(listener)))
    listener.leave()


@pytest.mark.parametrize("place", ["1", "1.2.3", "-1.0", "1.0-xyz", "9999999999999999999.0", "1.0\u00e9"])
def test_a_place_that_is_none_is_refused(own: Running, place: str) -> None:
    answer = own.client("board").get(URL, params={"after": place})
    assert answer.status_code in (400, 422)


def test_only_what_is_asked_for_is_told(own: Running, world: World) -> None:
    wanted = world.study()
    listener = listen(own, "board", f"?study={int(wanted)}&after=0.0")
    world.study()
    world.as_("board").vote(wanted, True)
    listener.wait(lambda: len(listener.told) >= 2)
    assert [json.loads(each.data)["study"] for each in listener.told] == [int(wanted)] * 2
    listener.leave()


def test_a_second_sign_in_of_an_account_listens_beside_the_first(own: Running) -> None:
    first = listen(own, "lay")
    own.tokens.pop("lay")
    second = listen(own, "lay")
    with pytest.raises(AssertionError):
        second.wait(lambda: first.ended or second.ended, seconds=2)
    for each in (first, second):
        each.leave()


def test_a_stream_ends_when_its_session_does(own: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "LOOK_SECONDS", 0.2)
    listener = listen(own, "lay")
    assert own.client("lay").delete("/api/v1/session").status_code == 204
    listener.wait(lambda: listener.ended)
    assert own.service.streams.count == 0


def test_a_stream_ends_when_its_member_is_removed(own: Running, world: World) -> None:
    from tests.service.conftest import account_of

    address = account_of("short lived").address
    profile = MemberProfile(address, "Short lived", f"did:ethr:0x539:{address}", Role.AUDITOR)
    proposal = world.as_("holder").propose_admission(profile, b"\x01\x55")
    supporters = ("other_holder", "third_holder", "board", "other_board")
    for name in supporters:
        world.as_(name).support(proposal)
    own.catch_up()
    listener = listen(own, "short lived")
    removal = world.as_("holder").propose_removal(address)
    for name in (*supporters, "lay"):
        if not world.registry.proposal(removal).executed:
            world.as_(name).support(removal)
    listener.wait(lambda: listener.ended)
    assert not any("MemberRemoved" in each.data for each in listener.told)
    assert own.client("short lived").get(URL).status_code == 403


def test_an_account_has_as_many_streams_as_are_allowed_and_all_together_too(own: Running) -> None:
    open_ones = [listen(own, "board") for _ in range(3)]
    refused = own.client("board").get(URL)
    assert (refused.status_code, refused.json()["code"]) == (429, "TOO_MANY_REQUESTS")
    assert int(refused.headers["retry-after"]) > 0
    open_ones.append(listen(own, "lay"))
    assert own.client("auditor").get(URL).status_code == 429
    open_ones.pop().leave()
    open_ones[0].wait(lambda: own.service.streams.count == 3)
    open_ones.append(listen(own, "auditor"))
    for each in open_ones:
        each.leave()


def test_who_does_not_read_is_ended_and_holds_nobody_up(
    own: Running, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "SLOW_SECONDS", 0.5)
    monkeypatch.setattr(streams.EventStream, "_chunks", _endless)
    host, port = own.url.removeprefix("http://").split(":")
    with socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.connect((host, int(port)))
        head = f"GET {URL} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {own.token('board')}\r\n\r\n"
        slow.sendall(head.encode())
        give_up = time.monotonic() + 20
        while own.service.streams.count == 0 and time.monotonic() < give_up:
            time.sleep(0.01)
        while own.service.streams.count and time.monotonic() < give_up:
            assert own.client("lay").get("/api/v1/studies").status_code == 200
        assert own.service.streams.count == 0


async def _endless(self: streams.EventStream):
    while True:
        yield b": " + b"x" * 100_000 + b"\n\n"


def test_a_comment_keeps_the_connection_and_says_up_to_where_everything_was_told(
    own: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "KEEP_ALIVE_SECONDS", 0.2)
    listener = listen(own, "board")
    listener.wait(lambda: listener.comments >= 2)
    assert listener.last_id == str(streams.Place.of(own.service.index.search(streams.EventQuery(limit=1)).events[0]))
    listener.leave()


def test_streams_end_within_two_seconds_when_the_service_does(
    world: World, config: ServiceConfig, tmp_path: Path
) -> None:
    own_config = replace(config, database=f"sqlite:///{tmp_path / 'service.sqlite'}")
    with running(world, own_config, StreamLimits(seconds=60)) as made:
        listeners = [listen(made, name) for name in ("board", "lay", "auditor")]
        made.server.should_exit = True
        listeners[0].wait(lambda: all(each.ended for each in listeners), seconds=2)
