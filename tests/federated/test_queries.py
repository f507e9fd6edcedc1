"""Encrypted queries through real nodes: exact totals, every refusal, and what the coordinator cannot do."""

from contextlib import contextmanager

import numpy as np
import pytest
import tenseal
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from flwr.app import ConfigRecord, RecordDict

from belmont.federated.errors import NODE_FAULT, REFUSED, FederatedError, QueryError, QueryRefused
from belmont.federated.grid.in_process import InProcessGrid
from belmont.federated.grid.records import pack_records
from belmont.federated.hashes import query_hash
from belmont.federated.node.requests import Claim, query_content
from belmont.federated.query.aggregate import aggregate, clear_totals
from belmont.federated.query.answer import ask
from belmont.federated.query.bfv import PLAINTEXT_MODULUS as T
from belmont.federated.query.bfv import ResearcherKey
from belmont.federated.query.masks import MaskContext, expand, pair_seed
from belmont.federated.query.question import between, count, histogram, mean, total
from belmont.federated.query.signed_answer import SignedAnswer
from belmont.federated.query.units import LinearCoding
from belmont.registry.reasons import Reason
from belmont.registry.types import AnswerMode, Computation, UseKind

PURPOSE = 1 << 37


@pytest.fixture(scope="module")
def key():
    return ResearcherKey()


def asked(study, permit, query, key, **changes):
    width = 0 if query.column is None else study.consortium.tables[0].width(query.column)
    arguments = {"width": width, "participants": study.participants, "key": key} | changes
    with no_look_before_a_refusal(study):
        return ask(study.by_researcher, study.grid(), permit, query, **arguments)


@contextmanager
def no_look_before_a_refusal(study):
    """Whoever refuses, for any reason but a cohort that it had to count, has not looked at a single row."""
    for looks in study.looks:
        looks.clear()
    try:
        yield
    except QueryRefused as refusal:
        for looks, hospital in zip(study.looks, refusal.hospitals, strict=False):
            counted = hospital.answered or hospital.reason in (None, Reason.COHORT_TOO_SMALL)
            assert counted or looks == [], hospital
        raise


def open_query(study, permit, query, key, n=1, participants=None):
    parties = participants or study.participants
    hashed = query_hash(query.canonical(), key.public_context, permit, n, parties)
    study.by_researcher.open_query(permit, n, hashed, parties)
    return hashed


def send(study, permit, query, context, n=1, participants=None, purpose=PURPOSE, hospital=0, content=None):
    claim = Claim(permit, n, purpose, participants or study.participants)
    canonical = query if isinstance(query, bytes) else query.canonical()
    grid = study.grid()
    signed = study.signed(study.nodes[hospital], "query", content or query_content(claim, canonical, context))
    message = grid.create_message(signed, "query", study.nodes[hospital].node_id, str(n))
    study.looks[hospital].clear()
    (reply,) = grid.send_and_receive([message])
    grid.close()
    if reply.has_error() and reply.error.code == REFUSED and "COHORT_TOO_SMALL" not in reply.error.reason:
        assert study.looks[hospital] == [], "rows were looked at before the query was refused"
    return reply


def test_totals_over_all_hospitals_equal_the_clear_ones(study, key):
    permit = study.issue()
    tables = study.consortium.tables
    elderly = between("age", *LinearCoding(18, 1).codes(60, 90))
    for query in (count(), mean("hba1c", elderly), total("statin"), histogram("age", codes_per_cell=5)):
        answer = asked(study, permit, query, key)
        assert answer.cells == clear_totals(tables, query)
    frames = [table.decode() for table in tables]
    values = np.concatenate([f[(f.age >= 60) & (f.age <= 90)].hba1c.dropna() for f in frames])
    book = tables[0].dictionary.column("hba1c").codebook
    answer = asked(study, permit, mean("hba1c", elderly), key)
    assert answer.rows == len(values)
    assert answer.mean(LinearCoding(book.minimum, book.step)) == pytest.approx(values.mean(), rel=1e-12)
    uses = study.registry.uses(permit)
    assert len(uses) == 5 * 4 and {use.kind for use in uses} == {UseKind.QUERY}
    assert set(answer.milliseconds) == {"key", "open", "hospitals", "check", "add", "decrypt", "verify"}


