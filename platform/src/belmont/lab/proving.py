"""Proving versions: part by part, counted, sent to the contract, and kept as files that anybody can verify."""

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from belmont.ehr.coded import CodedTable
from belmont.ehr.dictionary import Dictionary
from belmont.identity.keys import Identity
from belmont.lab.errors import LabError
from belmont.lab.home import Home
from belmont.lab.hospital_files import registered_version, stored_rows
from belmont.lab.progress import Bar, SilentBar, progress_bar
from belmont.lab.proofs import VersionProof, compare, load_dictionary, part_name, saved_parts, write_proof
from belmont.lab.stored_rows import StoredRows
from belmont.registry.chain_registry import ChainRegistry
from belmont.registry.protocol import Registry
from belmont.registry.proving import prove_on_chain
from belmont.registry.types import Dataset, DatasetId, VersionStatus
from belmont.zk.budget import OpeningBudget
from belmont.zk.commitment import CommittedTable, chunks_of
from belmont.zk.layout import Layout
from belmont.zk.statement import Statement
from belmont.zk.validity import ValidityProof, evaluations_given, parts_of, prove_part

NOBODY: Final = bytes(20)
NOTHING: Final = bytes(32)
CALLS_OF_A_CHUNK: Final = 8
"""How often a proof tells of each of its chunks."""


def prove_version(
    home: Home,
    slug: str,
    registry: Registry,
    dataset_id: DatasetId,
    number: int = 0,
    processes: int = 1,
    bar: Bar | None = None,
) -> VersionProof:
    """Prove a registered version, by default the newest, from where the contract is. ``registry`` writes for anybody.

    Each part is counted against the opening budget before it leaves. Raises HomeError where vault and chain differ, the
    errors of `belmont.zk`, and RegistryRefused.
    """
    started = time.perf_counter()
    version = registered_version(home, slug, registry, dataset_id, number)
    rows = stored_rows(home, slug, registry, dataset_id, version.number)
    dataset = registry.dataset(dataset_id)
    if dataset is None:
        raise LabError(f"the chain has no dataset of {slug}")
    title = f"Proving {dataset.name}, version {version.number}"
    with _watched(title, rows, bar) as steps:
        committed = rows.commit(processes, steps.committed)
        committed.check(version.commitments_root)

        def prove(table: CommittedTable, statement: Statement) -> ValidityProof:
            budget.spend(table.root, evaluations_given(statement), statement.words())
            proof = prove_part(table, statement, steps.proved, processes=processes)
            write_proof(home.proofs(slug), part_name(version.number, statement.first), proof)
            return proof

        with closing(OpeningBudget(home.openings(slug))) as budget:
            text_hash = rows.table.dictionary.text_hash
            prove_on_chain(registry, dataset_id, version.number, committed, text_hash, prove=prove)
    return saved_proof(home, slug, registry, dataset_id, version.number, time.perf_counter() - started)


def saved_proof(
    home: Home, slug: str, registry: Registry, dataset_id: DatasetId, number: int = 0, seconds: float = 0.0
) -> VersionProof:
    """The proof of a version, by default the newest, from its files.

    Raises LabError where there is none, ProofRefused or CommitmentMismatch where it is not that of the chain's version.
    """
    version = registered_version(home, slug, registry, dataset_id, number)
    dataset = registry.dataset(dataset_id)
    title = f"{dataset.name if dataset else slug}, version {version.number}"
    parts = tuple(saved_parts(home.proofs(slug), version.number))
    if not parts:
        raise LabError(f"no proof of {title} is on this machine: make one with belmont prove")
    proof = VersionProof(title, Dictionary.load(home.dictionary(slug)), parts, seconds=seconds)
    proven = proof.verify()
    if dataset is not None:
        compare(proven, registry, dataset, version)
    return replace(proof, accepted_by="the contract" if version.status is VersionStatus.PROVEN else "")


def statement_of(
    registry: Registry, dataset: Dataset, number: int, layout: Layout, first: int, chunks: int, rows: int
) -> Statement:
    """What a part of a registered version states."""
    return Statement(
        registry.proof_domain.chain_id,
        registry.proof_domain.contract,
        bytes.fromhex(dataset.holder[2:]),
        dataset.id,
        number,
        layout,
        first,
        chunks,
        rows,
    )


def prove_registered(name: str, home_path: Path, url: str, processes: int) -> VersionProof:
    """Prove the newest version of a hospital's dataset: ``name`` is the hospital's short name or the dataset's."""
    home = Home(home_path.expanduser())
    registry = ChainRegistry.connect(url, home.read().members_address)
    people = {person.address: person for person in home.read().people}
    for dataset in registry.datasets():
        person = people.get(dataset.holder)
        if person is not None and name in (person.slug, person.name, dataset.name):
            writer = registry.as_(Identity.load(home.identity(person.slug)).account)
            return prove_version(home, person.slug, writer, dataset.id, processes=processes)
    raise LabError(f"{home.path} holds no dataset {name!r} that is registered at {url}")


def prove_file(table_path: Path, dictionary_name: str, out: Path, processes: int) -> VersionProof:
    """Prove a coded table, bound to no chain; one file for each part goes to ``out``."""
    started = time.perf_counter()
    dictionary = load_dictionary(dictionary_name)
    if not table_path.is_file():
        raise LabError(f"{table_path}: no such file; give a table that `belmont data code` wrote, or --home and --url")
    rows = StoredRows.fresh(CodedTable.from_bytes(dictionary, table_path.read_bytes()))
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise LabError(f"--out {out}: name a new folder, so that no parts of other proofs are among these")
    out.parent.mkdir(parents=True, exist_ok=True)
    parts = []
    with (
        TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as draft,
        _watched(f"Proving {table_path.name}", rows, None) as steps,
    ):
        committed = rows.commit(processes, steps.committed)
        for first, chunks, count in parts_of(committed):
            statement = Statement(0, NOBODY, NOBODY, NOTHING, 0, rows.layout, first, chunks, count)
            parts.append(prove_part(committed, statement, steps.proved, processes=processes))
            write_proof(Path(draft) / "parts", part_name(0, first), parts[-1])
        (Path(draft) / "parts").replace(out)
    return VersionProof(table_path.name, dictionary, tuple(parts), "", time.perf_counter() - started)


class _Steps:
    """Turns what `belmont.zk` tells into steps of a bar."""

    def __init__(self, bar: Bar) -> None:
        self._bar = bar

    def committed(self, done: int, of: int) -> None:
        self._bar.advance(note="commitments")

    def proved(self, done: int) -> None:
        self._bar.advance(note="proof")


@contextmanager
def _watched(title: str, rows: StoredRows, bar: Bar | None) -> Iterator[_Steps]:
    """Steps of a bar of its own, or none where the caller has one."""
    if bar is not None:
        yield _Steps(SilentBar())
        return
    chunks = chunks_of(rows.table.rows)
    with progress_bar(title, chunks * (1 + CALLS_OF_A_CHUNK)) as own:
        yield _Steps(own)
