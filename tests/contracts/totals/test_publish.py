"""Publishing a total: the contract checks it against what the hospitals registered, and refuses everything else."""

import hashlib
from dataclasses import dataclass, replace
from importlib import resources
from typing import Any

import pytest
from tests.contracts.conftest import as_it_was

from belmont.federated.hashes import query_hash
from belmont.federated.query.question import between, count, total
from belmont.registry.claims import AskedQuestion, TotalClaim, TotalPart
from belmont.registry.contract_set import contract
from belmont.registry.errors import RegistryArgumentError, RegistryRefused
from belmont.registry.types import AnswerMode, MicroRho, PermitId, PublishedTotal, Role, UseKind
from belmont.zk.curve import IDENTITY, add_all, compressed, wide
from belmont.zk.field import ORDER
from belmont.zk.layout import ColumnKind, Kind, Layout

VETTING = b"\x01\x55\x12\x20" + bytes(32)

CONTEXT = b"the researcher's public key"
ROWS = (100, 4_040, 37)
BIT = 1


@dataclass
class Stage:
    """A permit over three hospitals, with a query that all of them answered; on chain and in the reference model."""

    consortium: Any
    holders: tuple[Any, Any, Any]
    datasets: tuple[bytes, ...]
    permit: PermitId

    def ask(self, question, n: int = 1, answered: int = 3) -> None:
        registry = self.consortium.registry
        hashed = query_hash(question.canonical(), CONTEXT, self.permit, n, self.datasets)
        registry.as_(self.consortium.data_user).open_query(self.permit, n, hashed, self.datasets)
        for holder, dataset in list(zip(self.holders, self.datasets, strict=True))[:answered]:
            found = registry.dataset(dataset)
            fields = b"\x66" * 32, MicroRho(0), found.versions, found.consent_root
            registry.as_(holder).record_use(self.permit, UseKind.QUERY, n, dataset, *fields)

    def tables(self):
        return [self.consortium.shelf.table(rows) for rows in ROWS]

    def claim(self, question, column: int, n: int = 1) -> TotalClaim:
        shelf, tables = self.consortium.shelf, self.tables()
        opened = [table.open_total(column) for table in tables]
        return TotalClaim(
            self.permit,
            n,
            self.datasets,
            AskedQuestion(
                question.canonical(), hashlib.sha256(CONTEXT).digest(), shelf.layout.to_bytes(), shelf.text_hash
            ),
            column,
            tuple(
                TotalPart(1, table.column_hashes, b"".join(wide(point) for point in table.commitments[column]))
                for table in tables
            ),
            sum(total for total, _ in opened),
            compressed(add_all([proof for _, proof in opened])),
        )

    def publish(self, claim: TotalClaim, by: Any = None) -> PublishedTotal:
        self.consortium.registry.as_(by or self.consortium.data_user).publish_total(claim)
        return self.published()[-1]

    def published(self) -> list[PublishedTotal]:
        """The same on both, but for the blocks."""
        registry = self.consortium.registry
        found = registry.totals(self.permit)
        assert [replace(each, block=0) for each in found] == [
            replace(each, block=0) for each in registry.model.totals(self.permit)
        ]
        return found

    def read(self, function: str, n: int, column: int) -> Any:
        """What the contract answers to anybody."""
        return self.consortium.registry.read("Totals", function, self.permit, n, column)


def admit_third_holder(consortium):
    profile = consortium.profile(consortium.non_member, Role.DATA_HOLDER, "Third hospital")
    proposal = consortium.registry.as_(consortium.auditor).propose_admission(profile, VETTING)
    for supporter in consortium.board:
        consortium.registry.as_(supporter).support(proposal)
    return consortium.non_member


def stage_of(consortium, both) -> Stage:
    return stage_on(replace(consortium, registry=both(consortium)))


def stage_on(consortium) -> Stage:
    holders = (consortium.holder, consortium.other_holder, admit_third_holder(consortium))
    datasets = []
    for holder, rows in zip(holders, ROWS, strict=True):
        dataset = consortium.dataset(holder, versions=0)
        consortium.version(dataset, rows=rows, proven=True)
        datasets.append(dataset)
    permit = consortium.permit(tuple(datasets), queries=3)
    return Stage(consortium, holders, tuple(datasets), permit)


@pytest.fixture(scope="module")
def made(paired_for_a_module):
    made = stage_on(paired_for_a_module)
    made.ask(count())
    return made


@pytest.fixture
def stage(made):
    with as_it_was(made.consortium) as consortium:
        yield replace(made, consortium=consortium)


@pytest.fixture
def refused_as():
    return lambda reason: pytest.raises(RegistryRefused, match=rf"\b{reason}\b")


def test_the_number_of_rows_over_all_hospitals_is_published(stage):
    assert not stage.read("isPublished", 1, 0)
    found = stage.publish(stage.claim(count(), 0))
    assert (found.total, found.rows, found.column, found.n) == (sum(ROWS), sum(ROWS), 0, 1)
    assert (found.question, found.data_user) == (count().canonical(), stage.consortium.data_user.address)
    assert stage.read("isPublished", 1, 0)
    assert stage.read("totals", 1, 0) == sum(ROWS)
    (event,) = [each for each in stage.consortium.registry.audit_events() if each.name == "TotalProved"]
    assert (event.contract, event.details) == (
        "Totals",
        {"permit": stage.permit, "n": 1, "column": 0, "total": 4177, "rows": 4177, "question": count().canonical()},
    )