def test_a_histogram_says_how_many_hospitals_are_behind_each_cell(scene, key):
    cells = asked(scene, scene.issue(), histogram("age", codes_per_cell=10), key).histogram()
    assert [(cell.low, cell.high) for cell in cells[:3]] == [(0, 0), (1, 10), (11, 20)]
    assert cells[-1].high == scene.consortium.tables[0].width("age")
    assert all(0 <= cell.hospitals <= 4 and (cell.rows > 0) == (cell.hospitals > 0) for cell in cells)


def test_one_hospitals_message_is_not_its_answer(scene, key):
    permit = scene.issue()
    open_query(scene, permit, count(), key)
    reply = send(scene, permit, count(), key.public_context)
    ciphertext = reply.content["answer"]["ciphertext"]
    answer = SignedAnswer.from_record(reply.content, 4)
    rows = scene.consortium.tables[0].rows
    (cell,) = key.decrypt(ciphertext, 1)
    assert cell != rows and cell > 1_000_000
    (use,) = scene.registry.uses(permit)
    assert use.result_hash == answer.hash and answer.ciphertext == ciphertext


def decrypted_messages(scene, permit, query, key, cells):
    """What each hospital's message is to somebody who holds the researcher's secret key."""
    return [
        key.decrypt(send(scene, permit, query, key.public_context, hospital=i).content["answer"]["ciphertext"], cells)
        for i in range(4)
    ]


def test_with_every_message_and_all_keys_but_those_of_two_hospitals_their_answers_stay_undetermined(scene, key):
    """The coordinator also holds the researcher's secret key, and the mask keys of hospitals 2 and 3."""
    permit, query = scene.issue(), mean("hba1c")
    hashed = open_query(scene, permit, query, key)
    messages = decrypted_messages(scene, permit, query, key, 2)
    answers = [aggregate(table, query).cells for table in scene.consortium.tables]
    context = MaskContext(scene.registry.identity, permit, 1, hashed, scene.participants)
    public = [k.public_key().public_bytes_raw() for k in scene.consortium.mask_keys]

    def strip(honest):
        cells = messages[honest]
        for corrupt in (2, 3):
            seed = pair_seed(context, corrupt, honest, scene.consortium.mask_keys[corrupt], public[honest])
            cells = [(c - m) % T for c, m in zip(cells, expand(seed, 2, T), strict=True)]
        return cells

    seen = [strip(0), strip(1)]
    totals = [(a + b) % T for a, b in zip(*answers[:2], strict=True)]
    assert [(a + b) % T for a, b in zip(*seen, strict=True)] == totals, "the attack strips what it can"
    assert seen[0] != answers[0] and seen[1] != answers[1]
    for guess in (answers[0], answers[1], [0, 0], [1, 7], totals):
        other = [(t - g) % T for t, g in zip(totals, guess, strict=True)]
        explaining = [(s - g) % T for s, g in zip(seen[0], guess, strict=True)]
        assert [(o - m) % T for o, m in zip(other, explaining, strict=True)] == seen[1]


def test_without_masks_the_same_attack_reads_every_answer(scene, key, monkeypatch):
    """Without masks; `test_masks` breaks the variant in which only the honest pair's mask is missing."""
    permit, query = scene.issue(), mean("hba1c")
    answers = [aggregate(table, query).cells for table in scene.consortium.tables]
    open_query(scene, permit, query, key)
    monkeypatch.setattr("belmont.federated.query.disclosure.cell_mask", lambda *arguments: [0, 0])
    assert decrypted_messages(scene, permit, query, key, 2) == answers


def test_no_permit(study, key):
    reply = send(study, 999_999, count(), key.public_context)
    assert '"PERMIT_MISSING"' in reply.error.reason


