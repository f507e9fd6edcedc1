import pytest


@pytest.fixture
def datasets(consortium):
    return consortium.datasets()


@pytest.fixture
def study(consortium, datasets):
    return consortium.study(datasets)


def test_records_each_acceptance_in_the_order_of_the_terms(consortium, study, datasets):
    consortium.registry.as_(consortium.other_holder).accept(study, datasets[1])
    assert consortium.registry.study(study).accepted == (datasets[1],)
    consortium.registry.as_(consortium.holder).accept(study, datasets[0])
    assert consortium.registry.study(study).accepted == datasets


def test_announces_it(consortium, study, datasets):
    consortium.registry.as_(consortium.holder).accept(study, datasets[0])
    details = {"study": study, "dataset": datasets[0]}
    assert consortium.events("DatasetAccepted") == [("DatasetAccepted", consortium.holder.address, details)]


def test_an_approved_study_can_be_accepted(consortium, study, datasets):
    consortium.approve(study)
    consortium.registry.as_(consortium.holder).accept(study, datasets[0])


def test_only_the_datasets_own_holder_accepts(consortium, study, datasets, refused):
    for somebody in (consortium.other_holder, consortium.data_user, consortium.board[0], consortium.non_member):
        with refused("NOT_THE_HOLDER"):
            consortium.registry.as_(somebody).accept(study, datasets[0])


def test_a_removed_holder_is_refused(consortium, study, datasets, refused):
    consortium.remove(consortium.other_holder)
    with refused("NOT_DATA_HOLDER"):
        consortium.registry.as_(consortium.other_holder).accept(study, datasets[1])


def test_accepting_twice_is_refused(consortium, study, datasets, refused):
    as_holder = consortium.registry.as_(consortium.holder)
    as_holder.accept(study, datasets[0])
    with refused("ALREADY_ACCEPTED"):
        as_holder.accept(study, datasets[0])


def test_a_dataset_that_the_study_does_not_name_is_refused(consortium, study, refused):
    with refused("DATASET_NOT_COVERED"):
        consortium.registry.as_(consortium.holder).accept(study, consortium.dataset())


@pytest.mark.parametrize(
    ("method", "report", "reason"),
    [("freeze_dataset", (), "DATASET_FROZEN"), ("destroy_dataset", (b"\x11" * 32,), "DATASET_DESTROYED")],
)
def test_a_dataset_out_of_use_is_refused(consortium, study, datasets, refused, method, report, reason):
    as_holder = consortium.registry.as_(consortium.holder)
    getattr(as_holder, method)(datasets[0], *report)
    with refused(reason):
        as_holder.accept(study, datasets[0])


def test_a_dataset_past_its_retention_date_is_refused(consortium, study, datasets, refused):
    consortium.evm.now = consortium.registry.dataset(datasets[0]).retention_until
    with refused("RETENTION_OVER"):
        consortium.registry.as_(consortium.holder).accept(study, datasets[0])


def test_a_refused_or_cancelled_study_is_closed(consortium, study, datasets, refused):
    consortium.registry.as_(consortium.data_user).cancel(study)
    with refused("STUDY_CLOSED"):
        consortium.registry.as_(consortium.holder).accept(study, datasets[0])


def test_an_unknown_study_is_refused(consortium, datasets, refused):
    with refused("STUDY_UNKNOWN"):
        consortium.registry.as_(consortium.holder).accept(1, datasets[0])