def test_the_total_of_a_column_is_published(stage):
    stage.ask(total("bit"), n=2)
    found = stage.publish(stage.claim(total("bit"), BIT, n=2))
    assert found.total == sum(rows // 2 for rows in ROWS)


@pytest.mark.parametrize("wrong", [1, -1, 50])
def test_a_wrong_total_is_refused(stage, refused_as, wrong):
    stage.ask(total("bit"), n=2)
    claim = stage.claim(total("bit"), BIT, n=2)
    with refused_as("TOTAL_REFUTED"):
        stage.publish(replace(claim, total=claim.total + wrong))
    assert not stage.read("isPublished", 2, BIT)
    assert stage.published() == []


@pytest.mark.parametrize("total_", [sum(ROWS) + 1, sum(ROWS) + ORDER, 2**256 - 1])
def test_a_total_above_what_the_rows_can_give_is_refused(stage, refused_as, total_):
    with refused_as("TOTAL_OUT_OF_RANGE"):
        stage.publish(replace(stage.claim(count(), 0), total=total_))


def part(**change):
    """A change of the second hospital's part; a function makes the new value of the old."""

    def changed(claim):
        first, second, third = claim.parts
        made = {name: to(getattr(second, name)) if callable(to) else to for name, to in change.items()}
        return replace(claim, parts=(first, replace(second, **made), third))

    return changed


def question(**change):
    return lambda claim: replace(claim, question=replace(claim.question, **change))


OTHER_LAYOUT = Layout((ColumnKind(Kind.RANGE, 2),)).to_bytes()
OFF_CURVE = bytes(64) + bytes(63) + b"\x05"
OF_ORDER_3 = bytes(64) + bytes(63) + b"\x02"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda p: replace(p, n=2), "QUERY_NOT_OPEN"),
        (lambda p: replace(p, permit_id=PermitId(99)), "NOT_THE_APPLICANT"),
        (lambda p: replace(p, participants=p.participants[::-1]), "PARTICIPANTS_MISMATCH"),
        (lambda p: replace(p, participants=p.participants[:2], parts=p.parts[:2]), "PARTICIPANTS_MISMATCH"),
        (lambda p: replace(p, parts=p.parts[:2]), "PARTICIPANTS_MISMATCH"),
        (lambda p: replace(p, parts=(p.parts[0],) * 3), "CHUNKS_INVALID"),
        (lambda p: replace(p, column=BIT), "COMMITMENTS_MISMATCH"),
        (lambda p: replace(p, column=2), "COLUMN_INVALID"),
        (lambda p: replace(p, column=99), "COLUMN_INVALID"),
        (lambda p: replace(p, column=2**256 - 1), "COLUMN_INVALID"),
        (question(text=total("bit").canonical()), "QUERY_MISMATCH"),
        (question(text=count(between("bit", 1, 1)).canonical()), "QUESTION_FILTERED"),
        (question(text=b""), "QUERY_MISMATCH"),
        (question(context_hash=bytes(32)), "QUERY_MISMATCH"),
        (question(text_hash=bytes(32)), "DICTIONARY_MISMATCH"),
        (question(layout=OTHER_LAYOUT), "DICTIONARY_MISMATCH"),
        (part(version=2), "DATASET_UNPROVEN"),
        (part(version=2**64 - 1), "DATASET_UNPROVEN"),
        (question(layout=b""), "DICTIONARY_MISMATCH"),
        (part(column_hashes=lambda hashes: hashes[:-1]), "COMMITMENTS_MISMATCH"),
        (part(column_hashes=lambda hashes: hashes[::-1]), "COMMITMENTS_MISMATCH"),
        (part(column_hashes=()), "COLUMN_INVALID"),
        (part(commitments=lambda points: points[:128]), "CHUNKS_INVALID"),
        (part(commitments=lambda points: points + points), "CHUNKS_INVALID"),
        (part(commitments=lambda points: points[128:] + points[:128]), "COMMITMENTS_MISMATCH"),
        (part(commitments=lambda points: points[:128] + OFF_CURVE), "COMMITMENTS_MISMATCH"),
        (part(commitments=lambda points: points[:128] + OF_ORDER_3), "COMMITMENTS_MISMATCH"),
        (lambda p: replace(p, opening=p.opening[:47]), "PROOF_MALFORMED"),
        (lambda p: replace(p, opening=b""), "PROOF_MALFORMED"),
        (lambda p: replace(p, opening=bytes(48)), "TOTAL_REFUTED"),
        (lambda p: replace(p, opening=compressed(IDENTITY)), "TOTAL_REFUTED"),
        (lambda p: replace(p, opening=bytes([p.opening[0] ^ 0x20]) + p.opening[1:]), "TOTAL_REFUTED"),
    ],
)
def test_anything_that_does_not_belong_to_the_query_is_refused(stage, refused_as, change, reason):
    with refused_as(reason):
        stage.publish(change(stage.claim(count(), 0)))
    assert not stage.read("isPublished", 1, 0)
    assert stage.published() == []


