"""How many read at once: a share for each account, few threads, and everything let go of whatever happens."""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from fastapi.responses import Response

from belmont.registry.types import Address
from belmont.service import sending
from belmont.service.patient import reads as module
from belmont.service.patient.errors import FilesUnusable, Reading
from belmont.service.patient.reads import (
    AT_ONCE_MOST,
    OF_AN_ACCOUNT,
    PIECE_BYTES,
    THREADS,
    Pieces,
    Read,
    Reads,
    file,
    whole,
)

SCOPE = {"type": "http", "asgi": {"spec_version": "2.3"}}


def account(number: int) -> Address:
    return Address(f"0x{number:040x}")


async def answered(reads: Reads, number: int, make: Any, receive: Any = None, send: Any = None) -> list[Any]:
    """The messages of one read."""
    sent: list[Any] = []

    async def keep(message: Any) -> None:
        sent.append(message)

    async def wait() -> Any:
        await asyncio.sleep(60)

    answer = Read(reads, account(number), lambda: file(make(), "all.zip", "application/zip"))
    await answer(SCOPE, receive or wait, send or keep)  # type: ignore[arg-type]
    return sent


def body_of(sent: list[Any]) -> bytes:
    return b"".join(each.get("body", b"") for each in sent)


async def never(message: Any) -> None:
    await asyncio.sleep(60)


async def refused(reads: Reads, number: int) -> Reading:
    with pytest.raises(Reading) as found:
        async with reads.of(account(number)):
            pytest.fail("one too many")
    return found.value


def test_an_account_has_its_share_of_the_places_and_a_ninth_patient_the_rest() -> None:
    async def story() -> None:
        reads = Reads()
        async with AsyncExitStack() as held:
            for _ in range(OF_AN_ACCOUNT):
                await held.enter_async_context(reads.of(account(0)))
            found = await refused(reads, 0)
            assert (found.status, found.code, found.headers) == (429, "RECORDS_BUSY", {"Retry-After": "5"})
            for number in range(1, AT_ONCE_MOST - OF_AN_ACCOUNT + 1):
                async with reads.of(account(number)):
                    pass
                await held.enter_async_context(reads.of(account(number)))
            assert reads.open == AT_ONCE_MOST
        async with reads.of(account(0)):
            assert reads.open == 1

    assert OF_AN_ACCOUNT * 4 <= AT_ONCE_MOST, "a share is small"
    asyncio.run(story())


def test_who_finds_all_places_taken_waits_in_turn_and_is_refused_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        reads, served = Reads(), []
        async with AsyncExitStack() as held:
            for number in range(AT_ONCE_MOST):
                await held.enter_async_context(reads.of(account(number)))
            monkeypatch.setattr(module, "WAIT_SECONDS", 0.05)
            assert f"{AT_ONCE_MOST} people" in (await refused(reads, AT_ONCE_MOST)).detail
            assert reads.open == AT_ONCE_MOST, "who was refused waits no more"
            monkeypatch.setattr(module, "WAIT_SECONDS", 20)

            async def wait(number: int) -> None:
                async with reads.of(account(number)):
                    served.append(number)

            waiting = []
            for number in (20, 21, 22):
                waiting.append(asyncio.create_task(wait(number)))
                await asyncio.sleep(0.01)
            assert served == []
        await asyncio.gather(*waiting)
        assert served == [20, 21, 22] and reads.open == 0

    asyncio.run(story())


def test_eight_readers_who_take_nothing_are_put_out_and_a_ninth_is_served(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "SLOW_SECONDS", 0.3)

    def pieces() -> Pieces:
        while True:
            yield b"x"

    async def story() -> list[Any]:
        reads = Reads()
        slow = [asyncio.create_task(answered(reads, number, pieces, send=stuck())) for number in range(AT_ONCE_MOST)]
        while reads.open < AT_ONCE_MOST:
            await asyncio.sleep(0.01)
        ninth = await answered(reads, 9, lambda: (each for each in [b"mine"]))
        await asyncio.gather(*slow)
        return ninth

    begun = time.monotonic()
    assert body_of(asyncio.run(story())) == b"mine"
    assert time.monotonic() - begun < module.WAIT_SECONDS


def stuck() -> Any:
    """The send of a connection whose reader took the head and nothing more."""

    async def send(message: Any) -> None:
        if message["type"] != "http.response.start":
            await asyncio.sleep(60)

    return send


def test_a_slow_reader_keeps_the_place_as_long_as_pieces_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "SLOW_SECONDS", 0.3)
    sent: list[Any] = []

    async def slowly(message: Any) -> None:
        await asyncio.sleep(0.1)
        sent.append(message)

    asyncio.run(answered(Reads(), 1, lambda: (each for each in [b"x"] * 6), send=slowly))
    assert body_of(sent) == b"x" * 6 and not sent[-1]["more_body"]


