import pytest

from belmont.registry.types import Computation, DatasetId, StudyStatus

HASH = b"\x11" * 32

TRAINING, QUERY = Computation.TRAINING, Computation.QUERY


def test_records_the_terms_as_they_are(consortium):
    terms = consortium.terms(consortium.datasets())
    number = consortium.registry.as_(consortium.data_user).propose(terms)
    study = consortium.registry.study(number)
    assert study.terms == terms
    assert (study.data_user, study.status) == (consortium.data_user.address, StudyStatus.PROPOSED)
    assert (study.votes_for, study.votes_against, study.quorum, study.accepted) == (0, 0, 2, ())
    assert study.proposed_at == consortium.evm.now


def test_announces_the_study(consortium):
    number = consortium.study()
    terms = consortium.registry.study(number).terms
    names = ("title", "protocol_hash", "purpose", "code_hash", "config_hash")
    details = {"study": number, "amends": 0, **{name: getattr(terms, name) for name in names}}
    assert consortium.events("StudyProposed") == [("StudyProposed", consortium.data_user.address, details)]


def test_a_study_of_queries_only_needs_no_code(consortium):
    changes = {"computations": QUERY, "rounds": 0, "code_hash": bytes(32), "config_hash": bytes(32)}
    assert consortium.study(**changes)


@pytest.mark.parametrize("role", ["holder", "auditor", "non_member"])
def test_only_a_data_user_proposes(consortium, refused, role):
    terms = consortium.terms(consortium.datasets())
    with refused("NOT_DATA_USER"):
        consortium.registry.as_(getattr(consortium, role)).propose(terms)


def test_a_removed_data_user_is_refused(consortium, refused):
    consortium.remove(consortium.data_user)
    with refused("NOT_DATA_USER"):
        consortium.study()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"title": ""}, "TITLE_MISSING"),
        ({"protocol_hash": bytes(32)}, "HASH_MISSING"),
        ({"code_hash": bytes(32)}, "HASH_MISSING"),
        ({"config_hash": bytes(32)}, "HASH_MISSING"),
        ({"purpose": 0}, "PURPOSE_INVALID"),
        ({"purpose": 1 << 41}, "PURPOSE_INVALID"),
        ({"purpose": 1 << 37 | 1 << 4}, "PURPOSE_INVALID"),
        ({"computations": 0}, "COMPUTATIONS_INVALID"),
        ({"computations": 4}, "COMPUTATIONS_INVALID"),
        ({"computations": 7}, "COMPUTATIONS_INVALID"),
        ({"rounds": 0}, "ROUNDS_INVALID"),
        ({"rounds": 10_001}, "ROUNDS_INVALID"),
        ({"computations": QUERY}, "ROUNDS_INVALID"),
        ({"queries": 0}, "QUERIES_INVALID"),
        ({"queries": 10_001}, "QUERIES_INVALID"),
        ({"computations": TRAINING}, "QUERIES_INVALID"),
        ({"min_hospitals": 0}, "MIN_HOSPITALS_INVALID"),
        ({"min_hospitals": 3}, "MIN_HOSPITALS_INVALID"),
        ({"min_cohort": 0}, "MIN_COHORT_INVALID"),
        ({"answer_mode": 0}, "ANSWER_MODE_INVALID"),
        ({"answer_mode": 3}, "ANSWER_MODE_INVALID"),
        ({"duration_seconds": 0}, "DURATION_INVALID"),
        ({"duration_seconds": 10 * 365 * 24 * 3600 + 1}, "DURATION_INVALID"),
    ],
)
def test_terms_out_of_bounds_are_refused(consortium, refused, changes, reason):
    with refused(reason):
        consortium.study(**changes)


def test_no_dataset_is_refused(consortium, refused):
    terms = consortium.terms(())
    with refused("DATASETS_MISSING"):
        consortium.registry.as_(consortium.data_user).propose(terms)


def test_a_dataset_named_twice_is_refused(consortium, refused):
    first, second = consortium.datasets()
    with refused("DATASET_REPEATED"):
        consortium.study((first, second, first))


def test_two_datasets_of_one_holder_are_refused(consortium, refused):
    first, second = consortium.datasets()
    with refused("HOLDER_REPEATED"):
        consortium.study((first, second, consortium.dataset(consortium.holder)))


def test_an_unknown_dataset_is_refused(consortium, refused):
    with refused("DATASET_UNKNOWN"):
        consortium.study((consortium.dataset(), DatasetId(b"\x55" * 32)))


def test_a_destroyed_dataset_is_refused(consortium, refused):
    first, second = consortium.datasets()
    consortium.registry.as_(consortium.holder).destroy_dataset(first, HASH)
    with refused("DATASET_DESTROYED"):
        consortium.study((first, second))
