"""Every refusal of ``decide``, one change away from a request that is permitted; and what holds for any input.

One file, although a long one: the table of refusals and the strategies further down vary the same example.
"""

from dataclasses import fields, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from belmont.registry.decide import HEAD_MAX_AGE_SECONDS, Permitted, Refused, decide
from belmont.registry.hashes import participants_hash
from belmont.registry.reasons import Reason
from belmont.registry.types import (
    Address,
    AnswerMode,
    Computation,
    Dataset,
    DatasetId,
    DatasetStatus,
    DatasetVersion,
    Head,
    MicroRho,
    OpenedUse,
    Permit,
    PermitId,
    PermitStatus,
    Request,
    StudyTerms,
    UseKind,
    VersionStatus,
    View,
)

NOW = 1_750_000_000
HERE, THERE, ELSEWHERE = (DatasetId(bytes([number]) * 32) for number in (1, 2, 3))
CODE, CONFIG, MODEL, OTHER, CONSENT = (bytes([number]) * 32 for number in (4, 5, 6, 7, 8))
USER, HOLDER = Address("0x" + "11" * 20), Address("0x" + "22" * 20)
PURPOSE = 1 << 37 | 1 << 31

TERMS = StudyTerms(
    title="A study",
    protocol_hash=OTHER,
    purpose=PURPOSE,
    code_hash=CODE,
    config_hash=CONFIG,
    datasets=(HERE, THERE, ELSEWHERE),
    computations=Computation.TRAINING | Computation.QUERY,
    rounds=10,
    queries=5,
    rho_per_dataset=MicroRho(100),
    min_hospitals=2,
    min_cohort=20,
    answer_mode=AnswerMode.EXACT,
    duration_seconds=1_000,
)
PERMIT = Permit(
    id=PermitId(1),
    data_user=USER,
    terms=TERMS,
    status=PermitStatus.ACTIVE,
    issued_at=NOW - 500,
    expires_at=NOW + 500,
    frozen_until=0,
    rounds_opened=3,
    queries_opened=2,
    withdrawn=(ELSEWHERE,),
)
DATASET = Dataset(
    id=HERE,
    holder=HOLDER,
    name="diabetes",
    duo_terms=1 << 4,
    dictionary_hash=OTHER,
    sensitivity=1,
    categories=1,
    retention_until=NOW + 10_000,
    rho_cap=MicroRho(1_000),
    rho_spent=MicroRho(900),
    consent_root=CONSENT,
    status=DatasetStatus.ACTIVE,
    versions=2,
)
VERSION = DatasetVersion(HERE, 2, b"cid", 100, OTHER, CONSENT, VersionStatus.PROVEN, NOW - 600)
OPENED = OpenedUse(PermitId(1), UseKind.ROUND, 3, MODEL, participants_hash((HERE, THERE)), NOW - 10)
VIEW = View(
    head=Head(100, OTHER, NOW),
    highest_head_seen=100,
    permit=PERMIT,
    dataset=DATASET,
    version=VERSION,
    opened=OPENED,
    rho_spent=MicroRho(60),
    recorded=False,
    holder_active=True,
    data_user_active=True,
    paused_until=0,
)
REQUEST = Request(
    kind=UseKind.ROUND,
    permit_id=PermitId(1),
    n=3,
    dataset_id=HERE,
    purpose=1 << 37,
    code_hash=CODE,
    config_hash=CONFIG,
    subject_hash=MODEL,
    participants=(HERE, THERE),
    cohort_rows=20,
    version=2,
    consent_root=CONSENT,
    consented_until=NOW + 86_400,
    left_out=0,
    rho=MicroRho(40),
)
QUERY = replace(REQUEST, kind=UseKind.QUERY, n=2, code_hash=OTHER, config_hash=OTHER)
QUERY_VIEW = replace(VIEW, opened=replace(OPENED, kind=UseKind.QUERY, n=2))


def with_permit(view=VIEW, **changes):
    return replace(view, permit=replace(PERMIT, **changes))


def with_terms(view=VIEW, **changes):
    return with_permit(view, terms=replace(TERMS, **changes))


def with_dataset(**changes):
    return replace(VIEW, dataset=replace(DATASET, **changes))


def with_version(**changes):
    return replace(VIEW, version=replace(VERSION, **changes))


def asking(request=REQUEST, **changes):
    return replace(request, **changes)


