"""What one hospital keeps on this machine, from its records to a registered, encrypted version of them."""

import json
import secrets
from pathlib import Path

from belmont.ehr.coded import CodedTable
from belmont.ehr.dictionary import Dictionary
from belmont.ehr.ingest import ConsentTerms, Ingested, read_consents, read_csv, read_fhir
from belmont.identity.secret_file import create_secret_file, read_secret_file
from belmont.lab.consent_files import admit_patients, categories_of, chain_day, consenting_rows, renew_consents
from belmont.lab.errors import HomeError
from belmont.lab.home import Home
from belmont.lab.own_tables import CSV_FILE
from belmont.lab.retention_date import retention_until
from belmont.lab.stored_rows import StoredRows
from belmont.registry.protocol import Registry
from belmont.registry.types import DatasetId, DatasetVersion, MicroRho
from belmont.vault.cid import Cid
from belmont.vault.vault import Vault
from belmont.vault.wrapping_key import MAX_FILE_BYTES, WrappingKey

LIFETIME_RHO = MicroRho(20_000_000)
HMB, IRB = 6, 21
DUO_TERMS = 1 << HMB | 1 << IRB
"""Health, medical or biomedical research (DUO:0000006), with ethics approval (DUO:0000021)."""
PSEUDONYM_KEY_FILE = "pseudonym.key"


def register(
    home: Home, slug: str, dataset_name: str, dictionary_file: Path, registry: Registry, retention_years: float = 5
) -> DatasetId:
    """Codes a hospital's records, FHIR or CSV, encrypts the table into its vault, commits to it and registers it;
    ``registry`` writes for it. The version can be used once it is proven (`belmont.lab.proving`).

    Bad records stop it before the chain hears of anything. What an earlier attempt left is used again: the keys, and a
    dataset that was registered and has no version yet, which no node can use. Raises ``HomeError`` for a dataset that
    is complete, and the errors of ``ehr``, ``vault`` and ``registry``.
    """
    earlier = next((d for d in registry.datasets() if (d.holder, d.name) == (registry.address, dataset_name)), None)
    if earlier is not None and earlier.versions > 0:
        raise HomeError(f"{dataset_name} is registered already: add a version to it instead")
    home.dictionary(slug).write_bytes(dictionary_file.read_bytes())
    dictionary = Dictionary.load(home.dictionary(slug))
    key = _pseudonym_key(home.member(slug) / PSEUDONYM_KEY_FILE)
    ingested = _read(home, slug, dictionary, key, registry)
    if earlier is None:
        categories = categories_of(dictionary)
        until = retention_until(retention_years, registry.head().timestamp)
        dataset_id = registry.register_dataset(
            dataset_name, DUO_TERMS, dictionary.hash, 2, int(categories), until, LIFETIME_RHO
        )
    else:
        dataset_id = earlier.id
    root = admit_patients(home, slug, registry, dataset_id, ingested.table, ingested.consents)
    rows = _fresh(home, slug, registry, dataset_id, ingested.table)
    without = ingested.quality.consent_denied + ingested.table.rows - rows.table.rows
    report = ingested.quality.to_dict() | {"rows": rows.table.rows, "consent_denied": without}
    home.quality(slug).write_text(json.dumps(report), encoding="utf-8")
    committed = rows.commit()
    with Vault.open(home.vault(slug), _wrapping_key(home.wrapping_key(slug))) as vault:
        cid = vault.put(dataset_name, rows.to_bytes())
    registry.add_version(dataset_id, cid.binary, committed.rows, committed.root, root)
    return dataset_id


