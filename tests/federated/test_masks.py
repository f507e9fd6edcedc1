"""What masks hide: shown against the same attack on answers without them."""

from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from belmont.federated.errors import QueryError
from belmont.federated.query.bfv import PLAINTEXT_MODULUS as T
from belmont.federated.query.masks import MaskContext, expand, mask, pair_seed

KEYS = [X25519PrivateKey.generate() for _ in range(5)]
PUBLIC = [key.public_key().public_bytes_raw() for key in KEYS]
CONTEXT = MaskContext("consortium", 3, 2, b"\4" * 32, tuple(bytes([i]) * 32 for i in range(5)))


def masks_of(context=CONTEXT, cells=6):
    return [mask(context, i, key, PUBLIC, cells, T) for i, key in enumerate(KEYS)]


def masked(answers, context=CONTEXT):
    return [
        [(a + b) % T for a, b in zip(answer, own, strict=True)]
        for answer, own in zip(answers, masks_of(context, len(answers[0])), strict=True)
    ]


def test_masks_of_all_participants_add_up_to_zero():
    assert [sum(column) % T for column in zip(*masks_of(), strict=True)] == [0] * 6


@pytest.mark.parametrize(
    "change",
    [
        {"consortium": "consortium2"},
        {"permit_id": 4},
        {"n": 3},
        {"query_hash": b"\5" * 32},
        {"participants": CONTEXT.participants[:3] + CONTEXT.participants[:2:-1]},
        {"participants": (b"\x0f" * 32, *CONTEXT.participants[1:])},
    ],
)
def test_any_change_of_what_masks_are_bound_to_gives_unrelated_masks(change):
    assert all(a != b for a, b in zip(masks_of(), masks_of(replace(CONTEXT, **change)), strict=True))


def test_fields_cannot_be_shifted_into_one_another():
    one = replace(CONTEXT, consortium="ab", participants=CONTEXT.participants)
    two = replace(CONTEXT, consortium="a", participants=CONTEXT.participants)
    assert one.info(0, 1) != two.info(0, 1)
    assert CONTEXT.info(0, 1) != CONTEXT.info(0, 2) != CONTEXT.info(1, 2)


class TestCoordinatorWithEverythingButTwoHospitals:
    """It has every message, the decryption key's total, and the private keys of hospitals 2, 3 and 4."""

    ANSWERS = ([120, 4_000], [77, 2_500], [300, 9_000], [250, 8_100], [90, 3_000])

    def strip_known_pairs(self, messages):
        """Take from hospital 0's and 1's messages every mask that can be computed with the stolen keys."""
        out = []
        for honest in (0, 1):
            cells = list(messages[honest])
            for corrupt in (2, 3, 4):
                seed = pair_seed(CONTEXT, corrupt, honest, KEYS[corrupt], PUBLIC[honest])
                cells = [(c - m) % T for c, m in zip(cells, expand(seed, len(cells), T), strict=True)]
            out.append(cells)
        return out

    def test_with_masks_of_the_corrupt_pairs_only_it_reads_both_answers(self):
        """The same attack breaks a protocol in which the two honest hospitals share no mask."""
        weak = [list(answer) for answer in self.ANSWERS]
        for honest in (0, 1):
            for corrupt in (2, 3, 4):
                seed = pair_seed(CONTEXT, honest, corrupt, KEYS[honest], PUBLIC[corrupt])
                weak[honest] = [(c + m) % T for c, m in zip(weak[honest], expand(seed, 2, T), strict=True)]
        assert self.strip_known_pairs(weak) == [self.ANSWERS[0], self.ANSWERS[1]]

    @settings(max_examples=50)
    @given(st.lists(st.integers(0, T - 1), min_size=2, max_size=2))
    def test_the_two_answers_stay_undetermined(self, guess):
        """For every first answer there is a second one, with the right total, and a mask that explains all it saw."""
        seen = self.strip_known_pairs(masked(self.ANSWERS))
        total = [(a + b) % T for a, b in zip(*self.ANSWERS[:2], strict=True)]
        assert [(a + b) % T for a, b in zip(*seen, strict=True)] == total
        other = [(t - g) % T for t, g in zip(total, guess, strict=True)]
        shared_mask = [(s - g) % T for s, g in zip(seen[0], guess, strict=True)]
        assert [(g + m) % T for g, m in zip(guess, shared_mask, strict=True)] == seen[0]
        assert [(o - m) % T for o, m in zip(other, shared_mask, strict=True)] == seen[1]

    def test_what_it_sees_is_neither_answer(self):
        seen = self.strip_known_pairs(masked(self.ANSWERS))
        assert seen[0] != self.ANSWERS[0] and seen[1] != self.ANSWERS[1]


def test_a_key_that_is_not_the_one_on_chain_is_refused():
    with pytest.raises(QueryError, match="not the one on chain"):
        mask(CONTEXT, 0, X25519PrivateKey.generate(), PUBLIC, 4, T)


@pytest.mark.parametrize("bad", [bytes(32), (1).to_bytes(32, "little"), PUBLIC[1]], ids=["zero", "one", "a peer's"])
def test_a_participants_useless_or_repeated_key_is_refused(bad):
    keys = [*PUBLIC[:4], bad]
    with pytest.raises(QueryError):
        mask(CONTEXT, 0, KEYS[0], keys, 4, T)


def test_expanded_masks_are_spread_over_the_whole_range():
    cells = expand(b"\1" * 32, 4_096, T)
    assert len(set(cells)) == 4_096
    assert all(0 <= cell < T for cell in cells)
    assert abs(sum(cells) / 4_096 / T - 0.5) < 0.03
