import copy
import io
import json
import pickle
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from eth_account import Account
from eth_account.messages import encode_defunct

from belmont.identity.errors import DidMalformed, IdentityError, KeyFileMalformed, KeyFileUnsafe, PasswordRefused
from belmont.identity.keys import Identity

FAST = 2**12
PASSWORD = "korrekt hörse"


def secrets_of(identity: Identity) -> tuple[bytes, bytes]:
    return bytes(identity.account.key), identity.mask_private_key.private_bytes_raw()


@pytest.fixture(scope="module")
def identity() -> Identity:
    return Identity.create()


@pytest.fixture(scope="module")
def encrypted(identity: Identity, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("keys") / "encrypted"
    identity.save(path, PASSWORD, scrypt_n=FAST)
    return path.read_bytes()


@pytest.fixture
def write(tmp_path: Path) -> Callable[[bytes], Path]:
    def write_private(content: bytes) -> Path:
        path = tmp_path / "key"
        path.touch(mode=0o600)
        path.write_bytes(content)
        return path

    return write_private


def test_created_identities_are_independent() -> None:
    first, second = Identity.create(), Identity.create()
    assert len({*secrets_of(first), *secrets_of(second)}) == 4


def test_account_signs_and_mask_key_agrees(identity: Identity) -> None:
    signed = identity.account.sign_message(encode_defunct(text="round 1"))
    assert Account.recover_message(encode_defunct(text="round 1"), signature=signed.signature) == identity.address
    other = Identity.create()
    ours = identity.mask_private_key.exchange(X25519PublicKey.from_public_bytes(other.mask_public_key))
    theirs = other.mask_private_key.exchange(X25519PublicKey.from_public_bytes(identity.mask_public_key))
    assert ours == theirs


def test_did_names_the_chain_and_the_account() -> None:
    identity = Identity.create(chain_id=5)
    assert identity.did == f"did:ethr:0x5:{identity.address.lower()}"
    assert Identity.create().did.startswith("did:ethr:0x539:0x")
    with pytest.raises(DidMalformed):
        Identity.create(chain_id=0)


def test_nothing_printed_shows_a_secret(identity: Identity) -> None:
    shown = f"{identity} {identity!r} {identity.account} {identity.mask_private_key}"
    assert not any(secret.hex() in shown or repr(secret) in shown for secret in secrets_of(identity))
    assert identity.did in repr(identity)


@pytest.mark.parametrize("duplicate", [pickle.dumps, copy.copy, copy.deepcopy])
def test_an_identity_is_neither_pickled_nor_copied(identity: Identity, duplicate: Callable[[object], object]) -> None:
    with pytest.raises(TypeError, match="save"):
        duplicate(identity)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_no_pickle_protocol_gets_around_that(identity: Identity, protocol: int) -> None:
    stream = io.BytesIO()
    with pytest.raises(TypeError):
        pickle.dump([identity], stream, protocol)
    assert not any(secret in stream.getvalue() for secret in secrets_of(identity))


def test_a_plain_file_is_private_and_reads_back(tmp_path: Path) -> None:
    identity = Identity.create(chain_id=77)
    identity.save(tmp_path / "key")
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600
    loaded = Identity.load(tmp_path / "key")
    assert secrets_of(loaded) == secrets_of(identity)
    assert (loaded.did, loaded.mask_public_key) == (identity.did, identity.mask_public_key)


def test_a_plain_file_that_others_may_read_is_refused(identity: Identity, tmp_path: Path) -> None:
    identity.save(tmp_path / "key")
    (tmp_path / "key").chmod(0o640)
    with pytest.raises(KeyFileUnsafe):
        Identity.load(tmp_path / "key")


def test_an_encrypted_file_reads_back_and_holds_no_secret(
    identity: Identity, encrypted: bytes, write: Callable[[bytes], Path]
) -> None:
    assert not any(secret.hex().encode() in encrypted for secret in secrets_of(identity))
    path = write(encrypted)
    path.chmod(0o644)
    assert secrets_of(Identity.load(path, PASSWORD)) == secrets_of(identity)


def test_the_account_of_an_encrypted_file_is_an_ordinary_keystore(identity: Identity, encrypted: bytes) -> None:
    keystore = json.loads(encrypted)["account"]
    assert keystore["version"] == 3
    assert bytes(Account.decrypt(keystore, PASSWORD)) == bytes(identity.account.key)


@pytest.mark.parametrize("password", [None, "", "wrong", PASSWORD + " ", "\ud800"])
def test_a_wrong_or_missing_password_is_refused(
    encrypted: bytes, password: str | None, write: Callable[[bytes], Path]
) -> None:
    with pytest.raises(PasswordRefused):
        Identity.load(write(encrypted), password)


def test_a_password_for_a_plain_file_is_refused(identity: Identity, tmp_path: Path) -> None:
    identity.save(tmp_path / "key")
    with pytest.raises(PasswordRefused, match="not encrypted"):
        Identity.load(tmp_path / "key", PASSWORD)


def test_an_empty_password_writes_nothing(identity: Identity, tmp_path: Path) -> None:
    with pytest.raises(PasswordRefused):
        identity.save(tmp_path / "key", "")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("n", [0, 1024, FAST + 1, 2**21, 2**40])
def test_a_cost_out_of_bounds_is_not_written(identity: Identity, tmp_path: Path, n: int) -> None:
    with pytest.raises(ValueError, match="power of two"):
        identity.save(tmp_path / "key", PASSWORD, scrypt_n=n)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("cut", [0, 1, 40, 200, -2])
def test_a_truncated_file_is_refused(
    identity: Identity, tmp_path: Path, write: Callable[[bytes], Path], cut: int
) -> None:
    identity.save(tmp_path / "whole")
    with pytest.raises(KeyFileMalformed):
        Identity.load(write((tmp_path / "whole").read_bytes()[:cut]))


@pytest.mark.parametrize(
    "content",
    [
        b"\xff\xfe",
        b"[]",
        b"null",
        b"{}",
        b'{"format": "belmont-wrapping-key", "version": 1}',
        b'{"format": "belmont-identity", "version": 2}',
        b'{"format": "belmont-identity", "version": true}',
        b'{"format": "belmont-identity", "version": 1, "version": 1}',
        b'{"format": "belmont-identity", "version": NaN}',
        b"[" * 10_000,
        b" " * 20_000,
    ],
)
def test_a_foreign_file_is_refused(content: bytes, write: Callable[[bytes], Path]) -> None:
    with pytest.raises(KeyFileMalformed):
        Identity.load(write(content))


OTHER = Identity.create()
PLAIN_FORGERIES: list[tuple[str, Any]] = [
    ("address", OTHER.address),
    ("address", 7),
    ("mask_public_key", OTHER.mask_public_key.hex()),
    ("account_key", bytes(OTHER.account.key).hex()),
    ("account_key", "00" * 32),
    ("account_key", "ff" * 32),
    ("account_key", "zz" * 32),
    ("account_key", ["00"]),
    ("mask_key", OTHER.mask_private_key.private_bytes_raw().hex()),
    ("mask_key", "00"),
    ("chain_id", 0),
    ("chain_id", "1337"),
    ("chain_id", True),
    ("protection", "password"),
    ("protection", []),
    ("protection", "rot13"),
    ("surplus", 1),
]


@pytest.mark.parametrize(("field", "value"), PLAIN_FORGERIES, ids=range(len(PLAIN_FORGERIES)))
def test_a_plain_file_at_odds_with_itself_is_refused_without_showing_its_key(
    identity: Identity, tmp_path: Path, write: Callable[[bytes], Path], field: str, value: object
) -> None:
    identity.save(tmp_path / "whole")
    fields = json.loads((tmp_path / "whole").read_bytes()) | {field: value}
    with pytest.raises(KeyFileMalformed) as refused:
        Identity.load(write(json.dumps(fields).encode()))
    assert not any(secret.hex() in str(refused.value) for secret in secrets_of(identity))


def set_chain(fields: dict[str, Any]) -> None:
    fields["chain_id"] = 1


def set_address(fields: dict[str, Any]) -> None:
    fields["address"] = OTHER.address


def set_mask_public_key(fields: dict[str, Any]) -> None:
    fields["mask_public_key"] = OTHER.mask_public_key.hex()


def replace_account(fields: dict[str, Any]) -> None:
    fields["account"] = Account.encrypt(OTHER.account.key, PASSWORD, kdf="scrypt", iterations=FAST)


def replace_account_under_another_password(fields: dict[str, Any]) -> None:
    fields["account"] = Account.encrypt(OTHER.account.key, "another", kdf="scrypt", iterations=FAST)


def use_pbkdf2(fields: dict[str, Any]) -> None:
    fields["account"] = Account.encrypt(OTHER.account.key, PASSWORD, kdf="pbkdf2", iterations=1)


def ask_for_all_memory_for_the_account(fields: dict[str, Any]) -> None:
    fields["account"]["crypto"]["kdfparams"]["n"] = 2**40


def ask_for_all_memory_by_block_size(fields: dict[str, Any]) -> None:
    fields["account"]["crypto"]["kdfparams"]["r"] = 2**30


def ask_for_all_memory_for_the_mask(fields: dict[str, Any]) -> None:
    fields["mask"]["n"] = 2**40


def lose_the_keystore(fields: dict[str, Any]) -> None:
    fields["account"] = "keystore"


def damage_the_keystore(fields: dict[str, Any]) -> None:
    del fields["account"]["crypto"]["ciphertext"]


def lose_the_mask(fields: dict[str, Any]) -> None:
    fields["mask"] = None


def shorten_the_mask(fields: dict[str, Any]) -> None:
    fields["mask"]["ciphertext"] = fields["mask"]["ciphertext"][2:]


@pytest.mark.parametrize(
    "forge",
    [
        set_chain,
        set_address,
        set_mask_public_key,
        replace_account,
        replace_account_under_another_password,
        use_pbkdf2,
        ask_for_all_memory_for_the_account,
        ask_for_all_memory_by_block_size,
        ask_for_all_memory_for_the_mask,
        lose_the_keystore,
        damage_the_keystore,
        lose_the_mask,
        shorten_the_mask,
    ],
)
def test_an_encrypted_file_that_was_changed_is_refused(
    encrypted: bytes, write: Callable[[bytes], Path], forge: Callable[[dict[str, Any]], None]
) -> None:
    fields = json.loads(encrypted)
    forge(fields)
    with pytest.raises((KeyFileMalformed, PasswordRefused)):
        Identity.load(write(json.dumps(fields).encode()), PASSWORD)


def test_every_byte_of_an_encrypted_file_is_authenticated_or_harmless(
    identity: Identity, encrypted: bytes, write: Callable[[bytes], Path]
) -> None:
    """A changed byte is refused, or changes nothing that is read (letter case in the keystore, white space)."""
    for position in range(0, len(encrypted), 7):
        changed = bytearray(encrypted)
        changed[position] ^= 1 << position % 8
        path = write(bytes(changed))
        try:
            loaded = Identity.load(path, PASSWORD)
        except IdentityError:
            continue
        assert secrets_of(loaded) == secrets_of(identity)
        assert loaded.did == identity.did
