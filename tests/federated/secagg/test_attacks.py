"""What coordinator and colluding hospitals learn: everything they can have, against what they find with it.

The adversary is the coordinator, the data user and c hospitals. Each attack works on a weaker protocol first.
"""

import itertools
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from tests.federated.secagg.parties import LAYOUT, Round, context_of, hospitals, vectors_of

from belmont.federated.errors import ReleaseRefused, VectorRejected
from belmont.federated.query.masks import shared_secret
from belmont.federated.secagg.groups import WORDS
from belmont.federated.secagg.masking import MaskedVector, mask, pair_sign, pair_stream, self_stream
from belmont.federated.secagg.opening import open_sum
from belmont.federated.secagg.release import Shares, release
from belmont.federated.secagg.setup import Kind, deal_secrets, exchange, seed_hash
from belmont.federated.secagg.sharing import join


class Adversary:
    """It has all packages and public parts, all that its hospitals know, all masked vectors, and released shares."""

    def __init__(
        self,
        made: Round,
        colluders: Collection[int],
        vectors: Sequence[np.ndarray],
        released: Iterable[Shares],
    ) -> None:
        self.made, self.colluders, self.vectors = made, set(colluders), list(vectors)
        count = len(made.parties)
        self.shares: dict[tuple[Kind, int], dict[int, bytes]] = {
            (kind, dealer): {} for kind in Kind for dealer in range(count)
        }
        for holder in self.colluders:
            for kind, dealer in self.shares:
                self.shares[kind, dealer][holder] = made.joined[holder].held[kind][dealer]
        for given in released:
            holder = made.context.position(given.dataset_id)
            for dealer, (kind, value) in enumerate(zip(given.kinds, given.values, strict=True)):
                self.shares[kind, dealer][holder] = value
        self.secrets = self._secrets()

    def _secrets(self) -> dict[tuple[Kind, int], bytes]:
        """Of colluders, and of whomever there are enough shares; each held against what its owner committed to."""
        found = {}
        for (kind, dealer), shares in self.shares.items():
            if dealer in self.colluders:
                party = self.made.parties[dealer]
                dealt = deal_secrets(self.made.context, party.dataset_id, party.root)
                found[kind, dealer] = dealt.seed if kind == Kind.SEED else dealt.key
                continue
            secret = join(shares, self.made.context.threshold)
            if secret is not None:
                self._confirm(kind, dealer, secret)
                found[kind, dealer] = secret
        return found

    def _confirm(self, kind: Kind, dealer: int, secret: bytes) -> None:
        public = self.made.publics[dealer]
        if kind == Kind.SEED:
            assert seed_hash(self.made.context, dealer, secret) == public.seed_hash
        else:
            assert X25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw() == public.key

    def knows_mask(self, one: int, two: int) -> bool:
        """The self mask of one hospital (twice the same), or the mask of a pair."""
        if one == two:
            return (Kind.SEED, one) in self.secrets
        return (Kind.KEY, one) in self.secrets or (Kind.KEY, two) in self.secrets

    def stripped(self, position: int) -> np.ndarray:
        """A hospital's vector without any mask that this adversary can compute."""
        made, out = self.made, self.vectors[position].copy()
        transcript = made.joined[position].transcript
        for other in range(len(made.parties)):
            if not self.knows_mask(position, other):
                continue
            if other == position:
                secret = self.secrets[Kind.SEED, position]
                WORDS.add_stream(out, self_stream(made.context, transcript, LAYOUT, position, secret), -1)
                continue
            owner, peer = (position, other) if (Kind.KEY, position) in self.secrets else (other, position)
            key = X25519PrivateKey.from_private_bytes(self.secrets[Kind.KEY, owner])
            shared = exchange(key, made.publics[peer].key, made.parties[peer].dataset_id)
            stream = pair_stream(made.context, transcript, LAYOUT, position, other, shared)
            WORDS.add_stream(out, stream, -pair_sign(position, other))
        return out

    def recovers(self, updates: Sequence[np.ndarray]) -> set[int]:
        """Whose update is a sum or difference of vectors it has, with all masks that it knows taken off.

        Every mask stands in at most two vectors, once added and once subtracted, so coefficients beyond -1, 0 and 1
        cancel nothing more; and a known mask that is left in cancels nothing that taking it off does not.
        """
        stripped = [self.stripped(position) for position in range(len(self.vectors))]
        wanted = {position: updates[position].view(np.uint64) for position in range(len(updates))}
        found = set()
        for signs in itertools.product((-1, 0, 1), repeat=len(stripped)):
            combined = np.zeros_like(stripped[0])
            for sign, vector in zip(signs, stripped, strict=True):
                if sign > 0:
                    combined += vector
                elif sign < 0:
                    combined -= vector
            found |= {position for position, update in wanted.items() if np.array_equal(combined, update)}
        return found - self.colluders


