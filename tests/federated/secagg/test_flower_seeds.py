"""Why Flower's SecAgg+ is not used: its masks grow from 32 bits of a 32-byte seed. On Flower's own functions.

``pseudo_rand_gen`` folds the seed to 32 bits by XOR and seeds a Mersenne Twister. These tests search a window of 2^12
seeds in which the true one is known to be; the whole search is 2^32 seeds, 2^20 times as many. A candidate took 0.35 ms
through Flower's function here, 11 microseconds with one numpy generator that is seeded again: 14 hours for all of them
on one core, and any number of cores can share them.
"""

import hashlib
import secrets

import numpy as np
import pytest

from belmont.federated.secagg.groups import WORDS

utils = pytest.importorskip("flwr.common.secure_aggregation.secaggplus_utils")

MOD_RANGE, TARGET_RANGE = 1 << 32, 1 << 22
"""Defaults of Flower's SecAggPlusWorkflow."""
WINDOW = 1 << 12


def folded(seed: bytes) -> int:
    return int(np.bitwise_xor.reduce(np.frombuffer(seed, dtype="<u4")))


def test_flowers_masks_of_two_seeds_that_fold_alike_are_the_same():
    seed = secrets.token_bytes(32)
    other = seed[4:] + seed[:4]
    assert other != seed
    one, two = (utils.pseudo_rand_gen(each, MOD_RANGE, [(50,)])[0] for each in (seed, other))
    assert np.array_equal(one, two)


def test_an_update_under_one_flower_mask_is_read_by_counting_through_32_bits():
    """A quantized update is below 2^22 and the modulus is 2^32: a wrong seed leaves eight such numbers once in 2^80."""
    seed = secrets.token_bytes(32)
    update = np.random.default_rng(3).integers(0, TARGET_RANGE, 8)
    masked = (update + utils.pseudo_rand_gen(seed, MOD_RANGE, [(8,)])[0]) % MOD_RANGE
    start = folded(seed) // WINDOW * WINDOW
    found = []
    for candidate in range(start, start + WINDOW):
        stand_in = candidate.to_bytes(4, "little")
        guess = (masked - utils.pseudo_rand_gen(stand_in, MOD_RANGE, [(8,)])[0]) % MOD_RANGE
        if np.all(guess < TARGET_RANGE):
            found.append(guess)
    assert len(found) == 1 and np.array_equal(found[0], update)


def test_our_masks_of_seeds_that_fold_alike_are_unrelated():
    seed = hashlib.sha256(b"a seed").digest()
    streams = []
    for each in (seed, seed[4:] + seed[:4]):
        stream = np.zeros(64, np.uint64)
        WORDS.add_stream(stream, each, 1)
        streams.append(stream)
    assert not np.any(streams[0] == streams[1])


def test_the_same_search_finds_nothing_in_our_masks():
    """The window has the 32 bits to which the seed folds; 224 more would have to be guessed."""
    seed = secrets.token_bytes(32)
    update = np.random.default_rng(3).integers(0, TARGET_RANGE, 8)
    masked = update.astype(np.uint64)
    WORDS.add_stream(masked, seed, 1)
    start = folded(seed) // WINDOW * WINDOW
    for candidate in range(start, start + WINDOW):
        guess = masked.copy()
        WORDS.add_stream(guess, candidate.to_bytes(4, "little") + bytes(28), -1)
        assert not np.all(guess < TARGET_RANGE)


def test_our_masks_are_spread_over_the_whole_range():
    stream = np.zeros(1 << 16, np.uint64)
    WORDS.add_stream(stream, bytes(32), 1)
    assert len(np.unique(stream)) == len(stream)
    ones = np.unpackbits(stream.view(np.uint8)).mean()
    assert abs(ones - 0.5) < 5 * 0.5 / np.sqrt(64 * len(stream))
