"""A total comes with its proof, and the proof says nothing about one hospital."""

import stat
from dataclasses import replace

import numpy as np
import pytest

from belmont.ehr.coded import CodedTable
from belmont.federated.errors import (
    AnswerRejected,
    FederatedError,
    LedgerError,
    NodeFault,
    NotProved,
    NotRegistered,
    QueryError,
    QueryRefused,
    TotalRefuted,
)
from belmont.federated.grid.in_process import InProcessGrid
from belmont.federated.node.disclosures import Disclosures
from belmont.federated.node.stored import StoredVersion
from belmont.federated.query.aggregate import aggregate, clear_totals
from belmont.federated.query.bfv import ResearcherKey
from belmont.federated.query.case import Case, Place
from belmont.federated.query.disclosure import Disclosure
from belmont.federated.query.question import between, count, histogram, mean, total, variance
from belmont.federated.query.signed_answer import SignedAnswer
from belmont.federated.query.units import LinearCoding
from belmont.registry.reasons import Reason
from belmont.zk import errors as zk_errors
from belmont.zk.budget import OpeningBudget, of_all_chunks
from belmont.zk.commitment import commit_table
from belmont.zk.curve import GENERATOR, compressed
from belmont.zk.layout import ColumnKind, Kind, Layout
from belmont.zk.totals import total_holds


@pytest.fixture(scope="module")
def key():
    return ResearcherKey()


class Listening(InProcessGrid):
    """What the coordinator sees."""

    def send_and_receive(self, messages, *, timeout=None):
        self.heard = list(super().send_and_receive(messages, timeout=timeout))
        return self.heard


@pytest.mark.parametrize("query", [count(), mean("hba1c"), total("age"), total("statin"), mean("bmi")], ids=str)
def test_a_total_over_all_rows_is_proved(scene, key, layout, query):
    answer = scene.ask(scene.issue(), query, key, layout)
    assert answer.cells == clear_totals(scene.consortium.tables, query)
    assert answer.proof is not None and answer.not_proved == ""
    assert answer.verify() is answer.proof
    assert "<b>Proved</b>" in answer._repr_html_() and "registered columns" in answer._repr_html_()
    assert len(answer.proof.versions) == 4
    assert len(answer.proof.cells) == (1 if query == count() else 2)


def test_a_total_over_the_rows_of_a_filter_is_proved_by_a_cohort_proof(scene, key, layout):
    elderly = between("age", 43, 93)
    permit = scene.issue()
    for query in (mean("hba1c", elderly), count(elderly, between("statin", 1, 4_000)), variance("hba1c", elderly)):
        answer = scene.ask(permit, query, key, layout, require_proof=True)
        assert answer.cells == clear_totals(scene.consortium.tables, query)
        assert answer.verify().source == "a proven cohort of registered rows"


def test_a_variance_is_proved_with_its_sum_of_squares(scene, key, layout):
    answer = scene.ask(scene.issue(), variance("hba1c"), key, layout, require_proof=True)
    codes = np.concatenate([np.asarray(t.codes("hba1c"), float)[t.observed("hba1c")] for t in scene.consortium.tables])
    assert answer.cells == (len(codes), int(codes.sum()), int((codes**2).sum()))
    assert answer.variance(LinearCoding(3.0, 0.5)) == pytest.approx(codes.var(ddof=1) * 0.25)
    with pytest.raises(QueryError, match="sum of squares"):
        replace(answer, query=mean("hba1c")).variance(LinearCoding(3.0, 0.5))


def test_another_total_than_the_proof_is_refused(scene, key, layout):
    answer = scene.ask(scene.issue(), count(), key, layout)
    other = replace(answer, cells=(answer.cells[0] + 1,))
    with pytest.raises(NotProved, match="another answer"):
        other.verify()
    (cell,) = answer.proof.cells
    for wrong in (cell.total + 1, cell.total - 1, -1, cell.bound + 1):
        forged = replace(answer.proof, cells=(replace(cell, total=wrong),))
        with pytest.raises(zk_errors.TotalRefuted):
            replace(answer, cells=(wrong,), proof=forged).verify()
    dropped = replace(cell, openings=cell.openings[1:], commitments=cell.commitments[1:])
    assert not dropped.holds(), "one hospital's mask is missing"


