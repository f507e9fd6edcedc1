"""A node computes on the newest version that the chain has, however long it has been running."""

import numpy as np
import pytest

from belmont.federated.errors import NodeFault, QueryRefused
from belmont.federated.query.answer import ask
from belmont.federated.query.bfv import ResearcherKey
from belmont.federated.query.question import count
from belmont.registry.reasons import Reason

REVOKED = 100


@pytest.fixture(scope="module")
def key():
    return ResearcherKey()


def revoke(scene, rows=REVOKED):
    """Patients of hospital 0 revoke, and it registers a version without them."""
    table = scene.consortium.tables[0]
    scene.consortium.withdraw(0, *table.pseudonyms[:rows])
    scene.consortium.add_version(0, table.select(np.arange(table.rows) >= rows))


def reopened(scene, open_version):
    scene.nodes[0].close()
    scene.nodes[0] = scene.new_node(0, open_version=open_version)


def counted(scene, permit, key):
    grid = scene.grid()
    try:
        return ask(scene.by_researcher, grid, permit, count(), width=1, participants=scene.participants, key=key).rows
    finally:
        grid.close()


def test_rows_of_patients_who_revoked_are_out_of_the_next_answer_of_a_node_that_kept_running(scene, key):
    tables, opened = scene.consortium.tables, []

    def open_version(number):
        opened.append(number)
        return scene.stored(0, number)

    reopened(scene, open_version)
    permit = scene.issue()
    everybody = sum(table.rows for table in tables)
    assert counted(scene, permit, key) == everybody
    revoke(scene)
    assert counted(scene, permit, key) == everybody - REVOKED
    assert counted(scene, permit, key) == everybody - REVOKED
    assert opened == [1, 2]


def only_the_first(scene):
    def open_version(number):
        if number != 1:
            raise OSError("the vault has no such version")
        return scene.stored(0)

    return open_version


def test_a_node_that_cannot_open_the_newest_version_refuses_rounds_and_queries(scene, key, refused):
    reopened(scene, only_the_first(scene))
    permit = scene.issue()
    scene.open_round(permit)
    revoke(scene)
    refusal = refused(scene.send_round(permit))
    assert refusal.reason is Reason.VERSION_STALE
    assert "newest" in refusal.remedy and "vault" not in refusal.to_json()
    with pytest.raises(QueryRefused) as query:
        counted(scene, permit, key)
    assert query.value.hospitals[0].reason is Reason.VERSION_STALE
    assert scene.traces() == [] and scene.nodes[0].ledger.entries() == []


def test_a_table_of_other_rows_than_were_registered_is_not_computed_on(scene, refused):
    """The loader gives the old table for every version."""
    reopened(scene, lambda number: scene.stored(0))
    permit = scene.issue()
    scene.open_round(permit)
    revoke(scene)
    assert refused(scene.send_round(permit)).reason is Reason.VERSION_STALE
    with pytest.raises(NodeFault, match="open the table that was registered"):
        scene.new_node(0, ledger_path=scene.folder / "other.sqlite", open_version=lambda number: scene.stored(0))
    assert scene.traces() == []


def test_whoever_is_not_admitted_makes_a_node_open_nothing(scene, refused):
    opened = []
    reopened(scene, lambda number: opened.append(number) or scene.stored(0))
    permit = scene.issue()
    revoke(scene, rows=0)
    assert refused(scene.send_round(999)).reason is Reason.PERMIT_MISSING
    assert opened == [1]
    assert refused(scene.send_round(permit)).reason is Reason.ROUND_NOT_OPEN
    assert opened == [1, 2]


def test_a_version_that_is_registered_while_the_code_computes_stops_the_result(hooked, hook, refused):
    hook.while_computing = lambda: revoke(hooked, rows=0)
    assert refused(hooked.send_round(hooked.permit)).reason is Reason.VERSION_STALE
    (entry,) = hooked.nodes[0].ledger.entries()
    assert entry.released_at is None and hooked.registry.uses(hooked.permit) == []


def test_a_node_may_start_before_its_dataset_has_a_version(scene, refused):
    hospital, hashed = scene.registry.as_(scene.consortium.hospitals[0]), scene.consortium.tables[0].dictionary.hash
    until = int(scene.registry.clock()) + 2 * 366 * 24 * 3600
    empty = hospital.register_dataset("later", 1 << 4, hashed, 1, 255, until, 0)
    datasets = (empty, *scene.participants[1:])
    node = scene.new_node(0, dataset_id=empty, ledger_path=scene.folder / "later.sqlite")
    study = scene.by_researcher.propose(scene.terms(datasets=datasets))
    for member in scene.consortium.board:
        scene.registry.as_(member).vote(study, True, "approved")
    for account, dataset in zip(scene.consortium.hospitals, datasets, strict=True):
        scene.registry.as_(account).accept(study, dataset)
    permit = scene.by_researcher.issue(study)
    scene.open_round(permit, participants=datasets)
    assert refused(scene.send_round(permit, node=node, participants=datasets)).reason is Reason.DATASET_UNPROVEN
    scene.consortium.add_version(0, scene.consortium.tables[0], dataset=empty)
    assert scene.send_round(permit, node=node, participants=datasets).has_content()
    node.close()
