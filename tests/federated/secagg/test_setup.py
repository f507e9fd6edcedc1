"""Packages: what a hospital accepts from whom, and every way in which another is refused."""

from dataclasses import replace

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.federated.secagg.parties import LAYOUT, Round, context_of, hospitals, vectors_of

from belmont.federated.errors import PackageRefused, SecAggError, VectorRejected
from belmont.federated.secagg.masking import mask
from belmont.federated.secagg.setup import (
    Kind,
    PublicPart,
    deal,
    deal_secrets,
    join,
    public_part,
    seal,
    share_hash,
    transcript_of,
)

PARTIES = hospitals(4)
CONTEXT = context_of(PARTIES)
MADE = Round(CONTEXT, PARTIES)
KEYS = [each.public_key for each in PARTIES]
PACKAGE_BYTES = len(MADE.packages_to(0)[PARTIES[1].dataset_id])


def refused(packages, position=0):
    with pytest.raises(PackageRefused) as found:
        MADE.join(position, packages)
    return found.value.dataset_id


def replaced(dealer, package, holder=0):
    return MADE.packages_to(holder) | {PARTIES[dealer].dataset_id: package}


def test_the_packages_as_dealt_are_accepted():
    assert MADE.join(0) == MADE.joined[0]


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 3), st.integers(0, PACKAGE_BYTES - 1), st.integers(1, 255))
def test_a_change_of_any_byte_of_any_package_is_refused_and_the_dealer_named(dealer, at, change):
    good = MADE.packages_to(0)[PARTIES[dealer].dataset_id]
    bad = good[:at] + bytes([good[at] ^ change]) + good[at + 1 :]
    assert refused(replaced(dealer, bad)) == PARTIES[dealer].dataset_id


@pytest.mark.parametrize("change", [lambda b: b[:-1], lambda b: b + b"\0", lambda b: b"", lambda b: b + b])
def test_a_package_of_another_length_is_refused(change):
    good = MADE.packages_to(0)[PARTIES[1].dataset_id]
    assert refused(replaced(1, change(good))) == PARTIES[1].dataset_id