ALONE = asking(participants=(HERE,))
TWICE = (HERE, THERE, THERE)
REFUSALS = [
    # form
    (Reason.REQUEST_MALFORMED, asking(kind=1), VIEW),
    (Reason.REQUEST_MALFORMED, asking(n=-1), VIEW),
    (Reason.REQUEST_MALFORMED, asking(n=1.0), VIEW),
    (Reason.REQUEST_MALFORMED, asking(n=True), VIEW),
    (Reason.REQUEST_MALFORMED, asking(rho=-1), VIEW),
    (Reason.REQUEST_MALFORMED, asking(cohort_rows="20"), VIEW),
    (Reason.REQUEST_MALFORMED, asking(version=None), VIEW),
    (Reason.REQUEST_MALFORMED, asking(code_hash=CODE[:31]), VIEW),
    (Reason.REQUEST_MALFORMED, asking(subject_hash=MODEL.hex()), VIEW),
    (Reason.REQUEST_MALFORMED, asking(participants=[HERE, THERE]), VIEW),
    (Reason.REQUEST_MALFORMED, asking(participants=(HERE, "there")), VIEW),
    # chain
    (Reason.CHAIN_UNREACHABLE, REQUEST, View(head=None)),
    (Reason.CHAIN_UNREACHABLE, REQUEST, replace(VIEW, head=None)),
    (Reason.CHAIN_STALE, REQUEST, replace(VIEW, head=Head(100, OTHER, NOW - HEAD_MAX_AGE_SECONDS - 1))),
    (Reason.CHAIN_STALE, REQUEST, replace(VIEW, head=Head(100, OTHER, NOW + HEAD_MAX_AGE_SECONDS + 1))),
    (Reason.CHAIN_STALE, REQUEST, replace(VIEW, highest_head_seen=101)),
    # permit
    (Reason.PERMIT_MISSING, REQUEST, View(head=VIEW.head)),
    (Reason.PERMIT_MISSING, asking(permit_id=2), VIEW),
    (Reason.PERMIT_MISSING, REQUEST, with_permit(status=PermitStatus.UNKNOWN)),
    (Reason.PERMIT_REVOKED, REQUEST, with_permit(status=PermitStatus.REVOKED)),
    (Reason.PERMIT_EXPIRED, REQUEST, with_permit(expires_at=NOW)),
    (Reason.PERMIT_FROZEN, REQUEST, with_permit(status=PermitStatus.FROZEN, frozen_until=NOW + 1)),
    (Reason.PERMIT_FROZEN, REQUEST, with_permit(frozen_until=NOW + 1)),
    (Reason.DATA_USER_INACTIVE, REQUEST, replace(VIEW, data_user_active=False)),
    # dataset
    (Reason.DATASET_NOT_COVERED, asking(dataset_id=THERE), VIEW),
    (Reason.DATASET_NOT_COVERED, asking(dataset_id=ELSEWHERE), VIEW),
    (Reason.DATASET_NOT_COVERED, REQUEST, with_permit(withdrawn=(HERE,))),
    (Reason.DATASET_NOT_COVERED, REQUEST, replace(VIEW, dataset=None)),
    (Reason.DATA_HOLDER_INACTIVE, REQUEST, replace(VIEW, holder_active=False)),
    (Reason.DATASET_FROZEN, REQUEST, with_dataset(status=DatasetStatus.FROZEN)),
    (Reason.DATASET_DESTROYED, REQUEST, with_dataset(status=DatasetStatus.DESTROYED)),
    (Reason.DATASET_DESTROYED, REQUEST, with_dataset(status=DatasetStatus.UNKNOWN)),
    (Reason.RETENTION_OVER, REQUEST, with_dataset(retention_until=NOW)),
    (Reason.DATASET_UNPROVEN, REQUEST, replace(VIEW, version=None)),
    (Reason.DATASET_UNPROVEN, REQUEST, with_version(status=VersionStatus.UNKNOWN)),
    (Reason.DATASET_UNPROVEN, REQUEST, with_version(status=VersionStatus.REGISTERED)),
    (Reason.DATASET_UNPROVEN, REQUEST, with_version(number=1)),
    (Reason.DATASET_UNPROVEN, REQUEST, with_version(dataset_id=THERE)),
    (Reason.CONSENT_STALE, REQUEST, with_dataset(consent_root=OTHER)),
    (Reason.CONSENT_STALE, asking(consent_root=OTHER), VIEW),
    (Reason.CONSENT_STALE, QUERY, replace(QUERY_VIEW, version=replace(VERSION, consent_root=OTHER))),
    (Reason.CONSENT_SCOPE, replace(QUERY, left_out=1), QUERY_VIEW),
    (Reason.CONSORTIUM_PAUSED, REQUEST, replace(VIEW, paused_until=NOW + 1)),
    (Reason.PERMIT_SUPERSEDED, REQUEST, with_permit(status=PermitStatus.SUPERSEDED, superseded_by=PermitId(7))),
    (Reason.VERSION_STALE, asking(version=1), VIEW),
    (Reason.VERSION_STALE, asking(version=3), VIEW),
    (Reason.VERSION_STALE, asking(version=0), VIEW),
    # terms
    (Reason.COMPUTATION_NOT_PERMITTED, REQUEST, with_terms(computations=Computation.QUERY)),
    (Reason.COMPUTATION_NOT_PERMITTED, QUERY, with_terms(QUERY_VIEW, computations=Computation.TRAINING)),
    (Reason.PURPOSE_MISMATCH, asking(purpose=0), VIEW),
    (Reason.PURPOSE_MISMATCH, asking(purpose=1 << 39), VIEW),
    (Reason.PURPOSE_MISMATCH, asking(purpose=PURPOSE | 1 << 39), VIEW),
    (Reason.CODE_MISMATCH, asking(code_hash=OTHER), VIEW),
    (Reason.CONFIG_MISMATCH, asking(config_hash=OTHER), VIEW),
    (Reason.TOO_FEW_HOSPITALS, ALONE, VIEW),
    (Reason.TOO_FEW_HOSPITALS, asking(participants=()), VIEW),
    (Reason.TOO_FEW_HOSPITALS, asking(participants=(HERE, HERE)), VIEW),
    (Reason.TOO_FEW_HOSPITALS, REQUEST, with_terms(min_hospitals=3)),
    (Reason.DATASET_NOT_COVERED, asking(participants=(HERE, ELSEWHERE)), VIEW),
    (Reason.DATASET_NOT_COVERED, asking(participants=(HERE, DatasetId(OTHER))), VIEW),
    (Reason.COHORT_TOO_SMALL, asking(cohort_rows=19), VIEW),
    (Reason.COHORT_TOO_SMALL, REQUEST, with_version(rows=19)),
    # what was opened
    (Reason.ROUNDS_EXHAUSTED, asking(n=11), VIEW),
    (Reason.QUERIES_EXHAUSTED, asking(QUERY, n=6), QUERY_VIEW),
    (Reason.ROUND_NOT_OPEN, REQUEST, replace(VIEW, opened=None)),
    (Reason.ROUND_NOT_OPEN, asking(n=0), VIEW),
    (Reason.ROUND_NOT_OPEN, asking(n=2), VIEW),
    (Reason.ROUND_NOT_OPEN, asking(n=4), replace(VIEW, opened=replace(OPENED, n=4))),
    (Reason.ROUND_NOT_OPEN, REQUEST, QUERY_VIEW),
    (Reason.ROUND_NOT_OPEN, REQUEST, replace(VIEW, opened=replace(OPENED, permit_id=PermitId(2)))),
    (Reason.QUERY_NOT_OPEN, QUERY, replace(VIEW, opened=None)),
    (Reason.QUERY_NOT_OPEN, QUERY, VIEW),
    (Reason.ROUND_CLOSED, REQUEST, replace(VIEW, opened=replace(OPENED, closed=True))),
    (Reason.ROUND_CLOSED, asking(subject_hash=OTHER), replace(VIEW, opened=replace(OPENED, closed=True))),
    (Reason.MODEL_MISMATCH, asking(subject_hash=OTHER), VIEW),
    (Reason.QUERY_MISMATCH, asking(QUERY, subject_hash=OTHER), QUERY_VIEW),
    (Reason.PARTICIPANTS_MISMATCH, asking(participants=(THERE, HERE)), VIEW),
    (Reason.PARTICIPANTS_MISMATCH, asking(participants=TWICE), VIEW),
    (
        Reason.PARTICIPANTS_MISMATCH,
        asking(participants=TWICE),
        replace(VIEW, opened=replace(OPENED, participants_hash=participants_hash(TWICE))),
    ),
    (
        Reason.PARTICIPANTS_MISMATCH,
        asking(participants=(THERE, ELSEWHERE)),
        replace(
            with_permit(withdrawn=()), opened=replace(OPENED, participants_hash=participants_hash((THERE, ELSEWHERE)))
        ),
    ),
    # a query over fewer hospitals than the permit covers, or in another order, although it was opened so
    (Reason.PARTICIPANTS_MISMATCH, QUERY, replace(with_permit(QUERY_VIEW, withdrawn=()), opened=QUERY_VIEW.opened)),
    (
        Reason.PARTICIPANTS_MISMATCH,
        asking(QUERY, participants=(THERE, HERE)),
        replace(QUERY_VIEW, opened=replace(QUERY_VIEW.opened, participants_hash=participants_hash((THERE, HERE)))),
    ),
    # what is left
    (Reason.ALREADY_SERVED, REQUEST, replace(VIEW, recorded=True)),
    (Reason.BUDGET_EXHAUSTED, asking(rho=41), VIEW),
    (Reason.BUDGET_EXHAUSTED, REQUEST, replace(VIEW, rho_spent=MicroRho(61))),
    (Reason.BUDGET_EXHAUSTED, REQUEST, with_dataset(rho_spent=MicroRho(961))),
]


