"""The proofs of a version, as a notebook and the command line show them, and what they are compared with."""

import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from belmont.ehr.dictionary import Dictionary
from belmont.lab import cards
from belmont.registry.chain_registry import ChainRegistry
from belmont.registry.protocol import Registry
from belmont.registry.types import Address, Dataset, DatasetId, DatasetStatus, DatasetVersion, VersionStatus
from belmont.zk.errors import CommitmentMismatch, ProofRefused
from belmont.zk.validity import MAX_PROOF_BYTES, ValidityProof
from belmont.zk.verifiers.native import ProvenTable, verify_table

NOT_SHOWN = "that the patients exist: invented rows that are well-formed pass"
SUFFIX = ".proof"


@dataclass(frozen=True)
class VersionProof:
    """All parts of one version's proof. ``accepted_by`` says who verified them besides this machine, if anybody."""

    title: str
    dictionary: Dictionary
    parts: tuple[ValidityProof, ...]
    accepted_by: str = ""
    seconds: float = 0.0
    """Making it took so long; 0 if it was read from files."""

    def verify(self) -> ProvenTable:
        """Verify all parts here and now, offline. Raises `belmont.zk.errors.ProofRefused`."""
        proven = verify_table(self.parts)
        refuse_other_layout(proven, self.dictionary)
        return proven

    @property
    def rows(self) -> int:
        return sum(part.statement.rows for part in self.parts)

    @property
    def column_chunks(self) -> int:
        """Committed columns times chunks."""
        return sum(len(part.columns) for part in self.parts)

    @property
    def size(self) -> int:
        """Bytes of all parts without the commitments."""
        return sum(part.size for part in self.parts)

    def to_dict(self) -> dict[str, object]:
        """What ``belmont prove --json`` prints."""
        proven = self.verify()
        return {
            "dataset": self.title,
            "version": proven.statement.version,
            "rows": self.rows,
            "columns": len(self.dictionary.columns),
            "column_chunks": self.column_chunks,
            "parts": len(self.parts),
            "proof_bytes": self.size,
            "commitments_root": "0x" + proven.root.hex(),
            "accepted_by": self.accepted_by,
            "seconds": round(self.seconds, 2),
        }

    def summary(self) -> str:
        """What ``belmont prove`` prints."""
        facts = self.to_dict()
        lines = [f"  {name.replace('_', ' '):18} {value}" for name, value in facts.items() if value != ""]
        return "\n".join(["proved", *lines, f"  {'not shown':18} {NOT_SHOWN}"])

    def __repr__(self) -> str:
        by = f", accepted by {self.accepted_by}" if self.accepted_by else ""
        return f"VersionProof({self.title}: {self.rows} rows, {len(self.parts)} parts, {self.size} bytes{by})"

    def _repr_html_(self) -> str:
        try:
            proven = self.verify()
        except (ProofRefused, CommitmentMismatch) as refused:
            mark = cards.badge("refused", cards.BAD)
            return cards.card(f"Proof of {self.title}", cards.facts({"why": str(refused)}), mark=mark)
        committed = proven.statement.layout.committed
        facts: dict[str, object] = {
            "shown": f"only values that {self.dictionary.name} allows, exactly {self.rows:,} rows, no pseudonym twice",
            "not shown": NOT_SHOWN,
            "verified by": " and ".join(filter(None, ("this machine", self.accepted_by))),
            "columns": f"{len(self.dictionary.columns)} of the dictionary, {committed} committed",
            "size": f"{self.size:,} bytes in {len(self.parts)} part{'s' if len(self.parts) > 1 else ''}",
            "commitments root": cards.short(proven.root),
            "version": proven.statement.version,
        }
        if self.seconds:
            facts["took"] = f"{self.seconds:.1f} s"
        good = bool(self.accepted_by)
        mark = cards.badge("proven" if good else "holds, not registered", cards.GOOD if good else cards.WAITING)
        return cards.card(f"Proof of {self.title}", cards.facts(facts), mark=mark)


