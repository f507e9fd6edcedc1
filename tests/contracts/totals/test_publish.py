"""Publishing a total: the contract checks it against what the hospitals registered, and refuses everything else."""

import hashlib
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import pytest
from eth_abi import encode

from belmont.chain.compiler import compile_contract
from belmont.federated.hashes import query_hash
from belmont.federated.query.question import between, count, total
from belmont.registry.abi import Interface
from belmont.registry.contract_set import contract
from belmont.registry.errors import RegistryRefused
from belmont.registry.types import AnswerMode, MicroRho, PermitId, Role, UseKind
from belmont.zk.curve import IDENTITY, add_all, compressed, wide
from belmont.zk.field import ORDER
from belmont.zk.layout import ColumnKind, Kind, Layout

CONTEXT = b"the researcher's public key"
ROWS = (100, 4_040, 37)
BIT = 1


@dataclass(frozen=True)
class Publication:
    """Arguments of `publish`, in its order."""

    permit: int
    n: int
    participants: tuple[bytes, ...]
    question: tuple[bytes, bytes, bytes, bytes]
    column: int
    parts: tuple[tuple[int, list[bytes], bytes], ...]
    total: int
    opening: bytes

    @property
    def arguments(self) -> tuple[Any, ...]:
        return tuple(getattr(self, name) for name in self.__dataclass_fields__)


@dataclass
class Stage:
    """A permit over three hospitals, with a query that all of them answered, and the contract beside the registry."""

    consortium: Any
    address: Any
    interface: Interface
    holders: tuple[Any, Any, Any]
    datasets: tuple[bytes, ...]
    permit: PermitId

    def ask(self, question, n: int = 1, answered: int = 3) -> None:
        registry = self.consortium.registry
        hashed = query_hash(question.canonical(), CONTEXT, self.permit, n, self.datasets)
        registry.as_(self.consortium.data_user).open_query(self.permit, n, hashed, self.datasets)
        for holder, dataset in list(zip(self.holders, self.datasets, strict=True))[:answered]:
            registry.as_(holder).record_use(self.permit, UseKind.QUERY, n, dataset, b"\x66" * 32, MicroRho(0))

    def tables(self):
        return [self.consortium.shelf.table(rows) for rows in ROWS]

    def publication(self, question, column: int, n: int = 1) -> Publication:
        shelf, tables = self.consortium.shelf, self.tables()
        opened = [table.open_total(column) for table in tables]
        return Publication(
            self.permit,
            n,
            self.datasets,
            (question.canonical(), hashlib.sha256(CONTEXT).digest(), shelf.layout.to_bytes(), shelf.text_hash),
            column,
            tuple(
                (1, list(table.column_hashes), b"".join(wide(point) for point in table.commitments[column]))
                for table in tables
            ),
            sum(total for total, _ in opened),
            compressed(add_all([proof for _, proof in opened])),
        )

    def publish(self, publication: Publication, by: Any = None) -> dict[str, Any]:
        data = self.interface.encode_call("publish", *publication.arguments)
        logs, _ = self.consortium.evm.send(by or self.consortium.data_user, self.address, data)
        (log,) = logs
        name, fields = self.interface.decode_event(log.topics, log.data)
        assert name == "TotalProved"
        return fields

    def read(self, function: str, *arguments: Any) -> Any:
        (answer,) = self.consortium.evm.calls([(self.address, self.interface.encode_call(function, *arguments))])
        return self.interface.decode_answer(function, answer)


def admit_third_holder(consortium):
    profile = consortium.profile(consortium.non_member, Role.DATA_HOLDER, "Third hospital")
    proposal = consortium.registry.as_(consortium.auditor).propose_admission(profile)
    for supporter in consortium.board:
        consortium.registry.as_(supporter).support(proposal)
    return consortium.non_member


def stage_of(consortium, **terms) -> Stage:
    holders = (consortium.holder, consortium.other_holder, admit_third_holder(consortium))
    datasets = []
    for holder, rows in zip(holders, ROWS, strict=True):
        dataset = consortium.dataset(holder, versions=0)
        consortium.version(dataset, rows=rows, proven=True)
        datasets.append(dataset)
    permit = consortium.permit(tuple(datasets), **{"queries": 3, **terms})
    compiled = compile_contract("Totals")
    wired = [consortium.registry.addresses[name] for name in ("Datasets", "Studies", "Permits", "Uses")]
    creation = compiled.bytecode + encode(["address"] * 4, wired)
    _, address = consortium.evm.send(consortium.auditor, None, creation)
    return Stage(consortium, address, Interface("Totals", compiled.abi), holders, tuple(datasets), permit)


