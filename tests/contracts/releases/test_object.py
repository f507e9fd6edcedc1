import pytest
from tests.contracts.releases.conftest import MODEL, WEEK

from belmont.registry.hashes import reason_hash
from belmont.registry.releases.protocol import ReleaseStatus


@pytest.mark.parametrize("role", ["holder", "other_holder"])
def test_the_holder_of_a_dataset_of_the_permit_stops_a_release_alone(announced, role):
    objector = getattr(announced.consortium, role)
    announced.object(objector)
    assert announced.status is ReleaseStatus.OBJECTED
    assert announced.found.objections == (objector.address,)
    announced.wait(10 * WEEK)
    assert announced.status is ReleaseStatus.OBJECTED


def test_every_member_of_the_board_stops_a_release_alone(announced):
    announced.object(announced.consortium.board[1])
    assert announced.status is ReleaseStatus.OBJECTED


def test_announces_who_objected_and_why(announced):
    first, second = announced.consortium.board[0], announced.consortium.holder
    announced.object(first, second)
    details = {"permit": announced.permit, "model_hash": MODEL, "reason_hash": reason_hash("because")}
    assert announced.events()[1:] == [
        ("ReleaseObjected", first.address, details),
        ("ReleaseObjected", second.address, details),
    ]
    assert announced.found.objections == (first.address, second.address)


def test_one_objects_up_to_the_last_second_and_not_after_it(announced, refused):
    announced.wait(WEEK - 1)
    assert announced.status is ReleaseStatus.ANNOUNCED
    announced.wait(1)
    assert announced.status is ReleaseStatus.RELEASED
    with refused("OBJECTIONS_CLOSED"):
        announced.object(announced.consortium.board[0])


def test_in_the_last_second_it_counts(announced):
    announced.wait(WEEK - 1)
    announced.object(announced.consortium.board[0])
    announced.wait(1)
    assert announced.status is ReleaseStatus.OBJECTED


def test_others_object_as_well_while_the_time_lasts(announced, refused):
    announced.object(announced.consortium.board[0])
    announced.wait(WEEK - 1)
    announced.object(announced.consortium.holder)
    announced.wait(1)
    with refused("OBJECTIONS_CLOSED"):
        announced.object(announced.consortium.other_holder)


def test_while_a_freeze_holds_a_release_back_objections_stay_open(announced, refused):
    announced.wait(WEEK - 1)
    announced.freeze(120)
    announced.wait(60)
    assert announced.status is ReleaseStatus.ANNOUNCED
    announced.object(announced.consortium.other_holder)
    announced.wait(60)
    assert announced.status is ReleaseStatus.OBJECTED
    with refused("OBJECTIONS_CLOSED"):
        announced.object(announced.consortium.board[0])


def test_one_objects_while_the_consortium_is_paused_and_the_permit_frozen(announced):
    announced.freeze()
    announced.pause()
    announced.object(announced.consortium.holder)
    assert announced.status is ReleaseStatus.OBJECTED


def test_the_holder_of_a_dataset_that_was_withdrawn_objects_too(announced):
    """The model may come from it."""
    its = announced.consortium
    its.registry.as_(its.holder).withdraw(announced.permit, announced.datasets[0])
    announced.object(its.holder)
    assert announced.found.objections == (its.holder.address,)


def test_the_holder_of_a_dataset_that_was_destroyed_objects_too(announced):
    its = announced.consortium
    its.registry.as_(its.other_holder).destroy_dataset(announced.datasets[1], MODEL)
    announced.object(its.other_holder)
    assert announced.found.objections == (its.other_holder.address,)


def test_an_objection_stands_when_its_author_has_left(announced):
    announced.object(announced.consortium.board[2])
    announced.consortium.remove(announced.consortium.board[2])
    announced.wait()
    assert announced.status is ReleaseStatus.OBJECTED


# --- refused ---


@pytest.mark.parametrize("role", ["data_user", "auditor", "non_member"])
def test_nobody_else_objects(announced, refused, role):
    with refused("NOT_INVOLVED"):
        announced.object(getattr(announced.consortium, role))


def test_a_holder_whose_dataset_the_permit_does_not_name_objects_to_nothing(announced, refused):
    its = announced.consortium
    other = its.permit((its.dataset(its.holder, proven=True),), min_hospitals=1)
    its.round(other)
    its.record(other, its.registry.permit(other).covered[0])
    announced.release(permit_id=other)
    with refused("NOT_INVOLVED"):
        its.registry.as_(its.other_holder).releases.object(other, MODEL)
    its.registry.as_(its.holder).releases.object(other, MODEL)


@pytest.mark.parametrize("who", ["holder", "board"])
def test_somebody_who_was_removed_objects_to_nothing(announced, refused, who):
    its = announced.consortium
    leaver = its.holder if who == "holder" else its.board[2]
    its.remove(leaver)
    with refused("NOT_INVOLVED"):
        announced.object(leaver)


def test_everybody_objects_once(announced, refused):
    announced.object(announced.consortium.holder)
    with refused("ALREADY_OBJECTED"):
        announced.object(announced.consortium.holder)


def test_what_was_not_announced_is_refused(stage, refused):
    for permit, model in ((stage.permit, MODEL), (stage.permit, bytes(32)), (99, MODEL)):
        with refused("RELEASE_UNKNOWN"):
            stage.as_(stage.consortium.board[0]).object(permit, model)


def test_what_was_withdrawn_is_refused(announced, refused):
    announced.withdraw()
    with refused("RELEASE_CLOSED"):
        announced.object(announced.consortium.holder)


def test_what_was_withdrawn_with_its_permit_is_refused(announced, refused):
    announced.revoke()
    with refused("RELEASE_CLOSED"):
        announced.object(announced.consortium.holder)


def test_what_is_settled_is_refused_even_under_a_freeze(announced, refused):
    announced.wait()
    announced.settle()
    announced.freeze()
    with refused("OBJECTIONS_CLOSED"):
        announced.object(announced.consortium.board[0])


def test_the_reason_may_be_none(announced):
    announced.as_(announced.consortium.holder).object(announced.permit, MODEL)
    assert announced.events()[-1][2]["reason_hash"] == bytes(32)
    assert announced.found.objections == (announced.consortium.holder.address,)
