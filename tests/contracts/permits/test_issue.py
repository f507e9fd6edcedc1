import pytest

from belmont.registry.types import Permit, PermitStatus

HASH = b"\x11" * 32

YEAR = 365 * 24 * 3600


@pytest.fixture
def datasets(consortium):
    return consortium.datasets()


@pytest.fixture
def study(consortium, datasets):
    """Approved and accepted."""
    study = consortium.study(datasets)
    consortium.approve(study)
    consortium.accept(study)
    return study


def test_records_the_permit_with_the_studys_terms(consortium, study):
    now = consortium.evm.now
    number = consortium.registry.as_(consortium.data_user).issue(study)
    assert number == study
    assert consortium.registry.permit(number) == Permit(
        id=number,
        data_user=consortium.data_user.address,
        terms=consortium.registry.study(study).terms,
        status=PermitStatus.ACTIVE,
        issued_at=now,
        expires_at=now + YEAR,
        frozen_until=0,
        rounds_opened=0,
        queries_opened=0,
        withdrawn=(),
        line=study,
    )
    assert [permit.id for permit in consortium.registry.permits()] == [number]


def test_anyone_may_issue_what_was_decided(consortium, study):
    assert consortium.registry.as_(consortium.non_member).issue(study)


def test_announces_the_permit(consortium, study):
    consortium.registry.as_(consortium.auditor).issue(study)
    details = {
        "permit": study,
        "data_user": consortium.data_user.address,
        "expires_at": consortium.evm.now + YEAR,
    }
    assert consortium.events("PermitIssued") == [("PermitIssued", consortium.auditor.address, details)]


def test_a_study_without_the_boards_approval_is_refused(consortium, datasets, refused):
    study = consortium.study(datasets)
    consortium.accept(study)
    consortium.registry.as_(consortium.board[0]).vote(study, True)
    for somebody in (consortium.data_user, *consortium.board, consortium.non_member):
        with refused("STUDY_NOT_APPROVED"):
            consortium.registry.as_(somebody).issue(study)
    assert consortium.registry.permit(study) is None


def test_a_study_that_one_holder_did_not_accept_is_refused(consortium, datasets, refused):
    study = consortium.study(datasets)
    consortium.approve(study)
    consortium.registry.as_(consortium.holder).accept(study, datasets[0])
    with refused("NOT_ACCEPTED"):
        consortium.registry.as_(consortium.data_user).issue(study)


def test_a_holder_removed_since_is_refused(consortium, study, refused):
    consortium.remove(consortium.other_holder)
    with refused("DATA_HOLDER_INACTIVE"):
        consortium.registry.as_(consortium.data_user).issue(study)


def test_a_data_user_removed_since_is_refused(consortium, study, refused):
    consortium.remove(consortium.data_user)
    with refused("DATA_USER_INACTIVE"):
        consortium.registry.as_(consortium.auditor).issue(study)


def test_a_dataset_destroyed_since_is_refused(consortium, study, datasets, refused):
    consortium.registry.as_(consortium.holder).destroy_dataset(datasets[0], HASH)
    with refused("DATASET_DESTROYED"):
        consortium.registry.as_(consortium.data_user).issue(study)


def test_a_cancelled_study_is_refused(consortium, study, refused):
    consortium.registry.as_(consortium.data_user).cancel(study)
    with refused("STUDY_NOT_APPROVED"):
        consortium.registry.as_(consortium.data_user).issue(study)


def test_a_permit_is_issued_once(consortium, study, refused):
    consortium.registry.as_(consortium.data_user).issue(study)
    with refused("PERMIT_EXISTS"):
        consortium.registry.as_(consortium.data_user).issue(study)


def test_an_unknown_study_is_refused(consortium, refused):
    with refused("STUDY_UNKNOWN"):
        consortium.registry.as_(consortium.data_user).issue(1)


def test_an_application_lapses_after_a_year(consortium, study, refused):
    consortium.evm.now += YEAR
    with refused("STUDY_LAPSED"):
        consortium.registry.as_(consortium.data_user).issue(study)