def test_a_histogram_is_visibly_not_proved(scene, key, layout):
    permit = scene.issue()
    answer = scene.ask(permit, histogram("age", codes_per_cell=10), key, layout)
    assert answer.proof is None and "histogram" in answer.not_proved
    assert "Not proved" in answer._repr_html_()
    with pytest.raises(NotProved, match="histogram"):
        answer.verify()
    with pytest.raises(NotProved, match="histogram"):
        scene.ask(permit, histogram("age", codes_per_cell=10), key, layout, require_proof=True)


def test_without_a_layout_the_answer_is_visibly_not_proved(scene, key, layout):
    permit = scene.issue()
    unread = scene.ask(permit, count(), key, None)
    assert unread.proof is None and "layout" in unread.not_proved
    with pytest.raises(NotProved, match="layout"):
        scene.ask(permit, count(), key, None, require_proof=True)


def test_another_dictionarys_layout_is_refused(scene, key, layout):
    """Under another layout the same commitments would be other columns."""
    for other in (replace(layout, text_hash=bytes(32)), replace(layout, names=layout.names[:-1], layout=SHORTER)):
        with pytest.raises(QueryError, match="not that of the dataset's dictionary"):
            scene.ask(scene.issue(), count(), key, other)


SHORTER = Layout((ColumnKind(Kind.BIT, 1),) * 13)


class TestGuessing:
    """Whoever sees all messages, and the commitments, tries every total that one hospital can have."""

    def seen(self, scene, key, layout):
        permit = scene.issue()
        grid = Listening(scene.nodes)
        answer = scene.ask(permit, count(), key, layout, grid=grid)
        return permit, answer, answer.proof.cells[0]

    def guesses(self, commitment, opening, rows):
        return [guess for guess in range(rows + 100) if total_holds([commitment], [opening], guess, rows + 100)]

    def test_an_unmasked_opening_gives_the_total_away(self, scene, key, layout):
        permit, _, cell = self.seen(scene, key, layout)
        rows = scene.consortium.tables[0].rows
        (opening,) = scene.nodes[0].disclose(permit, 1).opened()
        assert self.guesses(cell.commitments[0], opening.proof, rows) == [rows]

    def test_a_masked_one_fits_no_guess(self, scene, key, layout):
        _, _, cell = self.seen(scene, key, layout)
        for position, table in enumerate(scene.consortium.tables):
            assert self.guesses(cell.commitments[position], cell.openings[position], table.rows) == []

    def test_nor_do_those_of_all_hospitals_but_one_together(self, scene, key, layout):
        _, _, cell = self.seen(scene, key, layout)
        three = sum(table.rows for table in scene.consortium.tables[:3])
        assert not total_holds(cell.commitments[:3], cell.openings[:3], three, three)


def test_the_same_question_twice_is_masked_anew(scene, key, layout):
    permit = scene.issue()
    grids = [Listening(scene.nodes) for _ in range(2)]
    cells = [scene.ask(permit, count(), key, layout, grid=grid).proof.cells[0] for grid in grids]
    assert cells[0].commitments == cells[1].commitments
    assert all(a != b for a, b in zip(cells[0].openings, cells[1].openings, strict=True))


def test_a_wrong_ciphertext_is_refuted_and_the_text_says_how_to_find_the_liar(scene, key, layout):
    def more(server, compose, context, masks, version, evidence, disclosure, openings):
        lie = replace(disclosure, totals=tuple(cell + 1 for cell in disclosure.totals))
        return compose(context, masks, version, evidence, lie, openings)

    scene.turn(2, more)
    with pytest.raises(TotalRefuted, match="blame") as refuted:
        scene.ask(scene.issue(), mean("ldl"), key, layout)
    assert isinstance(refuted.value, zk_errors.TotalRefuted) and isinstance(refuted.value, QueryError)
    case = refuted.value.case
    assert Case.from_bytes(case.to_bytes()) == case
    assert "ethics board" in refuted.value.diagnostics()


