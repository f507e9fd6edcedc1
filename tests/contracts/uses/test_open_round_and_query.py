import pytest

from belmont.registry.hashes import participants_hash
from belmont.registry.types import Computation, OpenedUse, UseKind

MODEL = b"\x44" * 32
KINDS = [UseKind.ROUND, UseKind.QUERY]


@pytest.fixture
def datasets(consortium):
    return consortium.datasets()


@pytest.fixture
def permit(consortium, datasets):
    return consortium.permit(datasets)


def open_(consortium, kind, permit, n, participants, subject=MODEL, by=None):
    registry = consortium.registry.as_(by or consortium.data_user)
    method = registry.open_round if kind is UseKind.ROUND else registry.open_query
    method(permit, n, subject, participants)


@pytest.mark.parametrize("kind", KINDS)
def test_records_the_subject_and_the_participants_in_their_order(consortium, permit, datasets, kind):
    order = (datasets[1], datasets[0]) if kind is UseKind.ROUND else datasets
    open_(consortium, kind, permit, 1, order)
    assert consortium.registry.opened(permit, kind, 1) == OpenedUse(
        permit, kind, 1, MODEL, participants_hash(order), consortium.evm.now
    )
    assert participants_hash(datasets[::-1]) != participants_hash(datasets)
    found = consortium.registry.permit(permit)
    expected = (1, 0) if kind is UseKind.ROUND else (0, 1)
    assert (found.rounds_opened, found.queries_opened) == expected


def test_announces_a_round_and_a_query(consortium, permit, datasets):
    open_(consortium, UseKind.ROUND, permit, 1, datasets)
    open_(consortium, UseKind.QUERY, permit, 1, datasets)
    user, digest = consortium.data_user.address, participants_hash(datasets)
    common = {"permit": permit, "n": 1, "participants_hash": digest}
    assert consortium.events("RoundOpened", "QueryOpened") == [
        ("RoundOpened", user, {**common, "model_hash": MODEL}),
        ("QueryOpened", user, {**common, "query_hash": MODEL}),
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_only_the_permits_data_user_opens(consortium, permit, datasets, refused, kind):
    for somebody in (consortium.holder, consortium.board[0], consortium.auditor, consortium.non_member):
        with refused("NOT_THE_APPLICANT"):
            open_(consortium, kind, permit, 1, datasets, by=somebody)


def test_a_removed_data_user_is_refused(consortium, permit, datasets, refused):
    consortium.remove(consortium.data_user)
    with refused("DATA_USER_INACTIVE"):
        open_(consortium, UseKind.ROUND, permit, 1, datasets)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [0, 1, 3])
def test_only_the_next_number_is_opened(consortium, permit, datasets, refused, kind, n):
    open_(consortium, kind, permit, 1, datasets)
    with refused("NOT_NEXT"):
        open_(consortium, kind, permit, n, datasets)


@pytest.mark.parametrize(
    ("kind", "approved", "reason"),
    [(UseKind.ROUND, 3, "ROUNDS_EXHAUSTED"), (UseKind.QUERY, 2, "QUERIES_EXHAUSTED")],
)
def test_no_more_are_opened_than_approved(consortium, permit, datasets, refused, kind, approved, reason):
    for n in range(1, approved + 1):
        open_(consortium, kind, permit, n, datasets)
    with refused(reason):
        open_(consortium, kind, permit, approved + 1, datasets)


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        (UseKind.ROUND, {"computations": Computation.QUERY, "rounds": 0}),
        (UseKind.QUERY, {"computations": Computation.TRAINING, "queries": 0}),
    ],
)
def test_a_kind_that_was_not_approved_is_refused(consortium, datasets, refused, kind, changes):
    permit = consortium.permit(datasets, **changes)
    with refused("COMPUTATION_NOT_PERMITTED"):
        open_(consortium, kind, permit, 1, datasets)


