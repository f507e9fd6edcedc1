"""The contracts and the reference model, side by side: the same writes have the same effect, or the same refusal."""

from dataclasses import replace

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from belmont.federated.query.question import count
from belmont.registry.chain_registry import ChainRegistry
from belmont.registry.claims import AskedQuestion, TotalClaim, TotalPart
from belmont.registry.decide import Permitted, decide
from belmont.registry.errors import RegistryRefused
from belmont.registry.hashes import query_hash
from belmont.registry.proofs import reached_by
from belmont.registry.reference.members import NOBODY
from belmont.registry.simulated import SimulatedRegistry
from belmont.registry.types import (
    Address,
    AnswerMode,
    Computation,
    DatasetId,
    MemberProfile,
    MicroRho,
    PartStart,
    PermitId,
    ProposalId,
    Request,
    Role,
    StudyId,
    StudyTerms,
    UseKind,
)
from belmont.zk.layout import ColumnKind, Kind, Layout
from belmont.zk.statement import Statement
from belmont.zk.validity import parts_of

HASHES = [bytes([number]) * 32 for number in range(4)]
"""The first is no hash at all."""
TWO_CHUNKS = 4_040
OTHER_LAYOUT = Layout((ColumnKind(Kind.RANGE, 3), ColumnKind(Kind.RANGE_OR_MISSING, 7)))
QUESTION = count().canonical()
YEAR, WEEK = 365 * 24 * 3600, 7 * 24 * 3600

HOLDERS, DATA_USER, BOARD, NEWCOMERS = (0, 1), 2, (4, 5, 6), (7, 8)
ANYONE = range(9)
"""Two holders, data user, auditor, three of the board, two newcomers."""

chances = st.randoms(use_true_random=True)


def mostly(chance, usual, unusual):
    """Sensible values most of the time, so that a run gets somewhere."""
    return chance.choice(usual if chance.random() < 0.85 else unusual)


