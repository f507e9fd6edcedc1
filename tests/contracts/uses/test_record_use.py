import pytest

from belmont.registry.consents.statements import ConsentState
from belmont.registry.types import MicroRho, RecordedUse, UseKind

HASH, RESULT = b"\x11" * 32, b"\x66" * 32
CONSENT = ConsentState().root


@pytest.fixture
def datasets(consortium):
    return consortium.datasets(proven=True)


@pytest.fixture
def permit(consortium, datasets):
    """A permit over 100 micro-rho per dataset, with its first round opened."""
    permit = consortium.permit(datasets)
    consortium.round(permit)
    return permit


def test_records_the_use_and_charges_both_budgets(consortium, permit, datasets):
    consortium.registry.as_(consortium.holder).record_use(
        permit, UseKind.ROUND, 1, datasets[0], RESULT, MicroRho(30), 1, CONSENT
    )
    assert consortium.registry.uses(permit) == [
        RecordedUse(
            permit_id=permit,
            kind=UseKind.ROUND,
            n=1,
            dataset_id=datasets[0],
            holder=consortium.holder.address,
            result_hash=RESULT,
            rho=MicroRho(30),
            block=consortium.evm.number,
            timestamp=consortium.evm.now,
            version=1,
            consent_root=CONSENT,
        )
    ]
    assert consortium.registry.rho_spent(permit, datasets[0]) == 30
    assert consortium.registry.rho_spent(permit, datasets[1]) == 0
    assert consortium.registry.dataset(datasets[0]).rho_spent == 30
    assert consortium.registry.uses(permit + 1) == []


def test_announces_it(consortium, permit, datasets):
    as_holder = consortium.registry.as_(consortium.holder)
    as_holder.record_use(permit, UseKind.ROUND, 1, datasets[0], RESULT, MicroRho(30), 1, CONSENT)
    details = {"permit": permit, "dataset": datasets[0], "kind": 1, "n": 1, "result_hash": RESULT, "rho": 30}
    details |= {"version": 1, "consent_root": CONSENT}
    assert consortium.events("UseRecorded") == [("UseRecorded", consortium.holder.address, details)]


def test_only_the_datasets_holder_records(consortium, permit, datasets, refused):
    for somebody in (consortium.other_holder, consortium.data_user, consortium.board[0], consortium.non_member):
        with refused("NOT_THE_HOLDER"):
            consortium.record(permit, datasets[0], by=somebody)


def test_a_use_is_recorded_once(consortium, permit, datasets, refused):
    consortium.record(permit, datasets[0])
    with refused("ALREADY_SERVED"):
        consortium.record(permit, datasets[0])
    assert consortium.registry.rho_spent(permit, datasets[0]) == 10


def test_what_was_not_opened_is_refused(consortium, permit, datasets, refused):
    as_holder = consortium.registry.as_(consortium.holder)
    for n in (0, 2):
        with refused("ROUND_NOT_OPEN"):
            as_holder.record_use(permit, UseKind.ROUND, n, datasets[0], RESULT, MicroRho(1), 1, CONSENT)
    with refused("QUERY_NOT_OPEN"):
        as_holder.record_use(permit, UseKind.QUERY, 1, datasets[0], RESULT, MicroRho(1), 1, CONSENT)
    with refused("KIND_INVALID"):
        as_holder.record_use(permit, 3, 1, datasets[0], RESULT, MicroRho(1), 1, CONSENT)


def test_a_dataset_that_does_not_take_part_is_refused(consortium, datasets, refused):
    permit = consortium.permit(datasets, min_hospitals=1)
    consortium.registry.as_(consortium.data_user).open_round(permit, 1, RESULT, datasets[1:])
    with refused("PARTICIPANTS_MISMATCH"):
        consortium.record(permit, datasets[0])


def test_a_dataset_outside_the_permit_is_refused(consortium, permit, refused):
    with refused("DATASET_NOT_COVERED"):
        consortium.record(permit, consortium.dataset())


def test_no_result_hash_is_refused(consortium, permit, datasets, refused):
    with refused("HASH_MISSING"):
        consortium.registry.as_(consortium.holder).record_use(
            permit, UseKind.ROUND, 1, datasets[0], bytes(32), MicroRho(1), 1, CONSENT
        )


def test_the_permits_budget_is_spent_to_the_last_micro_rho_and_no_further(consortium, permit, datasets, refused):
    with refused("BUDGET_EXHAUSTED"):
        consortium.record(permit, datasets[0], rho=101)
    consortium.record(permit, datasets[0], rho=100)
    consortium.round(permit, 2)
    with refused("BUDGET_EXHAUSTED"):
        consortium.record(permit, datasets[0], n=2, rho=1)
    consortium.record(permit, datasets[0], n=2, rho=0)


def test_the_largest_number_does_not_wrap_around(consortium, permit, datasets, refused):
    consortium.record(permit, datasets[0], rho=100)
    consortium.round(permit, 2)
    with refused("BUDGET_EXHAUSTED"):
        consortium.record(permit, datasets[0], n=2, rho=2**64 - 1)


