"""What every random operation runs on: the contracts, the reference model beside them, and the story they tell.

Each write goes to both, which have to give the same result or the same refusal. Then the story goes on by the new
events, and every invariant is held against them (``votes``, ``permits``, ``uses``, ``releases``, ``keys``: each lists
its own).
"""

from collections import Counter
from collections.abc import Callable
from operator import attrgetter
from random import Random
from types import SimpleNamespace
from typing import Any

from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak
from tests.contracts.conftest import model_of, records
from tests.contracts.stateful.keys import Keys
from tests.contracts.stateful.story import Story

from belmont.registry.chain_registry import ChainRegistry
from belmont.registry.consents.tree import ConsentTree
from belmont.registry.contract_set import IMPLEMENTATION_SLOT, NAMES, creation_code
from belmont.registry.errors import RegistryRefused
from belmont.registry.reference.datasets import mark_proven
from belmont.registry.types import (
    Address,
    AnswerMode,
    Computation,
    DatasetId,
    MicroRho,
    PermitId,
    StudyId,
    StudyTerms,
    VersionStatus,
)

HASHES = [bytes([number]) * 32 for number in range(4)]
"""The first is no hash at all."""
DAY, YEAR = 24 * 3600, 365 * 24 * 3600
WEEK = 7 * DAY
RHO = 60
"""Of a permit for a dataset."""

HOLDERS, DATA_USER, AUDITOR, BOARD, NEWCOMERS = (0, 1), 2, 3, (4, 5, 6), (7, 8)
ANYONE = range(9)
"""Two holders, data user, auditor, three of the board, two newcomers."""
PATIENTS = (9, 10, 11)
RENEWED = ("Permits", "Uses", "Rules")
"""Contracts that can get the same code once more, at another address."""

Operation = Callable[..., None]


def operation(weight: int = 1) -> Callable[[Operation], Operation]:
    """Marks a method that a run does at random, so many times as often as one of weight 1."""

    def marked(method: Operation) -> Operation:
        method.weight = weight  # type: ignore[attr-defined]
        return method

    return marked


def mostly(chance: Random, usual: Any, unusual: Any) -> Any:
    """Sensible values most of the time, so that a run gets somewhere."""
    return chance.choice(usual if chance.random() < 0.85 else unusual)


def flawed(chance: Random, usual: dict[str, Any], flaws: dict[str, Any], share: float = 0.3) -> dict[str, Any]:
    """``usual``, often with one thing in it that may be wrong: with several, only the first would ever be refused."""
    if chance.random() >= share:
        return usual
    name = chance.choice(sorted(flaws))
    return {**usual, name: chance.choice(flaws[name])}


def somebody(number: int) -> SimpleNamespace:
    """An account; nothing here is signed."""
    return SimpleNamespace(address=to_checksum_address(keccak(b"somebody" + bytes([number]))[:20]))


