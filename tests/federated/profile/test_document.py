"""A profile has one encoding and says no more than its noise allows; everything else is refused."""

import json
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from eth_account import Account
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.federated.profile.scenes import BY_EVENT, PLAIN, RHO, profile_of, rows_of

from belmont.federated.errors import ProfileRefused
from belmont.federated.hashes import canonical_json
from belmont.federated.profile.document import MAX_BYTES, SignedProfile
from belmont.federated.profile.tables import Choices, Groups
from belmont.registry.types import MicroRho

ACCOUNT = Account.from_key(b"\x11" * 32)
TABLE = rows_of(*[(1, 2, 0), (3, 5, 1)] * 30)


def written(choices: Choices = BY_EVENT) -> bytes:
    return profile_of(choices, TABLE).signed(ACCOUNT).to_bytes()


@given(
    st.lists(st.tuples(st.integers(0, 1), st.sets(st.integers(2, 40), max_size=6)), max_size=4),
    st.booleans(),
    st.integers(500, 100_000),
)
@settings(max_examples=40, deadline=None)
def test_what_is_written_is_read_and_written_again_byte_for_byte(columns, two_way, rho):
    groups = tuple(Groups(f"c{k}", (first, *sorted(inner)), 40) for k, (first, inner) in enumerate(columns))
    outcome = Groups("y", (0, 1), 1) if two_way and groups else None
    choices = Choices(groups, outcome, MicroRho(rho))
    codes = {each.column: np.full(9, 5, np.uint16) for each in groups} | {"y": np.ones(9, np.uint16)}
    table = rows_of(*[(0, 1, 1)] * 9)
    table.columns.update(codes)
    signed = profile_of(choices, table).signed(ACCOUNT)
    again = SignedProfile.from_bytes(signed.to_bytes())
    assert again.to_bytes() == signed.to_bytes() and again.signer == ACCOUNT.address
    assert again.profile.choices.columns == groups and again.profile.sigma == choices.plan.sigma
    assert all(np.array_equal(a, b) for a, b in zip(again.profile.counts, signed.profile.counts, strict=True))


def test_the_same_profile_signed_again_is_the_same_bytes():
    assert written() == written()


def forged(change: Callable[[dict[str, Any]], Any]) -> bytes:
    fields = json.loads(written())
    change(fields)
    return canonical_json(fields) + b"\n"


def put(*path: Any, to: Any) -> Callable[[dict[str, Any]], None]:
    def change(fields: Any) -> None:
        for step in path[:-1]:
            fields = fields[step]
        fields[path[-1]] = to

    return change


@pytest.mark.parametrize(
    "change",
    [
        put("more", to=1),
        put("tables", 0, "more", to=1),
        put("outcome", "more", to=1),
        lambda fields: fields.pop("rows"),
        lambda fields: fields["tables"][0].pop("counts"),
        lambda fields: fields["tables"].append(fields["tables"][0]),
        lambda fields: fields["tables"].pop(),  # fewer tables than were paid for
        lambda fields: fields["tables"].reverse(),
        lambda fields: fields["tables"][0]["counts"].pop(),
        put("format", to="belmont-profile/2"),
        put("version", to=0),
        put("version", to=1.0),
        put("version", to=True),
        put("rows", to=60.0),
        put("rows", to="60"),
        put("rows", to=10**30),
        put("rows", to=2**60),
        put("tables", 0, "counts", 0, 0, to=1.5),
        put("tables", 0, "counts", 0, 0, to=True),
        put("tables", 0, "counts", 0, 0, to=10**400),
        put("tables", 0, "counts", 0, 0, to=None),
        put("tables", 0, "counts", 0, to=[1, 2, 3]),
        put("tables", 0, "starts", to=[1, 1]),
        put("tables", 0, "starts", to=[2, 3]),
        put("tables", 0, "starts", to="13"),
        put("tables", 0, "width", to=10**9),
        put("tables", 0, "column", to=""),
        put("tables", 0, "column", to="x" * 64),
        put("tables", 0, "column", to=7),
        put("tables", to={}),
        put("outcome", to=None),
        put("outcome", "column", to="age"),
        put("sigma", to=[1, 0]),
        put("sigma", to=[1, 4]),
        put("sigma", to=[10**20, 1]),
        put("sigma", to=[20, 2]),
        put("sigma", to=[1.5, 1]),
        put("rho", to=1),  # a charge that such noise does not have
        put("rho", to=RHO + 1),
        put("rho", to=0),
        put("spent", to=1),
        put("spent", to=2**70),
        put("dataset", to="0x00"),
        put("dataset", to="0x" + "zz" * 32),
        put("dictionary", to=None),
        put("consortium", to="ü"),
        put("consortium", to="x" * 300),
        put("signature", to="0x" + "00" * 64),
    ],
)
def test_a_document_that_is_not_one_is_refused(change):
    with pytest.raises(ProfileRefused):
        SignedProfile.from_bytes(forged(change))


