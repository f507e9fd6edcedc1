"""Consents in a notebook: a hospital's register of them, and patients with keys of their own.

A hospital attests on its patients' behalf; a patient with an own key states for themselves, online or by a signature
that anybody relays. Either way the next round leaves the patient's row out, and the next query waits for a new version.
Giving a key publishes a batch, so queries wait for a new version then as well.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from belmont.identity.keys import Identity
from belmont.identity.messages import ConsentRevocation
from belmont.identity.signed_message import SignedMessage
from belmont.lab import cards
from belmont.lab.consent_files import any_research, attest, open_register, patient_key_of, publish
from belmont.lab.errors import LabError
from belmont.lab.hopeless import is_older
from belmont.lab.hospital_files import stored_rows
from belmont.lab.people import Hospital
from belmont.registry.chain_registry import ChainRegistry
from belmont.registry.consents.errors import AttestationRefused
from belmont.registry.consents.register import ConsentRegister
from belmont.registry.consents.scope import Scope
from belmont.registry.consents.statements import ConsentState, account_key
from belmont.registry.types import Address, Dataset

if TYPE_CHECKING:
    import pandas as pd

    from belmont.lab.consortium import Consortium


class HospitalConsents:
    """The consents of one hospital's dataset: its own register, beside what the chain has."""

    def __init__(self, consortium: "Consortium", hospital: Hospital) -> None:
        self._consortium = consortium
        self._hospital = hospital
        self.patients: list[Patient] = []
        """Patients that were given a key here, newest last."""

    @property
    def state(self) -> ConsentState:
        """What the chain has now."""
        return self._consortium.registry.consents.state(self._hospital.dataset_id)

    @property
    def numbers(self) -> Sequence[int]:
        """The pseudonyms of all patients in the newest version: the hospital knows who they are."""
        home, hospital = self._consortium.home_here, self._hospital
        rows = stored_rows(home, hospital.slug, self._consortium.registry, hospital.dataset_id)
        return [int(each) for each in rows.table.pseudonyms]

    def revoke(self, *patients: int) -> None:
        """Attest that patients, by pseudonym, withdrew: their rows are left out from the next round on."""
        self._attest(patients, None)

    def grant(self, *patients: int, scope: Scope | None = None) -> None:
        """Attest that patients consent, by default to any research purpose, recipient and time."""
        self._attest(patients, scope or any_research(self._dataset.categories))

    def give_key(self, patient: int) -> "Patient":
        """A key of a patient's own, noted in the register and enrolled on chain; from its first statement on,
        the patient decides.

        It publishes a batch, so queries wait for ``consortium.new_version(hospital).prove()``; rounds go on.
        In a clinic the key is made on the patient's device, and only its address comes here.
        """
        given = Patient(
            self._consortium, self._dataset, Identity.create(self._consortium.registry.proof_domain.chain_id)
        )
        with self._register() as register:
            try:
                register.give_accounts({self._key(patient): given.address})
            except AttestationRefused as error:
                known = register.view().known(np.array([patient], np.uint64)).any()
                why = "has a key already" if known else "is in no version here: take one of consents.numbers"
                raise LabError(f"patient {patient} {why}") from error
        self.patients.append(given)
        self.enrol(given)
        return given

    def enrol(self, patient: "Patient") -> None:
        """Publish the batch that has a patient's account, and enrol it: `give_key` does, up to where it was broken off.

        What stands on chain already is left alone, so it may be called again.
        """
        registry, dataset_id = self._consortium.registry, self._hospital.dataset_id
        if registry.consents.own(dataset_id, patient.address) is not None:
            return
        writes = registry.as_(self._hospital.identity.account)
        with self._register() as register:
            publish(writes, dataset_id, register.view().batch)
            writes.consents.enrol(dataset_id, patient.address, register.tree().membership(account_key(patient.address)))

    def frame(self) -> "pd.DataFrame":
        """Everything that was stated about this dataset on chain: batches, enrolments, grants and revocations."""
        frame = self._consortium.audit()
        mine = [details.get("dataset") == self._hospital.dataset_name for details in frame["details"]]
        return frame[mine & (frame["contract"] == "Consents")]

    def _attest(self, patients: Sequence[int], scope: Scope | None) -> None:
        if not patients:
            raise LabError("name at least one patient: consents.revoke(consents.numbers[0])")
        writes = self._consortium.registry.as_(self._hospital.identity.account)
        with self._register() as register:
            attest(register, writes, self._hospital.dataset_id, {self._key(each): scope for each in patients})

    def _key(self, patient: int) -> bytes:
        if not isinstance(patient, int | np.integer) or not 0 <= patient < 1 << 64:
            raise LabError(f"{patient!r} is no patient: take one of consents.numbers, a pseudonym of this hospital")
        return patient_key_of(self._consortium.home_here, self._hospital.slug, patient)

    @contextmanager
    def _register(self) -> Iterator[ConsentRegister]:
        home, hospital = self._consortium.home_here, self._hospital
        with open_register(home, hospital.slug, hospital.dataset_id) as register:
            yield register

    @property
    def _dataset(self) -> Dataset:
        found = self._consortium.registry.dataset(self._hospital.dataset_id)
        if found is None:
            raise LabError(f"the chain has no dataset of {self._hospital.name}")
        return found

    def __repr__(self) -> str:
        state = self.state
        return (
            f"HospitalConsents({self._hospital.name}: batch {state.batches} of {state.batch_count} consents, "
            f"{state.statements} statements by patients)"
        )

    def _repr_html_(self) -> str:
        state, dataset = self.state, self._dataset
        version = self._consortium.registry.version(dataset.id, dataset.versions)
        current = version is not None and version.consent_root == state.root
        facts = {
            "attested by the hospital": f"batch {state.batches}, {state.batch_count:,} consents",
            "stated by patients themselves": f"{state.statements:,}",
            "consent root": cards.short(state.root),
            "newest version": "built at this root"
            if current
            else "older: rounds leave rows out, queries wait for consortium.new_version(hospital)",
        }
        mark = cards.badge("current" if current else "version is older", cards.GOOD if current else cards.WAITING)
        return cards.card(f"Consents, {dataset.name}", cards.facts(facts), mark=mark)


