import pytest

from belmont.registry.types import StudyStatus


@pytest.fixture
def study(consortium):
    return consortium.study()


def test_cancels_while_proposed_or_approved(consortium, study):
    consortium.approve(study)
    consortium.registry.as_(consortium.data_user).cancel(study)
    assert consortium.registry.study(study).status is StudyStatus.CANCELLED


def test_announces_it(consortium, study):
    consortium.registry.as_(consortium.data_user).cancel(study)
    assert consortium.events("StudyCancelled") == [("StudyCancelled", consortium.data_user.address, {"study": study})]


def test_only_the_applicant_cancels(consortium, study, refused):
    for somebody in (consortium.holder, consortium.board[0], consortium.non_member):
        with refused("NOT_THE_APPLICANT"):
            consortium.registry.as_(somebody).cancel(study)


def test_a_removed_applicant_is_refused(consortium, study, refused):
    consortium.remove(consortium.data_user)
    with refused("NOT_DATA_USER"):
        consortium.registry.as_(consortium.data_user).cancel(study)


def test_a_cancelled_study_is_closed(consortium, study, refused):
    as_user = consortium.registry.as_(consortium.data_user)
    as_user.cancel(study)
    with refused("STUDY_CLOSED"):
        as_user.cancel(study)


def test_a_study_with_a_permit_is_not_cancelled(consortium, refused):
    permit = consortium.permit()
    with refused("PERMIT_EXISTS"):
        consortium.registry.as_(consortium.data_user).cancel(permit)


def test_an_unknown_study_is_refused(consortium, refused):
    with refused("STUDY_UNKNOWN"):
        consortium.registry.as_(consortium.data_user).cancel(1)
