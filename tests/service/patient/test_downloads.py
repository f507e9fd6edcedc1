"""How many download at once: a place for each account, few threads, and everything let go of whatever happens."""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from belmont.registry.types import Address
from belmont.service.patient import downloads as module
from belmont.service.patient.downloads import AT_ONCE_MOST, THREADS, Download, Downloads, Pieces
from belmont.service.patient.errors import Downloading, FilesUnusable

SCOPE = {"type": "http", "asgi": {"spec_version": "2.3"}}


def account(number: int) -> Address:
    return Address(f"0x{number:040x}")


async def answered(downloads: Downloads, number: int, make: Any, receive: Any = None, send: Any = None) -> list[Any]:
    """The messages of one download."""
    sent: list[Any] = []

    async def keep(message: Any) -> None:
        sent.append(message)

    async def wait() -> Any:
        await asyncio.sleep(60)

    await Download(downloads, account(number), make)(SCOPE, receive or wait, send or keep)  # type: ignore[arg-type]
    return sent


def test_an_account_has_one_at_a_time_and_all_accounts_so_many() -> None:
    downloads = Downloads()
    with ExitStack() as held:
        for number in range(AT_ONCE_MOST):
            held.enter_context(downloads.of(account(number)))
        for number, why in ((0, "already"), (AT_ONCE_MOST, f"{AT_ONCE_MOST} people")):
            with pytest.raises(Downloading, match=why) as refused, downloads.of(account(number)):
                pytest.fail("one too many")
            assert (refused.value.status, refused.value.code) == (429, "DOWNLOADING")
            assert refused.value.headers == {"Retry-After": "5"}
    with downloads.of(account(0)):
        pass


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
        downloads = Downloads()
        return await asyncio.gather(*(answered(downloads, number, pieces) for number in range(AT_ONCE_MOST)))

    found = asyncio.run(all_at_once())
    assert most == THREADS
    assert [b"".join(each.get("body", b"") for each in sent) for sent in found] == [b"xxx"] * AT_ONCE_MOST


@pytest.mark.parametrize("broken", ["before", "first"])
def test_what_fails_before_the_first_byte_is_an_answer_of_its_own(broken: str) -> None:
    def pieces() -> Iterator[bytes]:
        raise FilesUnusable("away")
        yield b""

    def before() -> Pieces:
        raise FilesUnusable("away")

    downloads, sent = Downloads(), []

    async def keep(message: Any) -> None:
        sent.append(message)

    with pytest.raises(FilesUnusable):
        asyncio.run(answered(downloads, 1, before if broken == "before" else pieces, send=keep))
    assert sent == []
    with downloads.of(account(1)):
        pass


@pytest.mark.parametrize("how", ["stays silent", "goes away"])
def test_a_reader_who_stops_reading_keeps_no_place_and_no_open_file(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    downloads, closed = Downloads(), threading.Event()

    def pieces() -> Pieces:
        try:
            while True:
                yield b"x"
        finally:
            closed.set()

    async def gone() -> Any:
        return {"type": "http.disconnect"}

    async def never(message: Any) -> None:
        await asyncio.sleep(60)

    if how == "goes away":
        asyncio.run(answered(downloads, 1, pieces, receive=gone, send=never))
    else:
        monkeypatch.setattr(module, "SECONDS_MOST", 0.1)
        with pytest.raises(TimeoutError):
            asyncio.run(answered(downloads, 1, pieces, send=never))
    assert closed.is_set()
    with downloads.of(account(1)):
        pass