def renew(home: Home, slug: str, registry: Registry, dataset_id: DatasetId) -> int:
    """Registers the newest version's rows once more, with fresh blinding, and returns the new version's number.

    The Consents among the hospital's records, where it keeps them, are read once more: what they newly say is attested.
    Rows of patients without a consent that is in force are left out. That gives a new budget of openings. The version
    has to be proven like any other.
    """
    dataset = registry.dataset(dataset_id)
    if dataset is None:
        raise HomeError(f"the chain has no dataset of {slug}")
    table = stored_rows(home, slug, registry, dataset_id).table
    if home.records(slug).is_dir():
        key = read_secret_file(home.member(slug) / PSEUDONYM_KEY_FILE, 32)
        consents = _consents(home, slug, table.dictionary, key, registry)
        renew_consents(home, slug, registry, dataset_id, table.dictionary, consents)
    root = registry.consents.root(dataset_id)
    rows = _fresh(home, slug, registry, dataset_id, table)
    committed = rows.commit()
    with open_vault(home, slug) as vault:
        cid = vault.put(dataset.name, rows.to_bytes())
    return registry.add_version(dataset_id, cid.binary, committed.rows, committed.root, root)


def _fresh(home: Home, slug: str, registry: Registry, dataset_id: DatasetId, table: CodedTable) -> StoredRows:
    """A new version's rows. Raises ``HomeError`` where no consent permits a use of any."""
    kept = consenting_rows(home, slug, registry, dataset_id, table)
    if not kept.rows:
        raise HomeError(
            f"no patient's consent permits a use of the dataset of {slug}: see what their Consents name as class, "
            "actor and period, and which members recipients.json says they mean"
        )
    return StoredRows.fresh(kept)


def _read(home: Home, slug: str, dictionary: Dictionary, key: bytes, registry: Registry) -> Ingested:
    """A hospital's records: its CSV file where it has one, or else FHIR."""
    table, as_of = home.records(slug) / CSV_FILE, chain_day(registry)
    if table.exists():
        return read_csv(table, dictionary, key, as_of=as_of)
    return read_fhir(home.records(slug), dictionary, key, as_of=as_of, scoped=True)


def _consents(home: Home, slug: str, dictionary: Dictionary, key: bytes, registry: Registry) -> ConsentTerms:
    if (home.records(slug) / CSV_FILE).exists():
        return _read(home, slug, dictionary, key, registry).consents
    return read_consents(home.records(slug), dictionary, key, as_of=chain_day(registry))


def _pseudonym_key(path: Path) -> bytes:
    if not path.exists():
        create_secret_file(path, secrets.token_bytes(32))
    return read_secret_file(path, 32)


def _wrapping_key(path: Path) -> WrappingKey:
    if not path.exists():
        create_secret_file(path, WrappingKey.generate().to_bytes())
    return WrappingKey.from_bytes(read_secret_file(path, MAX_FILE_BYTES))


def registered_version(
    home: Home, slug: str, registry: Registry, dataset_id: DatasetId, number: int = 0
) -> DatasetVersion:
    """A version that the chain has, by default the newest. Raises ``HomeError`` where there is none."""
    dataset = registry.dataset(dataset_id)
    version = registry.version(dataset_id, number or dataset.versions) if dataset else None
    if dataset is None or version is None:
        raise HomeError(f"the chain has no version of the dataset of {slug}: register one first")
    if dataset.dictionary_hash != Dictionary.load(home.dictionary(slug)).hash:
        raise HomeError(f"{home.dictionary(slug)} is not the dictionary that the dataset was registered under")
    return version


def stored_rows(home: Home, slug: str, registry: Registry, dataset_id: DatasetId, number: int = 0) -> StoredRows:
    """The rows of one version that the chain has (by default the newest), out of the vault.

    Raises ``HomeError`` where they differ.
    """
    version = registered_version(home, slug, registry, dataset_id, number)
    with open_vault(home, slug) as vault:
        rows = StoredRows.from_bytes(Dictionary.load(home.dictionary(slug)), vault.get(Cid(version.cid)))
    if rows.table.rows != version.rows:
        raise HomeError(f"the vault of {slug} holds {rows.table.rows} rows where the chain says {version.rows}")
    return rows


def open_vault(home: Home, slug: str) -> Vault:
    """A hospital's vault, which has to be there."""
    wrapping_key = WrappingKey.from_bytes(read_secret_file(home.wrapping_key(slug), MAX_FILE_BYTES))
    return Vault.open(home.vault(slug), wrapping_key, create=False)