@pytest.fixture
def stage(consortium):
    made = stage_of(consortium)
    made.ask(count())
    return made


@pytest.fixture
def refused_as():
    return lambda reason: pytest.raises(RegistryRefused, match=rf"\b{reason}\b")


def test_the_number_of_rows_over_all_hospitals_is_published(stage):
    publication = stage.publication(count(), 0)
    assert not stage.read("isPublished", stage.permit, 1, 0)
    fields = stage.publish(publication)
    assert (fields["total"], fields["rows"], fields["column"]) == (sum(ROWS), sum(ROWS), 0)
    assert fields["question"] == count().canonical()
    assert stage.read("isPublished", stage.permit, 1, 0)
    assert stage.read("totals", stage.permit, 1, 0) == sum(ROWS)


def test_the_total_of_a_column_is_published(stage):
    stage.ask(total("bit"), n=2)
    fields = stage.publish(stage.publication(total("bit"), BIT, n=2))
    assert fields["total"] == sum(rows // 2 for rows in ROWS)


@pytest.mark.parametrize("wrong", [1, -1, 50])
def test_a_wrong_total_is_refused(stage, refused_as, wrong):
    stage.ask(total("bit"), n=2)
    publication = stage.publication(total("bit"), BIT, n=2)
    with refused_as("TOTAL_REFUTED"):
        stage.publish(replace(publication, total=publication.total + wrong))
    assert not stage.read("isPublished", stage.permit, 2, BIT)


@pytest.mark.parametrize("total_", [sum(ROWS) + 1, sum(ROWS) + ORDER, 2**256 - 1])
def test_a_total_above_what_the_rows_can_give_is_refused(stage, refused_as, total_):
    with refused_as("TOTAL_OUT_OF_RANGE"):
        stage.publish(replace(stage.publication(count(), 0), total=total_))


def part(change):
    """A change of the second hospital's part."""

    def changed(publication):
        first, second, third = publication.parts
        return replace(publication, parts=(first, change(*second), third))

    return changed


def question(**change):
    def changed(publication):
        names = ("text", "context", "layout", "text_hash")
        fields = dict(zip(names, publication.question, strict=True)) | change
        return replace(publication, question=tuple(fields[name] for name in names))

    return changed


OTHER_LAYOUT = Layout((ColumnKind(Kind.RANGE, 2),)).to_bytes()
OFF_CURVE = bytes(64) + bytes(63) + b"\x05"
OF_ORDER_3 = bytes(64) + bytes(63) + b"\x02"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda p: replace(p, n=2), "QUERY_NOT_OPEN"),
        (lambda p: replace(p, permit=99), "NOT_THE_APPLICANT"),
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
        (question(context=bytes(32)), "QUERY_MISMATCH"),
        (question(text_hash=bytes(32)), "DICTIONARY_MISMATCH"),
        (question(layout=OTHER_LAYOUT), "DICTIONARY_MISMATCH"),
        (part(lambda version, hashes, points: (2, hashes, points)), "DATASET_UNPROVEN"),
        (part(lambda version, hashes, points: (version, hashes[:-1], points)), "COMMITMENTS_MISMATCH"),
        (part(lambda version, hashes, points: (version, hashes[::-1], points)), "COMMITMENTS_MISMATCH"),
        (part(lambda version, hashes, points: (version, [], points)), "COLUMN_INVALID"),
        (part(lambda version, hashes, points: (version, hashes, points[:128])), "CHUNKS_INVALID"),
        (part(lambda version, hashes, points: (version, hashes, points + points)), "CHUNKS_INVALID"),
        (part(lambda version, hashes, points: (version, hashes, points[128:] + points[:128])), "COMMITMENTS_MISMATCH"),
        (part(lambda version, hashes, points: (version, hashes, points[:128] + OFF_CURVE)), "COMMITMENTS_MISMATCH"),
        (part(lambda version, hashes, points: (version, hashes, points[:128] + OF_ORDER_3)), "COMMITMENTS_MISMATCH"),
        (lambda p: replace(p, opening=p.opening[:47]), "PROOF_MALFORMED"),
        (lambda p: replace(p, opening=b""), "PROOF_MALFORMED"),
        (lambda p: replace(p, opening=bytes(48)), "TOTAL_REFUTED"),
        (lambda p: replace(p, opening=compressed(IDENTITY)), "TOTAL_REFUTED"),
        (lambda p: replace(p, opening=bytes([p.opening[0] ^ 0x20]) + p.opening[1:]), "TOTAL_REFUTED"),
    ],
)
def test_anything_that_does_not_belong_to_the_query_is_refused(stage, refused_as, change, reason):
    with refused_as(reason):
        stage.publish(change(stage.publication(count(), 0)))
    assert not stage.read("isPublished", stage.permit, 1, 0)


