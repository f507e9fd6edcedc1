"""The transcript follows docs/protocol.md byte for byte, and depends on everything that it absorbed."""

from hashlib import sha256

from belmont.zk.field import ORDER
from belmont.zk.transcript import Transcript


def padded(name: str) -> bytes:
    return name.encode() + bytes(32 - len(name))


def test_states_and_challenges_are_the_protocols() -> None:
    transcript = Transcript("belmont/test")
    transcript.absorb("statement", b"abc")
    found = transcript.draw("rho")
    state = sha256(b"belmont/test").digest()
    state = sha256(state + padded("statement") + bytes(31) + b"\3" + sha256(b"abc").digest()).digest()
    state = sha256(state + padded("rho")).digest()
    wide = int.from_bytes(sha256(state + b"\0").digest() + sha256(state + b"\1").digest(), "big")
    assert found == wide % ORDER
    assert found == 0x45F0B63748E51B1F56CA2E40B45A498C7141EE1ED4393D214186EF73CB494C4C


def drawn(label: str, *messages: tuple[str, bytes]) -> int:
    transcript = Transcript(label)
    for name, data in messages:
        transcript.absorb(name, data)
    return transcript.draw("x")


def test_label_name_order_length_and_content_all_matter() -> None:
    seen = [
        drawn("l", ("a", b"1"), ("b", b"2")),
        drawn("m", ("a", b"1"), ("b", b"2")),
        drawn("l", ("b", b"2"), ("a", b"1")),
        drawn("l", ("a", b"12"), ("b", b"")),
        drawn("l", ("a", b""), ("b", b"12")),
        drawn("l", ("ab", b"12")),
        drawn("l", ("a", b"1\0"), ("b", b"2")),
        drawn("l", ("a", b"1")),
        drawn("l"),
    ]
    assert len(set(seen)) == len(seen)


def test_a_challenge_is_bound_into_those_that_follow() -> None:
    once, twice = Transcript("l"), Transcript("l")
    assert once.draw("a") == twice.draw("a")
    assert once.draw("b") != twice.draw("c")
    once.absorb("same", b"")
    twice.absorb("same", b"")
    assert once.draw("d") != twice.draw("d")


def test_a_copy_goes_its_own_way() -> None:
    first = Transcript("l")
    first.absorb("a", b"1")
    second = first.copy()
    second.absorb("b", b"2")
    assert first.draw("x") != second.draw("x")
    assert first.copy().draw("y") == first.draw("y")
