"""A consortium of four hospitals with one permit, on either registry, for the federated benchmarks."""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from eth_account import Account

from belmont.ehr.coded import CodedTable
from belmont.ehr.dictionary import Dictionary
from belmont.ehr.synthetic import coded_tables, generate_population
from belmont.federated.hashes import RunConfig, code_hash, config_hash
from belmont.federated.models.bundles import shipped_bundle
from belmont.federated.models.glm import glm_config
from belmont.federated.node.node import HospitalNode
from belmont.federated.node.stored import StoredVersion
from belmont.registry.consents.register import ConsentRegister, Patient
from belmont.registry.consents.scope import Scope
from belmont.registry.limits import PURPOSES_MASK
from belmont.registry.proving import prove_on_chain
from belmont.registry.simulated import SimulatedRegistry
from belmont.registry.types import (
    ZERO_HASH,
    Address,
    AnswerMode,
    Computation,
    DatasetId,
    MemberProfile,
    MicroRho,
    PermitId,
    Role,
    StudyTerms,
)
from belmont.zk.commitment import CommittedTable, commit_table
from belmont.zk.layout import Layout

HOSPITALS = 4
SEED = 7
PURPOSE = 1 << 37
ANY_RESEARCH = Scope(PURPOSES_MASK, 255, 0, 1 << 62)


def features() -> tuple[str, ...]:
    """The dictionary's features."""
    return Dictionary.builtin().features


def missing_indicators() -> tuple[str, ...]:
    """The features that may be missing."""
    dictionary = Dictionary.builtin()
    return tuple(c.name for c in dictionary if c.name in dictionary.features and c.allows_missing)


def tables(patients: int) -> list[CodedTable]:
    """The same coded tables in every process."""
    return coded_tables(generate_population(HOSPITALS, patients, SEED))


@dataclass
class Parties:
    """A permit, the data user's registry, and the hospitals' nodes."""

    registry: Any
    permit_id: PermitId
    participants: tuple[DatasetId, ...]
    nodes: list[HospitalNode]
    config: dict[str, Any]
    bundle: bytes


@contextmanager
def parties(
    tables: list[CodedTable],
    rounds: int,
    queries: int,
    on_chain: bool,
    bundle: bytes | None = None,
    config: RunConfig | None = None,
) -> Iterator[Parties]:
    """Found a consortium, register the tables, issue a permit, start the nodes; of the logistic study unless named."""
    researcher, *others = [Account.create() for _ in range(3 + len(tables))]
    board, hospitals = others[:2], others[2:]
    keys = [X25519PrivateKey.generate() for _ in hospitals]
    founders = [_profile(researcher, "university", Role.DATA_USER)]
    founders += [_profile(account, f"board {i}", Role.ETHICS_BOARD) for i, account in enumerate(board)]
    founders += [
        _profile(account, f"hospital {i}", Role.DATA_HOLDER, key.public_key().public_bytes_raw())
        for i, (account, key) in enumerate(zip(hospitals, keys, strict=True))
    ]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        registry: Any
        now: Callable[[], float]
        if on_chain:
            from belmont.chain.process import ChainProcess
            from belmont.registry.founding import found

            chain = stack.enter_context(ChainProcess.start(folder / "chain"))
            registry, now = found(chain.url, "benchmark", founders), time.time
        else:
            registry = SimulatedRegistry.found("benchmark", founders)
            now = registry.clock
        datasets = tuple(_register(registry.as_(a), t, now, folder) for a, t in zip(hospitals, tables, strict=True))
        bundle = shipped_bundle("glm") if bundle is None else bundle
        config = dict(glm_config(features(), "cvd_event", missing_indicators()) if config is None else config)
        terms = _terms(bundle, config, datasets, rounds, queries)
        user = registry.as_(researcher)
        study = user.propose(terms)
        for member in board:
            registry.as_(member).vote(study, True)
        for account, dataset in zip(hospitals, datasets, strict=True):
            registry.as_(account).accept(study, dataset)
        permit_id = user.issue(study)
        nodes = []
        for i, (account, dataset) in enumerate(zip(hospitals, datasets, strict=True)):
            node = HospitalNode(
                registry.as_(account),
                dataset,
                _always(StoredVersion(tables[i], committed_to(tables[i]))),
                keys[i],
                folder / f"ledger-{i}",
                now,
                account=account,
                openings_path=folder / f"openings-{i}",
                consents_path=folder / f"consents-{dataset.hex()}",
            )
            stack.callback(node.close)
            nodes.append(node)
        yield Parties(user, permit_id, datasets, nodes, config, bundle)


def _always(stored: StoredVersion) -> Callable[[int], StoredVersion]:
    return lambda number: stored


@lru_cache(maxsize=16)
def committed_to(table: CodedTable) -> CommittedTable:
    """The commitments of a table."""
    layout, codes = Layout.from_bytes(table.dictionary.layout), [table.codes(name) for name in table.columns]
    return commit_table(layout, codes, table.pseudonyms)


def _profile(account: Any, name: str, roles: Role, mask_key: bytes = ZERO_HASH) -> MemberProfile:
    return MemberProfile(Address(account.address), name, f"did:ethr:{account.address}", roles, mask_key)


def _register(registry: Any, table: CodedTable, now: Callable[[], float], folder: Path) -> DatasetId:
    until = int(now()) + 4 * 366 * 24 * 3600
    dataset: DatasetId = registry.register_dataset("records", 1 << 4, table.dictionary.hash, 1, 255, until, MicroRho(0))
    with ConsentRegister(folder / f"consents-{dataset.hex()}", dataset) as register:
        patients = (Patient(int(each).to_bytes(32), int(each), ANY_RESEARCH) for each in table.pseudonyms)
        registry.consents.publish_batch(dataset, register.admit(patients))
    root = registry.consents.root(dataset)
    committed = committed_to(table)
    number = registry.add_version(dataset, b"\x01\x71\x12\x20" + bytes(32), table.rows, committed.root, root)
    prove_on_chain(registry, dataset, number, committed, table.dictionary.text_hash)
    return dataset


def _terms(bundle: bytes, config: Any, datasets: tuple[DatasetId, ...], rounds: int, queries: int) -> StudyTerms:
    return StudyTerms(
        title="benchmark",
        protocol_hash=b"\3" * 32,
        purpose=PURPOSE,
        code_hash=code_hash(bundle),
        config_hash=config_hash(config),
        datasets=datasets,
        computations=Computation.TRAINING | Computation.QUERY,
        rounds=rounds,
        queries=queries,
        rho_per_dataset=MicroRho(0),
        min_hospitals=3,
        min_cohort=20,
        answer_mode=AnswerMode.EXACT,
        duration_seconds=24 * 3600,
    )
