"""What a scope permits, what it hashes to, and which scopes no consent can have."""

import hashlib
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest
from eth_utils import to_checksum_address
from hypothesis import given
from hypothesis import strategies as st

from belmont.registry.consents.errors import ScopeRefused
from belmont.registry.consents.scope import Category, IntendedUse, Scope, ScopeTable
from belmont.registry.limits import CATEGORIES_MASK
from belmont.registry.types import Address

ACCOUNTS = [Address(to_checksum_address(bytes([n]) * 20)) for n in range(1, 12)]
METHODS, DISEASE = 1 << 31, 1 << 37
SCOPE = Scope(METHODS | DISEASE, Category.DIAGNOSES | Category.MEDICATION, 100, 200, (ACCOUNTS[0], ACCOUNTS[1]))
USE = IntendedUse(DISEASE, Category.DIAGNOSES, ACCOUNTS[0], 150)

scopes = st.builds(
    Scope,
    st.sampled_from([METHODS, DISEASE, METHODS | DISEASE]),
    st.integers(1, 255),
    st.integers(0, 5),
    st.one_of(st.integers(6, 9), st.just(2**64 - 1)),
    st.lists(st.sampled_from(ACCOUNTS[:3]), unique=True).map(lambda found: tuple(sorted(found))),
)
uses = st.builds(
    IntendedUse,
    st.sampled_from([0, METHODS, DISEASE, METHODS | DISEASE, 1 << 38, 1 << 64]),
    st.one_of(st.integers(0, 255), st.sampled_from([256, -1])),
    st.sampled_from(ACCOUNTS[:4]),
    st.one_of(st.integers(-1, 10), st.sampled_from([2**64 - 1, 2**64])),
)


def test_the_hash_is_the_one_that_is_written_down():
    written = (
        b"belmont/consent/scope/1"
        + (METHODS | DISEASE).to_bytes(8, "big")
        + (2 + 8).to_bytes(8, "big")
        + (100).to_bytes(8, "big")
        + (200).to_bytes(8, "big")
        + b"\x02"
        + b"\x01" * 20
        + b"\x02" * 20
    )
    assert SCOPE.hash == hashlib.sha256(written).digest()


def test_a_use_within_the_scope_is_permitted():
    assert SCOPE.permits(USE)


@pytest.mark.parametrize(
    "change",
    [
        {"purposes": METHODS | 1 << 38},
        {"purposes": 0},
        {"categories": Category.DIAGNOSES | Category.GENOMICS},
        {"categories": 0},
        {"recipient": ACCOUNTS[2]},
        {"at": 99},
        {"at": 200},
    ],
)
def test_a_use_that_leaves_the_scope_anywhere_is_not(change):
    assert not SCOPE.permits(replace(USE, **change))


def test_the_period_holds_its_first_second_and_not_its_end():
    assert SCOPE.permits(replace(USE, at=100)) and SCOPE.permits(replace(USE, at=199))


def test_a_scope_without_recipients_is_for_anybody():
    assert replace(SCOPE, recipients=()).permits(replace(USE, recipient=ACCOUNTS[9]))


@given(st.lists(scopes, max_size=8), uses)
def test_many_scopes_at_once_say_what_each_says_alone(found, use):
    assert ScopeTable(found).permits(use).tolist() == [scope.permits(use) for scope in found]


@given(scopes, scopes, uses)
def test_what_two_scopes_have_in_common_permits_what_both_permit_and_nothing_else(one, other, use):
    found = one.common(other)
    assert (found is not None and found.permits(use)) == (one.permits(use) and other.permits(use))
    assert found is None or found.refusal() is None
    assert one.common(one) == one


def test_scopes_with_no_use_in_common_have_nothing_in_common():
    assert SCOPE.common(replace(SCOPE, recipients=(ACCOUNTS[2],))) is None
    assert SCOPE.common(replace(SCOPE, purposes=1 << 38)) is None
    assert SCOPE.common(replace(SCOPE, categories=1)) is None
    assert SCOPE.common(replace(SCOPE, valid_from=200, valid_until=300)) is None
    assert SCOPE.common(replace(SCOPE, recipients=())) == SCOPE


@given(st.lists(scopes, max_size=8), st.integers(1, 255), st.integers(0, 10))
def test_a_scope_covers_what_it_permits_to_somebody_for_something(found, categories, at):
    some = [
        any(
            scope.permits(IntendedUse(purposes, categories, who, at))
            for purposes in (METHODS, DISEASE)
            for who in ACCOUNTS[:3]
        )
        for scope in found
    ]
    assert ScopeTable(found).covers(categories, at).tolist() == some


@given(scopes)
def test_bytes_give_the_scope_back(scope):
    assert Scope.from_bytes(scope.to_bytes()) == scope


@given(scopes, st.data())
def test_changed_bytes_are_refused_or_have_another_hash(scope, data):
    content = bytearray(scope.to_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= 1 << data.draw(st.integers(0, 7))
    with suppress(ScopeRefused):
        assert Scope.from_bytes(bytes(content)).hash != scope.hash


@pytest.mark.parametrize("data", [b"", bytes(32), SCOPE.to_bytes()[:-1], SCOPE.to_bytes() + b"\x00"])
def test_bytes_of_another_length_are_refused(data):
    with pytest.raises(ScopeRefused):
        Scope.from_bytes(data)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"purposes": 0}, "PURPOSE_INVALID"),
        ({"purposes": 1 << 30}, "PURPOSE_INVALID"),
        ({"purposes": DISEASE | 1 << 41}, "PURPOSE_INVALID"),
        ({"purposes": -1}, "PURPOSE_INVALID"),
        ({"categories": 0}, "CATEGORIES_INVALID"),
        ({"categories": 256}, "CATEGORIES_INVALID"),
        ({"recipients": (ACCOUNTS[1], ACCOUNTS[0])}, "RECIPIENTS_INVALID"),
        ({"recipients": (ACCOUNTS[0], ACCOUNTS[0])}, "RECIPIENTS_INVALID"),
        ({"recipients": (to_checksum_address(bytes(20)),)}, "RECIPIENTS_INVALID"),
        ({"recipients": tuple(ACCOUNTS[:9])}, "RECIPIENTS_INVALID"),
        ({"valid_until": 100}, "PERIOD_INVALID"),
        ({"valid_from": -1}, "PERIOD_INVALID"),
        ({"valid_until": 2**64}, "PERIOD_INVALID"),
    ],
)
def test_a_scope_that_no_consent_can_have_is_refused(change, reason):
    with pytest.raises(ScopeRefused, match=rf"^Refused: {reason}\."):
        replace(SCOPE, **change).checked()


def test_eight_recipients_are_not_too_many():
    assert replace(SCOPE, recipients=tuple(ACCOUNTS[:8])).checked()


def test_the_categories_are_those_that_contracts_know():
    assert sum(Category) == CATEGORIES_MASK


def test_a_use_of_data_without_any_scope_is_not_permitted():
    assert ScopeTable(()).permits(USE).dtype == np.bool_
    assert ScopeTable(()).permits(USE).size == 0
