"""Which uses had a patient's row: certain where chain and register say so, and never "not used" where they cannot."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from eth_utils import to_checksum_address

from belmont.registry.consents.entry import Entry
from belmont.registry.consents.register import ConsentRegister, Patient
from belmont.registry.consents.scope import Scope
from belmont.registry.consents.statements import Statement, consent_root
from belmont.registry.types import (
    Address,
    AnswerMode,
    AuditEvent,
    Computation,
    Dataset,
    DatasetId,
    DatasetStatus,
    MicroRho,
    Permit,
    PermitId,
    PermitStatus,
    RecordedUse,
    StudyTerms,
    UseKind,
)
from belmont.service.patient.hospital import HeldRow, Presence
from belmont.service.patient.uses import CLOCK_SLACK_SECONDS, Grounds, Touch, Why, applied_by_root, touched

DATASET = DatasetId(b"\x01" * 32)
ME, OTHER, USER, STRANGER = (Address(to_checksum_address(bytes([n]) * 20)) for n in (1, 2, 3, 4))
MY_KEY, OTHER_KEY = b"\x0a" * 32, b"\x0b" * 32
DISEASE, GENES = 1 << 40, 1 << 38
ISSUED, OPENED, RECORDED = 100_000, 500_000, 500_600
WIDE = Scope(DISEASE | GENES, 15, 0, 1 << 40)
FOR_STRANGERS = replace(WIDE, recipients=(STRANGER,))
OTHER_PURPOSE = replace(WIDE, purposes=GENES)
LESS = replace(WIDE, categories=7)


@dataclass
class Scene:
    """A register, and the events that its changes would have left on the chain."""

    register: ConsentRegister
    events: list[AuditEvent] = field(default_factory=list)
    statements: int = 0
    presence: Presence = Presence.HELD
    own: list[Statement] = field(default_factory=list)

    @property
    def root(self) -> bytes:
        return self.register.view().root

    def publish(self) -> bytes:
        """The consent root of the register's batch of now."""
        batch = self.register.view().batch
        self._event("BatchPublished", ME, batch_root=batch.root, count=batch.count)
        return self.root

    def attest(self, key: bytes, scope: Scope | None) -> bytes:
        self.register.attest({key: scope})
        return self.publish()

    def state(self, account: Address, scope: Scope | None) -> bytes:
        self.statements += 1
        stated = Statement(self.statements, DATASET, account, self.statements, scope, self.statements)
        self.register.take([stated])
        name = "ConsentRevoked" if scope is None else "ConsentGranted"
        self._event(name, account, number=self.statements, sequence=self.statements)
        if account == ME:
            self.own.append(stated)
        return self.root

    def _event(self, name: str, actor: Address, **details: Any) -> None:
        details |= {"dataset": DATASET, "consent_root": self.root}
        self.events.append(AuditEvent(len(self.events), 0, b"", "Consents", name, actor, details))

    @property
    def entry(self) -> Entry:
        found = self.register.entry(ME)
        assert found is not None
        return found

    def asked(self, root: bytes, kind: UseKind = UseKind.ROUND, **changes: Any) -> tuple[Touch, Why]:
        terms = StudyTerms(
            "S", b"", DISEASE, b"", b"", (DATASET,), Computation.TRAINING, 5, 5, MicroRho(0), 1, 1, AnswerMode.EXACT, 1
        )
        permit = Permit(PermitId(1), USER, terms, PermitStatus.ACTIVE, ISSUED, 1 << 40, 0, 1, 1, ())
        dataset = Dataset(DATASET, OTHER, "D", 0, b"", 1, 15, 0, MicroRho(0), MicroRho(0), b"", DatasetStatus.ACTIVE, 1)
        use = RecordedUse(PermitId(1), kind, 1, DATASET, OTHER, b"", MicroRho(0), 9, RECORDED, 1, root)
        opened: Callable[[RecordedUse], int | None] = changes.pop("opened_at", lambda use: OPENED)
        grounds = Grounds(
            self.entry, dataset, HeldRow({1: self.presence}, 1, ()), self.own, applied_by_root(self.events),
            {1: permit}, opened,
        )  # fmt: skip
        found = touched(replace(use, **changes), grounds)
        return found.touch, found.why


@pytest.fixture
def scene(tmp_path):
    with ConsentRegister(tmp_path / "register", DATASET) as register:
        register.admit([Patient(MY_KEY, 1, WIDE, ME), Patient(OTHER_KEY, 2, WIDE, OTHER)])
        made = Scene(register)
        made.publish()
        yield made


def test_a_version_without_the_row_was_not_used_with_it_whatever_was_consented(scene: Scene) -> None:
    scene.presence = Presence.NOT_HELD
    for kind in UseKind:
        assert scene.asked(scene.root, kind) == (Touch.NOT_USED, Why.NOT_IN_VERSION)


def test_rows_that_were_destroyed_may_have_been_used_and_so_may_versions_nobody_looked_into(scene: Scene) -> None:
    scene.presence = Presence.UNKNOWN
    assert scene.asked(scene.root) == (Touch.MAYBE, Why.VERSION_GONE)
    assert scene.asked(scene.root, UseKind.QUERY, version=7) == (Touch.MAYBE, Why.VERSION_GONE)


def test_a_query_is_over_every_row(scene: Scene) -> None:
    root = scene.root
    scene.state(ME, None)
    assert scene.asked(root, UseKind.QUERY) == (Touch.USED, Why.WHOLE_VERSION)