@pytest.mark.parametrize("size", [0, 1, PIECE_BYTES, PIECE_BYTES + 1, 3 * PIECE_BYTES])
def test_an_answer_that_was_made_as_a_whole_goes_out_in_pieces(size: int) -> None:
    content = bytes(place % 251 for place in range(size))
    made = whole(Response(content, 418, media_type="text/plain"))
    pieces = list(made.pieces)
    assert b"".join(pieces) == content and all(0 < len(each) <= PIECE_BYTES for each in pieces)
    assert made.status == 418 and dict(made.headers)[b"content-length"] == str(size).encode()


def test_files_are_read_by_few_threads_and_never_by_the_event_loop() -> None:
    reading, most, guard, loop = 0, 0, threading.Lock(), threading.get_ident()

    def pieces() -> Pieces:
        nonlocal reading, most
        for _ in range(3):
            assert threading.get_ident() != loop
            with guard:
                reading += 1
                most = max(most, reading)
            time.sleep(0.02)
            with guard:
                reading -= 1
            yield b"x"

    async def all_at_once() -> list[list[Any]]:
        reads = Reads()
        return await asyncio.gather(*(answered(reads, number, pieces) for number in range(AT_ONCE_MOST)))

    found = asyncio.run(all_at_once())
    assert most == THREADS
    assert [body_of(sent) for sent in found] == [b"xxx"] * AT_ONCE_MOST


@pytest.mark.parametrize("broken", ["before", "first"])
def test_what_fails_before_the_first_byte_is_an_answer_of_its_own(broken: str) -> None:
    def pieces() -> Iterator[bytes]:
        raise FilesUnusable("away")
        yield b""

    def before() -> Pieces:
        raise FilesUnusable("away")

    reads, sent = Reads(), []

    async def keep(message: Any) -> None:
        sent.append(message)

    with pytest.raises(FilesUnusable):
        asyncio.run(answered(reads, 1, before if broken == "before" else pieces, send=keep))
    assert sent == [] and reads.open == 0


@pytest.mark.parametrize("how", ["takes nothing", "takes too long", "goes away"])
def test_a_reader_who_stops_reading_keeps_no_place_and_no_open_file(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    reads, closed = Reads(), threading.Event()

    def pieces() -> Pieces:
        try:
            while True:
                yield b"x"
        finally:
            closed.set()

    async def gone() -> Any:
        return {"type": "http.disconnect"}

    async def slowly(message: Any) -> None:
        await asyncio.sleep(0.01)

    begun = time.monotonic()
    if how == "goes away":
        asyncio.run(answered(reads, 1, pieces, receive=gone, send=never))
    elif how == "takes nothing":
        monkeypatch.setattr(sending, "SLOW_SECONDS", 0.1)
        asyncio.run(answered(reads, 1, pieces, send=stuck()))
    else:
        monkeypatch.setattr(module, "SECONDS_MOST", 0.1)
        asyncio.run(answered(reads, 1, pieces, send=slowly))
    assert closed.is_set() and reads.open == 0 and time.monotonic() - begun < 5


def test_a_timeout_of_the_files_is_not_taken_for_a_slow_reader() -> None:
    def pieces() -> Pieces:
        yield b"x"
        raise TimeoutError("of the files")

    reads = Reads()
    with pytest.raises(TimeoutError, match="of the files"):
        asyncio.run(answered(reads, 1, pieces))
    assert reads.open == 0


def test_who_hangs_up_in_the_middle_of_a_scan_keeps_place_and_thread_until_the_scan_ends() -> None:
    """A thread cannot be stopped: were its place free at once, one account could begin as many scans as it asks for."""
    working, most, may_end, begun = 0, 0, threading.Event(), threading.Event()

    def scan() -> Pieces:
        nonlocal working, most
        yield b"the first piece"
        working += 1
        most = max(most, working)
        begun.set()
        assert may_end.wait(20)
        working -= 1
        yield b"the second"

    async def story() -> None:
        reads = Reads()

        async def hang_up() -> Any:
            while not begun.is_set():
                await asyncio.sleep(0.01)
            return {"type": "http.disconnect"}

        held = [asyncio.create_task(answered(reads, 0, scan, hang_up)) for _ in range(OF_AN_ACCOUNT)]
        for _ in range(20):
            await asyncio.sleep(0.01)
            if reads.open == OF_AN_ACCOUNT and begun.is_set():
                assert (await refused(reads, 0)).code == "RECORDS_BUSY", "of who hung up and asks again"
        assert begun.is_set() and not any(each.done() for each in held)
        may_end.set()
        await asyncio.wait_for(asyncio.gather(*held), 20)
        assert reads.open == 0 and reads._threads.borrowed_tokens == 0
        async with reads.of(account(0)):
            assert reads.open == 1

    asyncio.run(story())
    assert working == 0 and most <= THREADS