def test_queries_exhausted(study, key, refused):
    permit = study.issue(queries=1)
    asked(study, permit, count(), key)
    assert refused(send(study, permit, count(), key.public_context, n=2)).reason is Reason.QUERIES_EXHAUSTED
    with pytest.raises(QueryRefused) as refusal:
        asked(study, permit, count(), key)
    assert refusal.value.reasons == (Reason.QUERIES_EXHAUSTED,)


def test_a_query_that_was_not_opened(study, key, refused):
    permit = study.issue()
    assert refused(send(study, permit, count(), key.public_context)).reason is Reason.QUERY_NOT_OPEN


def test_a_query_is_answered_once_and_the_same_again_until_the_next(study, key, refused):
    permit = study.issue()
    open_query(study, permit, count(), key)
    first, again = (send(study, permit, count(), key.public_context) for _ in range(2))
    assert pack_records(first.content) == pack_records(again.content)
    assert len(study.registry.uses(permit)) == 1
    open_query(study, permit, count(), key, n=2)
    assert send(study, permit, count(), key.public_context, n=2).has_content()
    assert refused(send(study, permit, count(), key.public_context)).reason is Reason.ALREADY_SERVED


def test_a_revoked_permit(study, key, refused):
    permit = study.issue()
    open_query(study, permit, count(), key)
    for member in study.consortium.board:
        study.registry.as_(member).vote_revoke(permit, "harm")
    assert refused(send(study, permit, count(), key.public_context)).reason is Reason.PERMIT_REVOKED
    assert study.registry.uses(permit) == []


def test_a_cohort_too_small_stops_the_whole_query_and_does_not_say_how_small(study, key):
    permit = study.issue(min_cohort=100)
    with pytest.raises(QueryRefused) as refusal:
        asked(study, permit, count(between("age", 1, 4)), key)
    assert refusal.value.reasons == (Reason.COHORT_TOO_SMALL,)
    assert all(study.looks), "each hospital had to count"
    assert study.registry.uses(permit) == []
    assert {hospital.detail for hospital in refusal.value.hospitals} == {"fewer than the approved minimum of 100 rows"}


def test_what_cohorts_that_are_too_small_give_away_is_bounded_by_the_approved_queries(scene, key):
    """Each threshold that a researcher finds out about costs a query: on chain, and at every hospital."""
    permit = scene.issue(min_cohort=100, queries=3)
    bits = []
    for highest in (4, 20, 60, 90):
        with pytest.raises(QueryRefused) as refusal:
            asked(scene, permit, count(between("age", 1, highest), between("hba1c", 1, 3)), key)
        bits.append(refusal.value.reasons)
    assert bits == [(Reason.COHORT_TOO_SMALL,)] * 3 + [(Reason.QUERIES_EXHAUSTED,)]
    assert scene.registry.permit(permit).queries_opened == 3
    assert [[entry.n for entry in node.ledger.entries()] for node in scene.nodes] == [[1, 2, 3]] * 4


def test_nobody_learns_about_a_cohort_from_a_query_that_was_not_opened(scene, key, refused):
    permit = scene.issue(min_cohort=100)
    small, large = count(between("age", 1, 4)), count()
    for query in (small, large):
        assert refused(send(scene, permit, query, key.public_context)).reason is Reason.QUERY_NOT_OPEN


def test_a_mean_needs_enough_rows_that_have_a_value(scene, key):
    ldl = [int(table.observed("ldl").sum()) for table in scene.consortium.tables]
    minimum = max(ldl) + 1
    assert minimum <= max(table.rows for table in scene.consortium.tables)
    with pytest.raises(QueryRefused) as refusal:
        asked(scene, scene.issue(min_cohort=min(minimum, 200)), mean("ldl", between("age", 1, 20)), key)
    assert Reason.COHORT_TOO_SMALL in refusal.value.reasons


def test_two_hospitals_are_too_few_even_where_the_permit_allows_it(scene, key, refused):
    pair = scene.participants[:2]
    permit = scene.issue(datasets=pair, min_hospitals=2)
    open_query(scene, permit, count(), key, participants=pair)
    reply = send(scene, permit, count(), key.public_context, participants=pair)
    assert refused(reply).reason is Reason.TOO_FEW_HOSPITALS


