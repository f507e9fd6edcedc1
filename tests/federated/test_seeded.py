"""Encryption under a given seed: the same bytes again, a ciphertext like any other, another for another seed."""

import subprocess
import sys

import pytest

from belmont.federated.errors import QueryError
from belmont.federated.query.bfv import PLAINTEXT_MODULUS as T
from belmont.federated.query.bfv import ResearcherKey, add, canonical, encrypt, open_public_context
from belmont.federated.query.seeded import SEED_BYTES, new_seed

SEED = bytes(range(SEED_BYTES))


@pytest.fixture(scope="module")
def key():
    return ResearcherKey()


@pytest.fixture(scope="module")
def context(key):
    return open_public_context(key.public_context)


def test_equal_seeds_give_equal_ciphertexts_and_others_give_others(key, context):
    cells = [0, 1, T - 1, 12_345]
    assert encrypt(context, cells, SEED) == encrypt(context, cells, SEED)
    assert encrypt(context, cells, SEED) == encrypt(open_public_context(key.public_context), cells, SEED)
    assert encrypt(context, cells, SEED) != encrypt(context, [*cells[:3], 12_346], SEED)
    assert encrypt(context, cells, SEED) != encrypt(open_public_context(ResearcherKey().public_context), cells, SEED)
    for place in (0, 7, 8, 63):
        changed = bytearray(SEED)
        changed[place] ^= 1
        assert encrypt(context, cells, bytes(changed)) != encrypt(context, cells, SEED), "every byte of it counts"


def test_it_decrypts_and_adds_like_any_other_ciphertext(key, context):
    vectors = [[(i * 7_919 * (h + 1)) % T for i in range(8_192)] for h in range(3)]
    total = add(context, [encrypt(context, vector, new_seed()) for vector in vectors], 8_192)
    assert key.decrypt(total, 8_192) == [sum(column) % T for column in zip(*vectors, strict=True)]
    assert key.decrypt(encrypt(context, [T - 1], SEED), 1) == [T - 1]


def test_another_process_gives_the_same_ciphertext(key, context, tmp_path):
    (tmp_path / "context").write_bytes(key.public_context)
    script = (
        "import sys; from pathlib import Path; from belmont.federated.query.bfv import *\n"
        "context = open_public_context(Path(sys.argv[1]).read_bytes())\n"
        f"sys.stdout.buffer.write(encrypt(context, [5, 6], {SEED!r}))"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "context")]
    assert subprocess.run(command, capture_output=True, check=True).stdout == encrypt(context, [5, 6], SEED)


def test_ciphertexts_are_compared_in_one_form(context):
    ciphertext = encrypt(context, [5, 6], SEED)
    again = canonical(context, ciphertext, 2)
    assert canonical(context, again, 2) == again
    with pytest.raises(QueryError):
        canonical(context, ciphertext, 3)


@pytest.mark.parametrize("seed", [b"", bytes(SEED_BYTES - 1), bytes(SEED_BYTES + 1)])
def test_a_seed_of_another_length_is_refused(context, seed):
    with pytest.raises(QueryError, match="64 bytes"):
        encrypt(context, [1], seed)


@pytest.mark.parametrize("cells", [[], [-1], [T], [1] * 8_193])
def test_cells_that_do_not_fit_are_refused(context, cells):
    with pytest.raises(QueryError):
        encrypt(context, cells)