def values(masked: Sequence[MaskedVector]) -> list[np.ndarray]:
    return [each.values for each in masked]


def patterns(least_honest: int, most_honest: int):
    """(n, t, colluders, recorded): every threshold, coalition below it, and recorded set by which a sum can be opened.

    How many honest hospitals are recorded is between the two numbers. Up to renaming: colluders are the first ones,
    but for n = 4, where they are every subset.
    """
    for count in (3, 4, 5):
        for threshold in range(count // 2 + 1, count + 1):
            for size in range(min(count - 1, threshold)):
                coalitions = itertools.combinations(range(count), size) if count == 4 else [tuple(range(size))]
                for colluders in coalitions:
                    for gone in range(count - threshold + 1):
                        for dropped in itertools.combinations(range(count), gone):
                            recorded = set(range(count)) - set(dropped)
                            if least_honest <= len(recorded - set(colluders)) <= most_honest:
                                yield count, threshold, set(colluders), recorded


ROUNDS: dict[tuple[int, int], Round] = {}


def round_of(count: int, threshold: int) -> Round:
    if (count, threshold) not in ROUNDS:
        parties = hospitals(count)
        ROUNDS[count, threshold] = Round(context_of(parties, threshold), parties)
    return ROUNDS[count, threshold]


def released_by_honest(made: Round, colluders: set[int], recorded: set[int]) -> list[Shares]:
    """What the rule lets every honest hospital release, at whatever moment it is asked, whatever it is told."""
    honest = set(range(len(made.parties))) - colluders
    out = []
    for closed, size in itertools.product((False, True), range(len(recorded) + 1)):
        # Before the round is closed the chain has fewer records; closed, it has all that count.
        seen = made.ids(sorted(recorded)[:size] if not closed else recorded)
        for each in honest:
            try:
                out.append(release(made.joined[each], seen, closed))
            except ReleaseRefused:
                continue
    return out


class TestNothingButTheSumIsLearned:
    """By coalitions below the threshold, if two honest hospitals are recorded: always, when at most t - 2 collude."""

    def test_at_most_t_minus_2_colluders_leave_two_honest_hospitals_in_every_sum(self):
        seen = list(patterns(0, 5))
        assert any(len(colluders) == threshold - 2 > 0 for _, threshold, colluders, _ in seen)
        for _, threshold, colluders, recorded in seen:
            if len(colluders) <= threshold - 2:
                assert len(recorded - colluders) >= 2

    def test_the_adversary_recovers_no_honest_update_in_any_pattern(self):
        tried = 0
        for count, threshold, colluders, recorded in patterns(2, 5):
            made, updates = round_of(count, threshold), vectors_of(count)
            # Late vectors too: all masked vectors are in its hands, recorded or not.
            released = released_by_honest(made, colluders, recorded)
            adversary = Adversary(made, colluders, values(made.masked(updates)), released)
            assert adversary.recovers(updates) == set(), (count, threshold, colluders, recorded)
            tried += 1
        assert tried > 100

    def test_it_does_learn_the_sum_of_the_honest_recorded(self):
        """So the search is not blind: it finds what it is allowed to find."""
        made, updates = round_of(4, 3), vectors_of(4)
        released = released_by_honest(made, {3}, {0, 1, 3})
        adversary = Adversary(made, {3}, values(made.masked(updates)), released)
        total = sum(adversary.stripped(each) for each in (0, 1))
        assert np.array_equal(total, (updates[0] + updates[1]).view(np.uint64))

    def test_inputs_with_equal_sum_give_the_same_view_under_as_many_masks(self):
        """The simulator. For every pattern, pair of honest recorded hospitals and change d of their updates that
        leaves the sum, the change of the pair's mask by -d gives the very same view. The adversary cannot compute
        that mask, so it is uniform to it, and so is the changed one: both inputs give views of one distribution. For
        an honest hospital that is not recorded, its self mask takes the change, and its update may be any.
        """
        drawn = np.random.default_rng(5)
        for count, threshold, colluders, recorded in patterns(2, 5):
            made, updates = round_of(count, threshold), vectors_of(count)
            streams = masks_of(made)
            released = released_by_honest(made, colluders, recorded)
            seen = masked_with(updates, streams)
            adversary = Adversary(made, colluders, seen, released)
            honest = set(range(count)) - colluders
            for one, two in itertools.combinations(sorted(honest & recorded), 2):
                assert not adversary.knows_mask(one, two)
                for secret in ((Kind.KEY, one), (Kind.KEY, two)):
                    assert len(adversary.shares[secret]) < threshold
                change = drawn.integers(-(2**63), 2**63 - 1, len(updates[0]), dtype=np.int64)
                other = list(updates)
                other[one], other[two] = updates[one] + change, updates[two] - change
                moved = {**streams, (one, two): streams[one, two] - change.view(np.uint64)}
                assert_same(masked_with(other, moved), seen)
            for late in honest - recorded:
                assert not adversary.knows_mask(late, late)
                assert len(adversary.shares[Kind.SEED, late]) < threshold
                other, change = list(updates), drawn.integers(-(2**63), 2**63 - 1, len(updates[0]), dtype=np.int64)
                other[late] = updates[late] + change
                moved = {**streams, (late, late): streams[late, late] - change.view(np.uint64)}
                assert_same(masked_with(other, moved), seen)

    def test_masked_vectors_by_explicit_masks_are_those_of_the_protocol(self):
        made, updates = round_of(5, 4), vectors_of(5)
        assert_same(masked_with(updates, masks_of(made)), values(made.masked(updates)))


def masks_of(made: Round) -> dict[tuple[int, int], np.ndarray]:
    """Every mask of a round by its pair in order; a self mask by its hospital, twice."""
    out = {}
    for one, joined in enumerate(made.joined):
        for two in range(one, len(made.joined)):
            if one == two:
                key = self_stream(made.context, joined.transcript, LAYOUT, one, joined.seed)
            else:
                key = pair_stream(made.context, joined.transcript, LAYOUT, one, two, joined.pair_secrets[two])
            out[one, two] = np.zeros(4, np.uint64)
            WORDS.add_stream(out[one, two], key, 1)
    return out


def masked_with(updates: Sequence[np.ndarray], masks: Mapping[tuple[int, int], np.ndarray]) -> list[np.ndarray]:
    out = [update.view(np.uint64).copy() for update in updates]
    for (one, two), stream in masks.items():
        out[one] += stream
        if one != two:
            out[two] -= stream
    return out


def assert_same(one: Sequence[np.ndarray], two: Sequence[np.ndarray]) -> None:
    assert all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))