def test_one_hospitals_answer_is_not_the_difference_of_two_queries(scene, key, refused):
    """Masks and encryption do not help against this: each total is exact, and only one hospital is between them."""
    permit, query = scene.issue(), mean("hba1c")
    asked(scene, permit, query, key)
    for left_out in range(4):
        fewer = tuple(each for place, each in enumerate(scene.participants) if place != left_out)
        with pytest.raises(QueryRefused) as refusal:
            asked(scene, permit, query, key, participants=fewer)
        assert refusal.value.reasons == (Reason.PARTICIPANTS_MISMATCH,)
    assert len(scene.registry.uses(permit)) == len(scene.participants)


def test_fewer_hospitals_than_the_permit_says(study, key, refused):
    reply = send(study, study.issue(), count(), key.public_context, participants=study.participants[:2])
    assert refused(reply).reason is Reason.TOO_FEW_HOSPITALS


def test_another_purpose(scene, key, refused):
    permit = scene.issue()
    open_query(scene, permit, count(), key)
    assert refused(send(scene, permit, count(), key.public_context, purpose=1 << 31)).reason is Reason.PURPOSE_MISMATCH


def test_queries_that_were_not_approved(scene, key, refused):
    permit = scene.issue(computations=Computation.TRAINING, queries=0)
    assert refused(send(scene, permit, count(), key.public_context)).reason is Reason.COMPUTATION_NOT_PERMITTED


def test_answers_that_need_noise_are_refused_until_a_node_can_add_it(scene, key):
    with pytest.raises(QueryRefused) as refusal:
        asked(scene, scene.issue(answer_mode=AnswerMode.PRIVATE), count(), key)
    assert refusal.value.reasons == (Reason.COMPUTATION_NOT_PERMITTED,)
    assert all(node.ledger.entries() == [] for node in scene.nodes)


def test_the_coordinator_cannot_swap_the_key_the_question_the_participants_or_the_number(scene, key, refused):
    permit = scene.issue()
    open_query(scene, permit, count(), key)
    own = ResearcherKey()
    assert refused(send(scene, permit, count(), own.public_context)).reason is Reason.QUERY_MISMATCH
    assert refused(send(scene, permit, total("age"), key.public_context)).reason is Reason.QUERY_MISMATCH
    fewer = scene.participants[:3]
    reply = send(scene, permit, count(), key.public_context, participants=fewer)
    assert refused(reply).reason in (Reason.QUERY_MISMATCH, Reason.PARTICIPANTS_MISMATCH)
    turned = scene.participants[::-1]
    reply = send(scene, permit, count(), key.public_context, participants=turned)
    assert refused(reply).reason in (Reason.QUERY_MISMATCH, Reason.PARTICIPANTS_MISMATCH)
    assert refused(send(scene, permit, count(), key.public_context, n=2)).reason is Reason.QUERY_NOT_OPEN
    assert scene.registry.uses(permit) == [] and scene.nodes[0].ledger.entries() == []