@pytest.mark.parametrize(("request_", "view"), [(REQUEST, VIEW), (QUERY, QUERY_VIEW)])
def test_a_request_that_fits_the_permit_is_permitted(request_, view):
    assert decide(view.permit, request_, view, NOW) == Permitted(view.head)


@pytest.mark.parametrize(("reason", "request_", "view"), REFUSALS)
def test_one_thing_wrong_refuses_with_its_reason_and_a_remedy(reason, request_, view):
    decision = decide(view.permit, request_, view, NOW)
    assert isinstance(decision, Refused)
    assert (decision.reason, bool(decision.detail)) == (reason, True)
    assert decision.remedy == reason.remedy


def test_the_table_meets_every_reason_but_those_of_which_there_is_no_view_to_decide_on():
    """Code that is unknown, a sum that is not final, and what a node's own ledger counts: the gate says so itself."""
    elsewhere = {Reason.CODE_UNKNOWN, Reason.ROUND_NOT_FINAL, Reason.UPDATE_UNPROVED, Reason.NOT_THE_DATA_USER}
    assert {reason for reason, _, _ in REFUSALS} == set(Reason) - elsewhere - {Reason.EVALUATIONS_EXHAUSTED}


@pytest.mark.parametrize("edge", [NOW - HEAD_MAX_AGE_SECONDS, NOW + HEAD_MAX_AGE_SECONDS])
def test_a_head_exactly_at_the_limit_is_not_stale(edge):
    view = replace(VIEW, head=Head(100, OTHER, edge))
    assert isinstance(decide(PERMIT, REQUEST, view, NOW), Permitted)


