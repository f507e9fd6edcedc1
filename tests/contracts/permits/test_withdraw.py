import pytest


@pytest.fixture
def datasets(consortium):
    return consortium.datasets(proven=True)


@pytest.fixture
def permit(consortium, datasets):
    return consortium.permit(datasets)


def test_takes_the_dataset_out_for_good_and_leaves_the_others(consortium, permit, datasets, refused):
    consortium.round(permit)
    as_holder = consortium.registry.as_(consortium.holder)
    as_holder.withdraw(permit, datasets[0])
    found = consortium.registry.permit(permit)
    assert (found.withdrawn, found.covered) == ((datasets[0],), (datasets[1],))
    with refused("DATASET_NOT_COVERED"):
        consortium.record(permit, datasets[0])
    with refused("DATASET_NOT_COVERED"):
        consortium.record(permit, datasets[1], by=consortium.other_holder)
    with refused("DATASET_NOT_COVERED"):
        as_holder.withdraw(permit, datasets[0])


def test_withdrawn_datasets_come_in_the_order_of_the_terms(consortium, permit, datasets):
    consortium.registry.as_(consortium.other_holder).withdraw(permit, datasets[1])
    consortium.registry.as_(consortium.holder).withdraw(permit, datasets[0])
    assert consortium.registry.permit(permit).withdrawn == datasets


def test_announces_it(consortium, permit, datasets):
    consortium.registry.as_(consortium.holder).withdraw(permit, datasets[0])
    details = {"permit": permit, "dataset": datasets[0]}
    assert consortium.events("DatasetWithdrawn") == [("DatasetWithdrawn", consortium.holder.address, details)]


def test_a_frozen_permit_can_be_withdrawn_from(consortium, permit, datasets):
    as_holder = consortium.registry.as_(consortium.holder)
    as_holder.freeze_permit(permit)
    as_holder.withdraw(permit, datasets[0])


def test_only_the_datasets_holder_withdraws(consortium, permit, datasets, refused):
    for somebody in (consortium.other_holder, consortium.data_user, consortium.board[0], consortium.non_member):
        with refused("NOT_THE_HOLDER"):
            consortium.registry.as_(somebody).withdraw(permit, datasets[0])


def test_a_removed_holder_is_refused(consortium, permit, datasets, refused):
    consortium.remove(consortium.other_holder)
    with refused("NOT_DATA_HOLDER"):
        consortium.registry.as_(consortium.other_holder).withdraw(permit, datasets[1])


def test_a_dataset_that_the_permit_does_not_name_is_refused(consortium, permit, refused):
    with refused("DATASET_NOT_COVERED"):
        consortium.registry.as_(consortium.holder).withdraw(permit, consortium.dataset())


def test_a_missing_permit_is_refused(consortium, datasets, refused):
    with refused("PERMIT_MISSING"):
        consortium.registry.as_(consortium.holder).withdraw(1, datasets[0])
