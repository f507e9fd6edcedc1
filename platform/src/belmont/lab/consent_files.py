"""A hospital's register of consents among its files: made at registration, kept in step with records and chain.

1. What a patient's FHIR Consent permits is attested, and no more: purposes, categories, recipients and period
   (`belmont.registry.consents.fhir`). Where it permits nothing that can be attested, nothing is.
2. Records that are read again change what is attested by what they newly say, and nothing else (rule 7 of
   `belmont.registry.consents.register`).
3. A version holds the rows of patients whose consent permits some use of this dataset now: a row that no use can have
   would keep every query from being proved.
"""

import secrets
from collections.abc import Mapping
from datetime import UTC, date, datetime

from belmont.ehr.coded import CodedTable
from belmont.ehr.consent_terms import ConsentTerms
from belmont.ehr.dictionary import Dictionary
from belmont.identity.secret_file import create_secret_file, read_secret_file
from belmont.lab.consent_recipients import recipients_of
from belmont.lab.home import Home
from belmont.registry.consents.fhir import FOREVER, scope_of_all
from belmont.registry.consents.register import ConsentRegister, Patient
from belmont.registry.consents.scope import Category, Scope
from belmont.registry.consents.statements import patient_key
from belmont.registry.consents.tree import Batch
from belmont.registry.consents.view import Pseudonyms
from belmont.registry.limits import PURPOSES_MASK
from belmont.registry.protocol import Registry
from belmont.registry.types import DatasetId

SECRET_BYTES = 32
_CATEGORIES = {
    "Patient": Category.DEMOGRAPHICS,
    "Condition": Category.DIAGNOSES,
    "Observation": Category.MEASUREMENTS,
    "MedicationRequest": Category.MEDICATION,
}


def categories_of(dictionary: Dictionary) -> Category:
    """The categories of data in a dictionary's columns; of columns without a FHIR source, measurements."""
    found = Category(0)
    for column in dictionary:
        found |= _CATEGORIES[column.source.resource] if column.source else Category.MEASUREMENTS
    return found


def any_research(categories: int) -> Scope:
    """What a broad consent to research says: any purpose and recipient, until it is revoked."""
    return Scope(PURPOSES_MASK, categories, 0, FOREVER)


def open_register(home: Home, slug: str, dataset_id: DatasetId) -> ConsentRegister:
    """The hospital's register. Raises RegisterUnusable."""
    return ConsentRegister(home.consents(slug), dataset_id)


def patient_key_of(home: Home, slug: str, pseudonym: int) -> bytes:
    """What stands for a patient in this hospital's batches; another hospital's secret gives another key."""
    return patient_key(_secret(home, slug), f"{pseudonym:016x}")


def chain_day(registry: Registry) -> date:
    """The day on which Consents have to be valid: the chain's, in UTC."""
    return datetime.fromtimestamp(registry.head().timestamp, UTC).date()


def admit_patients(
    home: Home, slug: str, registry: Registry, dataset_id: DatasetId, table: CodedTable, consents: ConsentTerms
) -> bytes:
    """Attest what the Consents of everybody in a table permit, and publish the batch; the current consent root (1)."""
    with open_register(home, slug, dataset_id) as register:
        _record(home, slug, registry, register, table.dictionary, consents, table.pseudonyms)
    return registry.consents.root(dataset_id)


def renew_consents(
    home: Home, slug: str, registry: Registry, dataset_id: DatasetId, dictionary: Dictionary, consents: ConsentTerms
) -> None:
    """Attest what the Consents newly say of patients whom the register has, and publish the batch (2)."""
    with open_register(home, slug, dataset_id) as register:
        known = consents.pseudonyms[register.view().known(consents.pseudonyms)]
        _record(home, slug, registry, register, dictionary, consents, known)


def _record(
    home: Home,
    slug: str,
    registry: Registry,
    register: ConsentRegister,
    dictionary: Dictionary,
    consents: ConsentTerms,
    pseudonyms: Pseudonyms,
) -> None:
    """Take up these patients' Consents, those of whom none permits included."""
    recipients, categories = recipients_of(home, slug, registry), int(categories_of(dictionary))
    scopes = [*(scope_of_all(each, categories, recipients) for each in consents.distinct), None]
    secret = _secret(home, slug)
    places = consents.of(pseudonyms)
    patients = (
        Patient(patient_key(secret, f"{pseudonym:016x}"), pseudonym, scopes[place])
        for pseudonym, place in zip(pseudonyms.tolist(), places.tolist(), strict=True)
    )
    publish(registry, register.dataset_id, register.record(patients))


def attest(
    register: ConsentRegister, registry: Registry, dataset_id: DatasetId, changes: Mapping[bytes, Scope | None]
) -> None:
    """Change what the hospital attests, and publish the batch."""
    publish(registry, dataset_id, register.attest(changes))


def publish(registry: Registry, dataset_id: DatasetId, batch: Batch) -> None:
    """Publish a batch, unless the chain has it: an attempt that was interrupted is completed by the next."""
    state = registry.consents.state(dataset_id)
    if (state.batch_root, state.batch_count) != (batch.root, batch.count):
        registry.consents.publish_batch(dataset_id, batch)


def consenting_rows(home: Home, slug: str, registry: Registry, dataset_id: DatasetId, table: CodedTable) -> CodedTable:
    """The rows that a new version holds (3), with every statement of patients that the chain has."""
    now = registry.head().timestamp
    with open_register(home, slug, dataset_id) as register:
        register.take(registry.consents.statements(dataset_id, register.view().block))
        return table.select(register.view().usable(table.pseudonyms, int(categories_of(table.dictionary)), now))


def _secret(home: Home, slug: str) -> bytes:
    path = home.consent_key(slug)
    if not path.exists():
        create_secret_file(path, secrets.token_bytes(SECRET_BYTES))
    return read_secret_file(path, SECRET_BYTES)