def write_proof(folder: Path, name: str, proof: ValidityProof) -> Path:
    """Write one part, whole or not at all. Proofs hold nothing secret."""
    folder.mkdir(parents=True, exist_ok=True)
    draft = folder / f".{name}.{secrets.token_hex(4)}"
    draft.write_bytes(proof.to_bytes())
    with draft.open("rb") as handle:
        os.fsync(handle.fileno())
    return draft.replace(folder / f"{name}{SUFFIX}")


def read_proof(path: Path) -> ValidityProof:
    """Read one part. Raises ProofMalformed."""
    with path.open("rb") as file:
        return ValidityProof.from_bytes(file.read(MAX_PROOF_BYTES + 1))


def part_name(version: int, first: int) -> str:
    """Of a part's file, so that names sort as parts do."""
    return f"version-{version:04}-chunk-{first:06}"


def saved_parts(folder: Path, version: int) -> Iterator[ValidityProof]:
    """The parts of a version in their order, as far as there are files."""
    for path in sorted(folder.glob(f"version-{version:04}-chunk-*{SUFFIX}")):
        yield read_proof(path)


def load_dictionary(name: str) -> Dictionary:
    """A YAML file, or else a built-in dictionary of that name."""
    return Dictionary.builtin(name) if name.isidentifier() and not Path(name).exists() else Dictionary.load(name)


def refuse_other_layout(proven: ProvenTable, dictionary: Dictionary) -> None:
    """Raises ProofRefused unless the proof is about the kinds and widths of this dictionary."""
    if proven.statement.layout.to_bytes() != dictionary.layout:
        raise ProofRefused("V1", f"the proof is about other kinds or widths than {dictionary.name} has")


def compare_with_dictionary(proven: ProvenTable, name: str) -> str:
    """What to say where layout and dictionary agree. Raises ProofRefused where they do not."""
    dictionary = load_dictionary(name)
    refuse_other_layout(proven, dictionary)
    return f"{dictionary.name} version {dictionary.version} has these kinds and widths"


def compare_with_chain(proven: ProvenTable, url: str, members: str | None) -> str:
    """What to say where the chain has this version. Raises ProofRefused, CommitmentMismatch, RegistryError."""
    registry = ChainRegistry.connect(url, Address(members) if members else None)
    statement = proven.statement
    dataset = registry.dataset(DatasetId(statement.dataset))
    version = registry.version(DatasetId(statement.dataset), statement.version) if dataset else None
    if dataset is None or version is None:
        raise ProofRefused("V1", "the chain has no such version of no such dataset")
    compare(proven, registry, dataset, version)
    said = ["the contract accepted it" if version.status is VersionStatus.PROVEN else "NOT proven on chain yet"]
    if dataset.versions != version.number:
        said.append(f"NOT the newest: version {dataset.versions} is")
    if version.consent_root != dataset.consent_root:
        said.append("STALE: consents changed since")
    if dataset.status is not DatasetStatus.ACTIVE:
        said.append(f"the dataset is {dataset.status.name}")
    return f"version {version.number} of {dataset.name!r} by {dataset.holder}; {'; '.join(said)}"


def compare(proven: ProvenTable, registry: Registry, dataset: Dataset, version: DatasetVersion) -> None:
    """Raises ProofRefused or CommitmentMismatch unless the proof is that of this version of this dataset."""
    statement, domain = proven.statement, registry.proof_domain
    place = (domain.chain_id, domain.contract, bytes.fromhex(dataset.holder[2:]), dataset.id, version.number)
    stated = (statement.chain_id, statement.contract, statement.owner, statement.dataset, statement.version)
    if stated != place:
        raise ProofRefused("V1", "the proof is bound to another chain, contract, owner, dataset or version")
    if version.rows != proven.rows:
        raise ProofRefused("V1", f"the chain has {version.rows} rows, the proof is about {proven.rows}")
    if version.commitments_root != proven.root:
        raise CommitmentMismatch("the proof is about other columns than those that were registered")
