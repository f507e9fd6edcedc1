"""A round from packages to sum."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.federated.secagg.parties import LAYOUT, Round, context_of, hospitals, vectors_of

from belmont.federated.errors import (
    DealerRefuted,
    NotEnoughShares,
    ReleaseRefused,
    SecAggError,
    VectorRejected,
)
from belmont.federated.secagg.context import Context, default_threshold
from belmont.federated.secagg.masking import mask
from belmont.federated.secagg.opening import open_sum
from belmont.federated.secagg.release import Shares, release
from belmont.federated.secagg.setup import Kind, deal_secrets, seal, share_hash


@st.composite
def rounds(draw):
    """Participants, a threshold, and who drops out: at most as many as the threshold leaves."""
    count = draw(st.integers(3, 7))
    threshold = draw(st.integers(count // 2 + 1, count))
    dropped = draw(st.sets(st.integers(0, count - 1), max_size=count - threshold))
    return count, threshold, dropped


@settings(max_examples=40, deadline=None)
@given(rounds(), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_the_opened_sum_is_the_plain_sum_of_the_recorded_modulo_2_64(shape, size, seed):
    count, threshold, dropped = shape
    parties = hospitals(count)
    made = Round(context_of(parties, threshold), parties)
    drawn = np.random.default_rng(seed)
    vectors = [drawn.integers(-(2**63), 2**63 - 1, size, dtype=np.int64, endpoint=True) for _ in parties]
    recorded = set(range(count)) - dropped
    opened = made.open(made.masked(vectors), recorded)
    plain = np.sum([vectors[each].view(np.uint64) for each in recorded], axis=0, dtype=np.uint64).view(np.int64)
    assert np.array_equal(opened.total, plain)
    assert opened.recorded == tuple(made.ids(recorded)) and opened.wrong_shares == ()


@settings(max_examples=20, deadline=None)
@given(rounds(), st.data())
def test_any_threshold_of_the_recorded_is_enough_to_open_and_one_fewer_is_a_typed_error(shape, data):
    count, threshold, dropped = shape
    parties = hospitals(count)
    made = Round(context_of(parties, threshold), parties)
    vectors = vectors_of(count)
    masked = made.masked(vectors)
    recorded = sorted(set(range(count)) - dropped)
    given_by = data.draw(st.permutations(recorded))[:threshold]
    shares = {made.parties[each].dataset_id: made.shares(recorded)[made.parties[each].dataset_id] for each in given_by}
    assert np.array_equal(made.open(masked, recorded, shares).total, sum(vectors[each] for each in recorded))
    gone = made.parties[given_by[0]].dataset_id
    with pytest.raises(NotEnoughShares) as refused:
        made.open(masked, recorded, {each: value for each, value in shares.items() if each != gone})
    assert gone in refused.value.missing


@settings(max_examples=20, deadline=None)
@given(rounds())
def test_with_more_dropouts_than_the_threshold_leaves_nobody_releases_and_nothing_opens(shape):
    count, threshold, _ = shape
    parties = hospitals(count)
    made = Round(context_of(parties, threshold), parties)
    recorded = set(range(threshold - 1))
    for each in recorded:
        with pytest.raises(ReleaseRefused, match="fewer than the threshold"):
            release(made.joined[each], made.ids(recorded), closed=True)
    with pytest.raises(SecAggError, match="fewer than the threshold"):
        made.open(made.masked(vectors_of(count)), recorded, {})


def test_a_hospital_that_was_killed_recomputes_the_same_bytes():
    parties = hospitals(4)
    context, vectors = context_of(parties), vectors_of(4)
    first, second = Round(context, parties), Round(context, parties)
    assert first.dealt == second.dealt and first.joined == second.joined
    for one, two in zip(first.masked(vectors), second.masked(vectors), strict=True):
        assert one.recorded_hash(context) == two.recorded_hash(context)
    assert [each.to_bytes() for each in first.shares({0, 1, 2}).values()] == [
        each.to_bytes() for each in second.shares({0, 1, 2}).values()
    ]


def test_the_bytes_of_a_round_are_those_of_every_release():
    """Hospitals of two releases can share a round only if these do not change; whoever changes them raises a label."""
    parties = hospitals(3)
    made = Round(context_of(parties), parties)
    seen = hashlib.sha256(made.context.digest)
    for packages in made.dealt.values():
        for package in packages.values():
            seen.update(package)
    for each in made.masked(vectors_of(3)):
        seen.update(each.recorded_hash(made.context))
    for shares in made.shares({0, 1, 2}).values():
        seen.update(shares.to_bytes())
    assert seen.hexdigest() == "dd23762190f853bb567510ccff2ee11284d845fb0bfe5cffa9be43d1bcb3f8fe"


def test_the_length_of_a_vector_may_be_any_around_the_pieces_in_which_it_is_masked():
    parties = hospitals(3)
    made = Round(context_of(parties), parties)
    for size in (1, 16_383, 16_384, 16_385, 40_000):
        vectors = vectors_of(3, size)
        assert np.array_equal(made.open(made.masked(vectors), {0, 1, 2}).total, sum(vectors))


def test_masking_leaves_the_vector_itself_as_it_was():
    parties = hospitals(3)
    made, vector = Round(context_of(parties), parties), vectors_of(1)[0]
    before = vector.copy()
    mask(made.joined[0], LAYOUT, vector)
    assert np.array_equal(vector, before)


@pytest.mark.parametrize("bad", [np.zeros(3), np.zeros((2, 2), np.int64), np.zeros(0, np.int64), np.zeros(3, np.int32)])
def test_only_a_vector_of_int64_is_masked(bad):
    parties = hospitals(3)
    with pytest.raises(SecAggError, match="vector of int64"):
        mask(Round(context_of(parties), parties).joined[0], LAYOUT, bad)


def test_a_layout_hash_of_another_length_is_refused():
    parties = hospitals(3)
    with pytest.raises(SecAggError, match="32 bytes"):
        mask(Round(context_of(parties), parties).joined[0], b"short", vectors_of(1)[0])


@pytest.mark.parametrize(
    ("count", "threshold", "accepted"),
    [
        (3, 2, True),
        (3, 3, True),
        (4, 3, True),
        (5, 3, True),
        (16, 9, True),
        (2, 2, False),
        (1, 1, False),
        (3, 1, False),
        (3, 4, False),
        (4, 2, False),
        (16, 8, False),
        (5, -1, False),
    ],
)
def test_a_threshold_is_above_half_and_at_most_all_of_three_or_more(count, threshold, accepted):
    parties = hospitals(count)
    ids = tuple(each.dataset_id for each in parties)
    if accepted:
        assert Context("c", 1, 1, ids, threshold).most_colluders == threshold - 2
    else:
        with pytest.raises(SecAggError):
            Context("c", 1, 1, ids, threshold)


@pytest.mark.parametrize("change", [{"n": -1}, {"permit_id": -1}, {"n": 2**256}, {"permit_id": 2**256}])
def test_numbers_that_a_context_cannot_encode_are_refused(change):
    with pytest.raises(SecAggError):
        context_of(hospitals(3), **change)


def test_participants_are_dataset_ids_named_once():
    one, two, three = (each.dataset_id for each in hospitals(3))
    for bad in ((one, two, two), (one, two, three[:31])):
        with pytest.raises(SecAggError, match="named once"):
            Context("c", 1, 1, bad, 3)


def test_the_default_threshold_lets_one_drop_out_unless_two_would_be_left():
    assert [default_threshold(count) for count in (3, 4, 5, 10)] == [3, 3, 4, 9]


class TestWhoLiedIsNamed:
    def made(self, threshold=3, count=5):
        parties = hospitals(count)
        made = Round(context_of(parties, threshold), parties)
        self.vectors = vectors_of(count)
        return made, made.masked(self.vectors)

    @pytest.mark.parametrize("recorded", [{0, 1, 2, 3, 4}, {0, 1, 2, 4}])
    @pytest.mark.parametrize("dealer", range(5))
    def test_a_wrong_share_is_found_named_and_left_out(self, recorded, dealer):
        made, masked = self.made()
        shares = made.shares(recorded)
        liar = made.parties[1].dataset_id
        values = list(shares[liar].values)
        values[dealer] = values[dealer][:-1] + bytes([values[dealer][-1] ^ 1])
        shares[liar] = replace(shares[liar], values=tuple(values))
        opened = made.open(masked, recorded, shares)
        assert opened.wrong_shares == (liar,)
        assert np.array_equal(opened.total, sum(self.vectors[each] for each in recorded))

    def test_a_wrong_share_is_named_also_where_there_is_none_to_spare(self):
        made, masked = self.made(threshold=5)
        shares = made.shares({0, 1, 2, 3, 4})
        liar = made.parties[2].dataset_id
        shares[liar] = replace(shares[liar], values=(bytes(32), *shares[liar].values[1:]))
        with pytest.raises(NotEnoughShares) as found:
            made.open(masked, {0, 1, 2, 3, 4}, shares)
        assert found.value.wrong == (liar,) and found.value.missing == ()

    def test_shares_in_another_order_are_wrong(self):
        made, masked = self.made()
        shares = made.shares({0, 1, 2, 3, 4})
        liar = made.parties[0].dataset_id
        one, two, *rest = shares[liar].values
        shares[liar] = replace(shares[liar], values=(two, one, *rest))
        assert made.open(masked, {0, 1, 2, 3, 4}, shares).wrong_shares == (liar,)

    def test_one_hospitals_shares_under_anothers_name_are_wrong(self):
        made, masked = self.made()
        shares = made.shares({0, 1, 2, 3, 4})
        one, two = (made.parties[each].dataset_id for each in (0, 1))
        shares[one], shares[two] = shares[two], shares[one]
        assert set(made.open(masked, {0, 1, 2, 3, 4}, shares).wrong_shares) == {one, two}

    def test_shares_for_another_recorded_set_are_wrong(self):
        made, masked = self.made()
        shares = made.shares({0, 1, 2, 3, 4})
        liar = made.parties[0].dataset_id
        shares[liar] = made.shares({0, 1, 2, 3})[liar]
        assert made.open(masked, {0, 1, 2, 3, 4}, shares).wrong_shares == (liar,)

    def test_a_share_of_another_round_is_wrong(self):
        made, masked = self.made()
        other = Round(replace(made.context, n=9), made.parties)
        shares = made.shares({0, 1, 2, 3, 4})
        liar = made.parties[0].dataset_id
        shares[liar] = other.shares({0, 1, 2, 3, 4})[liar]
        assert made.open(masked, {0, 1, 2, 3, 4}, shares).wrong_shares == (liar,)

    @pytest.mark.parametrize(
        ("kind", "recorded", "what"),
        [(Kind.SEED, {0, 1, 2, 3, 4}, "seed"), (Kind.KEY, {1, 2, 3, 4}, "key")],
    )
    @pytest.mark.parametrize("all_shares", [True, False])
    def test_a_dealer_whose_shares_do_not_give_what_it_committed_to_is_named(self, kind, recorded, what, all_shares):
        """Its public part and packages agree with each other, so everybody joins; the polynomial is another one."""
        made, _ = self.made()
        liar = made.parties[0]
        honest = deal_secrets(made.context, liar.dataset_id, liar.root)
        other = deal_secrets(made.context, liar.dataset_id, b"\7" * 32).shares[kind]
        bad = other if all_shares else (*honest.shares[kind][:3], other[3], honest.shares[kind][4])
        hashes = tuple(share_hash(made.context, kind, 0, holder, each) for holder, each in enumerate(bad))
        public = replace(honest.public, share_hashes={**honest.public.share_hashes, kind: hashes})
        forged = replace(honest, shares={**honest.shares, kind: bad}, public=public)
        made.dealt[liar.dataset_id] = seal(made.context, forged, liar.key, [each.public_key for each in made.parties])
        made.publics[0] = public
        made.joined[1:] = [made.join(position) for position in range(1, 5)]
        held = {
            each: (bad[0], *made.joined[0].held[each][1:]) if each == kind else made.joined[0].held[each]
            for each in Kind
        }
        made.joined[0] = replace(made.joined[0], transcript=made.joined[1].transcript, held=held)
        with pytest.raises(DealerRefuted, match=what) as found:
            made.open(made.masked(self.vectors), recorded)
        assert found.value.dataset_id == liar.dataset_id

    def test_a_vector_that_was_not_recorded_is_rejected(self):
        made, masked = self.made()
        hashes = {each.dataset_id: each.recorded_hash(made.context) for each in masked}
        altered = replace(masked[3], values=masked[3].values + np.uint64(1))
        of = {each.dataset_id: each for each in (*masked[:3], altered, masked[4])}
        with pytest.raises(VectorRejected, match="not the one") as found:
            open_sum(made.context, made.publics, hashes, of, made.shares(range(5)))
        assert found.value.dataset_id == masked[3].dataset_id

    def test_a_recorded_vector_that_has_not_come_is_asked_for(self):
        made, masked = self.made()
        hashes = {each.dataset_id: each.recorded_hash(made.context) for each in masked}
        of = {each.dataset_id: each for each in masked[:4]}
        with pytest.raises(VectorRejected, match="has not come"):
            open_sum(made.context, made.publics, hashes, of, made.shares(range(5)))

    def test_one_hospitals_vector_under_anothers_name_is_rejected(self):
        made, masked = self.made()
        hashes = {each.dataset_id: each.recorded_hash(made.context) for each in masked}
        of = {each.dataset_id: each for each in masked} | {masked[0].dataset_id: masked[1]}
        with pytest.raises(VectorRejected, match="not a vector of this hospital"):
            open_sum(made.context, made.publics, hashes, of, made.shares(range(5)))

    def test_a_hospital_with_another_layout_is_named(self):
        made, masked = self.made()
        masked[2] = mask(made.joined[2], b"\1" * 32, self.vectors[2])
        with pytest.raises(VectorRejected, match="another layout") as found:
            made.open(masked, {0, 1, 2, 3, 4})
        assert found.value.dataset_id == masked[2].dataset_id

    def test_under_another_layout_all_masks_are_other_ones_also_for_one_vector(self):
        made, masked = self.made()
        other = mask(made.joined[2], b"\1" * 32, self.vectors[2])
        assert not np.any(other.values == masked[2].values)

    def test_records_of_somebody_who_takes_no_part_are_refused(self):
        made, masked = self.made()
        hashes = {each.dataset_id: each.recorded_hash(made.context) for each in masked} | {b"\1" * 32: bytes(32)}
        with pytest.raises(SecAggError, match="only participants"):
            open_sum(made.context, made.publics, hashes, {}, {})


class TestSharesOnTheWire:
    def test_shares_come_back_from_their_bytes(self):
        parties = hospitals(4)
        made = Round(context_of(parties), parties)
        for each, shares in made.shares({0, 1, 3}).items():
            assert Shares.from_bytes(made.context, each, shares.to_bytes()) == shares

    @pytest.mark.parametrize("change", [lambda b: b[:-1], lambda b: b + b"\0", lambda b: b"\3" + b[1:], lambda b: b""])
    def test_other_bytes_are_refused(self, change):
        parties = hospitals(3)
        made = Round(context_of(parties), parties)
        shares = made.shares({0, 1, 2})[parties[0].dataset_id]
        with pytest.raises(SecAggError):
            Shares.from_bytes(made.context, parties[0].dataset_id, change(shares.to_bytes()))


def test_nothing_secret_is_shown():
    parties = hospitals(3)
    made = Round(context_of(parties), parties)
    dealt = deal_secrets(made.context, parties[0].dataset_id, parties[0].root)
    shown = repr(dealt) + repr(made.joined[0]) + repr(made.shares({0, 1, 2}))
    for secret in (dealt.seed, dealt.key, *dealt.shares[Kind.SEED], *dealt.shares[Kind.KEY]):
        assert repr(secret)[2:-1] not in shown and secret.hex() not in shown