def test_the_lifetime_cap_holds_over_all_permits(consortium, refused):
    datasets = consortium.dataset(rho_cap=150, proven=True), consortium.dataset(consortium.other_holder)
    first, second = consortium.permit(datasets), consortium.permit(datasets)
    consortium.round(first)
    consortium.round(second)
    consortium.record(first, datasets[0], rho=100)
    with refused("BUDGET_EXHAUSTED"):
        consortium.record(second, datasets[0], rho=51)
    assert consortium.registry.rho_spent(second, datasets[0]) == 0
    consortium.record(second, datasets[0], rho=50)
    assert consortium.registry.dataset(datasets[0]).rho_spent == 150


def test_a_dataset_without_a_version_is_refused(consortium, refused):
    datasets = consortium.dataset(versions=0), consortium.dataset(consortium.other_holder)
    permit = consortium.permit(datasets)
    consortium.round(permit)
    with refused("DATASET_UNPROVEN"):
        consortium.record(permit, datasets[0])


def test_a_newest_version_that_is_not_proven_is_refused(consortium, permit, datasets, refused):
    consortium.version(datasets[0])
    with refused("DATASET_UNPROVEN"):
        consortium.record(permit, datasets[0])
    consortium.shelf.prove_version(consortium.registry.as_(consortium.holder), datasets[0], 2, 100)
    consortium.record(permit, datasets[0])


def test_a_version_with_fewer_rows_than_the_minimum_cohort_is_refused(consortium, datasets, refused):
    permits = [consortium.permit(datasets, min_cohort=least) for least in (100, 101)]
    for permit in permits:
        consortium.round(permit)
    consortium.record(permits[0], datasets[0])
    with refused("COHORT_TOO_SMALL"):
        consortium.record(permits[1], datasets[0])


def test_a_round_names_the_current_consents_and_may_compute_on_an_older_version(consortium, permit, datasets, refused):
    changed = consortium.change_consents(datasets[0])
    as_holder = consortium.registry.as_(consortium.holder)
    with refused("CONSENT_STALE"):
        as_holder.record_use(permit, UseKind.ROUND, 1, datasets[0], RESULT, MicroRho(1), 1, CONSENT)
    as_holder.record_use(permit, UseKind.ROUND, 1, datasets[0], RESULT, MicroRho(1), 1, changed)


def test_a_query_waits_for_a_version_at_the_current_consents(consortium, permit, datasets, refused):
    consortium.registry.as_(consortium.data_user).open_query(permit, 1, RESULT, datasets)
    changed = consortium.change_consents(datasets[0])
    as_holder = consortium.registry.as_(consortium.holder)
    for named in (CONSENT, changed):
        with refused("CONSENT_STALE"):
            as_holder.record_use(permit, UseKind.QUERY, 1, datasets[0], RESULT, MicroRho(1), 1, named)
    consortium.version(datasets[0], changed, proven=True)
    as_holder.record_use(permit, UseKind.QUERY, 1, datasets[0], RESULT, MicroRho(1), 2, changed)


def test_the_version_that_is_named_is_the_newest(consortium, permit, datasets, refused):
    consortium.version(datasets[0], proven=True)
    for number in (0, 1, 3):
        with refused("VERSION_STALE"):
            consortium.registry.as_(consortium.holder).record_use(
                permit, UseKind.ROUND, 1, datasets[0], RESULT, MicroRho(1), number, CONSENT
            )


def test_a_frozen_destroyed_or_expired_dataset_is_refused(consortium, permit, datasets, refused):
    as_holder = consortium.registry.as_(consortium.holder)
    as_holder.freeze_dataset(datasets[0])
    with refused("DATASET_FROZEN"):
        consortium.record(permit, datasets[0])
    as_holder.destroy_dataset(datasets[0], HASH)
    with refused("DATASET_NOT_COVERED"):
        consortium.record(permit, datasets[0])


def test_a_dataset_past_its_retention_date_is_refused(consortium, datasets, refused):
    permit = consortium.permit(datasets, duration_seconds=10 * 365 * 24 * 3600)
    consortium.round(permit)
    consortium.evm.now = consortium.registry.dataset(datasets[0]).retention_until
    with refused("RETENTION_OVER"):
        consortium.record(permit, datasets[0])


def test_a_permit_stopped_after_the_round_was_opened_is_refused(consortium, permit, datasets, refused):
    with refused("PERMIT_MISSING"):
        consortium.record(permit + 1, datasets[0])
    consortium.registry.as_(consortium.board[0]).freeze_permit(permit, 60)
    with refused("PERMIT_FROZEN"):
        consortium.record(permit, datasets[0])
    consortium.evm.now += 60
    consortium.record(permit, datasets[0])
    consortium.evm.now = consortium.registry.permit(permit).expires_at
    with refused("PERMIT_EXPIRED"):
        consortium.record(permit, datasets[1], by=consortium.other_holder)


def test_a_removed_holder_records_nothing(consortium, permit, datasets, refused):
    consortium.remove(consortium.other_holder)
    with refused("DATA_HOLDER_INACTIVE"):
        consortium.record(permit, datasets[1], by=consortium.other_holder)


def test_nothing_is_recorded_for_a_removed_data_user(consortium, permit, datasets, refused):
    consortium.remove(consortium.data_user)
    with refused("DATA_USER_INACTIVE"):
        consortium.record(permit, datasets[0])