def test_a_wrong_ciphertext_is_refuted_under_a_filter_too(scene, key, layout):
    def less(server, compose, context, masks, version, evidence, disclosure, openings):
        lie = replace(disclosure, totals=tuple(cell - 1 for cell in disclosure.totals))
        return compose(context, masks, version, evidence, lie, openings)

    scene.turn(1, less)
    with pytest.raises(TotalRefuted):
        scene.ask(scene.issue(), count(between("age", 43, 93)), key, layout)


def changed(place, change):
    """A hospital that changes its finished answer before it signs it."""

    def composing(server, compose, context, masks, version, evidence, disclosure, openings):
        answer = compose(context, masks, version, evidence, disclosure, openings)
        return change(answer).signed(server.account, masks, server.dataset_id)

    return pytest.param(composing, place, id=f"{place}-{change.__name__}")


def no_evidence(answer):
    return replace(answer, evidence=b"", openings=())


def another_column(answer):
    return replace(answer, evidence=answer.evidence[:1] + compressed(GENERATOR) + answer.evidence[49:])


def another_hash(answer):
    return replace(answer, evidence=answer.evidence[:-32] + bytes(32))


def a_byte_more(answer):
    return replace(answer, evidence=answer.evidence + b"\0")


def another_source(answer):
    return replace(answer, evidence=b"\2" + answer.evidence[1:])


def no_version(answer):
    return replace(answer, version=7)


def too_few_openings(answer):
    return replace(answer, openings=answer.openings[:-1])


def off_the_curve(answer):
    return replace(answer, openings=(b"\x9a" + bytes(47),) * len(answer.openings))


def infinity(answer):
    return replace(answer, openings=(b"\xc0" + bytes(47),) * len(answer.openings))


def a_seed_with_itself(answer):
    return replace(answer, seed_hashes=(b"\1" * 32,) * 4)


@pytest.mark.parametrize(
    ("composing", "place"),
    [
        changed(Place.OPENING, no_evidence),
        changed(Place.COMMITMENTS, another_column),
        changed(Place.COMMITMENTS, another_hash),
        changed(Place.COMMITMENTS, a_byte_more),
        changed(Place.COMMITMENTS, another_source),
        changed(Place.COMMITMENTS, no_version),
        changed(Place.OPENING, too_few_openings),
        changed(Place.OPENING, off_the_curve),
        changed(Place.OPENING, infinity),
        changed(Place.MASK, a_seed_with_itself),
    ],
)
def test_an_answer_that_is_not_what_it_has_to_be_names_its_hospital(scene, key, layout, composing, place):
    scene.turn(1, composing)
    with pytest.raises(AnswerRejected) as rejected:
        scene.ask(scene.issue(), count(), key, layout)
    assert (rejected.value.dataset_id, rejected.value.place) == (scene.participants[1], place)


def test_an_answer_from_another_query_is_refused(scene, key, layout):
    """The hospital records and sends again what it answered before."""
    first = []

    def composing(server, compose, *parts):
        first.append(compose(*parts))
        return first[0]

    scene.turn(3, composing)
    permit = scene.issue()
    scene.ask(permit, count(), key, layout)
    with pytest.raises(AnswerRejected, match="not signed by the hospital for this query") as rejected:
        scene.ask(permit, count(), key, layout)
    assert rejected.value.place is Place.SIGNATURE


def test_another_hospitals_answer_is_refused(scene, key, layout):
    """Hospital 1 signs, records and sends hospital 0's evidence as its own."""
    theirs = scene.stored(0).committed

    def composing(server, compose, context, masks, version, evidence, disclosure, openings):
        points = b"".join(compressed(point) for point in theirs.commitments[0])
        other = evidence[:1] + points + b"".join(theirs.column_hashes)
        return compose(context, masks, version, other, disclosure, openings)

    scene.turn(1, composing)
    with pytest.raises(AnswerRejected, match="not those of the registered version"):
        scene.ask(scene.issue(), count(), key, layout)


