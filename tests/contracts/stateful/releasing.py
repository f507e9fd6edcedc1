"""Random operations on models that leave the consortium."""

from random import Random

from tests.contracts.stateful.governance import Governance
from tests.contracts.stateful.machine import (
    ANYONE,
    AUDITOR,
    BOARD,
    DATA_USER,
    HASHES,
    HOLDERS,
    NEWCOMERS,
    flawed,
    mostly,
    operation,
)
from tests.contracts.stateful.work import Work

from belmont.registry.types import Address, PermitId, Role, UseKind


class Releasing(Governance, Work):
    """All operations."""

    @operation(4)
    def release_a_model(self, chance: Random) -> None:
        """A round is opened with a new model, hospitals evaluate it, and it is announced."""
        self.announce(chance, self.permit_number(chance))

    def announce(self, chance: Random, permit: PermitId) -> tuple[PermitId, bytes]:
        model, n = chance.randbytes(32), self.opened(permit, UseKind.ROUND) + 1
        found = self.model.permit(permit)
        if found is not None:
            self.open(DATA_USER, UseKind.ROUND, permit, n, model, found.covered)
            self.record(chance, permit, UseKind.ROUND, n)
        usual = {"by": DATA_USER, "model": model, "n": n, "card": HASHES[1], "evidence": HASHES[2]}
        flaws = {"by": ANYONE, "model": [*HASHES, HASHES[3]], "n": range(4), "card": HASHES[:1], "evidence": HASHES[:1]}
        its = {**usual} if self.is_calm else flawed(chance, usual, flaws)
        self.both(its["by"], "releases.release", permit, its["model"], its["n"], its["card"], its["evidence"])
        self.agree_on_status(permit, model)
        return permit, model

    @operation(5)
    def go_on_with_a_release(self, chance: Random) -> None:
        """Objections, votes, time, settlement, withdrawal: mostly of the newest, in an order that gets somewhere."""
        about = self.newest(chance)
        for step in sorted(chance.sample(range(6), chance.randint(1, 4))):
            match step:
                case 0:
                    for by in chance.sample((*HOLDERS, *BOARD, AUDITOR, DATA_USER), chance.choice([1, 1, 2])):
                        self.both(by, "releases.object", *about, chance.choice(["", "why"]))
                case 1 if chance.random() < 0.8:
                    found = self.world.releases.get(about)
                    self.pass_time_until(found.objections_until if found else self.evm.now)
                case 2:
                    for by in chance.sample((*BOARD, *NEWCOMERS, AUDITOR), chance.choice([1, 2, 3])):
                        self.both(by, "releases.vote_confirm", *about)
                case 3:
                    self.both(chance.choice(ANYONE), "releases.tally_confirm", *about)
                case 4:
                    self.both(chance.choice(ANYONE), "releases.settle", *about)
                case 5 if chance.random() < 0.4:
                    self.both(mostly(chance, [DATA_USER], ANYONE), "releases.withdraw", *about)
            self.agree_on_status(*about)

    @operation()
    def release_by_a_smaller_board(self, chance: Random) -> None:
        """Otherwise a run seldom meets votes that became enough because one left who had not voted."""
        self.is_calm = True
        new = [each for each in NEWCOMERS if self.people[each].address not in self.world.members]
        self.carry(self.admission(chance, AUDITOR, chance.choice(new or NEWCOMERS), Role.ETHICS_BOARD))
        about = self.announce(chance, self.permit_number(chance))
        self.both(chance.choice((*HOLDERS, *BOARD)), "releases.object", *about, "why")
        found = self.world.releases.get(about)
        self.pass_time_until(found.objections_until if found else self.evm.now)
        voters = chance.sample(BOARD, 2)
        for by in voters:
            self.both(by, "releases.vote_confirm", *about)
        (leaver,) = set(BOARD) - set(voters)
        self.carry(self.both(AUDITOR, "propose_removal", Address(self.people[leaver].address)))
        self.both(chance.choice(ANYONE), "releases.tally_confirm", *about)
        self.agree_on_status(*about)
        self.is_calm = False

    def newest(self, chance: Random) -> tuple[PermitId, bytes]:
        announced = list(self.world.releases)[-2:] or [(PermitId(1), HASHES[3])]
        return chance.choice(announced) if chance.random() < 0.95 else (PermitId(chance.randrange(4)), HASHES[3])

    def agree_on_status(self, permit: PermitId, model: bytes) -> None:
        """The contract, the model and the story that the events tell."""
        status = self.chain.releases.status(permit, model)
        assert status is self.model.releases.status(permit, model)
        assert status is self.story.releases.status((permit, model), self.evm.now)
