import pytest

from belmont.registry.types import DatasetId, UseKind, View


@pytest.fixture
def datasets(consortium):
    return consortium.datasets(proven=True)


def test_holds_what_the_separate_reads_hold(consortium, datasets):
    registry, permit = consortium.registry, consortium.permit(datasets)
    consortium.round(permit)
    consortium.record(permit, datasets[0])
    for id_ in datasets:
        view = registry.view(permit, id_, UseKind.ROUND, 1)
        assert view == View(
            head=registry.head(),
            permit=registry.permit(permit),
            dataset=registry.dataset(id_),
            version=registry.version(id_, 1),
            opened=registry.opened(permit, UseKind.ROUND, 1),
            rho_spent=registry.rho_spent(permit, id_),
            recorded=id_ == datasets[0],
            holder_active=True,
            data_user_active=True,
            paused_until=0,
        )


def test_what_does_not_exist_is_empty(consortium):
    view = consortium.registry.view(7, DatasetId(b"\x77" * 32), UseKind.QUERY, 1)
    assert view == View(head=consortium.registry.head(), paused_until=0)


def test_the_newest_version_and_every_change_show_at_once(consortium, datasets):
    permit = consortium.permit(datasets)
    as_holder = consortium.registry.as_(consortium.holder)
    before = as_holder.view(permit, datasets[0], UseKind.ROUND, 1)
    as_holder.add_version(datasets[0], b"second", 50, bytes(32), before.dataset.consent_root)
    consortium.change_consents(datasets[0])
    as_holder.freeze_dataset(datasets[0])
    as_holder.freeze_permit(permit, 60)
    consortium.registry.as_(consortium.other_holder).withdraw(permit, datasets[1])
    consortium.remove(consortium.data_user)
    after = consortium.registry.view(permit, datasets[0], UseKind.ROUND, 1)
    assert after.version == consortium.registry.version(datasets[0], 2)
    assert after.dataset == consortium.registry.dataset(datasets[0])
    assert after.permit == consortium.registry.permit(permit)
    assert after.permit.withdrawn == (datasets[1],)
    assert (after.holder_active, after.data_user_active) == (True, False)
    assert after.dataset != before.dataset
