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
    operation,
)
from tests.contracts.stateful.work import Work

from belmont.registry.types import Address, PermitId, Role, UseKind


class Releasing(Governance, Work):
    """All operations."""

    @operation(6)
    def release_a_model(self, chance: Random) -> None:
        """A round is opened with a new model, hospitals evaluate it, it is announced, and often objected to at once."""
        about = self.announce(chance, self.permit_number(chance))
        if chance.random() < 0.5:
            self.object_by_several(chance, *about)
            self.agree_on_status(*about)

    def announce(self, chance: Random, permit: PermitId) -> tuple[PermitId, bytes]:
        evaluated = [] if self.is_calm else self.evaluated()
        if evaluated and chance.random() < 0.7:
            permit, n, model = chance.choice(evaluated)
        else:
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

    def evaluated(self) -> list[tuple[PermitId, int, bytes]]:
        """Rounds that somebody recorded and whose model was not announced, also of permits that are over."""
        answered = {(use.permit_id, use.n) for use in self.world.recorded.values() if use.kind is UseKind.ROUND}
        opened = [each for each in self.world.opened.values() if each.kind is UseKind.ROUND]
        found = [(each.permit_id, each.n, each.subject_hash) for each in opened]
        return [each for each in found if each[:2] in answered and (each[0], each[2]) not in self.world.releases]

    @operation(6)
    def go_on_with_a_release(self, chance: Random) -> None:
        """Objections, votes, time, settlement, withdrawal: mostly of the newest, in an order that gets somewhere."""
        if not self.world.releases and chance.random() < 0.9:
            return
        about = self.newest(chance)
        for step in sorted(chance.sample(range(6), chance.randint(1, 4))):
            match step:
                case 0:
                    self.object_by_several(chance, *about)
                case 1 if chance.random() < 0.8:
                    found = self.world.releases.get(about)
                    self.pass_time_until(found.objections_until if found else self.evm.now)
                case 2:
                    voters = chance.sample((*BOARD, *NEWCOMERS, AUDITOR), chance.choice([1, 2, 3]))
                    for by in (*voters, chance.choice(voters)):
                        self.both(by, "releases.vote_confirm", *about)
                case 3:
                    self.both(chance.choice(ANYONE), "releases.tally_confirm", *about)
                case 4:
                    self.both(chance.choice(ANYONE), "releases.settle", *about)
                case 5 if chance.random() < 0.5:
                    for by in (chance.choice(ANYONE), DATA_USER, DATA_USER):
                        self.both(by, "releases.withdraw", *about)
                    self.both(chance.choice((*HOLDERS, *BOARD)), "releases.object", *about, "why")
            self.agree_on_status(*about)

    def object_by_several(self, chance: Random, permit: PermitId, model: bytes) -> None:
        """One of them twice now and then, and somebody who votes on it before all could object."""
        several = chance.sample((*HOLDERS, *BOARD, AUDITOR, DATA_USER), chance.choice([1, 1, 2]))
        for by in several + several[:1] * (chance.random() < 0.4):
            self.both(by, "releases.object", permit, model, chance.choice(["", "why"]))
        if chance.random() < 0.4:
            self.both(chance.choice(BOARD), "releases.vote_confirm", permit, model)

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