class SideBySide(RuleBasedStateMachine):
    founded = None

    @initialize(chance=chances)
    def found(self, chance):
        consortium = type(self).founded
        self.back = consortium.evm.mark()
        self.evm = consortium.evm
        self.chain = ChainRegistry(consortium.evm, consortium.registry.addresses)
        founders = [
            MemberProfile(each.address, each.name, each.did, each.roles) for each in consortium.registry.members()
        ]
        domain = self.chain.proof_domain
        self.model = SimulatedRegistry.found(consortium.registry.name, founders, self.evm.now, domain)
        # As the chain's founder did: without a story.
        self.shelf = consortium.shelf
        self.model.as_(type("Founder", (), {"address": NOBODY})).register_tables(self.shelf.layout)
        self.newcomers = [consortium.non_member, type("Other", (), {"address": Address("0x" + "22" * 20)})]
        members = [
            consortium.holder,
            consortium.other_holder,
            consortium.data_user,
            consortium.auditor,
            *consortium.board,
        ]
        self.actors = members + self.newcomers
        self.datasets = []
        if chance.random() < 0.9:
            self.prepare(chance)

    def prepare(self, chance):
        """A permit with one opened round and one opened query, so that a run soon gets to what permits are for."""
        for by in HOLDERS:
            self.register(by, "a", HASHES[1])
        self.apply(DATA_USER, (0, 1), rounds=chance.randint(1, 4), min_hospitals=chance.randint(1, 2))
        for by in BOARD[:2]:
            self.both(by, "vote", StudyId(1), True, "reason")
        self.accept_and_issue(1)
        self.both(DATA_USER, "open_round", PermitId(1), 1, HASHES[3], tuple(self.datasets))
        hashed = query_hash(QUESTION, HASHES[3], PermitId(1), 1, tuple(self.datasets))
        self.both(DATA_USER, "open_query", PermitId(1), 1, hashed, tuple(self.datasets))

    def teardown(self):
        if not hasattr(self, "back"):
            return
        try:
            self.the_same_records_stand_on_both()
            self.budgets_hold()
            self.the_same_story_is_told()
        finally:
            self.back()

    # --- how ---

    def both(self, actor, method, *args):
        """The same write on both; the same result or the same refusal."""
        outcomes = []
        for registry in (self.chain, self.model):
            bound = registry.as_(self.actors[actor])
            try:
                outcomes.append(("done", getattr(bound, method)(*args)))
            except RegistryRefused as error:
                outcomes.append(("refused", error.reason))
        assert outcomes[0] == outcomes[1], f"{method}{args} by {actor}"
        return outcomes[0][1] if outcomes[0][0] == "done" else None

    def dataset_id(self, place):
        if place < len(self.datasets):
            return self.datasets[place]
        return DatasetId(HASHES[1])

    def register(self, by, name, consent):
        fields = (name, 1 << 4, self.shelf.dictionary_hash, 1, self.evm.now + 2 * YEAR, MicroRho(100), consent)
        id_ = self.both(by, "register_dataset", *fields)
        if id_ is not None:
            self.datasets.append(id_)
            self.both(by, "add_version", id_, b"cid", 10, self.shelf.table(10).root, consent)
            if name == "a":
                self.prove(by, id_, 1)

    def prove(self, by, id_, number, rows=10, proven=None, text=None, layout=None, parts=(0, 1), start=None):
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

    def apply(self, by, places, computations=3, rounds=2, queries=1, min_hospitals=1, duration=YEAR):
        terms = StudyTerms(
            title="A study",
            protocol_hash=HASHES[1],
            purpose=1 << 37,
            code_hash=HASHES[1],
            config_hash=HASHES[2],
            datasets=tuple(self.dataset_id(place) for place in places),
            computations=Computation(computations),
            rounds=rounds,
            queries=queries,
            rho_per_dataset=MicroRho(60),
            min_hospitals=min_hospitals,
            min_cohort=5,
            answer_mode=AnswerMode.EXACT,
            duration_seconds=duration,
        )
        self.both(by, "propose", terms)

    def accept_and_issue(self, study):
        for by in HOLDERS:
            for id_ in self.datasets:
                self.both(by, "accept", StudyId(study), id_)
        self.both(DATA_USER, "issue", StudyId(study))

    # --- writes ---

    @rule(seconds=st.sampled_from([1, 1, 5, 3600, 7 * 24 * 3600, 31 * 24 * 3600]))
    def wait(self, seconds):
        self.evm.now += seconds
        self.model.clock.advance(seconds, heartbeat=False)

    @rule(chance=chances)
    def propose_member(self, chance):
        by = mostly(chance, range(7), ANYONE)
        if chance.random() < 0.5:
            address = Address(self.actors[mostly(chance, NEWCOMERS, ANYONE)].address)
            roles = Role(mostly(chance, [1, 2, 4, 5, 8], [0, 6, 16]))
            self.both(by, "propose_admission", MemberProfile(address, "New", "did:ethr:0x1", roles))
        else:
            whom = mostly(chance, [1, 2, 3, 6], ANYONE)
            self.both(by, "propose_removal", Address(self.actors[whom].address))

    @rule(chance=chances)
    def support_by_several(self, chance):
        count = len(self.model.proposals())
        proposal = ProposalId(mostly(chance, [max(count, 1)], range(4)))
        for by in chance.sample(ANYONE, chance.randint(1, 9)):
            self.both(by, "support", proposal)

    @rule(chance=chances)
    def register_another(self, chance):
        consent = mostly(chance, HASHES[1:], HASHES)
        self.register(mostly(chance, HOLDERS, ANYONE), mostly(chance, "abc", ["", "a"]), consent)

    @rule(chance=chances)
    def change_dataset(self, chance):
        place = mostly(chance, (0, 1), range(4))
        by, id_ = mostly(chance, [place % 2], ANYONE), self.dataset_id(place)
        consent = mostly(chance, HASHES[1:], HASHES)
        match chance.randrange(10):
            case 0:
                self.both(by, "destroy_dataset", id_)
            case 1 | 2:
                self.both(by, "freeze_dataset", id_)
            case 3 | 4 | 5:
                self.both(by, "unfreeze_dataset", id_)
            case 6:
                self.both(by, "set_consent_root", id_, consent)
            case _:
                cid, rows = mostly(chance, [b"cid"], [b""]), mostly(chance, [10, TWO_CHUNKS], [0])
                self.both(by, "add_version", id_, cid, rows, self.shelf.table(rows or 10).root, consent)

    @rule(chance=chances)
    def prove_version(self, chance):
        """Rightly most of the time, and in one of the wrong ways otherwise."""
        id_ = self.dataset_id(mostly(chance, (0, 1), range(4)))
        dataset = self.model.dataset(id_)
        number = mostly(chance, [dataset.versions if dataset else 1], range(3))
        version = self.model.version(id_, number)
        changes = {"rows": version.rows if version else 10}
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
                changes["start"] = chance.choice(
                    [PartStart(0, 1), PartStart(0, 0, (HASHES[1],)), PartStart(1, 4032, (HASHES[1],) * 9, bytes(128))]
                )
        self.prove(chance.choice(ANYONE), id_, number, **changes)

    @rule(chance=chances)
    def register_tables(self, chance):
        layout = chance.choice([OTHER_LAYOUT, self.shelf.layout])
        self.both(chance.choice(ANYONE), "register_tables", layout)
        assert self.chain.has_tables(layout.hash) and self.model.has_tables(layout.hash)

    @rule(chance=chances)
    def propose_study(self, chance):
        places = mostly(chance, [(0, 1), (0,), (1, 0)], [(), (0, 0), (0, 1, 2), (0, 3)])
        computations = mostly(chance, [1, 2, 3], [0, 4, 7])
        self.apply(
            mostly(chance, [DATA_USER], ANYONE),
            places,
            computations,
            rounds=mostly(chance, [2 if computations & 1 else 0], range(3)),
            queries=mostly(chance, [2 if computations & 2 else 0], range(3)),
            min_hospitals=mostly(chance, [1, len(places)], range(4)),
            duration=mostly(chance, [YEAR, 3600], [0, 1]),
        )

    @rule(chance=chances)
    def vote_by_several(self, chance):
        study = StudyId(mostly(chance, [max(len(self.model.studies()), 1)], range(4)))
        for by in chance.sample(range(2, 9), chance.randint(1, 5)):
            self.both(by, "vote", study, chance.random() < 0.8, "reason")

    @rule(chance=chances)
    def decide_on_study(self, chance):
        study = mostly(chance, [max(len(self.model.studies()), 1)], range(4))
        match chance.randrange(8):
            case 0:
                self.both(mostly(chance, [DATA_USER], ANYONE), "cancel", StudyId(study))
            case 1 | 2:
                self.both(chance.choice(ANYONE), "tally", StudyId(study))
            case 3:
                self.both(chance.choice(ANYONE), "issue", StudyId(study))
            case _:
                self.accept_and_issue(study)

    @rule(chance=chances)
    def stop_permit(self, chance):
        permit = PermitId(mostly(chance, (1, 2), range(4)))
        match chance.randrange(11):
            case 0 | 1:
                seconds = mostly(chance, [1, 3600, WEEK], [0, WEEK + 1])
                self.both(mostly(chance, [0, 1, *BOARD], ANYONE), "freeze_permit", permit, seconds, "why")
            case 2 | 3 | 4 | 5:
                for by in chance.sample(range(3, 9), 3):
                    self.both(by, "vote_lift", permit)
            case 6 | 7:
                self.both(mostly(chance, BOARD, ANYONE), "vote_revoke", permit)
            case 8 | 9:
                self.both(chance.choice(ANYONE), chance.choice(["tally_lift", "tally_revoke"]), permit)
            case _:
                place = mostly(chance, (0, 1), range(4))
                self.both(mostly(chance, [place % 2], ANYONE), "withdraw", permit, self.dataset_id(place))

    @rule(chance=chances)
    def votes_stand_while_the_board_shrinks(self, chance):
        """Otherwise a run seldom meets a board that became small enough for votes that were cast before."""
        address = Address(self.actors[chance.choice(NEWCOMERS)].address)
        newcomer = MemberProfile(address, "New", "did:ethr:0x1", Role.ETHICS_BOARD)
        self.carry(self.both(3, "propose_admission", newcomer))
        permit = PermitId(mostly(chance, (1, 2), range(4)))
        self.both(mostly(chance, (0, 1, *BOARD), ANYONE), "freeze_permit", permit, WEEK, "why")
        pending = self.both(0, "propose_removal", Address(self.actors[1].address))
        for by in chance.sample(BOARD, 2):
            self.both(by, "vote_lift", permit)
            self.both(by, "vote_revoke", permit)
        for by in BOARD if pending is not None else ():
            self.both(by, "support", pending)
        for leaving in (address, Address(self.actors[2].address))[: chance.randint(0, 2)]:
            self.carry(self.both(3, "propose_removal", leaving))
        for method in chance.sample(["tally_lift", "tally_revoke"], chance.randint(0, 2)):
            self.both(chance.choice(ANYONE), method, permit)
        self.both(chance.choice(ANYONE), "tally_proposal", pending or ProposalId(1))

    def carry(self, proposal):
        for by in ANYONE if proposal is not None else ():
            self.both(by, "support", proposal)

    @rule(chance=chances)
    def open_use(self, chance):
        permit, kind = PermitId(mostly(chance, (1, 1, 1, 2), range(4))), chance.choice(list(UseKind))
        found = self.model.permit(permit)
        opened = (found.rounds_opened if kind is UseKind.ROUND else found.queries_opened) if found else 0
        places = mostly(chance, [(0, 1), (1, 0), (0,)], [(), (0, 0), (0, 1, 2), (3,)])
        self.both(
            mostly(chance, [DATA_USER], ANYONE),
            f"open_{kind.name.lower()}",
            permit,
            mostly(chance, [opened + 1], range(4)),
            mostly(chance, [HASHES[3]], HASHES),
            tuple(self.dataset_id(place) for place in places),
        )

    @rule(chance=chances)
    def record_by_holders(self, chance):
        permit, kind = PermitId(mostly(chance, (1, 1, 1, 2), range(4))), chance.choice(list(UseKind))
        n, rho = mostly(chance, (1, 2), range(5)), mostly(chance, [0, 1, 20, 60], [61, 2**64 - 1])
        for place in (0, 1):
            id_, by = self.dataset_id(place), mostly(chance, [place], ANYONE)
            self.agree_on_a_request(permit, kind, n, id_, rho)
            result = mostly(chance, HASHES[1:], HASHES)
            self.both(by, "record_use", permit, kind, n, id_, result, MicroRho(rho))

    @rule(chance=chances)
    def publish_total(self, chance):
        """Two hospitals are too few; what three can publish is in ``totals/``, on both as well."""
        places = mostly(chance, [(0, 1)], [(), (1, 0), (0,), (0, 1, 2)])
        layout, context = self.shelf.layout.to_bytes(), mostly(chance, [HASHES[3]], HASHES)
        claim = TotalClaim(
            PermitId(mostly(chance, (1, 1, 1, 2), range(4))),
            mostly(chance, [1], range(4)),
            tuple(self.dataset_id(place) for place in places),
            AskedQuestion(mostly(chance, [QUESTION], [b"", b"{}" * 9]), context, layout, self.shelf.text_hash),
            chance.randrange(3),
            (TotalPart(1, self.shelf.table(10).column_hashes, bytes(128)),) * len(places),
            20,
            bytes(48),
        )
        self.both(mostly(chance, [DATA_USER], ANYONE), "publish_total", claim)

    # --- what must hold ---

    def agree_on_a_request(self, permit_id, kind, n, id_, rho):
        """Both hold the same view, and what ``decide`` permits on it, the contract records."""
        view = self.chain.view(permit_id, id_, kind, n)
        model_view = self.model.view(permit_id, id_, kind, n)
        for name in (
            "permit",
            "dataset",
            "version",
            "opened",
            "rho_spent",
            "recorded",
            "holder_active",
            "data_user_active",
        ):
            assert getattr(view, name) == getattr(model_view, name), name
        if view.permit is None or view.dataset is None or view.opened is None:
            return
        participants = tuple(each for each in self.datasets if each in view.permit.terms.datasets)
        request = Request(
            kind=kind,
            permit_id=permit_id,
            n=n,
            dataset_id=id_,
            purpose=1 << 37,
            code_hash=HASHES[1],
            config_hash=HASHES[2],
            subject_hash=view.opened.subject_hash,
            participants=participants,
            cohort_rows=5,
            version=view.dataset.versions,
            rho=MicroRho(rho),
        )
        if isinstance(decide(view.permit, request, view, self.evm.now), Permitted):
            holder = type("Holder", (), {"address": view.dataset.holder})
            undo = self.evm.mark()
            self.chain.as_(holder).record_use(permit_id, kind, n, id_, HASHES[1], MicroRho(rho))
            undo()

    def the_same_records_stand_on_both(self):
        assert self.chain.members() == self.model.members()
        assert self.chain.proposals() == self.model.proposals()
        assert self.chain.datasets() == self.model.datasets()
        assert self.chain.studies() == self.model.studies()
        assert self.chain.permits() == self.model.permits()

    def budgets_hold(self):
        for dataset in self.chain.datasets():
            spent = [self.chain.rho_spent(permit.id, dataset.id) for permit in self.chain.permits()]
            assert sum(spent) == dataset.rho_spent <= dataset.rho_cap
            assert all(each <= 60 for each in spent)

    def the_same_story_is_told(self):
        stories = []
        for registry in (self.chain, self.model):
            events = [event for event in registry.audit_events() if event.name not in ("ConsortiumFounded",)]
            founding = {each.actor for each in events if each.name == "ContractDeployed"}
            stories.append([(e.contract, e.name, e.details) for e in events if e.actor not in founding])
        assert stories[0] == stories[1]


def test_every_sequence_of_writes_has_the_same_effect_on_both(founded):
    SideBySide.founded = founded
    run_state_machine_as_test(
        SideBySide,
        settings=settings(
            max_examples=25,
            stateful_step_count=40,
            deadline=None,
            derandomize=True,
            # Shrinking takes minutes and these sequences are short enough to read.
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