RECORD = {
    "ciphertext": b"c",
    "version": 1,
    "evidence": b"",
    "openings": b"",
    "seed-hashes": bytes(96),
    "signature": b"",
}


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"ciphertext": bytes(500_001)}, "ciphertext"),
        ({"ciphertext": "text"}, "ciphertext"),
        ({"version": 0}, "version"),
        ({"version": 1.0}, "version"),
        ({"evidence": bytes(4 * 1024 * 1024 + 1)}, "evidence"),
        ({"openings": bytes(47)}, "openings"),
        ({"openings": bytes(48 * 8_193)}, "openings"),
        ({"seed-hashes": bytes(64)}, "seed-hashes"),
        ({"seed-hashes": bytes(128)}, "seed-hashes"),
        ({"signature": bytes(66)}, "signature"),
        ({"more": b""}, "exactly"),
    ],
)
def test_a_malformed_or_oversized_reply_is_refused(change, match):
    from flwr.app import ConfigRecord, RecordDict

    assert SignedAnswer.from_record(RecordDict({"answer": ConfigRecord(RECORD)}), 3).version == 1
    with pytest.raises(QueryError, match=match):
        SignedAnswer.from_record(RecordDict({"answer": ConfigRecord(RECORD | change)}), 3)


def test_one_changed_byte_of_any_part_on_the_way_is_noticed(scene, key, layout):
    class Meddling(InProcessGrid):
        name = ""

        def send_and_receive(self, messages, *, timeout=None):
            replies = list(super().send_and_receive(messages, timeout=timeout))
            record = replies[0].content["answer"]
            value = record[self.name]
            record[self.name] = value + 1 if self.name == "version" else bytes([value[0] ^ 1]) + value[1:]
            return replies

    permit = scene.issue(queries=12)
    for name in ("ciphertext", "version", "evidence", "openings", "seed-hashes", "signature"):
        grid = Meddling(scene.nodes)
        grid.name = name
        with pytest.raises(FederatedError, match="changed on its way"):
            scene.ask(permit, count(), key, layout, grid=grid)


class TestRowsThatAreNotTheRegisteredOnes:
    """A node opens a version only with the rows and the blinding that its root on chain was computed from."""

    def refused_at_start(self, scene, stored, match):
        with pytest.raises(NotRegistered, match=match):
            scene.new_node(0, ledger_path=scene.folder / "again.sqlite", open_version=lambda number: stored)

    def test_rows_without_their_blinding(self, scene):
        self.refused_at_start(scene, StoredVersion(scene.consortium.tables[0]), "blinding")

    def test_fresh_blinding(self, scene):
        table, layout = scene.consortium.tables[0], scene.stored(0).committed.layout
        fresh = commit_table(layout, [table.codes(name) for name in table.columns], table.pseudonyms)
        self.refused_at_start(scene, StoredVersion(table, fresh), "not what was registered")

    def test_one_code_changed_after_registration(self, scene):
        class Changed:
            def __init__(self, table):
                self.table = table

            def __getattr__(self, name):
                return getattr(self.table, name)

            def codes(self, column):
                codes = self.table.codes(column).copy()
                codes[17] ^= column == "statin"
                return codes

        table = Changed(scene.consortium.tables[0])
        self.refused_at_start(scene, StoredVersion(table, scene.stored(0).committed), "'statin'")

    def test_another_hospitals_version(self, scene):
        with pytest.raises(NodeFault, match="rows here"):
            scene.new_node(0, ledger_path=scene.folder / "again.sqlite", open_version=lambda number: scene.stored(1))

    def test_a_running_node_refuses_with_a_typed_reason(self, scene, key, layout):
        table = scene.consortium.tables[0]
        codes = {name: table.codes(name).copy() for name in table.columns}
        codes["statin"][17] ^= 1
        scene.nodes[0].close()
        scene.nodes[0] = scene.new_node(0, open_version=lambda number: scene.stored(0))
        scene.consortium.add_version(0, CodedTable(table.dictionary, codes, table.pseudonyms))
        with pytest.raises(QueryRefused) as refusal:
            scene.ask(scene.issue(), count(), key, layout)
        assert refusal.value.hospitals[0].reason is Reason.DATASET_UNPROVEN
        assert "not those whose commitments are on chain" in refusal.value.hospitals[0].detail


