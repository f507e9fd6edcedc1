"""Encryption: exact totals, refused contexts and ciphertexts, and the wrap that the library does not notice."""

import subprocess
import sys

import pytest
import tenseal
from flint import fmpz

from belmont.federated.errors import QueryError
from belmont.federated.query.bfv import (
    LARGEST_TOTAL,
    MAX_CONTEXT_BYTES,
    PLAINTEXT_MODULUS,
    RING_DIMENSION,
    ResearcherKey,
    add,
    encrypt,
    open_public_context,
    refuse_wrap,
)
from belmont.federated.query.coordinator import add_answers


@pytest.fixture(scope="module")
def key():
    return ResearcherKey()


def serialized(context, **what):
    flags = {"save_public_key": True, "save_secret_key": False, "save_galois_keys": False, "save_relin_keys": False}
    return context.serialize(**(flags | what))


def test_the_modulus_is_the_largest_50_bit_prime_that_allows_batching():
    candidate = (1 << 50) // (2 * RING_DIMENSION) * (2 * RING_DIMENSION) + 1
    while candidate >= 1 << 50 or not fmpz(candidate).is_prime():
        candidate -= 2 * RING_DIMENSION
    assert candidate == PLAINTEXT_MODULUS


def test_totals_of_full_vectors_are_exact(key):
    context = open_public_context(key.public_context)
    vectors = [[(i * 7_919 * (h + 1)) % PLAINTEXT_MODULUS for i in range(8_192)] for h in range(4)]
    ciphertexts = [encrypt(context, vector) for vector in vectors]
    total = add_answers(key.public_context, ciphertexts, 8_192)
    assert key.decrypt(total, 8_192) == [sum(column) % PLAINTEXT_MODULUS for column in zip(*vectors, strict=True)]


def test_encryption_is_randomised(key):
    context = open_public_context(key.public_context)
    assert encrypt(context, [1, 2]) != encrypt(context, [1, 2])


def test_tenseal_wraps_without_a_word_and_this_module_refuses():
    small = tenseal.context(tenseal.SCHEME_TYPE.BFV, 4_096, plain_modulus=1_032_193)
    vector = tenseal.bfv_vector(small, [600_000]) + tenseal.bfv_vector(small, [600_000])
    assert vector.decrypt() != [1_200_000]
    refuse_wrap(LARGEST_TOTAL - 1)
    for too_large in (LARGEST_TOTAL, PLAINTEXT_MODULUS, 2**64):
        with pytest.raises(QueryError, match="could reach"):
            refuse_wrap(too_large)


def test_the_public_context_has_no_secret_key(key):
    context = open_public_context(key.public_context)
    assert not context.has_secret_key()
    with pytest.raises(ValueError):
        tenseal.bfv_vector(context, [1]).decrypt()


def test_contexts_that_are_not_as_they_have_to_be_are_refused(key):
    other = tenseal.context(tenseal.SCHEME_TYPE.BFV, RING_DIMENSION, plain_modulus=PLAINTEXT_MODULUS)
    smaller = tenseal.context(tenseal.SCHEME_TYPE.BFV, 4_096, plain_modulus=1_032_193)
    modulus = tenseal.context(tenseal.SCHEME_TYPE.BFV, RING_DIMENSION, plain_modulus=1_032_193)
    coefficients = tenseal.context(
        tenseal.SCHEME_TYPE.BFV, RING_DIMENSION, plain_modulus=PLAINTEXT_MODULUS, coeff_mod_bit_sizes=[60, 60, 60]
    )
    ckks = tenseal.context(tenseal.SCHEME_TYPE.CKKS, RING_DIMENSION, coeff_mod_bit_sizes=[60, 40, 60])
    bad = {
        "secret": serialized(other, save_secret_key=True),
        "only secret": serialized(other, save_public_key=False, save_secret_key=True),
        "no public key": serialized(other, save_public_key=False),
        "relinearisation": serialized(other, save_public_key=False, save_relin_keys=True),
        "ring": serialized(smaller),
        "modulus": serialized(modulus),
        "coefficients": serialized(coefficients),
        "scheme": serialized(ckks),
        "empty": b"",
        "noise": b"\x0a" * 1_000,
        "cut": key.public_context[:-100],
        "large": key.public_context + bytes(MAX_CONTEXT_BYTES),
    }
    for name, data in bad.items():
        with pytest.raises(QueryError):
            open_public_context(data)
            pytest.fail(name)


def test_malformed_ciphertexts_are_refused_and_named(key):
    context = open_public_context(key.public_context)
    good = encrypt(context, [1, 2, 3])
    small = tenseal.context(tenseal.SCHEME_TYPE.BFV, 4_096, plain_modulus=1_032_193)
    for bad in (
        b"",
        b"noise" * 100,
        good[:-50],
        good + bytes(500_000),
        encrypt(context, [1, 2]),
        bytes(tenseal.bfv_vector(small, [1, 2, 3]).serialize()),
    ):
        with pytest.raises(QueryError, match="answer 1"):
            add(context, [good, bad], 3)
    with pytest.raises(QueryError, match="nothing"):
        add(context, [], 3)


BOMBS = """
import resource, struct, sys, zlib
from belmont.federated.errors import QueryError
from belmont.federated.query.bfv import ResearcherKey, encrypt, open_public_context

def field(number, data):
    size, length = len(data), b""
    while size > 127:
        length, size = length + bytes([size & 127 | 128]), size >> 7
    return bytes([number << 3 | 2]) + length + bytes([size]) + data

def seal(mode, body):
    return struct.pack("<HBBBBHQ", 0xA15E, 16, 4, 3, mode, 0, 16 + len(body)) + body

def zstd(start, megabytes):
    block = lambda kind, size, last: (size << 3 | kind << 1 | last).to_bytes(3, "little")
    zeros = b"".join(block(1, 1 << 17, i == megabytes * 8 - 1) + bytes(1) for i in range(megabytes * 8))
    return bytes.fromhex("28b52ffd0038") + block(0, len(start), 0) + start + zeros

public = ResearcherKey().public_context
context = open_public_context(public)
encrypt(context, [1])
parameters, n = public[: 2 + public[1]], 2 * 5 * 8192
key = struct.pack("<4QBQQQdQ", *context.seal_context().data.key_parms_id(), 1, 2, 8192, 5, 1.0, 1)
whole = key + seal(0, struct.pack("<Q", n) + bytes(8 * n))[: 16 + 8]

def deflated(start):
    packer = zlib.compressobj()
    return packer.compress(start) + b"".join(packer.compress(bytes(1 << 20)) for _ in range(300)) + packer.flush()

before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for bomb in (
    field(1, seal(1, deflated(b""))),
    field(1, seal(2, zstd(b"", 4000))),
    parameters + field(2, field(1, seal(1, deflated(b"")))),
    parameters + field(2, field(1, seal(1, deflated(whole)))),
    parameters + field(2, field(1, seal(2, zstd(whole, 4000)))),
    parameters + field(2, field(1, seal(2, zstd(key + seal(2, zstd(b"", 4000))[:60_000], 4000)))),
):
    try:
        assert len(bomb) < 700_000
        open_public_context(bomb)
    except QueryError:
        pass
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def test_a_small_context_that_inflates_to_gigabytes_takes_no_memory():
    """SEAL reads compressed streams piece by piece, and no further than the sizes of its own parameters."""
    done = subprocess.run([sys.executable, "-c", BOMBS], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 64, "megabytes"
