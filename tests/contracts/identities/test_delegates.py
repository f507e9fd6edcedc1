"""Delegates: how long they are valid, how many there are, and for what."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from belmont.identity.messages import short_bytes

NOBODY = "0x" + "0" * 40
SIG_AUTH, VERI_KEY = short_bytes("sigAuth"), short_bytes("veriKey")
TEN_YEARS = 10 * 365 * 24 * 3600
DELEGATES_MAX = 16


def address(number):
    return f"0x{number:040d}"


def test_a_delegate_is_valid_up_to_its_last_second(bench, owner, machine):
    bench.write(owner, "addDelegate", owner.address, SIG_AUTH, machine.address, 60)
    bench.evm.now += 59
    assert bench.read("worksFor", owner.address, machine.address)
    bench.evm.now += 1
    assert not bench.read("worksFor", owner.address, machine.address)
    assert not bench.read("validDelegate", owner.address, SIG_AUTH, machine.address)


@pytest.mark.parametrize("validity", [0, TEN_YEARS + 1, 2**64, 2**256 - 1])
def test_a_validity_out_of_bounds_is_refused(bench, refused, owner, machine, validity):
    with refused("VALIDITY_INVALID"):
        bench.write(owner, "addDelegate", owner.address, SIG_AUTH, machine.address, validity)
    with refused("VALIDITY_INVALID"):
        bench.write(owner, "setAttribute", owner.address, SIG_AUTH, b"value", validity)


def test_nobody_is_no_delegate(bench, refused, owner):
    with refused("ACCOUNT_MISSING"):
        bench.write(owner, "addDelegate", owner.address, SIG_AUTH, NOBODY, 60)


def test_a_delegate_of_another_type_does_no_work(bench, owner, machine):
    bench.write(owner, "addDelegate", owner.address, VERI_KEY, machine.address, 60)
    assert not bench.read("worksFor", owner.address, machine.address)


def test_a_delegate_works_for_nobody_else(bench, owner, new_owner, machine):
    bench.write(owner, "addDelegate", owner.address, SIG_AUTH, machine.address, 60)
    assert not bench.read("worksFor", new_owner.address, machine.address)


def test_a_delegate_that_is_added_again_takes_one_place(bench, owner, machine):
    for validity in (60, 30):
        bench.write(owner, "addDelegate", owner.address, SIG_AUTH, machine.address, validity)
    bench.evm.now += 30
    assert not bench.read("worksFor", owner.address, machine.address)
    for number in range(1, DELEGATES_MAX):
        bench.write(owner, "addDelegate", owner.address, SIG_AUTH, address(number), 60)
    bench.write(owner, "addDelegate", owner.address, SIG_AUTH, machine.address, 60)


def test_a_seventeenth_waits_until_one_is_revoked_or_expired(bench, refused, owner):
    for number in range(1, DELEGATES_MAX + 1):
        bench.write(owner, "addDelegate", owner.address, SIG_AUTH, address(number), 60 if number == 1 else 600)
    for after in (lambda: setattr(bench.evm, "now", bench.evm.now + 60), lambda: revoke(bench, owner, address(2))):
        with refused("DELEGATES_FULL"):
            bench.write(owner, "addDelegate", owner.address, SIG_AUTH, address(99), 600)
        bench.write(owner, "addDelegate", owner.address, SIG_AUTH, address(3), 600)
        after()
        bench.evm.now += 1
        bench.write(owner, "addDelegate", owner.address, SIG_AUTH, address(100 + bench.evm.number), 600)


def revoke(bench, owner, delegate):
    bench.write(owner, "revokeDelegate", owner.address, SIG_AUTH, delegate)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    acts=st.lists(
        st.tuples(
            st.sampled_from(["add", "revoke", "wait", "rotate"]),
            st.integers(1, 4),
            st.sampled_from([SIG_AUTH, VERI_KEY]),
            st.integers(1, 100),
        ),
        max_size=12,
    )
)
def test_a_delegate_is_valid_exactly_where_a_plain_table_of_last_seconds_says_so(bench, signer_of, owner, acts):
    back = bench.evm.mark()
    table, holder, keys = {}, owner, iter(range(1, 100))
    for act, who, kind, seconds in acts:
        if act == "add":
            bench.write(holder, "addDelegate", owner.address, kind, address(who), seconds)
            table[kind, who] = bench.evm.now + seconds
        elif act == "revoke":
            bench.write(holder, "revokeDelegate", owner.address, kind, address(who))
            table[kind, who] = 0
        elif act == "wait":
            bench.evm.now += seconds
        else:
            successor = signer_of(next(keys).to_bytes(32, "big"))
            bench.write(holder, "changeOwner", owner.address, successor.address)
            holder, table = successor, {}
        for other in range(1, 5):
            for each in (SIG_AUTH, VERI_KEY):
                valid = table.get((each, other), 0) > bench.evm.now
                assert bench.read("validDelegate", owner.address, each, address(other)) == valid
    back()
