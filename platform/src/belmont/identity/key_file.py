"""The content of a key file, version 1: one JSON object, read strictly.

Common fields: ``format``, ``version``, ``chain_id``, ``address`` (EIP-55), ``mask_public_key`` (hex), ``protection``.
``protection: "none"`` adds ``account_key`` and ``mask_key`` (hex). ``protection: "password"`` adds ``account``
(Ethereum keystore v3) and ``mask`` (scrypt, AES-256-GCM whose associated data are the common fields).

Order of reading: shape; cost of scrypt within bounds (a hostile file cannot ask for all memory); the mask key, whose
tag authenticates the common fields; the account key; both must give the address and mask public key that stand in the
file, so that no part can be exchanged on its own.
"""

import json
import secrets
from dataclasses import dataclass
from typing import Any, NoReturn

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from eth_account import Account

from belmont.identity.errors import KeyFileMalformed, PasswordRefused
from belmont.identity.strict_json import loads, unique

FORMAT = "belmont-identity"
VERSION = 1
SCRYPT_N = 2**18
"""Iterations of both scrypt runs, as geth's keystores; r = 8, p = 1."""
_SCRYPT_N_BOUNDS = (2**12, 2**20)
_COMMON = {"format", "version", "chain_id", "address", "mask_public_key", "protection"}
_BY_PROTECTION = {"none": {"account_key", "mask_key"}, "password": {"account", "mask"}}


@dataclass(frozen=True, repr=False)
class KeyMaterial:
    account_key: bytes
    """32 bytes, secp256k1 scalar, big-endian."""
    mask_key: bytes
    """32 bytes, X25519 private key."""
    chain_id: int


def serialize_key_file(material: KeyMaterial, password: str | None, scrypt_n: int) -> bytes:
    common: dict[str, Any] = {
        "format": FORMAT,
        "version": VERSION,
        "chain_id": material.chain_id,
        "address": Account.from_key(material.account_key).address,
        "mask_public_key": _mask_public_key(material.mask_key).hex(),
        "protection": "none" if password is None else "password",
    }
    if password is None:
        secret: dict[str, Any] = {"account_key": material.account_key.hex(), "mask_key": material.mask_key.hex()}
    else:
        if not password:
            raise PasswordRefused("an empty password protects nothing: give one, or None for a plain file")
        if not _cost_allowed(scrypt_n):
            raise ValueError(f"scrypt_n must be a power of two from {_SCRYPT_N_BOUNDS[0]} to {_SCRYPT_N_BOUNDS[1]}")
        salt, nonce = secrets.token_bytes(32), secrets.token_bytes(12)
        sealed = AESGCM(_derive(password, salt, scrypt_n)).encrypt(nonce, material.mask_key, _associated(common))
        secret = {
            "account": Account.encrypt(material.account_key, password, kdf="scrypt", iterations=scrypt_n),
            "mask": {"n": scrypt_n, "salt": salt.hex(), "nonce": nonce.hex(), "ciphertext": sealed.hex()},
        }
    return (json.dumps(common | secret, indent=2) + "\n").encode()


def parse_key_file(content: bytes, password: str | None, where: str) -> tuple[KeyMaterial, bool]:
    """The keys of a file, and whether it was encrypted. ``where`` names the file in errors, which show no content."""
    fields = _shape(content, where)
    if fields["protection"] == "none":
        if password is not None:
            raise PasswordRefused(f"{where} is not encrypted: load it without a password, or save it again with one")
        account_key, mask_key = (_hex(fields[name], 32, where) for name in ("account_key", "mask_key"))
    else:
        if not password:
            raise PasswordRefused(f"{where} is encrypted: give its password")
        account_key, mask_key = _decrypt(fields, password, where)
    try:
        address = Account.from_key(account_key).address
    except Exception as error:
        raise _malformed(where, "its account key is out of range") from error
    if address != fields["address"] or _mask_public_key(mask_key).hex() != fields["mask_public_key"]:
        raise _malformed(where, "its keys do not belong to the address or mask key it names")
    return KeyMaterial(account_key, mask_key, fields["chain_id"]), fields["protection"] == "password"