def believing(made: Round, holder: int, said_recorded: Collection[int]) -> Shares:
    """What a hospital without our rule releases: it takes the coordinator's word for who is recorded."""
    kinds = tuple(Kind.SEED if each in said_recorded else Kind.KEY for each in range(len(made.parties)))
    held = made.joined[holder].held
    return Shares(made.parties[holder].dataset_id, kinds, tuple(held[kind][i] for i, kind in enumerate(kinds)))


class TestLateVector:
    """Hospital 0's vector arrives, and the coordinator says that it did not. No hospital colludes."""

    def test_under_single_masks_the_coordinator_reads_it(self):
        made, updates = round_of(4, 3), vectors_of(4)
        masks = {pair: stream for pair, stream in masks_of(made).items() if pair[0] != pair[1]}
        released = [believing(made, each, {1, 2, 3}) for each in (1, 2, 3)]
        assert Adversary(made, (), masked_with(updates, masks), released).recovers(updates) == {0}

    def test_under_double_masks_it_stays_covered_by_its_self_mask(self):
        made, updates = round_of(4, 3), vectors_of(4)
        released = [believing(made, each, {1, 2, 3}) for each in (1, 2, 3)]
        assert Adversary(made, (), values(made.masked(updates)), released).recovers(updates) == set()

    def test_by_our_rule_the_lie_changes_nothing_that_is_released(self):
        """It is recorded, so its mask key is not released; were it not, its seed would not be."""
        made = round_of(4, 3)
        for recorded in ({0, 1, 2, 3}, {1, 2, 3}):
            kinds = {given.kinds[0] for given in released_by_honest(made, set(), recorded)}
            assert kinds == ({Kind.SEED} if 0 in recorded else {Kind.KEY})


class TestSplitViews:
    """Hospital 4 colludes. The coordinator tells 0 and 1 that 0 is in the sum, and 2 and 3 that it dropped out."""

    def released(self, made):
        told_all, told_without = {0, 1, 2, 3, 4}, {1, 2, 3, 4}
        return [
            *(believing(made, each, told_all) for each in (0, 1)),
            *(believing(made, each, told_without) for each in (2, 3)),
        ]

    def test_without_the_chain_the_coordinator_reads_hospital_0_though_masks_are_double(self):
        made, updates = round_of(5, 3), vectors_of(5)
        adversary = Adversary(made, {4}, values(made.masked(updates)), self.released(made))
        assert adversary.recovers(updates) == {0}

    @pytest.mark.parametrize("recorded", [{0, 1, 2, 3, 4}, {1, 2, 3, 4}])
    def test_by_the_chains_one_set_it_does_not(self, recorded):
        made, updates = round_of(5, 3), vectors_of(5)
        released = released_by_honest(made, {4}, recorded)
        assert Adversary(made, {4}, values(made.masked(updates)), released).recovers(updates) == set()

    def test_with_a_threshold_of_all_but_one_no_split_works_even_without_the_chain(self):
        """Two disjoint sets of honest hospitals would need t - c each, and there are n - c: t > (n + c) / 2 is safe."""
        made, updates = round_of(5, 4), vectors_of(5)
        masked = values(made.masked(updates))
        told_all, told_without = {0, 1, 2, 3, 4}, {1, 2, 3, 4}
        for told in itertools.product((told_all, told_without), repeat=4):
            released = [believing(made, each, told[each]) for each in range(4)]
            adversary = Adversary(made, {4}, masked, released)
            assert not ((Kind.SEED, 0) in adversary.secrets and (Kind.KEY, 0) in adversary.secrets)
            assert adversary.recovers(updates) == set()


