"""A registered version in a notebook: prove it, or watch what happens to whoever tries something else."""

from contextlib import closing
from typing import TYPE_CHECKING

from belmont.lab import cards
from belmont.lab.errors import LabError
from belmont.lab.hospital_files import stored_rows
from belmont.lab.people import Hospital
from belmont.lab.proof_attempts import ProofAttempts, attempts
from belmont.lab.proofs import VersionProof
from belmont.lab.proving import prove_version
from belmont.registry.types import DatasetVersion, VersionStatus
from belmont.zk.budget import OpeningBudget

if TYPE_CHECKING:
    from belmont.lab.consortium import Consortium


class Version:
    """One version of a hospital's dataset, read from the chain when it is asked for."""

    def __init__(self, consortium: "Consortium", hospital: Hospital, number: int) -> None:
        self._consortium = consortium
        self._hospital = hospital
        self.number = number

    @property
    def record(self) -> DatasetVersion:
        """The version as the chain has it now."""
        record = self._consortium.registry.version(self._hospital.dataset_id, self.number)
        if record is None:
            raise LabError(f"the chain has no version {self.number} of {self._hospital.dataset_name}")
        return record

    @property
    def is_proven(self) -> bool:
        """Whether the contract accepted its proof: only then can it be used."""
        return self.record.status is VersionStatus.PROVEN

    def prove(self, processes: int = 1) -> VersionProof:
        """Prove it to the contract, as its hospital. Raises the errors of `belmont.zk` and RegistryRefused."""
        consortium, hospital = self._consortium, self._hospital
        writes = consortium.registry.as_(hospital.identity.account)
        return prove_version(
            consortium.home_here, hospital.slug, writes, hospital.dataset_id, self.number, processes=processes
        )

    def attempts(self) -> ProofAttempts:
        """Try to get it proven by other means than its proof. For synthetic data only.

        One attempt registers a version that can never be proven and is the newest from then on: afterwards take a
        ``consortium.new_version(hospital)``.
        """
        consortium, hospital = self._consortium, self._hospital
        if not consortium.is_synthetic:
            raise LabError("attempts are for synthetic consortia: they register a version that nobody can use")
        writes = consortium.registry.as_(hospital.identity.account)
        dataset = consortium.registry.dataset(hospital.dataset_id)
        if dataset is None or self.is_proven:
            raise LabError("attempts are on a version that is not proven yet: consortium.new_version(hospital)")
        rows = stored_rows(consortium.home_here, hospital.slug, writes, hospital.dataset_id, self.number)
        with closing(OpeningBudget(consortium.home_here.openings(hospital.slug))) as budget:
            return attempts(writes, dataset, self.record, rows, budget)

    def __repr__(self) -> str:
        status = "proven" if self.is_proven else "registered, not proven"
        return f"Version({self.number} of {self._hospital.dataset_name}: {self.record.rows} rows, {status})"

    def _repr_html_(self) -> str:
        record, proven = self.record, self.is_proven
        facts = {
            "rows": f"{record.rows:,}",
            "commitments root": cards.short(record.commitments_root),
            "usable": "yes" if proven else "not before it is proven: every node refuses it",
        }
        mark = cards.badge("proven" if proven else "registered", cards.GOOD if proven else cards.WAITING)
        title = f"{self._hospital.dataset_name}, version {self.number}"
        return cards.card(title, cards.facts(facts), mark=mark)