def test_a_smaller_charge_or_more_noise_cannot_be_claimed():
    stronger = profile_of(Choices(PLAIN.columns, None, MicroRho(1000)), TABLE)
    fields = json.loads(written(PLAIN))
    fields["sigma"] = [stronger.sigma.numerator, stronger.sigma.denominator]
    with pytest.raises(ProfileRefused, match="not that of such noise"):
        SignedProfile.from_bytes(canonical_json(fields) + b"\n")


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content[:-1],
        lambda content: content + b"\n",
        lambda content: b" " + content,
        lambda content: content.replace(b":", b": ", 1),
        lambda content: content.replace(b'"rows":', b'"rows":1,"rows":', 1),
        lambda content: content[: len(content) // 2],
        lambda content: content.replace(b'"spent":2', b'"spent":+2', 1),
        lambda content: b"",
        lambda content: b"null\n",
        lambda content: b"[" * 100_000,
        lambda content: b'{"a":' * 50_000,
        lambda content: b"\xff" + content,
        lambda content: b"7" * 100_000,
    ],
)
def test_other_bytes_are_refused_also_if_they_mean_the_same(change):
    with pytest.raises(ProfileRefused):
        SignedProfile.from_bytes(change(written()))


def test_what_is_larger_than_any_profile_is_not_even_parsed():
    with pytest.raises(ProfileRefused, match="at most 1 MiB"):
        SignedProfile.from_bytes(b"[" * (MAX_BYTES + 1))


def test_every_byte_that_changes_is_noticed():
    content = written()
    for at in range(0, len(content), 7):
        changed = bytearray(content)
        changed[at] ^= 1
        try:
            signer = SignedProfile.from_bytes(bytes(changed)).signer
        except ProfileRefused:
            continue
        assert signer != ACCOUNT.address


def test_counts_that_no_noise_makes_of_so_few_rows_are_refused():
    profile = profile_of(BY_EVENT, TABLE)
    profile.refuse_impossible(60)
    far = int(60 + 41 * profile.sigma)
    for field in (far, -int(41 * profile.sigma)):
        for change in (put("rows", to=field), put("tables", 1, "counts", 0, 1, to=field)):
            read = SignedProfile.from_bytes(forged(change)).profile
            with pytest.raises(ProfileRefused, match="none that 60 rows can have"):
                read.refuse_impossible(60)


def test_epsilon_is_said_for_a_patient_who_is_there_or_not_and_for_what_is_said_of_one_who_is():
    profile = profile_of(BY_EVENT, TABLE, spent=MicroRho(3 * RHO))
    assert 0.98 < profile.epsilon() <= 1 < profile.epsilon_of_value() < 1.5 < profile.epsilon_spent() < 2
    assert profile.sigma == BY_EVENT.plan.sigma and isinstance(profile.sigma, Fraction)
