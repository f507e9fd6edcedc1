"""BFV encryption whose randomness is a 64-byte seed, so that who discloses the seed shows what it encrypted.

SEAL itself does it: its Encryptor draws the ternary u and both errors from the generator that the encryption parameters
name, here BLAKE2Xb keyed with the seed (the same generator SEAL uses by default, there with a seed from the system).
Everything else (context, public key, encoding) is as in ``bfv``; what comes out is a TenSEAL BFVVector. Ciphertexts are
compared in canonical form, since SEAL packs them with a compressor that other builds may have in another version.

A seed is for one ciphertext. Two under one seed and key differ by the difference of their messages, in the clear.
"""

import secrets
import tempfile
from pathlib import Path
from typing import Any

import tenseal.sealapi as seal

from belmont.federated.errors import QueryError

SEED_BYTES = 64


def new_seed() -> bytes:
    """Fresh encryption randomness."""
    return secrets.token_bytes(SEED_BYTES)


def encrypt_seeded(context: Any, cells: list[int], seed: bytes) -> bytes:
    """The ciphertext of cells below the plaintext modulus, the same for equal arguments. ``context`` is TenSEAL's."""
    if len(seed) != SEED_BYTES:
        raise QueryError(f"encryption randomness is {SEED_BYTES} bytes")
    given = context.seal_context().data.key_context_data().parms()
    parameters = seal.EncryptionParameters(seal.SCHEME_TYPE.BFV)
    parameters.set_poly_modulus_degree(given.poly_modulus_degree())
    parameters.set_coeff_modulus([seal.Modulus(each.value()) for each in given.coeff_modulus()])
    parameters.set_plain_modulus(seal.Modulus(given.plain_modulus().value()))
    words = [int.from_bytes(seed[at : at + 8], "little") for at in range(0, SEED_BYTES, 8)]
    parameters.set_random_generator(seal.Blake2xbPRNGFactory(words))
    own = seal.SEALContext(parameters, True, seal.SEC_LEVEL_TYPE.TC128)
    encoder, plain, ciphertext = seal.BatchEncoder(own), seal.Plaintext(), seal.Ciphertext()
    if len(cells) > encoder.slot_count():
        raise QueryError(f"a ciphertext holds at most {encoder.slot_count()} cells")
    encoder.encode(cells + [0] * (encoder.slot_count() - len(cells)), plain)
    # The two libraries share no objects, so public key and ciphertext go through files; neither is a secret.
    with tempfile.TemporaryDirectory(prefix="belmont-bfv-") as folder:
        key_file, out_file = Path(folder) / "key", Path(folder) / "ciphertext"
        context.public_key().data.save(str(key_file))
        key = seal.PublicKey()
        key.load(own, str(key_file))
        seal.Encryptor(own, key).encrypt(plain, ciphertext)
        ciphertext.save(str(out_file))
        packed = out_file.read_bytes()
    return _field(1, _varint(len(cells))) + _field(2, packed)


def _field(number: int, data: bytes) -> bytes:
    """A length-delimited field of TenSEAL's protocol buffer BFVVectorProto: 1 sizes, 2 ciphertexts."""
    return bytes([number << 3 | 2]) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    out = b""
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])
