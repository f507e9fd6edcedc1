"""A hospital's register of consents among its files: made at registration, kept in step with the chain."""

import secrets
from collections.abc import Mapping

from belmont.ehr.coded import CodedTable
from belmont.ehr.dictionary import Dictionary
from belmont.identity.secret_file import create_secret_file, read_secret_file
from belmont.lab.home import Home
from belmont.registry.consents.register import ConsentRegister, Patient
from belmont.registry.consents.scope import Category, Scope
from belmont.registry.consents.statements import patient_key
from belmont.registry.consents.tree import Batch
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
FOREVER = 1 << 63
"""Unix seconds no one will see: a consent without an end ends by a revocation."""


def categories_of(dictionary: Dictionary) -> Category:
    """The categories of data in a dictionary's columns; of columns without a FHIR source, measurements."""
    found = Category(0)
    for column in dictionary:
        found |= _CATEGORIES[column.source.resource] if column.source else Category.MEASUREMENTS
    return found


def any_research(categories: int) -> Scope:
    """What a patient's broad consent to research says: any purpose, recipient and time."""
    return Scope(PURPOSES_MASK, categories, 0, FOREVER)


def open_register(home: Home, slug: str, dataset_id: DatasetId) -> ConsentRegister:
    """The hospital's register. Raises RegisterUnusable."""
    return ConsentRegister(home.consents(slug), dataset_id)


def patient_key_of(home: Home, slug: str, pseudonym: int) -> bytes:
    """What stands for a patient in this hospital's batches; another hospital's secret gives another key."""
    return patient_key(_secret(home, slug), f"{pseudonym:016x}")


def admit_patients(home: Home, slug: str, registry: Registry, dataset_id: DatasetId, table: CodedTable) -> bytes:
    """Note the consent of everybody in a table that the register does not have yet, and publish the batch.

    Who is in a coded table consents by their FHIR Consent (`belmont.ehr.consent`). Returns the current consent root.
    """
    scope = any_research(categories_of(table.dictionary))
    secret = _secret(home, slug)
    with open_register(home, slug, dataset_id) as register:
        known = register.view().known(table.pseudonyms)
        missing = [int(each) for each in table.pseudonyms[~known]]
        patients = (Patient(patient_key(secret, f"{each:016x}"), each, scope) for each in missing)
        publish(registry, dataset_id, register.admit(patients))
    return registry.consents.root(dataset_id)


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


def consenting_rows(home: Home, slug: str, dataset_id: DatasetId, table: CodedTable) -> CodedTable:
    """The rows of patients with any consent now: those that a new version holds."""
    with open_register(home, slug, dataset_id) as register:
        return table.select(register.view().consenting(table.pseudonyms))


def _secret(home: Home, slug: str) -> bytes:
    path = home.consent_key(slug)
    if not path.exists():
        create_secret_file(path, secrets.token_bytes(SECRET_BYTES))
    return read_secret_file(path, SECRET_BYTES)