def test_malformed_queries_and_contexts_are_refused(scene, key, refused):
    permit = scene.issue()
    secret = tenseal.context(tenseal.SCHEME_TYPE.BFV, 8_192, plain_modulus=T)
    bad_contexts = (b"", b"x" * 5_000, key.public_context[:-1], b"\x0a\x00")
    for n, context in enumerate(bad_contexts, 1):
        hashed = query_hash(count().canonical(), context, permit, n, scene.participants)
        scene.by_researcher.open_query(permit, n, hashed, scene.participants)
        assert refused(send(scene, permit, count(), context, n=n)).reason is Reason.REQUEST_MALFORMED
        assert refused(send(scene, permit, count(), context, n=n)).reason is Reason.ALREADY_SERVED
    open_query(scene, permit, count(between("shoe size", 1, 2)), key, n=5)
    reply = send(scene, permit, count(between("shoe size", 1, 2)), key.public_context, n=5)
    assert refused(reply).reason is Reason.REQUEST_MALFORMED
    assert [entry.n for entry in scene.nodes[0].ledger.entries()] == [1, 2, 3, 4, 5], "consumed"
    assert scene.registry.uses(permit) == []
    for context in (bytes(900_000), secret.serialize(save_secret_key=True)):
        assert refused(send(scene, permit, count(), context, n=6)).reason is Reason.REQUEST_MALFORMED
    for query in (b"", b"{}", b"x" * 100_000):
        assert refused(send(scene, permit, query, key.public_context)).reason is Reason.REQUEST_MALFORMED
    use = ConfigRecord({"permit": permit, "n": 1, "purpose": PURPOSE, "participants": list(scene.participants)})
    for content in (
        RecordDict({"use": use}),
        RecordDict({"use": use, "query": ConfigRecord({"canonical": "text", "context": b""})}),
        RecordDict({"use": use, "query": ConfigRecord({"canonical": b"", "context": b"", "more": 1})}),
        RecordDict({"use": use, "query": use}),
    ):
        assert refused(send(scene, permit, count(), b"", content=content)).reason is Reason.REQUEST_MALFORMED


def test_totals_that_could_wrap_are_refused_before_anything_is_encrypted(scene, key):
    """One hospital registers a table so long that a sum of codes could pass half of the plaintext modulus."""
    hospital = scene.registry.as_(scene.consortium.hospitals[1])
    hospital.add_version(
        scene.participants[1],
        b"\x01\x71\x12\x20" + bytes(32),
        2**44,
        bytes(32),
        hospital.consents.root(scene.participants[1]),
    )
    permit = scene.issue()
    with pytest.raises(QueryRefused) as refusal:
        asked(scene, permit, total("age"), key)
    outcomes = refusal.value.hospitals
    assert [o.reason for o in outcomes if o is not outcomes[1]] == [Reason.REQUEST_MALFORMED] * 3
    assert outcomes[1].reason is Reason.DATASET_UNPROVEN, "nobody can prove so long a table"
    assert "could reach" in outcomes[0].detail
    assert scene.registry.uses(permit) == []


def test_a_mask_key_that_is_not_the_one_on_chain_stops_the_query(scene, key):
    node = scene.nodes[2]
    node.close()
    scene.nodes[2] = scene.new_node(2, mask_private_key=X25519PrivateKey.generate())
    permit = scene.issue()
    open_query(scene, permit, count(), key)
    reply = send(scene, permit, count(), key.public_context, hospital=2)
    assert reply.error.code == NODE_FAULT and "mask key" in reply.error.reason
    assert scene.registry.uses(permit) == []


def test_a_ciphertext_changed_on_its_way_is_noticed(scene, key):
    class Liar(InProcessGrid):
        def send_and_receive(self, messages, *, timeout=None):
            replies = list(super().send_and_receive(messages, timeout=timeout))
            replies[0].content["answer"] = replies[1].content["answer"]
            return replies

    with pytest.raises(FederatedError, match="changed on its way"):
        ask(
            scene.by_researcher,
            Liar(scene.nodes),
            scene.issue(),
            count(),
            width=0,
            participants=scene.participants,
            key=key,
        )


def test_a_total_in_which_masks_did_not_cancel_is_refused(scene, key, monkeypatch):
    monkeypatch.setattr("belmont.federated.query.answer.add_answers", lambda context, parts, cells: parts[0])
    with pytest.raises(QueryError, match="impossible"):
        asked(scene, scene.issue(), count(), key)


def test_one_silent_hospital_means_no_answer(scene, key):
    class Lossy(InProcessGrid):
        def send_and_receive(self, messages, *, timeout=None):
            return list(super().send_and_receive(messages, timeout=timeout))[:3]

    with pytest.raises(QueryRefused) as refusal:
        ask(
            scene.by_researcher,
            Lossy(scene.nodes),
            scene.issue(),
            count(),
            width=0,
            participants=scene.participants,
            key=key,
        )
    assert [h.status for h in refusal.value.hospitals].count("silent") == 1