@pytest.mark.parametrize("kind", KINDS)
def test_a_missing_hash_is_refused(consortium, permit, datasets, refused, kind):
    with refused("HASH_MISSING"):
        open_(consortium, kind, permit, 1, datasets, subject=bytes(32))


def test_too_few_hospitals_are_refused(consortium, permit, datasets, refused):
    for participants in ((), datasets[:1]):
        with refused("TOO_FEW_HOSPITALS"):
            open_(consortium, UseKind.ROUND, permit, 1, participants)


def test_one_hospitals_answer_is_not_the_difference_of_two_queries(consortium, datasets, refused):
    """The same question with and without a hospital would give away its exact answer."""
    permit = consortium.permit(datasets, min_hospitals=1)
    open_(consortium, UseKind.QUERY, permit, 1, datasets)
    for participants in (datasets[:1], datasets[1:], datasets[::-1]):
        with refused("PARTICIPANTS_MISMATCH"):
            open_(consortium, UseKind.QUERY, permit, 2, participants)
    open_(consortium, UseKind.ROUND, permit, 1, datasets[:1])


def test_a_query_is_over_what_is_left_after_a_withdrawal(consortium, datasets, refused):
    permit = consortium.permit(datasets, min_hospitals=1)
    consortium.registry.as_(consortium.holder).withdraw(permit, datasets[0])
    with refused("DATASET_NOT_COVERED"):
        open_(consortium, UseKind.QUERY, permit, 1, datasets)
    open_(consortium, UseKind.QUERY, permit, 1, datasets[1:])
    assert consortium.registry.permit(permit).queries_opened == 1


def test_a_participant_named_twice_does_not_count_twice(consortium, permit, datasets, refused):
    with refused("PARTICIPANTS_MISMATCH"):
        open_(consortium, UseKind.ROUND, permit, 1, (datasets[0], datasets[0]))


def test_a_participant_outside_the_permit_is_refused(consortium, permit, datasets, refused):
    with refused("DATASET_NOT_COVERED"):
        open_(consortium, UseKind.ROUND, permit, 1, (*datasets, consortium.dataset()))
    consortium.registry.as_(consortium.other_holder).withdraw(permit, datasets[1])
    with refused("DATASET_NOT_COVERED"):
        open_(consortium, UseKind.ROUND, permit, 1, datasets)


def test_a_permit_that_is_missing_or_not_usable_is_refused(consortium, permit, datasets, refused):
    with refused("PERMIT_MISSING"):
        open_(consortium, UseKind.ROUND, permit + 1, 1, datasets)
    consortium.registry.as_(consortium.holder).freeze_permit(permit, 60)
    with refused("PERMIT_FROZEN"):
        open_(consortium, UseKind.ROUND, permit, 1, datasets)
    consortium.evm.now = consortium.registry.permit(permit).expires_at
    with refused("PERMIT_EXPIRED"):
        open_(consortium, UseKind.ROUND, permit, 1, datasets)


def test_nobody_who_left_counts_among_the_hospitals(consortium, refused):
    """Three expelled hospitals know all masks but one: a query over them would be over the fourth alone."""
    datasets = consortium.datasets(proven=True)
    permit = consortium.permit(datasets)
    consortium.remove(consortium.other_holder)
    as_user = consortium.registry.as_(consortium.data_user)
    assert consortium.registry.permit(permit).covered == datasets[:1]
    with refused("DATASET_NOT_COVERED"):
        as_user.open_round(permit, 1, b"\x11" * 32, datasets)
    with refused("TOO_FEW_HOSPITALS"):
        as_user.open_query(permit, 1, b"\x11" * 32, datasets[:1])


def test_a_round_is_not_recorded_once_another_hospital_is_gone(consortium, refused):
    datasets = consortium.datasets(proven=True)
    permit = consortium.permit(datasets)
    consortium.round(permit)
    consortium.registry.as_(consortium.other_holder).destroy_dataset(datasets[1], b"\x11" * 32)
    with refused("DATASET_NOT_COVERED"):
        consortium.record(permit, datasets[0])
