"""What a consortium has of data on this machine: part of ``Consortium``."""

from functools import cached_property

from belmont.ehr.dictionary import Dictionary
from belmont.lab import hospital_files
from belmont.lab.consents import HospitalConsents
from belmont.lab.drafts import Version
from belmont.lab.errors import LabError
from belmont.lab.host import Host
from belmont.lab.nodes import existing
from belmont.lab.people import Hospital, refuse_others
from belmont.lab.proofs import VersionProof
from belmont.lab.proving import saved_proof
from belmont.lab.yardstick import Yardstick


class Records:
    """Versions, proofs, consents, the dictionary, and what synthetic records are measured against."""

    def proof(self: Host, hospital: Hospital) -> VersionProof:
        """The proof of the newest version of a hospital's dataset, from its files: a card, and ``verify()``."""
        refuse_others(Hospital, (hospital,), "consortium.proof(consortium.hospitals[0])")
        return saved_proof(self.home_here, hospital.slug, self.registry, hospital.dataset_id)

    def consents(self: Host, hospital: Hospital) -> HospitalConsents:
        """Who consents to the use of a hospital's dataset: attest, give patients keys of their own, and see it all."""
        refuse_others(Hospital, (hospital,), "consortium.consents(consortium.hospitals[0])")
        return self.registers.setdefault(hospital.dataset_id, HospitalConsents(self.whole, hospital))

    def new_version(self: Host, hospital: Hospital) -> Version:
        """Registers a hospital's rows once more, with fresh blinding and without the rows of patients who withdrew;
        ``prove()`` what is returned.

        Until then its node refuses to compute: the newest version is not proven.
        """
        refuse_others(Hospital, (hospital,), "consortium.new_version(consortium.hospitals[0])")
        writes = self.registry.as_(hospital.identity.account)
        number = hospital_files.renew(self.home_here, hospital.slug, writes, hospital.dataset_id)
        return Version(self.whole, hospital, number)

    @cached_property
    def dictionary(self: Host) -> Dictionary:
        """The data dictionary that the datasets here were coded under. Raises ``LabError`` unless it is one."""
        if self.home is None or not self.hospitals:
            raise LabError("no dictionary is on this machine: connect with home=...")
        found = {book.hash: book for book in (Dictionary.load(self.home.dictionary(h.slug)) for h in self.hospitals)}
        if len(found) != 1:
            raise LabError("the hospitals here use different dictionaries: name datasets that share one")
        return next(iter(found.values()))

    @property
    def is_synthetic(self: Host) -> bool:
        """Whether the records here were generated: nobody in them exists."""
        return self.source is not None

    @property
    def yardstick_or_none(self: Host) -> Yardstick | None:
        """The yardstick where there is one."""
        return self.yardstick if self.source is not None and existing(self.registry, self.hospitals) else None

    @cached_property
    def yardstick(self: Host) -> Yardstick:
        """What pooling what is not destroyed would give, and what is true: only where the records are synthetic."""
        if self.source is None or self.home is None:
            raise LabError("there is no yardstick for real records: pooling them is what a study must not do")
        tables = [
            hospital_files.stored_rows(self.home, hospital.slug, self.registry, hospital.dataset_id).table
            for hospital in existing(self.registry, self.hospitals)
        ]
        return Yardstick(self.source, tables)
