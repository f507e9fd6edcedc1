"""Random operations on studies, permits and their use."""

from random import Random
from typing import Any

from tests.contracts.stateful.data import Data
from tests.contracts.stateful.machine import (
    ANYONE,
    BOARD,
    DATA_USER,
    DAY,
    HASHES,
    HOLDERS,
    PATIENTS,
    RHO,
    WEEK,
    YEAR,
    flawed,
    mostly,
    operation,
    somebody,
)

from belmont.federated.query.question import count
from belmont.registry.claims import AskedQuestion, TotalClaim, TotalPart
from belmont.registry.decide import Permitted, decide
from belmont.registry.errors import RegistryRefused
from belmont.registry.hashes import query_hash
from belmont.registry.types import (
    DatasetId,
    MicroRho,
    PermitId,
    Request,
    StudyId,
    UseKind,
)

QUESTION = count().canonical()


class Work(Data):
    def prepare(self, chance: Random) -> None:
        duration = chance.choice([YEAR, YEAR, 30 * DAY])
        self.begin(chance.randint(2, 12), chance.randint(2, 8), chance.randint(1, 2), duration)

    def begin(self, rounds: int = 4, queries: int = 2, min_hospitals: int = 2, duration: int = YEAR) -> None:
        """A permit with one opened round and one opened query."""
        for by in HOLDERS:
            id_ = self.register(by, "a")
            if id_ is not None:
                self.publish(by, id_, PATIENTS, HASHES[2])
                self.add_usable_version(by, id_, 10)
        self.apply(DATA_USER, (0, 1), 3, rounds, queries, min_hospitals, duration)
        for by in BOARD[:2]:
            self.both(by, "vote", StudyId(1), True, "reason")
        self.accept_and_issue(1)
        self.open(DATA_USER, UseKind.ROUND, 1, 1, HASHES[3], tuple(self.datasets))
        hashed = query_hash(QUESTION, HASHES[3], PermitId(1), 1, tuple(self.datasets))
        self.open(DATA_USER, UseKind.QUERY, 1, 1, hashed, tuple(self.datasets))

    # --- studies ---

    def apply(
        self,
        by: int,
        places: tuple[int, ...],
        computations: int = 3,
        rounds: int = 2,
        queries: int = 1,
        min_hospitals: int = 1,
        duration: int = YEAR,
        rho: int = RHO,
        amends: PermitId | None = None,
    ) -> StudyId | None:
        datasets = tuple(self.dataset_id(place) for place in places)
        terms = self.terms(datasets, computations, rounds, queries, min_hospitals, duration, rho)
        if amends is None:
            return self.both(by, "propose", terms)
        return self.both(by, "propose_amendment", amends, terms)

    def accept_and_issue(self, study: int) -> None:
        for by in HOLDERS:
            for id_ in self.datasets[:3]:
                self.both(by, "accept", StudyId(study), id_)
        by = DATA_USER if self.is_calm else mostly(self.dice, [DATA_USER], ANYONE)
        self.both(by, "issue", StudyId(study))

    def random_terms(self, chance: Random) -> dict[str, Any]:
        computations = chance.choice([1, 2, 3, 3, 3])
        usual = {
            "places": chance.choice([(0, 1), (0, 1), (1, 0), (0,)]),
            "computations": computations,
            "rounds": chance.randint(1, 20) if computations & 1 else 0,
            "queries": chance.randint(1, 10) if computations & 2 else 0,
            "min_hospitals": 1,
            "duration": chance.choice([YEAR, YEAR, WEEK, DAY]),
            "rho": chance.choice([RHO, RHO, 20, 90]),
        }
        flaws = {
            "places": [(), (0, 0), (0, 1, 2), (0, 3)],
            "computations": [0, 1, 2, 4, 7],
            "rounds": range(3),
            "queries": range(3),
            "min_hospitals": [0, 2, 3],
            "duration": [0, 1],
        }
        return flawed(chance, usual, flaws)

    @operation(2)
    def propose_study(self, chance: Random) -> None:
        self.apply(mostly(chance, [DATA_USER], ANYONE), **self.random_terms(chance))

    @operation(3)
    def amend(self, chance: Random) -> None:
        """Approved, accepted and issued at once, most of the time."""
        by, permit = mostly(chance, [DATA_USER], ANYONE), self.permit_number(chance)
        study = self.apply(by, **self.random_terms(chance), amends=permit)
        if study is not None and chance.random() < 0.8:
            self.vote_and_issue(study)

    @operation(2)
    def approve_the_newest(self, chance: Random) -> None:
        self.vote_and_issue(self.study_number(chance))

    def vote_and_issue(self, study: StudyId) -> None:
        """Often under conditions, to which the data user mostly agrees; and now and then a member takes no part."""
        conditions = self.dice.choice([HASHES[0], HASHES[0], HASHES[1]])
        for by in range(4, 9):
            record = self.world.studies.get(study)
            if record is not None and record.status.name == "PROPOSED":
                if not self.is_calm and self.dice.random() < 0.07:
                    self.both(by, "recuse", study, "reason")
                else:
                    self.both(by, "vote", study, True, "reason", self.dice.choice([HASHES[0], conditions]))
        if self.is_calm or self.dice.random() < 0.9:
            self.agree(study)
        self.accept_and_issue(study)

    def agree(self, study: StudyId, by: int = DATA_USER, conditions: bytes | None = None) -> None:
        record = self.world.studies.get(study)
        if record is not None and (not self.is_calm or any(record.conditions)):
            self.both(by, "agree", study, record.conditions if conditions is None else conditions)

    @operation()
    def vote_by_several(self, chance: Random) -> None:
        study = self.study_number(chance)
        for by in chance.sample(range(2, 9), chance.randint(1, 5)):
            approves = chance.random() < 0.7
            self.both(by, "vote", study, approves, "reason", chance.choice(HASHES[: 1 + approves]))

    @operation()
    def take_no_part(self, chance: Random) -> None:
        """A member recuses themselves or votes, and tries what cannot follow; the permit is frozen at once."""
        study, by = self.apply(DATA_USER, (0, 1)) or self.study_number(chance), mostly(chance, BOARD, ANYONE)
        recusal, vote = ("recuse", study, "reason"), ("vote", study, True, "reason", HASHES[0])
        self.both(by, "vote", study, False, "reason", HASHES[1])
        for write, *args in chance.choice([(recusal, vote, recusal), (recusal, vote, recusal), (vote, recusal, vote)]):
            self.both(by, write, *args)
        if chance.random() < 0.7:
            self.vote_and_issue(study)
            self.both(chance.choice(HOLDERS), "freeze_permit", PermitId(study), DAY, "why")
            self.both(by, "vote_lift", PermitId(study))

    @operation()
    def agree_to_conditions(self, chance: Random) -> None:
        """Also twice, too early, by others, to others than there are, and to fewer than come."""
        study = self.apply(DATA_USER, (0, 1)) or self.study_number(chance)
        first, second, third = chance.sample(BOARD, 3)
        self.both(first, "vote", study, True, "reason", chance.choice(HASHES[:3]))
        self.agree(study, mostly(chance, [DATA_USER], ANYONE))
        for by in (second, third):
            self.both(by, "vote", study, True, "reason", chance.choice(HASHES[:3]))
        if chance.random() < 0.6:
            self.accept_and_issue(study)
        for by in (chance.choice(ANYONE), DATA_USER, DATA_USER):
            self.agree(study, by, mostly(chance, [None], [HASHES[1]]))
        self.accept_and_issue(study)
        if chance.random() < 0.3:
            self.agree(study)

    @operation(2)
    def decide_on_study(self, chance: Random) -> None:
        study = self.study_number(chance)
        match chance.randrange(6):
            case 0:
                self.both(chance.choice(ANYONE), "tally", study)
            case 1:
                self.both(chance.choice(ANYONE), "issue", study)
            case _:
                self.accept_and_issue(study)

    @operation(2)
    def cancel(self, chance: Random) -> None:
        if chance.random() < 0.5:
            self.apply(DATA_USER, (0, 1))
        self.both(mostly(chance, [DATA_USER], ANYONE), "cancel", self.study_number(chance))

    # --- permits ---

    @operation(3)
    def stop_permit(self, chance: Random) -> None:
        permit = self.permit_number(chance)
        match chance.randrange(9):
            case 0 | 1:
                seconds = mostly(chance, [1, 3600, WEEK], [0, WEEK + 1])
                self.both(mostly(chance, [*HOLDERS, *BOARD], ANYONE), "freeze_permit", permit, seconds, "why")
            case 2 | 3 | 4:
                for by in chance.sample(range(3, 9), 3):
                    self.both(by, "vote_lift", permit)
            case 5:
                self.both(mostly(chance, BOARD, ANYONE), "vote_revoke", permit, "why")
            case 6:
                self.both(chance.choice(ANYONE), chance.choice(["tally_lift", "tally_revoke"]), permit)
            case _:
                place = mostly(chance, (0, 1), range(4))
                self.both(mostly(chance, [place % 2], ANYONE), "withdraw", permit, self.dataset_id(place))

    # --- uses ---

    def open(
        self, by: int, kind: UseKind, permit: int, n: int, subject: bytes, participants: tuple[DatasetId, ...]
    ) -> None:
        self.story.name(participants)
        self.both(by, f"open_{kind.name.lower()}", PermitId(permit), n, subject, participants)

    def opened(self, permit: PermitId, kind: UseKind) -> int:
        """How many rounds or queries were opened in the permit's line."""
        found = self.model.permit(permit)
        return (found.rounds_opened if kind is UseKind.ROUND else found.queries_opened) if found else 0

    @operation(5)
    def open_use(self, chance: Random) -> None:
        permit, kind = self.permit_number(chance), chance.choice(list(UseKind))
        usual = {"by": DATA_USER, "n": self.opened(permit, kind) + 1, "subject": HASHES[3], "places": (0, 1)}
        others = [(1, 0), (0,), (1, 0), (0,), (), (0, 0), (0, 1, 2), (3,)]
        flaws = {"by": ANYONE, "n": range(4), "subject": HASHES, "places": others}
        its = flawed(chance, usual, flaws, 0.7)
        participants = tuple(self.dataset_id(place) for place in its["places"])
        self.open(its["by"], kind, permit, its["n"], its["subject"], participants)

    @operation(12)
    def work(self, chance: Random) -> None:
        """What a permit is for: something is opened for all who are covered, and they answer."""
        permit, kind = self.permit_number(chance), chance.choice(list(UseKind))
        found = self.model.permit(permit)
        if found is not None:
            in_order = found.covered if chance.random() < 0.9 else found.covered[::-1]
            subject = chance.randbytes(32) if kind is UseKind.ROUND else HASHES[3]
            self.open(DATA_USER, kind, permit, self.opened(permit, kind) + 1, subject, in_order)
        n = max(self.opened(permit, kind), 1)
        self.record(chance, permit, kind, n)
        if kind is UseKind.ROUND and chance.random() < 0.5:
            self.close(chance, permit, n)

    @operation(3)
    def close_a_round(self, chance: Random) -> None:
        permit = self.permit_number(chance)
        n = mostly(chance, range(1, self.opened(permit, UseKind.ROUND) + 2), range(5))
        if chance.random() < 0.5:
            self.record(chance, permit, UseKind.ROUND, n)
        self.close(chance, permit, n)

    @operation()
    def leave_before_a_round_is_closed(self, chance: Random) -> None:
        """Otherwise a run seldom meets a hospital that delivered and left."""
        self.is_calm = True
        permit = self.permit_number(chance)
        found, n = self.model.permit(permit), self.opened(permit, UseKind.ROUND) + 1
        if found is not None:
            self.open(DATA_USER, UseKind.ROUND, permit, n, HASHES[3], found.covered)
            for place in HOLDERS:
                id_ = self.dataset_id(place)
                dataset = self.model.dataset(id_)
                fields = HASHES[2], MicroRho(0), dataset.versions if dataset else 1, self.root(id_)
                self.both(place, "record_use", permit, UseKind.ROUND, n, id_, *fields)
            leaves = chance.choice(HOLDERS)
            self.both(leaves, "withdraw", permit, self.dataset_id(leaves))
        self.close(chance, permit, n)
        self.is_calm = False

    def close(self, chance: Random, permit: PermitId, n: int) -> None:
        self.both(mostly(chance, [DATA_USER], ANYONE), "close_round", permit, n)
        ours, models = self.chain.round_state(permit, n), self.model.round_state(permit, n)
        assert {**vars(ours), "head": None} == {**vars(models), "head": None}
        assert ours.closed == ((permit, UseKind.ROUND, n) in self.story.uses.closed)

    @operation(2)
    def record_by_holders(self, chance: Random) -> None:
        permit, kind = self.permit_number(chance), chance.choice(list(UseKind))
        self.record(chance, permit, kind, mostly(chance, range(1, self.opened(permit, kind) + 2), range(5)))

    def record(self, chance: Random, permit: PermitId, kind: UseKind, n: int) -> None:
        for place in HOLDERS:
            id_ = self.dataset_id(place)
            dataset = self.model.dataset(id_)
            usual = {"by": place, "rho": chance.choice([0, 1, 10]), "root": self.root(id_), "result": HASHES[2]}
            usual["version"] = dataset.versions if dataset else 1
            flaws = {
                "by": ANYONE,
                "rho": [RHO, RHO + 1, 2**64 - 1],
                "root": HASHES,
                "result": HASHES,
                "version": range(3),
            }
            its = flawed(chance, usual, flaws)
            if chance.random() < 0.4:
                self.agree_on_a_request(permit, kind, n, id_, its["rho"])
            fields = its["result"], MicroRho(its["rho"]), its["version"], its["root"]
            self.both(its["by"], "record_use", permit, kind, n, id_, *fields)

    @operation()
    def publish_total(self, chance: Random) -> None:
        """Two hospitals are too few; what three can publish is in ``totals/``, on both as well."""
        places = mostly(chance, [(0, 1)], [(), (1, 0), (0,), (0, 1, 2)])
        layout, context = self.shelf.layout.to_bytes(), mostly(chance, [HASHES[3]], HASHES)
        claim = TotalClaim(
            self.permit_number(chance),
            mostly(chance, [1], range(4)),
            tuple(self.dataset_id(place) for place in places),
            AskedQuestion(mostly(chance, [QUESTION], [b"", b"{}" * 9]), context, layout, self.shelf.text_hash),
            chance.randrange(3),
            (TotalPart(1, self.shelf.table(10).column_hashes, bytes(128)),) * len(places),
            20,
            bytes(48),
        )
        self.both(mostly(chance, [DATA_USER], ANYONE), "publish_total", claim)

    def agree_on_a_request(self, permit_id: PermitId, kind: UseKind, n: int, id_: DatasetId, rho: int) -> None:
        """Both hold the same view; what ``decide`` permits on it, the contract records, and nothing else."""
        view, other = (each.view(permit_id, id_, kind, n) for each in (self.chain, self.model))
        assert {**vars(view), "head": None} == {**vars(other), "head": None}
        if view.permit is None or view.dataset is None or view.opened is None or view.version is None:
            return
        request = Request(
            kind=kind,
            permit_id=permit_id,
            n=n,
            dataset_id=id_,
            purpose=1 << 37,
            code_hash=HASHES[1],
            config_hash=HASHES[2],
            subject_hash=view.opened.subject_hash,
            participants=self.story.participants[view.opened.participants_hash],
            cohort_rows=view.version.rows,
            version=view.dataset.versions,
            consent_root=view.dataset.consent_root,
            consented_until=1 << 63,
            left_out=0,
            rho=MicroRho(rho),
        )
        decided = decide(view.permit, request, view, self.evm.now)
        owner = type(somebody(0))(address=self.owners.owner(view.dataset.holder))
        bound, undo = self.chain.as_(owner, view.dataset.holder), self.evm.mark()
        fields = HASHES[1], MicroRho(rho), request.version, request.consent_root
        try:
            bound.record_use(permit_id, kind, n, id_, *fields)
            refused = None
        except RegistryRefused as error:
            refused = error.reason
        undo()
        assert isinstance(decided, Permitted) == (refused is None), (decided, refused)