def test_only_the_data_user_publishes(stage, refused_as):
    for other in (stage.consortium.non_member, stage.consortium.board[0], stage.consortium.holder):
        with refused_as("NOT_THE_APPLICANT"):
            stage.publish(stage.publication(count(), 0), by=other)


def test_once(stage, refused_as):
    stage.publish(stage.publication(count(), 0))
    with refused_as("TOTAL_EXISTS"):
        stage.publish(stage.publication(count(), 0))


def test_not_before_every_hospital_answered(stage, refused_as):
    stage.ask(count(), n=2, answered=2)
    with refused_as("ANSWER_MISSING"):
        stage.publish(stage.publication(count(), 0, n=2))


def test_not_under_a_permit_whose_answers_carry_noise(consortium, refused_as):
    stage = stage_of(consortium, answer_mode=AnswerMode.PRIVATE)
    stage.ask(count())
    with refused_as("ANSWER_NOT_EXACT"):
        stage.publish(stage.publication(count(), 0))


def test_not_under_a_revoked_permit(stage, refused_as):
    for member in stage.consortium.board:
        try:
            stage.consortium.registry.as_(member).vote_revoke(stage.permit)
        except RegistryRefused:
            break
    with refused_as("PERMIT_REVOKED"):
        stage.publish(stage.publication(count(), 0))


def test_after_the_permit_expired_too(stage):
    stage.consortium.evm.now += 2 * 365 * 24 * 3600
    stage.publish(stage.publication(count(), 0))


def test_two_hospitals_are_too_few(consortium, refused_as):
    stage = stage_of(consortium)
    pair = stage.datasets[:2]
    permit = consortium.permit(pair, queries=1)
    two = replace(stage, permit=permit, datasets=pair, holders=stage.holders[:2])
    two.ask(count(), answered=2)
    publication = stage.publication(count(), 0)
    with refused_as("TOO_FEW_HOSPITALS"):
        two.publish(replace(publication, permit=permit, participants=pair, parts=publication.parts[:2]))


def test_a_version_that_was_not_the_newest_when_the_hospital_answered_is_refused(stage, refused_as):
    consortium, later = stage.consortium, 100
    consortium.evm.now += later
    consortium.version(stage.datasets[0], rows=ROWS[0], proven=True)
    publication = stage.publication(count(), 0)
    stage.publish(publication)
    consortium.evm.now += later
    stage.ask(count(), n=2)
    old = stage.publication(count(), 0, n=2)
    with refused_as("VERSION_STALE"):
        stage.publish(old)
    newest = replace(old, parts=((2, *old.parts[0][1:]), *old.parts[1:]))
    stage.publish(newest)
    with refused_as("VERSION_STALE"):
        first = replace(publication, column=BIT, parts=((2, *publication.parts[0][1:]), *publication.parts[1:]))
        stage.publish(first)


def test_the_contract_holds_no_key_and_writes_to_no_other(stage):
    source = contract("Datasets").compiled.abi
    assert "publish" not in {entry.get("name") for entry in source}
    text = SimpleNamespace(abi=compile_contract("Totals").abi)
    writes = [e["name"] for e in text.abi if e["type"] == "function" and e["stateMutability"] != "view"]
    assert writes == ["publish"]