def test_only_the_data_user_publishes(stage, refused_as):
    for other in (stage.consortium.non_member, stage.consortium.board[0], stage.consortium.holder):
        with refused_as("NOT_THE_APPLICANT"):
            stage.publish(stage.claim(count(), 0), by=other)


def test_once(stage, refused_as):
    stage.publish(stage.claim(count(), 0))
    with refused_as("TOTAL_EXISTS"):
        stage.publish(stage.claim(count(), 0))


def test_not_before_every_hospital_answered(stage, refused_as):
    stage.ask(count(), n=2, answered=2)
    with refused_as("ANSWER_MISSING"):
        stage.publish(stage.claim(count(), 0, n=2))


def test_not_under_a_permit_whose_answers_carry_noise(stage, refused_as):
    permit = stage.consortium.permit(stage.datasets, queries=3, answer_mode=AnswerMode.PRIVATE)
    stage = replace(stage, permit=permit)
    stage.ask(count())
    with refused_as("ANSWER_NOT_EXACT"):
        stage.publish(stage.claim(count(), 0))


def test_not_under_a_revoked_permit(stage, refused_as):
    for member in stage.consortium.board:
        try:
            stage.consortium.registry.as_(member).vote_revoke(stage.permit)
        except RegistryRefused:
            break
    with refused_as("PERMIT_REVOKED"):
        stage.publish(stage.claim(count(), 0))


def test_after_the_permit_expired_too(stage):
    stage.consortium.evm.now += 2 * 365 * 24 * 3600
    stage.publish(stage.claim(count(), 0))


def test_two_hospitals_are_too_few(stage, refused_as):
    pair = stage.datasets[:2]
    permit = stage.consortium.permit(pair, queries=1)
    two = replace(stage, permit=permit, datasets=pair, holders=stage.holders[:2])
    two.ask(count(), answered=2)
    claim = stage.claim(count(), 0)
    with refused_as("TOO_FEW_HOSPITALS"):
        two.publish(replace(claim, permit_id=permit, participants=pair, parts=claim.parts[:2]))


def test_a_version_that_was_not_the_newest_when_the_hospital_answered_is_refused(stage, refused_as):
    consortium, later = stage.consortium, 100
    consortium.evm.now += later
    consortium.version(stage.datasets[0], rows=ROWS[0], proven=True)
    claim = stage.claim(count(), 0)
    stage.publish(claim)
    consortium.evm.now += later
    stage.ask(count(), n=2)
    old = stage.claim(count(), 0, n=2)
    with refused_as("VERSION_STALE"):
        stage.publish(old)
    newest = replace(old, parts=(replace(old.parts[0], version=2), *old.parts[1:]))
    stage.publish(newest)
    with refused_as("VERSION_STALE"):
        first = replace(claim, column=BIT, parts=(replace(claim.parts[0], version=2), *claim.parts[1:]))
        stage.publish(first)


def test_malformed_layouts_are_refused(stage, refused_as):
    stage.ask(total("bit"), n=2)
    claim = stage.claim(total("bit"), BIT, n=2)
    for layout in (b"", b"\x01\x00\x00", claim.question.layout + b"\x00", b"\x01\xff\xff" + bytes(3)):
        with refused_as("LAYOUT_INVALID"):
            stage.publish(question(layout=layout)(claim))


@pytest.mark.parametrize(
    "change",
    [
        {"column": -1},
        {"column": 2**256},
        {"total": True},
        {"opening": bytes(49)},
        {"participants": [bytes(32)]},
        {"parts": (TotalPart(1, (), b""),) * 17},
        {"parts": (TotalPart(1, (bytes(32),) * 257, b""),)},
        {"parts": (TotalPart(1, (bytes(31),), b""),)},
        {"parts": (TotalPart(1, (), bytes(128 * 64 + 1)),)},
        {"parts": (TotalPart(2**64, (), b""),)},
    ],
)
def test_what_no_call_can_hold_is_refused_before_anything_is_sent(stage, change):
    with pytest.raises(RegistryArgumentError):
        stage.publish(replace(stage.claim(count(), 0), **change))
    for asked in ({"text": bytes(1025)}, {"layout": bytes(748)}, {"context_hash": b""}, {"text_hash": b""}):
        with pytest.raises(RegistryArgumentError):
            stage.publish(question(**asked)(stage.claim(count(), 0)))


def test_the_contract_holds_no_key_and_writes_to_no_other():
    functions = [each for each in contract("Totals").compiled.abi if each["type"] == "function"]
    assert [each["name"] for each in functions if each["stateMutability"] not in ("view", "pure")] == ["publish"]
    for name in ("Datasets", "Studies", "Permits", "Uses"):
        assert "Totals" not in (resources.files("belmont.contracts") / f"{name}.vy").read_text()