class Patient:
    """A patient with a key of their own for one hospital's dataset."""

    def __init__(self, consortium: "Consortium", dataset: Dataset, identity: Identity) -> None:
        self._consortium = consortium
        self._dataset = dataset
        self.identity = identity

    @property
    def address(self) -> Address:
        return Address(self.identity.address)

    @property
    def next_sequence(self) -> int:
        """Of this patient's next statement: the time, so that what was signed before never counts after it."""
        own = self._consortium.registry.consents.own(self._dataset.id, self.address)
        if own is None:
            raise LabError("this key is not enrolled: its hospital publishes a batch with it first")
        return max(own.sequence + 1, int(time.time()))

    def grant(
        self,
        purposes: int | None = None,
        categories: int | None = None,
        recipients: Sequence[Address] = (),
        days: float = 365.0,
        clock: Callable[[], float] = time.time,
    ) -> Scope:
        """Consent for so many days from now, by default to any research with all of the dataset."""
        wide = any_research(self._dataset.categories)
        now = int(clock())
        scope = Scope(
            wide.purposes if purposes is None else purposes,
            wide.categories if categories is None else categories,
            now,
            now + round(days * 86400),
            tuple(sorted(recipients, key=str.lower)),
        ).checked()
        self._as_patient.consents.grant(self._dataset.id, scope, self.next_sequence)
        return scope

    def revoke(self) -> None:
        """Withdraw, from the next round and the next query on."""
        self._as_patient.consents.revoke(self._dataset.id, self.next_sequence)

    def sign_revocation(self) -> SignedMessage:
        """The same, signed with no network: a file that anybody relays."""
        message = ConsentRevocation(actor=self.address, dataset=self._dataset.id, sequence=self.next_sequence)
        return message.sign(self.identity, self._consortium.registry.relay.domain)

    @property
    def _as_patient(self) -> ChainRegistry:
        return self._consortium.registry.as_(self.identity.account)

    def __repr__(self) -> str:
        return f"Patient({self.address}, {self._dataset.name})"

    def _repr_html_(self) -> str:
        own = self._consortium.registry.consents.own(self._dataset.id, self.address)
        stated = own is not None and own.sequence > 0
        says = "what the hospital attests"
        if stated:
            says = "a grant" if own and any(own.scope_hash) else "a revocation"
        facts = {
            "dataset": self._dataset.name,
            "account, for this hospital only": cards.mono(self.address),
            "statements": own.sequence if own else 0,
            "in force": says,
            "queries": "wait for consortium.new_version(hospital).prove(): keys and statements change the consents"
            if is_older(self._consortium.registry, self._dataset.id)
            else "the newest version has the consents of now",
        }
        return cards.card("Patient with a key of their own", cards.facts(facts))
