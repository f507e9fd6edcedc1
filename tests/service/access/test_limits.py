"""How often somebody may ask: what is refused, who is counted as whom, and how much of it is remembered."""

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from belmont.service.access.limits import Limits, Rate, client_of
from belmont.service.errors import TooMany


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def taken(limits: Limits, whom: str, times: int, kind: str = "client") -> int:
    done = 0
    for _ in range(times):
        try:
            limits.take(kind, whom)
            done += 1
        except TooMany:
            pass
    return done


def test_a_burst_is_let_through_and_no_more() -> None:
    limits = Limits({"client": Rate(1, 5)}, Clock())
    assert taken(limits, "a", 10) == 5


def test_who_waits_may_ask_again_after_the_seconds_that_were_told() -> None:
    clock = Clock()
    limits = Limits({"client": Rate(0.25, 1)}, clock)
    limits.take("client", "a")
    with pytest.raises(TooMany) as refused:
        limits.take("client", "a")
    assert refused.value.headers == {"Retry-After": "4"}
    clock.now += refused.value.retry_after_seconds
    limits.take("client", "a")


def test_one_does_not_use_up_what_another_has() -> None:
    limits = Limits({"client": Rate(1, 2), "sign_in": Rate(1, 2)}, Clock())
    assert (taken(limits, "a", 5), taken(limits, "b", 5), taken(limits, "a", 5, "sign_in")) == (2, 2, 2)


def test_a_hundred_requests_a_second_can_be_allowed() -> None:
    clock = Clock()
    limits = Limits({"client": Rate(200, 400)}, clock)
    for _ in range(60):
        assert taken(limits, "a", 100) == 100
        clock.now += 1


def test_a_clock_that_goes_back_gives_nothing() -> None:
    clock = Clock()
    limits = Limits({"client": Rate(1, 1)}, clock)
    limits.take("client", "a")
    clock.now -= 100
    with pytest.raises(TooMany):
        limits.take("client", "a")


def test_strangers_do_not_fill_the_memory() -> None:
    limits = Limits({"client": Rate(1, 2)}, Clock(), most=100)
    for number in range(1000):
        limits.take("client", str(number))
        taken(limits, "the one in use", 1)
    assert len(limits) == 100
    assert taken(limits, "the one in use", 1) == 0, "it is not forgotten while it is used"


PROXIES = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


@pytest.mark.parametrize(
    ("peer", "forwarded", "counted"),
    [
        ("203.0.113.7", [], "203.0.113.7"),
        ("203.0.113.7", ["198.51.100.1"], "203.0.113.7"),
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["6.6.6.6, 198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["6.6.6.6", "198.51.100.1, 10.0.0.2"], "198.51.100.1"),
        ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ("10.0.0.1", ["not an address"], "10.0.0.1"),
        ("10.0.0.1", ["6.6.6.6, not an address"], "10.0.0.1"),
        ("::ffff:203.0.113.7", [], "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", [], "2001:db8:1:2::/64"),
        ("fd00::1", ["2001:db8:1:2::9"], "2001:db8:1:2::/64"),
        (None, ["6.6.6.6"], "unknown"),
        ("testclient", [], "unknown"),
    ],
)
def test_a_client_is_the_last_address_that_no_proxy_of_ours_has(
    peer: str | None, forwarded: list[str], counted: str
) -> None:
    assert client_of(peer, forwarded, PROXIES) == counted


@given(st.lists(st.text(max_size=30), max_size=4))
def test_whatever_a_stranger_sends_it_is_counted_as_where_it_comes_from(forwarded: list[str]) -> None:
    assert client_of("203.0.113.7", forwarded, PROXIES) == "203.0.113.7"