class TestDisclosures:
    """What a dispute needs outlives the node, and is closed to others."""

    def test_a_restart_between_answer_and_dispute_loses_nothing(self, scene, key, layout):
        permit = scene.issue()
        scene.ask(permit, mean("hba1c"), key, layout)
        before = scene.nodes[0].disclose(permit, 1)
        scene.nodes[0].close()
        scene.nodes[0] = scene.new_node(0)
        assert scene.nodes[0].disclose(permit, 1) == before
        assert list(before.totals) == aggregate(scene.consortium.tables[0], mean("hba1c")).cells
        assert Disclosure.from_bytes(before.to_bytes()) == before
        assert str(before.totals[1]) not in repr(before)
        scene.nodes[0].settle(permit, 1)
        assert scene.nodes[0].disclose(permit, 1) is None

    def test_it_is_on_disk_before_the_answer_is_recorded_on_chain(self, scene, key, layout):
        permit, kept = scene.issue(), []
        node = scene.nodes[0]
        release = node._queries.gate.release

        def watching(admission, result_hash, reply):
            kept.append(node.disclose(permit, 1))
            release(admission, result_hash, reply)

        node._queries.gate.release = watching
        scene.ask(permit, count(), key, layout)
        assert kept[0] is not None

    def test_its_file_is_closed_to_others(self, scene, tmp_path):
        path = tmp_path / "ledger-0.sqlite-disclosures"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        open_to_all = tmp_path / "open"
        open_to_all.touch(0o644)
        open_to_all.chmod(0o644)
        with pytest.raises(LedgerError, match="chmod"):
            Disclosures(open_to_all)

    @pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"x" * 10, b'{"format":1}', bytes(2_000_000)])
    def test_other_bytes_are_no_disclosure(self, data):
        with pytest.raises(QueryError):
            Disclosure.from_bytes(data)


def test_filtered_answers_stop_before_the_blinding_is_used_up(scene, key, layout):
    root = scene.stored(0).committed.root
    budget = OpeningBudget(scene.folder / "openings-0.sqlite")
    while budget.left(root) > 1:
        budget.spend(root, of_all_chunks((layout.value("age"),), 1), b"test")
    question = count(between("age", 43, 93))
    assert scene.ask(scene.issue(), question, key, layout).proof is not None
    assert budget.left(root) == 0 and budget.purposes(root)[-1].startswith(b"belmont/query-cohort/1")
    budget.close()
    with pytest.raises(QueryRefused) as refusal:
        scene.ask(scene.issue(), question, key, layout)
    assert "could not be proved" in refusal.value.hospitals[0].detail
    assert scene.ask(scene.issue(), count(), key, layout).proof is not None, "an opening at zero costs nothing"


def test_an_account_that_does_not_write_to_the_chain_cannot_sign_answers(scene):
    with pytest.raises(NodeFault, match="account"):
        scene.new_node(0, ledger_path=scene.folder / "x", account=scene.consortium.researcher)


def test_on_a_chain_too_where_the_contract_itself_accepted_the_versions_proofs(on_chain_study, key, layout):
    permit = on_chain_study.issue()
    for question in (mean("ldl"), count(between("age", 43, 93))):
        answer = on_chain_study.ask(permit, question, key, layout, require_proof=True)
        newest = [on_chain_study.registry.dataset(d).versions for d in on_chain_study.participants]
        tables = [
            on_chain_study.consortium.rows[d, number]
            for d, number in zip(on_chain_study.participants, newest, strict=True)
        ]
        assert answer.cells == clear_totals(tables, question) and answer.verify()
