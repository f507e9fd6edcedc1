"""A chain's directory that holds as much as a large consortium does after years, made block by block.

The transactions are what institutions and patients would send, signed, executed and sealed by the chain's own engine;
only JSON-RPC is left out, so that a block holds many of them. Datasets have no proven versions: nothing here reads one.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eth_account import Account

from belmont.chain.engine import Engine
from belmont.chain.process import ChainProcess
from belmont.chain.transactions import admit
from belmont.registry.chain_registry import ChainRegistry
from belmont.registry.consents.scope import Scope
from belmont.registry.consents.statements import account_key
from belmont.registry.consents.tree import ConsentTree
from belmont.registry.contract_set import contract
from belmont.registry.founding import found
from belmont.registry.hashes import dataset_id
from belmont.registry.limits import PURPOSES_MASK
from belmont.registry.records import conditions_struct, terms_struct
from belmont.registry.types import Address, AnswerMode, Computation, DatasetId, MemberProfile, Role, StudyTerms

CHAIN_ID = 1337
GAS = 600_000
PER_BLOCK = 45
"""So many transactions of this gas fit in a block."""
YEAR = 365 * 24 * 3600
HASH = b"\3" * 32
BROAD = Scope(PURPOSES_MASK, 255, 0, 1 << 62)


def account(name: str) -> Any:
    """The same account in every run."""
    return Account.from_key(hashlib.sha256(b"populated " + name.encode()).digest())


@dataclass(frozen=True)
class Size:
    datasets: int
    permits: int
    consents: int


class Populated:
    """Everybody on the chain, and a way to send many transactions at once."""

    def __init__(self, directory: Path, tell: Callable[[str], None]) -> None:
        self.directory = directory
        self._tell = tell
        self.researcher = account("researcher")
        self.board = [account(f"board {place}") for place in range(3)]
        self.holders = [account(f"hospital {place}") for place in range(4)]
        self._nonces: dict[str, int] = {}
        self.addresses: dict[str, Address] = {}

    def founders(self) -> list[MemberProfile]:
        roles = [
            (self.researcher, Role.DATA_USER),
            *((each, Role.ETHICS_BOARD) for each in self.board),
            *((each, Role.DATA_HOLDER) for each in self.holders),
        ]
        return [
            MemberProfile(Address(each.address), f"member {place}", f"did:ethr:0x539:{each.address.lower()}", role)
            for place, (each, role) in enumerate(roles)
        ]

    def make(self, size: Size) -> None:
        """Found the consortium and fill its chain."""
        with ChainProcess.start(self.directory) as chain:
            self.addresses = found(chain.url, "populated", self.founders()).addresses
        engine = Engine.open(self.directory)
        try:
            self._datasets(engine, size.datasets)
            self._permits(engine, size.permits)
            self._consents(engine, size.consents)
        finally:
            engine.close()

    def dataset(self, place: int) -> DatasetId:
        return dataset_id(Address(self.holders[place % 4].address), f"dataset {place}")

    def patient(self, place: int) -> Any:
        return account(f"patient {place}")

    def open(self, url: str) -> ChainRegistry:
        registry = ChainRegistry.connect(url)
        self.addresses = registry.addresses
        return registry

    # --- what is sent ---

    def _datasets(self, engine: Engine, count: int) -> None:
        until = int(time.time()) + 2 * YEAR
        sent = []
        for place in range(count):
            holder = self.holders[place % 4]
            conditions = conditions_struct(1 << 4, None)
            fields = f"dataset {place}", conditions, HASH, 1, 255, until, 1_000_000
            sent.append(self._signed(holder, "Datasets", "register", holder.address, *fields))
        self._seal(engine, sent, "datasets")

    def _permits(self, engine: Engine, count: int) -> None:
        user, named = self.researcher, [tuple(self.dataset(4 * place + k) for k in range(4)) for place in range(count)]
        sent = []
        for place, datasets in enumerate(named):
            terms = study_terms(f"study {place + 1}", datasets)
            given = terms_struct(terms), terms.intended_use.struct()
            sent.append(self._signed(user, "Studies", "propose", user.address, *given, gas=2_000_000))
        self._seal(engine, sent, "studies")
        voters = [(each, study + 1) for study in range(count) for each in self.board[:2]]
        sent = [
            self._signed(each, "Studies", "vote", each.address, study, True, bytes(32), HASH) for each, study in voters
        ]
        self._seal(engine, sent, "votes")
        sent = [
            self._signed(holder, "Studies", "accept", holder.address, study + 1, id_)
            for study, datasets in enumerate(named)
            for holder, id_ in zip(self.holders, datasets, strict=True)
        ]
        self._seal(engine, sent, "acceptances")
        sent = [self._signed(user, "Permits", "issue", study + 1) for study in range(count)]
        self._seal(engine, sent, "permits")

    def _consents(self, engine: Engine, count: int) -> None:
        """Patients with keys of their own, a thousand in the batch of each dataset, and a statement of each."""
        for start in range(0, count, 1_000):
            dataset, holder = self.dataset(start // 1_000), self.holders[start // 1_000 % 4]
            patients = [self.patient(place) for place in range(start, min(start + 1_000, count))]
            tree = ConsentTree([(account_key(Address(each.address)), bytes(32)) for each in patients])
            batch = tree.batch
            sent = [self._signed(holder, "Consents", "publishBatch", holder.address, dataset, batch.root, batch.count)]
            for each in patients:
                leaf = tree.membership(account_key(Address(each.address))).leaf
                path = leaf.scope_hash, leaf.place, list(leaf.path)
                sent.append(self._signed(holder, "Consents", "enrol", dataset, each.address, *path))
            scope = BROAD.purposes, BROAD.categories, [], BROAD.valid_from, BROAD.valid_until
            sent += [self._signed(each, "Consents", "grant", each.address, dataset, *scope, 1) for each in patients]
            self._seal(engine, sent, f"consents up to {start + len(patients)}")

    # --- how ---

    def _signed(self, sender: Any, name: str, function: str, *args: object, gas: int = GAS) -> Any:
        return admit(self.raw(sender, name, function, *args, gas=gas), CHAIN_ID, 30_000_000)

    def raw(self, sender: Any, name: str, function: str, *args: object, gas: int = GAS) -> bytes:
        """A signed transaction, with the next nonce of this run."""
        nonce = self._nonces.get(sender.address, 0)
        self._nonces[sender.address] = nonce + 1
        fields = {"to": self.addresses[name], "data": contract(name).interface.encode_call(function, *args)}
        fields |= {"nonce": nonce, "gas": gas, "value": 0, "chainId": CHAIN_ID}
        signed = sender.sign_transaction({**fields, "maxFeePerGas": 0, "maxPriorityFeePerGas": 0})
        return bytes(signed.raw_transaction)

    def _seal(self, engine: Engine, transactions: Sequence[Any], what: str) -> None:
        started, waiting = time.monotonic(), list(transactions)
        while waiting:
            outcomes = engine.seal(waiting[:PER_BLOCK])
            refused = [each.reason for each in outcomes.values() if each.status == "refused"]
            if refused:
                raise RuntimeError(f"{what}: {refused[0]}")
            done = {digest for digest, outcome in outcomes.items() if outcome.status == "included"}
            if not done:
                raise RuntimeError(f"{what}: nothing of it can be included, {next(iter(outcomes.values())).reason}")
            waiting = [each for each in waiting if each.hash not in done]
        seconds = time.monotonic() - started
        self._tell(f"{len(transactions)} {what} in {seconds:.0f} s, {len(transactions) / max(seconds, 1e-9):.0f} tx/s")


def study_terms(title: str, datasets: tuple[DatasetId, ...]) -> StudyTerms:
    return StudyTerms(
        title=title,
        protocol_hash=HASH,
        purpose=1 << 37,
        code_hash=HASH,
        config_hash=HASH,
        datasets=datasets,
        computations=Computation.TRAINING | Computation.QUERY,
        rounds=10,
        queries=10,
        rho_per_dataset=0,  # type: ignore[arg-type]
        min_hospitals=3,
        min_cohort=20,
        answer_mode=AnswerMode.EXACT,
        duration_seconds=YEAR,
    )