@pytest.mark.parametrize(
    "change",
    [
        {"n": 3},
        {"permit_id": 4},
        {"consortium": "0xanother"},
        {"threshold": 4},
        {"label": b"other"},
        {"participants": tuple(reversed(CONTEXT.participants))},
        {"participants": (*CONTEXT.participants[:3], b"\7" * 32)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_package_of_another_context_is_refused(change):
    other = replace(CONTEXT, **change)
    position = [other.participants.index(each.dataset_id) for each in PARTIES[:2]]
    keys = KEYS if position == [0, 1] else list(reversed(KEYS))
    dealt = deal(other, PARTIES[1].dataset_id, PARTIES[1].root, PARTIES[1].key, keys)
    assert refused(replaced(1, dealt[PARTIES[0].dataset_id])) == PARTIES[1].dataset_id


def test_a_package_sent_back_to_its_dealer_is_refused():
    own = MADE.dealt[PARTIES[0].dataset_id][PARTIES[1].dataset_id]
    assert refused(replaced(1, own)) == PARTIES[1].dataset_id


def test_a_package_for_another_holder_is_refused():
    for_two = MADE.dealt[PARTIES[1].dataset_id][PARTIES[2].dataset_id]
    assert refused(replaced(1, for_two)) == PARTIES[1].dataset_id


def test_a_package_under_another_dealers_name_is_refused():
    packages = MADE.packages_to(0)
    one, two = (PARTIES[each].dataset_id for each in (1, 2))
    assert refused(packages | {one: packages[two], two: packages[one]}) == one


def test_the_public_part_of_one_package_before_the_sealed_part_of_another_is_refused():
    again = deal(CONTEXT, PARTIES[1].dataset_id, b"\7" * 32, PARTIES[1].key, KEYS)[PARTIES[0].dataset_id]
    good = MADE.packages_to(0)[PARTIES[1].dataset_id]
    assert refused(replaced(1, again[:-80] + good[-80:])) == PARTIES[1].dataset_id
    assert refused(replaced(1, good[:-80] + again[-80:])) == PARTIES[1].dataset_id


def test_a_package_sealed_with_a_key_that_is_not_the_dealers_on_chain_is_refused():
    stranger = X25519PrivateKey.generate()
    keys = [KEYS[0], stranger.public_key().public_bytes_raw(), *KEYS[2:]]
    forged = deal(CONTEXT, PARTIES[1].dataset_id, b"\7" * 32, stranger, keys)[PARTIES[0].dataset_id]
    assert refused(replaced(1, forged)) == PARTIES[1].dataset_id


def test_a_missing_package_is_named():
    packages = MADE.packages_to(0)
    del packages[PARTIES[2].dataset_id]
    assert refused(packages) == PARTIES[2].dataset_id


@pytest.mark.parametrize("who", [b"\7" * 32, PARTIES[0].dataset_id], ids=["a stranger", "itself"])
def test_a_package_too_many_is_refused(who):
    with pytest.raises(SecAggError, match="takes no part"):
        MADE.join(0, MADE.packages_to(0) | {who: MADE.packages_to(0)[PARTIES[1].dataset_id]})


@pytest.mark.parametrize("kind", Kind)
def test_a_share_that_the_public_part_does_not_say_is_refused_though_its_dealer_sealed_it(kind):
    honest = deal_secrets(CONTEXT, PARTIES[1].dataset_id, PARTIES[1].root)
    values = honest.shares[kind]
    forged = replace(honest, shares={**honest.shares, kind: (values[1], values[0], *values[2:])})
    packages = seal(CONTEXT, forged, PARTIES[1].key, KEYS)
    assert refused(replaced(1, packages[PARTIES[0].dataset_id])) == PARTIES[1].dataset_id


@pytest.mark.parametrize(
    "key",
    [
        bytes(32),
        (1).to_bytes(32, "little"),
        MADE.publics[2].key,
        MADE.publics[2].key[:31] + bytes([MADE.publics[2].key[31] | 128]),
        (2**255 - 19 + 9).to_bytes(32, "little"),
    ],
    ids=["zero", "of small order", "another's", "another's, encoded otherwise", "not reduced"],
)
def test_a_mask_key_that_cannot_be_used_is_refused_though_its_dealer_sealed_it(key):
    honest = deal_secrets(CONTEXT, PARTIES[1].dataset_id, PARTIES[1].root)
    forged = replace(honest, public=replace(honest.public, key=key))
    packages = seal(CONTEXT, forged, PARTIES[1].key, KEYS)
    with pytest.raises(PackageRefused, match="mask key"):
        MADE.join(0, replaced(1, packages[PARTIES[0].dataset_id]))


@pytest.mark.parametrize("bad", [bytes(32), (1).to_bytes(32, "little"), KEYS[1]], ids=["zero", "one", "repeated"])
def test_a_static_key_that_cannot_be_used_ends_dealing_and_joining(bad):
    keys = [*KEYS[:3], bad]
    party = PARTIES[0]
    with pytest.raises(SecAggError):
        deal(CONTEXT, party.dataset_id, party.root, party.key, keys)
    with pytest.raises(SecAggError):
        join(CONTEXT, party.dataset_id, party.root, party.key, keys, MADE.packages_to(0))


def test_a_static_key_that_is_not_the_own_one_on_chain_is_refused():
    with pytest.raises(SecAggError, match="not the one on chain"):
        deal(CONTEXT, PARTIES[0].dataset_id, PARTIES[0].root, X25519PrivateKey.generate(), KEYS)


@pytest.mark.parametrize("root", [b"", bytes(31), bytes(33)])
def test_a_root_secret_has_32_bytes(root):
    with pytest.raises(SecAggError, match="32 bytes"):
        deal_secrets(CONTEXT, PARTIES[0].dataset_id, root)


def test_somebody_who_takes_no_part_deals_nothing():
    with pytest.raises(SecAggError, match="no participant"):
        deal_secrets(CONTEXT, b"\7" * 32, bytes(32))


def test_a_public_part_comes_back_from_its_bytes_and_from_a_package():
    for position, public in enumerate(MADE.publics):
        assert PublicPart.from_bytes(public.to_bytes(), 4) == public
        holder = PARTIES[(position + 1) % 4].dataset_id
        assert public_part(CONTEXT, MADE.dealt[PARTIES[position].dataset_id][holder]) == public
    with pytest.raises(SecAggError):
        PublicPart.from_bytes(MADE.publics[0].to_bytes(), 5)


@pytest.mark.parametrize(
    "change",
    [
        {"n": 3},
        {"permit_id": 4},
        {"consortium": "0xanother"},
        {"threshold": 4},
        {"label": b"other"},
        {"participants": (*CONTEXT.participants[:2], CONTEXT.participants[3], CONTEXT.participants[2])},
    ],
    ids=lambda change: next(iter(change)),
)
def test_any_change_of_the_context_gives_unrelated_secrets(change):
    one = deal_secrets(CONTEXT, PARTIES[0].dataset_id, PARTIES[0].root)
    two = deal_secrets(replace(CONTEXT, **change), PARTIES[0].dataset_id, PARTIES[0].root)
    for kind in Kind:
        assert not set(one.shares[kind]) & set(two.shares[kind])
    assert one.seed != two.seed and one.key != two.key


def test_fields_of_a_context_cannot_be_shifted_into_one_another():
    digests = [
        context_of(PARTIES, consortium="ab", label=b"c").digest,
        context_of(PARTIES, consortium="a", label=b"bc").digest,
        context_of(PARTIES, consortium="abc", label=b"").digest,
    ]
    assert len(set(digests)) == 3


def test_two_datasets_with_one_root_secret_share_nothing():
    one, two = (deal_secrets(CONTEXT, PARTIES[each].dataset_id, bytes(32)) for each in (0, 1))
    assert one.seed != two.seed and one.key != two.key
    assert not set(one.shares[Kind.SEED]) & set(two.shares[Kind.SEED])


def test_packages_of_several_rounds_can_travel_together_and_do_not_mix():
    rounds = [Round(replace(CONTEXT, n=n), PARTIES) for n in (1, 2, 3)]
    assert len({each.dealt[PARTIES[0].dataset_id][PARTIES[1].dataset_id] for each in rounds}) == 3
    for one in rounds:
        for two in rounds:
            if one is not two:
                with pytest.raises(PackageRefused):
                    one.join(0, two.packages_to(0))


class TestDealerThatShowsTwoPublicParts:
    """Hospital 3 shows hospital 0 the parts of one root secret and everybody else those of another."""

    def made(self):
        made = Round(CONTEXT, PARTIES)
        other = deal(CONTEXT, PARTIES[3].dataset_id, b"\7" * 32, PARTIES[3].key, KEYS)
        packages = made.packages_to(0) | {PARTIES[3].dataset_id: other[PARTIES[0].dataset_id]}
        made.joined[0] = made.join(0, packages)
        return made

    def test_each_package_opens_by_itself(self):
        assert self.made().joined[0].transcript != MADE.joined[0].transcript

    def test_the_sum_is_not_opened_and_whose_transcript_differs_is_said(self):
        made = self.made()
        with pytest.raises(VectorRejected, match="other setup packages") as found:
            made.open(made.masked(vectors_of(4)), {0, 1, 2, 3})
        assert found.value.dataset_id == PARTIES[0].dataset_id

    def test_masks_between_honest_hospitals_of_two_transcripts_do_not_cancel(self):
        """So nobody who goes around the check learns the sum either: the two masks are unrelated."""
        made = self.made()
        zero = [np.zeros(4, np.int64)] * 4
        honest = [mask(made.joined[each], LAYOUT, zero[each]) for each in (0, 1)]
        agreed = [mask(MADE.joined[each], LAYOUT, zero[each]) for each in (0, 1)]
        assert np.array_equal(honest[1].values, agreed[1].values)
        assert not np.any(honest[0].values == agreed[0].values)


def test_the_transcript_changes_with_every_public_part_and_its_order():
    seen = {transcript_of(CONTEXT, MADE.publics), transcript_of(CONTEXT, MADE.publics[::-1])}
    for position in range(4):
        changed = list(MADE.publics)
        changed[position] = replace(changed[position], seed_hash=bytes(32))
        seen.add(transcript_of(CONTEXT, changed))
    assert len(seen) == 6


def test_hashes_of_equal_shares_of_two_holders_kinds_or_dealers_differ():
    made = {
        share_hash(CONTEXT, kind, dealer, holder, bytes(32)) for kind in Kind for dealer in (0, 1) for holder in (0, 1)
    }
    assert len(made) == 8
