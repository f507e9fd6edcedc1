"""Random operations of data holders and patients: datasets, versions, proofs, consents."""

from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import Any

from tests.contracts.stateful.machine import ANYONE, HASHES, HOLDERS, PATIENTS, YEAR, Machine, mostly, operation

from belmont.registry.consents.scope import Scope
from belmont.registry.consents.statements import account_key
from belmont.registry.consents.tree import ConsentTree, Leaf, Membership
from belmont.registry.proofs import reached_by
from belmont.registry.types import Address, DatasetId, PartStart
from belmont.zk.layout import ColumnKind, Kind, Layout
from belmont.zk.statement import Statement
from belmont.zk.validity import parts_of

TWO_CHUNKS = 4_040
OTHER_LAYOUT = Layout((ColumnKind(Kind.RANGE, 3), ColumnKind(Kind.RANGE_OR_MISSING, 7)))
FREEZES = ["freeze_dataset", "unfreeze_dataset"]
SCOPES = [Scope(1 << 37, 1, 0, 2**63), Scope(1 << 31 | 1 << 37, 255, 5, 10), Scope(0, 1, 0, 10)]
"""The last is no scope: it has no purpose."""


class Data(Machine):
    def work(self, chance: Random) -> None:
        """Overridden: something is computed."""

    @operation()
    def register_another(self, chance: Random) -> None:
        by, name = mostly(chance, HOLDERS, ANYONE), mostly(chance, "abc", ["", "a"])
        id_ = self.register(by, name, chance.choice([0, 30, 100]))
        if id_ is not None:
            self.add_usable_version(by, id_, 10)

    @operation(2)
    def change_dataset(self, chance: Random) -> None:
        place = mostly(chance, (0, 1), range(4))
        by, id_ = mostly(chance, [place % 2], ANYONE), self.dataset_id(place)
        match chance.randrange(6):
            case 0:
                self.both(by, "destroy_dataset", id_, mostly(chance, HASHES[1:], HASHES))
            case 1 | 2:
                until = self.evm.now + chance.choice([1, 2, 3, 5]) * YEAR + mostly(chance, [0], [1])
                self.both(by, "extend_retention", id_, until)
            case _:
                cid, rows = mostly(chance, [b"cid"], [b""]), mostly(chance, [10, TWO_CHUNKS], [0])
                root = mostly(chance, [self.root(id_)], HASHES)
                self.both(by, "add_version", id_, cid, rows, self.shelf.table(rows or 10).root, root)

    @operation(2)
    def freeze_dataset(self, chance: Random) -> None:
        """And often unfreeze it after somebody worked with it."""
        place = mostly(chance, (0, 1), range(4))
        for write in chance.choice([FREEZES[:1], FREEZES, FREEZES, FREEZES[1:]]):
            self.both(mostly(chance, [place % 2], ANYONE), write, self.dataset_id(place))
            if chance.random() < 0.5:
                self.work(chance)

    @operation(3)
    def refresh(self, chance: Random) -> None:
        """A version of rows that the permit's minimum cohort allows, or does not."""
        for place in chance.choice([(0,), (1,), (0, 1)]):
            rows = chance.choice([5, 7, 10, 4])
            self.add_usable_version(mostly(chance, [place], ANYONE), self.dataset_id(place), rows)

    # --- proofs ---

    def prove(
        self,
        by: int,
        id_: DatasetId,
        number: int,
        rows: int = 10,
        proven: Any = None,
        text: bytes | None = None,
        layout: Layout | None = None,
        parts: tuple[int, ...] = (0, 1),
        start: PartStart | None = None,
    ) -> None:
        """Send the parts of a table's proof; every argument that is given makes it the proof of something else."""
        dataset = self.model.dataset(id_)
        owner = bytes.fromhex(dataset.holder[2:]) if dataset else bytes(20)
        domain, table, at = self.chain.proof_domain, self.shelf.table(rows), PartStart()
        for place, (first, chunks, of_part) in enumerate(parts_of(table, table.layout.committed)):
            about = proven or (id_, number)
            statement = Statement(
                domain.chain_id, domain.contract, owner, about[0], about[1], table.layout, first, chunks, of_part
            )
            proof = self.shelf.prove(table, statement)
            if layout is not None:
                proof = replace(proof, statement=replace(statement, layout=layout))
            if place in parts:
                self.both(by, "prove_version", id_, number, text or self.shelf.text_hash, proof, start or at)
                assert self.chain.is_reached(id_, number, at) == self.model.is_reached(id_, number, at)
            at = reached_by(proof, at)

    @operation(2)
    def prove_version(self, chance: Random) -> None:
        """Rightly most of the time, and in one of the wrong ways otherwise."""
        id_ = self.dataset_id(mostly(chance, (0, 1), range(4)))
        dataset = self.model.dataset(id_)
        if dataset and dataset.versions < 4 and chance.random() < 0.7:
            holder = self.datasets.index(id_) % 2
            self.both(holder, "add_version", id_, b"cid", 10, self.shelf.table(10).root, self.root(id_))
            dataset = self.model.dataset(id_)
        number = mostly(chance, [min(dataset.versions, 4) if dataset else 1], range(3))
        version = self.model.version(id_, number)
        # Proofs are made once and kept, so there are two tables only.
        changes: dict[str, Any] = {"rows": TWO_CHUNKS if version and version.rows == TWO_CHUNKS else 10}
        match chance.randrange(12):
            case 0:
                changes["rows"] = chance.choice([10, TWO_CHUNKS])
            case 1:
                changes["proven"] = self.dataset_id(0), 1
            case 2:
                changes["text"] = HASHES[2]
            case 3:
                changes["layout"] = OTHER_LAYOUT
            case 4:
                changes["parts"] = chance.choice([(0,), (1,), (0, 0, 1)])
            case 5:
                starts = [PartStart(0, 1), PartStart(0, 0, (HASHES[1],))]
                changes["start"] = chance.choice([*starts, PartStart(1, 4032, (HASHES[1],) * 9, bytes(128))])
        self.prove(chance.choice(ANYONE), id_, number, **changes)

    @operation()
    def register_tables(self, chance: Random) -> None:
        layout = chance.choice([OTHER_LAYOUT, self.shelf.layout])
        self.both(chance.choice(ANYONE), "register_tables", layout)
        assert self.chain.has_tables(layout.hash) == self.model.has_tables(layout.hash)

    # --- consents ---

    @operation(2)
    def publish_batch(self, chance: Random) -> None:
        place = mostly(chance, (0, 1), range(4))
        id_ = self.dataset_id(place)
        attested = chance.sample(PATIENTS, chance.choice([0, 1, 2, 3, 3, 3]))
        self.publish(mostly(chance, [place % 2], ANYONE), id_, attested, chance.choice(HASHES))

    def publish(self, by: int, id_: DatasetId, attested: Sequence[int], scope_hash: bytes) -> None:
        """A batch with these patients in it, and somebody who has no account."""
        leaves = [(account_key(Address(self.people[each].address)), scope_hash) for each in attested]
        tree = ConsentTree([*leaves, (HASHES[1], HASHES[2])] if leaves else [])
        if self.both(by, "consents.publish_batch", id_, tree.batch) is not None:
            self.trees[id_] = tree

    @operation(2)
    def state(self, chance: Random) -> None:
        """Whoever is in the batch and not enrolled is, mostly, and some make a statement."""
        id_ = self.dataset_id(mostly(chance, (0, 1), range(4)))
        for who in chance.sample(PATIENTS, chance.randint(1, 3)):
            account, tree = Address(self.people[who].address), self.trees.get(id_, ConsentTree([]))
            key, own = account_key(account), self.world.enrolled.get((id_, account))
            if own is None or chance.random() < 0.1:
                wrong = Membership(1, Leaf(HASHES[1], HASHES[2], 0, ()))
                shown = tree.membership(key) if key in tree else wrong
                self.both(chance.choice([*ANYONE, *PATIENTS]), "consents.enrol", id_, account, shown)
            own = self.world.enrolled.get((id_, account))
            sequence = mostly(chance, [own.sequence + 1 if own else 1, self.evm.now], [0, 1, self.evm.now + YEAR])
            if chance.random() < 0.6:
                self.both(who, "consents.grant", id_, mostly(chance, SCOPES[:2], SCOPES), sequence)
            else:
                self.both(who, "consents.revoke", id_, sequence)