@pytest.mark.parametrize(("node", "chain"), [(NOW + 10, NOW - 20), (NOW - 20, NOW + 10)])
def test_a_permit_is_expired_as_soon_as_either_clock_says_so(node, chain):
    view = replace(with_permit(expires_at=NOW + 10), head=Head(100, OTHER, chain))
    assert decide(view.permit, REQUEST, view, node).reason is Reason.PERMIT_EXPIRED


@pytest.mark.parametrize(("node", "chain"), [(NOW + 10, NOW + 9), (NOW + 9, NOW + 10)])
def test_a_freeze_is_over_only_when_both_clocks_say_so(node, chain):
    frozen = with_permit(status=PermitStatus.FROZEN, frozen_until=NOW + 10)
    view = replace(frozen, head=Head(100, OTHER, chain))
    assert decide(view.permit, REQUEST, view, node).reason is Reason.PERMIT_FROZEN
    over = replace(frozen, head=Head(100, OTHER, NOW + 10))
    assert isinstance(decide(over.permit, REQUEST, over, NOW + 10), Permitted)


def test_one_hospitals_answer_is_not_the_difference_of_two_queries():
    """Queries 1 and 2 are the same question, opened with and without ELSEWHERE: at most one of them is answered."""
    covered, fewer = (HERE, THERE, ELSEWHERE), (HERE, THERE)
    for n, participants, permitted in ((1, covered, True), (2, fewer, False)):
        opened = OpenedUse(PERMIT.id, UseKind.QUERY, n, MODEL, participants_hash(participants), NOW - 10)
        view = replace(with_permit(withdrawn=()), opened=opened)
        decision = decide(view.permit, asking(QUERY, n=n, participants=participants), view, NOW)
        assert isinstance(decision, Permitted) is permitted
    assert decision.reason is Reason.PARTICIPANTS_MISMATCH
    assert "all 3 datasets" in decision.detail