def _shape(content: bytes, where: str) -> dict[str, Any]:
    try:
        fields = loads(content.decode("utf-8"), object_pairs_hook=unique, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise _malformed(where, "not the JSON of a key file") from error
    if not isinstance(fields, dict) or fields.get("format") != FORMAT:
        raise _malformed(where, "not a key file of ours")
    if fields.get("version") != VERSION or type(fields["version"]) is not int:
        raise _malformed(where, f"version {str(fields.get('version'))[:20]}, and this software reads {VERSION}")
    protection = fields.get("protection")
    if not isinstance(protection, str) or fields.keys() != _COMMON | _BY_PROTECTION.get(protection, set()):
        raise _malformed(where, "fields missing or unknown")
    if not all(isinstance(fields[name], str) for name in ("address", "mask_public_key")):
        raise _malformed(where, "fields of the wrong type")
    if type(fields["chain_id"]) is not int or not 1 <= fields["chain_id"] < 2**64:
        raise _malformed(where, "no valid chain id")
    return fields


def _decrypt(fields: dict[str, Any], password: str, where: str) -> tuple[bytes, bytes]:
    account, mask = fields["account"], fields["mask"]
    if not isinstance(mask, dict) or mask.keys() != {"n", "salt", "nonce", "ciphertext"}:
        raise _malformed(where, "fields of the mask key missing or unknown")
    if not _cost_allowed(mask["n"]) or not _keystore_allowed(account):
        raise _malformed(where, "a keystore that this software does not read, or of a cost out of bounds")
    salt, nonce, sealed = (_hex(mask[k], n, where) for k, n in (("salt", 32), ("nonce", 12), ("ciphertext", 48)))
    common = {name: fields[name] for name in _COMMON}
    try:
        mask_key = AESGCM(_derive(password, salt, mask["n"])).decrypt(nonce, sealed, _associated(common))
    except InvalidTag as error:
        raise PasswordRefused(f"{where}: wrong password, or the file was changed; try again or restore it") from error
    try:
        account_key = bytes(Account.decrypt(account, password))
    except Exception as error:  # eth-account's own errors differ by version; all mean the same here
        raise _malformed(where, "the password opens its mask key and not its account") from error
    if len(account_key) != 32:
        raise _malformed(where, "its account key has the wrong length")
    return account_key, mask_key


def _keystore_allowed(keystore: object) -> bool:
    """Whether a keystore v3 uses the parameters that we write, so that opening it costs what it should."""
    if not isinstance(keystore, dict) or not isinstance(crypto := keystore.get("crypto"), dict):
        return False
    parameters = crypto.get("kdfparams")
    return (
        keystore.get("version") == 3
        and crypto.get("kdf") == "scrypt"
        and isinstance(parameters, dict)
        and _cost_allowed(parameters.get("n"))
        and (parameters.get("r"), parameters.get("p"), parameters.get("dklen")) == (8, 1, 32)
    )


def _cost_allowed(n: object) -> bool:
    return type(n) is int and _SCRYPT_N_BOUNDS[0] <= n <= _SCRYPT_N_BOUNDS[1] and n & (n - 1) == 0


def _derive(password: str, salt: bytes, n: int) -> bytes:
    try:
        encoded = password.encode("utf-8")
    except UnicodeEncodeError as error:
        raise PasswordRefused("the password is not valid Unicode: type it again") from error
    return Scrypt(salt=salt, length=32, n=n, r=8, p=1).derive(encoded)


def _associated(common: dict[str, Any]) -> bytes:
    return json.dumps(common, sort_keys=True, separators=(",", ":")).encode()


def _mask_public_key(mask_key: bytes) -> bytes:
    return X25519PrivateKey.from_private_bytes(mask_key).public_key().public_bytes_raw()


def _hex(value: object, length: int, where: str) -> bytes:
    try:
        decoded = bytes.fromhex(value) if isinstance(value, str) else b""
    except ValueError:
        decoded = b""
    if len(decoded) != length or decoded.hex() != value:
        raise _malformed(where, f"a value that is not {length} bytes of hex")
    return decoded


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _malformed(where: str, what: str) -> KeyFileMalformed:
    return KeyFileMalformed(f"{where}: {what}; restore it from a backup, or create a new identity")