EDGE = Why.PERIOD_EDGE
ATTESTED = {
    "wide": (WIDE, Touch.USED, Why.ATTESTED),
    "nothing": (None, Touch.NOT_USED, Why.NOT_ATTESTED),
    "for others": (FOR_STRANGERS, Touch.NOT_USED, Why.OUTSIDE_ATTESTED),
    "for other purposes": (OTHER_PURPOSE, Touch.NOT_USED, Why.OUTSIDE_ATTESTED),
    "for less": (LESS, Touch.NOT_USED, Why.OUTSIDE_ATTESTED),
    "for this user": (replace(WIDE, recipients=(USER,)), Touch.USED, Why.ATTESTED),
    "over before": (replace(WIDE, valid_until=OPENED - CLOCK_SLACK_SECONDS), Touch.NOT_USED, Why.OUTSIDE_ATTESTED),
    "over before the permit": (replace(WIDE, valid_until=ISSUED - 1000), Touch.NOT_USED, Why.OUTSIDE_ATTESTED),
    "only afterwards": (replace(WIDE, valid_from=RECORDED + 1000), Touch.NOT_USED, Why.OUTSIDE_ATTESTED),
    "began within": (replace(WIDE, valid_from=OPENED + 10), Touch.MAYBE, Why.PERIOD_EDGE),
    "ended within": (replace(WIDE, valid_until=RECORDED - 10), Touch.MAYBE, Why.PERIOD_EDGE),
    "ended just after": (replace(WIDE, valid_until=RECORDED + 10), Touch.MAYBE, Why.PERIOD_EDGE),
    "within for a moment": (
        replace(WIDE, valid_from=OPENED + 9, valid_until=OPENED + 20),
        Touch.MAYBE,
        Why.PERIOD_EDGE,
    ),
    "began before": (replace(WIDE, valid_from=OPENED - 1000), Touch.USED, Why.ATTESTED),
}


@pytest.mark.parametrize("name", ATTESTED)
def test_what_the_hospital_attested_at_the_root_of_the_use_decides(name: str, scene: Scene) -> None:
    scope, touch, why = ATTESTED[name]
    root = scene.attest(MY_KEY, scope)
    assert scene.asked(root) == (touch, why)
    scene.attest(MY_KEY, None if scope else WIDE)
    scene.attest(OTHER_KEY, None)
    assert scene.asked(root) == (touch, why)
    scene.state(ME, WIDE)
    assert scene.asked(root) == (touch, why)


@pytest.mark.parametrize("name", ATTESTED)
def test_an_own_statement_decides_at_the_roots_after_it_and_not_before(name: str, scene: Scene) -> None:
    scope, touch, _ = ATTESTED[name]
    before = scene.root
    root = scene.state(ME, scope)
    later = scene.state(OTHER, None)
    assert scene.asked(before) == (Touch.USED, Why.ATTESTED)
    assert scene.asked(root)[0] == scene.asked(later)[0] == touch
    after = scene.state(ME, None)
    assert scene.asked(root)[0] == touch
    assert scene.asked(after) == (Touch.NOT_USED, Why.REVOKED)


def test_what_another_patient_states_or_revokes_changes_nothing_of_mine(scene: Scene) -> None:
    assert scene.asked(scene.state(OTHER, None)) == (Touch.USED, Why.ATTESTED)
    assert scene.asked(scene.state(OTHER, FOR_STRANGERS)) == (Touch.USED, Why.ATTESTED)


def test_a_row_that_was_left_out_on_paper_for_a_while_may_have_been_used(scene: Scene) -> None:
    root = scene.state(ME, WIDE)
    assert scene.asked(root) == (Touch.USED, Why.OWN_STATEMENT)
    scene.register.attest({MY_KEY: None})
    assert scene.asked(root) == (Touch.MAYBE, Why.WITHHELD_AT_SOME_TIME)
    again = scene.state(ME, WIDE)
    assert scene.asked(root) == (Touch.MAYBE, Why.WITHHELD_AT_SOME_TIME)
    assert scene.asked(again) == (Touch.USED, Why.OWN_STATEMENT)


def test_a_batch_that_the_register_does_not_remember_may_have_permitted_it(scene: Scene) -> None:
    root = scene.root
    with scene.register._database.writing() as db:
        db.execute("DELETE FROM batches")
    assert scene.asked(root) == (Touch.MAYBE, Why.BATCH_FORGOTTEN)


def test_a_root_that_the_chain_never_had_may_be_anything(scene: Scene) -> None:
    forged = consent_root(b"\x05" * 32, b"\x06" * 32)
    assert scene.asked(forged) == (Touch.MAYBE, Why.ROOT_UNKNOWN)
    assert scene.asked(scene.root, permit_id=PermitId(8)) == (Touch.MAYBE, Why.ROOT_UNKNOWN)


def test_a_round_whose_opening_is_not_known_began_no_earlier_than_its_permit(scene: Scene) -> None:
    root = scene.attest(MY_KEY, replace(WIDE, valid_from=ISSUED + 5))
    assert scene.asked(root, opened_at=lambda use: None) == (Touch.MAYBE, Why.PERIOD_EDGE)


def test_the_opening_is_looked_up_only_near_the_ends_of_a_period(scene: Scene) -> None:
    def refuse(use: RecordedUse) -> int:
        raise AssertionError

    assert scene.asked(scene.root, opened_at=refuse) == (Touch.USED, Why.ATTESTED)
    assert scene.asked(scene.attest(MY_KEY, FOR_STRANGERS), opened_at=refuse)[0] is Touch.NOT_USED