def test_a_round_may_leave_hospitals_out():
    view = with_permit(withdrawn=())
    assert isinstance(decide(view.permit, REQUEST, view, NOW), Permitted)


def test_a_permit_read_at_another_time_than_the_view_is_refused():
    stale = replace(PERMIT, rounds_opened=2)
    assert decide(stale, REQUEST, VIEW, NOW).reason is Reason.CHAIN_STALE
    assert decide(None, REQUEST, VIEW, NOW).reason is Reason.CHAIN_STALE
    assert decide(PERMIT, REQUEST, replace(VIEW, permit=None), NOW).reason is Reason.CHAIN_STALE


def test_a_proven_version_is_usable_as_well():
    view = with_version(status=VersionStatus.PROVEN)
    assert isinstance(decide(PERMIT, REQUEST, view, NOW), Permitted)


def test_the_size_of_a_cohort_that_is_too_small_stays_at_the_hospital():
    decision = decide(PERMIT, asking(cohort_rows=13), VIEW, NOW)
    assert "13" not in decision.detail


# Values near those that are permitted, and far from them.
hashes = st.sampled_from([CODE, CONFIG, MODEL, OTHER, CONSENT, HERE, THERE, ELSEWHERE, bytes(32)])
times = st.one_of(st.integers(NOW - 70, NOW + 70), st.integers(0, 2**64 - 1))
numbers = st.one_of(st.integers(0, 12), st.integers(0, 120), st.integers(0, 2**64 - 1))
dataset_ids = st.sampled_from([HERE, THERE, ELSEWHERE, DatasetId(OTHER)])
id_tuples = st.lists(dataset_ids, max_size=4).map(tuple)


def variants(original, **strategies):
    """``original`` with some fields replaced."""
    names = st.sets(st.sampled_from(sorted(strategies)), max_size=2)
    return names.flatmap(
        lambda chosen: st.fixed_dictionaries({name: strategies[name] for name in chosen}).map(
            lambda changes: replace(original, **changes)
        )
    )


terms_ = variants(
    TERMS,
    purpose=st.integers(0, 2**41),
    code_hash=hashes,
    config_hash=hashes,
    datasets=id_tuples,
    computations=st.sampled_from([Computation(value) for value in range(4)]),
    rounds=numbers,
    queries=numbers,
    rho_per_dataset=numbers,
    min_hospitals=numbers,
    min_cohort=numbers,
)
permits = terms_.flatmap(
    lambda terms: variants(
        replace(PERMIT, terms=terms),
        id=st.integers(0, 2),
        status=st.sampled_from(PermitStatus),
        expires_at=times,
        frozen_until=times,
        rounds_opened=numbers,
        queries_opened=numbers,
        withdrawn=id_tuples,
    )
)
datasets_ = variants(
    DATASET,
    id=dataset_ids,
    retention_until=times,
    rho_cap=numbers,
    rho_spent=numbers,
    consent_root=hashes,
    status=st.sampled_from(DatasetStatus),
    versions=numbers,
)
versions = variants(
    VERSION, dataset_id=dataset_ids, number=numbers, consent_root=hashes, status=st.sampled_from(VersionStatus)
)
openings = variants(
    OPENED,
    permit_id=st.integers(0, 2),
    kind=st.sampled_from(UseKind),
    n=numbers,
    subject_hash=hashes,
    participants_hash=id_tuples.map(participants_hash),
)
heads = st.builds(Head, numbers, hashes, times)
views = variants(
    VIEW,
    head=st.none() | heads,
    highest_head_seen=numbers,
    permit=st.none() | permits,
    dataset=st.none() | datasets_,
    version=st.none() | versions,
    opened=st.none() | openings,
    rho_spent=numbers,
    recorded=st.booleans(),
    holder_active=st.booleans(),
    data_user_active=st.booleans(),
    paused_until=st.none() | times,
)
requests = variants(
    REQUEST,
    kind=st.sampled_from(UseKind),
    permit_id=st.integers(0, 2),
    n=numbers,
    dataset_id=dataset_ids,
    purpose=st.integers(0, 2**41),
    code_hash=hashes,
    config_hash=hashes,
    subject_hash=hashes,
    participants=id_tuples,
    cohort_rows=numbers,
    version=numbers,
    consent_root=hashes,
    left_out=numbers,
    rho=numbers,
)
junk = st.one_of(
    st.none(), st.integers(), st.text(), st.binary(), st.floats(), st.booleans(), st.lists(st.none()), st.tuples()
)


