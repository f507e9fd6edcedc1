"""What one hospital keeps on this machine, from its records to a registered, encrypted version of them."""

import hashlib
import hmac
import json
import secrets
import time
from pathlib import Path

from belmont.ehr.coded import CodedTable
from belmont.ehr.dictionary import Dictionary
from belmont.ehr.ingest import read_fhir
from belmont.identity.secret_file import create_secret_file, read_secret_file
from belmont.lab.errors import HomeError
from belmont.lab.home import Home
from belmont.registry.protocol import Registry
from belmont.registry.types import ZERO_HASH, DatasetId, MicroRho
from belmont.vault.cid import Cid
from belmont.vault.vault import Vault
from belmont.vault.wrapping_key import WrappingKey

RETENTION_SECONDS = 5 * 365 * 86400
LIFETIME_RHO = MicroRho(20_000_000)
HMB, IRB = 6, 21
DUO_TERMS = 1 << HMB | 1 << IRB
"""Health, medical or biomedical research (DUO:0000006), with ethics approval (DUO:0000021)."""
PSEUDONYM_KEY_FILE = "pseudonym.key"


def consent_root(key: bytes, table: CodedTable) -> bytes:
    """A keyed digest of whose rows are in, so that the chain can tell two states of consent apart and nothing more."""
    return hmac.new(key, b"belmont/consent-root/v1" + table.pseudonyms.astype("<u8").tobytes(), hashlib.sha256).digest()


def register(home: Home, slug: str, dataset_name: str, dictionary_file: Path, registry: Registry) -> None:
    """Codes a hospital's FHIR records, encrypts the table into its vault and registers it; ``registry`` writes for it.

    The registration is the last step: if anything before it fails, nothing is registered.
    """
    folder = home.member(slug)
    home.dictionary(slug).write_bytes(dictionary_file.read_bytes())
    dictionary = Dictionary.load(home.dictionary(slug))
    create_secret_file(folder / PSEUDONYM_KEY_FILE, secrets.token_bytes(32))
    key = read_secret_file(folder / PSEUDONYM_KEY_FILE, 32)
    ingested = read_fhir(home.records(slug), dictionary, key)
    home.quality(slug).write_text(json.dumps(ingested.quality.to_dict()), encoding="utf-8")
    root = consent_root(key, ingested.table)
    WrappingKey.create(home.wrapping_key(slug))
    with Vault.open(home.vault(slug), WrappingKey.load(home.wrapping_key(slug))) as vault:
        cid = vault.put(dataset_name, ingested.table.to_bytes())
    retention_until = int(time.time()) + RETENTION_SECONDS
    dataset_id = registry.register_dataset(
        dataset_name, DUO_TERMS, dictionary.hash, 2, retention_until, LIFETIME_RHO, root
    )
    registry.add_version(dataset_id, cid.binary, ingested.table.rows, ZERO_HASH, root)


def registered_table(home: Home, slug: str, registry: Registry, dataset_id: DatasetId) -> CodedTable:
    """The table of the newest version that the chain has, out of the vault. Raises ``HomeError`` where they differ."""
    dictionary = Dictionary.load(home.dictionary(slug))
    dataset = registry.dataset(dataset_id)
    version = registry.version(dataset_id, dataset.versions) if dataset else None
    if dataset is None or version is None:
        raise HomeError(f"the chain has no version of the dataset of {slug}: register one first")
    if dataset.dictionary_hash != dictionary.hash:
        raise HomeError(f"{home.dictionary(slug)} is not the dictionary that the dataset was registered under")
    with Vault.open(home.vault(slug), WrappingKey.load(home.wrapping_key(slug))) as vault:
        table = CodedTable.from_bytes(dictionary, vault.get(Cid(version.cid)))
    if table.rows != version.rows:
        raise HomeError(f"the vault of {slug} holds {table.rows} rows where the chain says {version.rows}")
    return table