class TestTwoVectorsUnderOneMask:
    def test_two_vectors_of_one_round_differ_by_what_was_to_be_hidden(self):
        made = round_of(3, 3)
        one, two = vectors_of(2)
        difference = mask(made.joined[0], LAYOUT, one).values - mask(made.joined[0], LAYOUT, two).values
        assert np.array_equal(difference, (one - two).view(np.uint64))

    def test_only_one_of_them_is_what_the_hospital_recorded(self):
        made, updates = round_of(3, 3), vectors_of(3)
        masked = made.masked(updates)
        hashes = {each.dataset_id: each.recorded_hash(made.context) for each in masked}
        second = mask(made.joined[0], LAYOUT, updates[1])
        assert second.recorded_hash(made.context) != hashes[second.dataset_id]
        of = {each.dataset_id: each for each in masked} | {second.dataset_id: second}
        with pytest.raises(VectorRejected):
            open_sum(made.context, made.publics, hashes, of, made.shares({0, 1, 2}))


class TestLimits:
    """What is not hidden, shown so that nobody relies on it; docs/secure_aggregation.md lists these."""

    def test_with_more_than_t_minus_2_colluders_the_sum_itself_can_be_one_hospitals_update(self):
        tried = 0
        for count, threshold, colluders, recorded in patterns(1, 1):
            made, updates = round_of(count, threshold), vectors_of(count)
            released = released_by_honest(made, colluders, recorded)
            adversary = Adversary(made, colluders, values(made.masked(updates)), released)
            assert len(colluders) > threshold - 2
            assert adversary.recovers(updates) == recorded - colluders
            tried += 1
        assert tried > 5

    def test_a_coalition_of_the_threshold_reads_everybody(self):
        made, updates = round_of(5, 3), vectors_of(5)
        released = released_by_honest(made, {0, 1, 2}, {0, 1, 2, 3, 4})
        adversary = Adversary(made, {0, 1, 2}, values(made.masked(updates)), released)
        assert adversary.recovers(updates) == {3, 4}

    def test_two_rounds_over_equal_updates_with_different_recorded_sets_are_differenced(self):
        parties, updates = hospitals(4), vectors_of(4)
        context = context_of(parties)
        first, second = Round(context, parties), Round(replace(context, n=3), parties)
        all_four = first.open(first.masked(updates), {0, 1, 2, 3}).total
        without = second.open(second.masked(updates), {1, 2, 3}).total
        assert np.array_equal(all_four - without, updates[0])

    def test_a_threshold_of_all_leaves_nothing_to_difference(self):
        parties = hospitals(4)
        made = Round(context_of(parties, 4), parties)
        for recorded in itertools.combinations(range(4), 3):
            with pytest.raises(ReleaseRefused):
                release(made.joined[recorded[0]], made.ids(recorded), closed=True)

    def test_who_has_a_hospitals_static_key_opens_the_packages_that_it_dealt(self):
        """Packages have no forward secrecy: both static keys are long-lived. Keep them, and rotate them."""
        made, updates = round_of(4, 3), vectors_of(4)
        victim = made.parties[0]
        public = made.publics[0]
        shares: dict[Kind, dict[int, bytes]] = {kind: {} for kind in Kind}
        for holder in (1, 2, 3):
            package = made.dealt[victim.dataset_id][made.parties[holder].dataset_id]
            shared = shared_secret(victim.key, made.parties[holder].public_key, holder)
            bound = public.digest(made.context, 0)
            key = made.context.derive(shared, b"package", 0, holder, tail=bound)
            plain = AESGCM(key).decrypt(bytes(12), package[-80:], made.context.info(b"package", 0, holder, tail=bound))
            shares[Kind.SEED][holder], shares[Kind.KEY][holder] = plain[:32], plain[32:]
        adversary = Adversary(made, (), values(made.masked(updates)), ())
        for kind in Kind:
            adversary.secrets[kind, 0] = join(shares[kind], 3) or b""
        assert adversary.recovers(updates) == {0}