class Machine:
    """One consortium from its founding on."""

    def __init__(self, consortium: Any, implementations: dict[str, Address], seed: int) -> None:
        self.dice, self.seed = Random(seed), seed
        self.evm, self.shelf, self.implementations = consortium.evm, consortium.shelf, implementations
        self.chain = ChainRegistry(self.evm, consortium.registry.addresses)
        self.points_to = self.pointed()
        self.model = model_of(self.chain, self.shelf, self.evm.now)
        self.world = self.model._world
        for address in (*self.chain.addresses.values(), *implementations.values()):
            self.world.code[address] = keccak(self.evm.code(address))
        self.world.rules_address = self.chain.addresses["Rules"]
        its = consortium
        members = [its.holder, its.other_holder, its.data_user, its.auditor, *its.board]
        self.people = [*members, its.non_member, *(somebody(number) for number in range(4))]
        self.keys = [somebody(number) for number in range(10, 20)]
        """Keys that no identity begins with, for new owners and machines."""
        self.datasets: list[DatasetId] = []
        self.trees: dict[DatasetId, ConsentTree] = {}
        self.story, self.owners = Story(lambda number: self.world.studies[StudyId(number)].terms), Keys()
        self.story.votes.rules_address = self.chain.addresses["Rules"]
        self.is_calm = False
        """Whether everybody writes for themselves only."""
        self.heard = 0
        self.writes: list[str] = []
        self.outcomes: Counter[tuple[str, str]] = Counter()
        """How often each write was done, or refused for a reason."""
        self.listen()

    def run(self, steps: int) -> None:
        """So many operations at random, and what must hold in the end. An error says where it happened."""
        operations = [getattr(self, name) for name in sorted(dir(type(self)))]
        operations = [each for each in operations if hasattr(each, "weight")]
        try:
            if self.dice.random() < 0.95:
                self.is_calm = True
                self.prepare(self.dice)
                self.is_calm = False
            for each in self.dice.choices(operations, [each.weight for each in operations], k=steps):
                self.writes.append(each.__name__)
                each(self.dice)
            self.story.end()
            self.the_same_stands_on_both()
            self.budgets_hold()
            self.code_is_what_was_enacted()
        except Exception as error:
            error.add_note("\n".join([f"seed {self.seed}; the newest writes:", *self.writes[-30:]]))
            raise

    def prepare(self, chance: Random) -> None:
        """Overridden: a permit, so that a run soon gets to what permits are for."""

    # --- how ---

    def both(self, by: int, write: str, *args: Any) -> Any:
        """The same write on both, mostly by who speaks for the actor; the same result or the same refusal."""
        identity = Address(self.people[by].address)
        sender = self.sender(identity, 0.8 if write.startswith("identities.") else 0.94)
        may = self.owners.may(identity, sender.address, write, self.evm.now)
        outcomes: list[tuple[str, Any]] = []
        for registry in (self.chain, self.model):
            try:
                outcomes.append(("done", attrgetter(write)(registry.as_(sender, identity))(*args)))
            except RegistryRefused as error:
                outcomes.append(("refused", error.reason))
        assert outcomes[0] == outcomes[1], f"{write}{args} by {by}"
        how, result = outcomes[0]
        if write == "issue" and how == "done" and self.world.studies[args[0]].amends:
            data_user = self.world.studies[args[0]].data_user
            assert self.owners.may(data_user, sender.address, "open_round", self.evm.now)
        assert may or how == "refused", f"{write} by somebody who does not act for {identity}"
        self.outcomes[write, result if how == "refused" else how] += 1
        self.writes.append(f"  {write}{args} by {by}, sent by {sender.address}: {how} {result}"[:300])
        self.listen()
        return result if how == "done" else None

    def sender(self, identity: Address, rightly: float) -> Any:
        roll, owner = self.dice.random(), self.owners.owner(identity)
        if roll < rightly or self.is_calm:
            return SimpleNamespace(address=owner)
        delegates = [each for who, each in self.owners.valid_to if who == identity]
        return SimpleNamespace(address=self.dice.choice([*delegates * 3, identity, *(e.address for e in self.people)]))

    def listen(self) -> None:
        """The story goes on by what was just written."""
        events = self.world.events
        while self.heard < len(events):
            self.owners.tell(events[self.heard])
            self.story.tell(events[self.heard])
            self.heard += 1

    def pass_time(self, seconds: int) -> None:
        self.evm.now += seconds
        self.model.clock.advance(seconds, heartbeat=False)

    def pass_time_until(self, at: int) -> None:
        self.pass_time(max(at - self.evm.now, 0))

    # --- what operations choose from ---

    def dataset_id(self, place: int) -> DatasetId:
        return self.datasets[place] if place < len(self.datasets) else DatasetId(HASHES[1])

    def root(self, id_: DatasetId) -> bytes:
        found = self.model.dataset(id_)
        return found.consent_root if found else HASHES[1]

    def study_number(self, chance: Random) -> StudyId:
        return StudyId(mostly(chance, [max(len(self.world.studies), 1)], range(5)))

    def permit_number(self, chance: Random) -> PermitId:
        """Mostly one of the newest two."""
        issued = sorted(self.world.permits) or [1]
        return PermitId(
            chance.choice(range(5)) if chance.random() < 0.06 else chance.choice(issued[-1:] * 2 + issued[-2:])
        )

    def terms(
        self,
        datasets: tuple[DatasetId, ...] | None = None,
        computations: int = 3,
        rounds: int = 2,
        queries: int = 1,
        min_hospitals: int = 1,
        duration: int = YEAR,
        rho: int = RHO,
    ) -> StudyTerms:
        """Of a study, by default over the first two datasets."""
        return StudyTerms(
            title="A study",
            protocol_hash=HASHES[1],
            purpose=1 << 37,
            code_hash=HASHES[1],
            config_hash=HASHES[2],
            datasets=tuple(self.datasets[:2]) if datasets is None else datasets,
            computations=Computation(computations),
            rounds=rounds,
            queries=queries,
            rho_per_dataset=MicroRho(rho),
            min_hospitals=min_hospitals,
            min_cohort=5,
            answer_mode=AnswerMode.EXACT,
            duration_seconds=duration,
        )

    def register(self, by: int, name: str, cap: int = 100) -> DatasetId | None:
        fields = (name, 1 << 4, self.shelf.dictionary_hash, 1, 1, self.evm.now + 2 * YEAR, MicroRho(cap))
        id_ = self.both(by, "register_dataset", *fields)
        if id_ is not None:
            self.datasets.append(id_)
        return id_

    def add_usable_version(self, by: int, id_: DatasetId, rows: int) -> None:
        """A version, which the contract Proofs calls proven without a proof: what a proof takes is ``prove``'s."""
        number = self.both(by, "add_version", id_, b"cid", rows, self.shelf.table(10).root, self.root(id_))
        if number is not None:
            proofs = SimpleNamespace(address=self.chain.addresses["Proofs"])
            self.chain.as_(proofs).send("Datasets", "markProven", id_, number)
            with self.model.as_(proofs).sending() as (world, _):
                mark_proven(world, id_, number)

    # --- what must hold in the end ---

    def the_same_stands_on_both(self) -> None:
        assert records(self.chain) == records(self.model)
        for id_ in self.datasets:
            assert self.chain.consents.state(id_) == self.model.consents.state(id_)
            for number in range(1, self.model.dataset(id_).versions + 1):
                assert self.chain.version(id_, number) == self.model.version(id_, number)
        for each in self.people:
            identity = Address(each.address)
            assert self.chain.identities.owner(identity) == self.model.identities.owner(identity)
            assert self.model.identities.owner(identity) == self.owners.owner(identity)

    def budgets_hold(self) -> None:
        """Counted from the records, as the story counts them from the events."""
        permits = self.chain.permits()
        for dataset in self.chain.datasets():
            lines = {permit.line: self.chain.rho_spent(permit.id, dataset.id) for permit in permits}
            assert sum(lines.values()) == dataset.rho_spent <= dataset.rho_cap
            for line, spent in lines.items():
                assert spent == self.story.uses.spent[line, dataset.id]
        for use in self.chain.uses():
            assert self.model.version(use.dataset_id, use.version).status is VersionStatus.PROVEN

    def code_is_what_was_enacted(self) -> None:
        """Every proxy points to where the last enacted switch points it, or to where it pointed at the founding."""
        switches = self.story.votes.switches
        assert self.chain.read("Rules", "switches") == self.world.switches == len(switches)
        assert self.pointed() == {**self.points_to, **dict(switches)}

    def pointed(self) -> dict[Address, Address]:
        """Where the proxies point."""
        proxies = [self.chain.addresses[name] for name in NAMES]
        words = self.evm.storage([(each, IMPLEMENTATION_SLOT) for each in proxies])
        return {each: Address(to_checksum_address(word[-20:])) for each, word in zip(proxies, words, strict=True)}


def deploy_once_more(consortium: Any) -> dict[str, Address]:
    """Leave the code of some contracts on the chain once more, so that proxies can be pointed to it by vote."""
    found = {}
    for name in RENEWED:
        code = creation_code(name, consortium.registry.addresses)
        _, found[name] = consortium.evm.send(consortium.non_member, None, code)
    return found
