"""A member's keys: an Ethereum account that signs, and an X25519 key that agrees masks.

The two are drawn independently, so that a leak of one says nothing of the other. A key file is JSON, mode 0600:

- plain: for machines that start without a person; refused when group or others may read it;
- with a password: the account as an Ethereum keystore v3 (any wallet opens it), the mask key under scrypt (RFC 7914)
  and AES-256-GCM, which also authenticates everything else the file says (address, chain, mask public key).

Python cannot wipe memory: a loaded identity is in the process's memory until it ends.
"""

import secrets
from pathlib import Path
from typing import NoReturn

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from eth_account import Account
from eth_account.signers.local import LocalAccount

from belmont.identity.did import DEVELOPMENT_CHAIN_ID, did_of
from belmont.identity.key_file import SCRYPT_N, KeyMaterial, parse_key_file, serialize_key_file
from belmont.identity.secret_file import create_secret_file, open_secret_file, require_private

MAX_KEY_FILE_BYTES = 16 * 1024
_SECP256K1_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


class Identity:
    """One member on one chain. Refuses to be pickled or copied, and shows no secret when printed."""

    __slots__ = ("account", "chain_id", "mask_private_key")

    account: LocalAccount
    chain_id: int
    mask_private_key: X25519PrivateKey

    def __init__(self, account: LocalAccount, mask_private_key: X25519PrivateKey, chain_id: int) -> None:
        did_of(account.address, chain_id)
        self.account = account
        self.mask_private_key = mask_private_key
        self.chain_id = chain_id

    @classmethod
    def create(cls, chain_id: int = DEVELOPMENT_CHAIN_ID) -> "Identity":
        account_key = (secrets.randbelow(_SECP256K1_ORDER - 1) + 1).to_bytes(32, "big")
        return cls(
            Account.from_key(account_key), X25519PrivateKey.from_private_bytes(secrets.token_bytes(32)), chain_id
        )

    def save(self, path: Path | str, password: str | None = None, *, scrypt_n: int = SCRYPT_N) -> None:
        """Writes a new key file, encrypted if there is a password. Never overwrites: raises ``KeyFileExists``.

        ``scrypt_n`` is the cost of one guess at the password: the default takes about a second and 256 MiB, twice.
        """
        material = KeyMaterial(bytes(self.account.key), self.mask_private_key.private_bytes_raw(), self.chain_id)
        create_secret_file(Path(path), serialize_key_file(material, password, scrypt_n))

    @classmethod
    def load(cls, path: Path | str, password: str | None = None) -> "Identity":
        """Reads a key file. A password for a plain file is refused: somebody expects it to be encrypted."""
        path = Path(path)
        content, mode = open_secret_file(path, MAX_KEY_FILE_BYTES)
        material, encrypted = parse_key_file(content, password, where=str(path))
        require_private(path, mode, encrypted=encrypted)
        return cls(
            Account.from_key(material.account_key),
            X25519PrivateKey.from_private_bytes(material.mask_key),
            material.chain_id,
        )

    @property
    def address(self) -> str:
        """EIP-55 checksummed."""
        return str(self.account.address)

    @property
    def mask_public_key(self) -> bytes:
        """32 bytes, RFC 7748."""
        return self.mask_private_key.public_key().public_bytes_raw()

    @property
    def did(self) -> str:
        return did_of(self.address, self.chain_id)

    def __repr__(self) -> str:
        return f"Identity({self.did})"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("an Identity holds secret keys and is not pickled or copied: use save() and load()")