@settings(max_examples=400, deadline=None)
@given(requests, views, st.one_of(st.just(NOW), times))
def test_what_is_permitted_fulfils_every_condition(request_, view, now):
    decision = decide(view.permit, request_, view, now)
    if not isinstance(decision, Permitted):
        assert decision.reason in Reason
        return
    permit, dataset, version, opened = view.permit, view.dataset, view.version, view.opened
    terms = permit.terms
    is_round = request_.kind is UseKind.ROUND
    assert abs(now - view.head.timestamp) <= 60 and view.head.number >= view.highest_head_seen
    assert permit.id == request_.permit_id == opened.permit_id
    assert permit.status in (PermitStatus.ACTIVE, PermitStatus.FROZEN)
    assert permit.frozen_until <= min(now, view.head.timestamp) and max(now, view.head.timestamp) < permit.expires_at
    assert view.data_user_active and view.holder_active
    assert request_.dataset_id == dataset.id == version.dataset_id
    assert dataset.id in terms.datasets and dataset.id not in permit.withdrawn
    assert dataset.status is DatasetStatus.ACTIVE and now < dataset.retention_until
    assert version.status >= VersionStatus.PROVEN and version.number == dataset.versions
    assert request_.version == version.number and request_.consent_root == dataset.consent_root
    assert is_round or (version.consent_root == dataset.consent_root and request_.left_out == 0)
    assert view.paused_until is not None and view.paused_until <= min(now, view.head.timestamp)
    assert (Computation.TRAINING if is_round else Computation.QUERY) in terms.computations
    assert request_.purpose and request_.purpose | terms.purpose == terms.purpose
    assert not is_round or (request_.code_hash, request_.config_hash) == (terms.code_hash, terms.config_hash)
    assert len(set(request_.participants)) == len(request_.participants) >= terms.min_hospitals
    assert set(request_.participants) <= set(permit.covered) and dataset.id in request_.participants
    assert min(request_.cohort_rows, version.rows) >= terms.min_cohort
    assert opened.kind is request_.kind and opened.n == request_.n
    assert 1 <= request_.n <= (terms.rounds if is_round else terms.queries)
    assert request_.n <= (permit.rounds_opened if is_round else permit.queries_opened)
    assert request_.subject_hash == opened.subject_hash
    assert participants_hash(request_.participants) == opened.participants_hash
    assert is_round or request_.participants == permit.covered
    assert not view.recorded
    assert view.rho_spent + request_.rho <= terms.rho_per_dataset
    assert dataset.rho_spent + request_.rho <= dataset.rho_cap


@pytest.mark.parametrize("name", [field.name for field in fields(View) if field.name != "highest_head_seen"])
def test_a_view_that_lacks_anything_is_refused(name):
    empty = {field.name: field.default for field in fields(View)} | {"head": None, "rho_spent": MicroRho(61)}
    view = replace(VIEW, **{name: True if name == "recorded" else empty[name]})
    assert isinstance(decide(view.permit, REQUEST, view, NOW), Refused)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_request_of_any_content_is_answered_and_never_raises(data):
    name = data.draw(st.sampled_from([field.name for field in fields(Request)]))
    value = data.draw(junk)
    decision = decide(PERMIT, replace(REQUEST, **{name: value}), VIEW, NOW)
    if isinstance(decision, Permitted):
        # Only a larger cohort or a smaller charge than the usual is still right.
        assert name in ("cohort_rows", "rho", "purpose", "permit_id", "n", "left_out", "consented_until")


@settings(max_examples=100, deadline=None)
@given(requests, views, times)
def test_the_same_question_has_the_same_answer(request_, view, now):
    assert decide(view.permit, request_, view, now) == decide(view.permit, request_, view, now)
