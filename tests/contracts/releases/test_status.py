"""What becomes of a release by what becomes of everything it rests on: it fails closed, until it is settled."""

import pytest
from tests.contracts.releases.conftest import DAY, MODEL, WEEK, Stage
from tests.contracts.releases.test_vote_confirm import leave

from belmont.registry.contract_set import contract
from belmont.registry.releases.protocol import ReleaseStatus


def test_without_an_objection_time_alone_releases_a_model(announced):
    announced.wait(WEEK - 1)
    assert announced.status is ReleaseStatus.ANNOUNCED
    announced.wait(1)
    assert announced.status is ReleaseStatus.RELEASED
    assert announced.found.released_at == 0 and not announced.found.is_final


@pytest.mark.parametrize("how", ["withdrawn", "destroyed", "holder removed", "data user removed"])
@pytest.mark.parametrize("late", [False, True])
def test_whoever_left_counts_as_an_objection(announced, how, late):
    if late:
        announced.wait()
    leave(announced, how)
    assert announced.status is ReleaseStatus.OBJECTED
    announced.wait(10 * WEEK)
    assert announced.status is ReleaseStatus.OBJECTED


@pytest.mark.parametrize("how", ["withdrawn", "destroyed", "holder removed"])
def test_whoever_left_before_the_announcement_counts_as_well(stage, how):
    leave(stage, how)
    stage.release()
    assert stage.status is ReleaseStatus.OBJECTED


def test_a_hospital_that_did_not_evaluate_the_model_may_leave(paired):
    its = paired
    stage = Stage(its)
    permit = its.permit(stage.datasets, min_hospitals=1)
    its.round(permit)
    its.record(permit, stage.datasets[0])
    stage.permit = permit
    stage.release()
    its.registry.as_(its.other_holder).withdraw(permit, stage.datasets[1])
    stage.wait()
    assert stage.status is ReleaseStatus.RELEASED


def test_a_hospital_that_records_the_round_after_the_announcement_counts_from_then_on(paired):
    its = paired
    stage = Stage(its)
    stage.permit = its.permit(stage.datasets, min_hospitals=1)
    its.round(stage.permit)
    its.record(stage.permit, stage.datasets[0])
    stage.release()
    its.record(stage.permit, stage.datasets[1], by=its.other_holder)
    its.registry.as_(its.other_holder).withdraw(stage.permit, stage.datasets[1])
    assert stage.status is ReleaseStatus.OBJECTED


def test_a_dataset_that_is_only_frozen_has_not_left(announced):
    its = announced.consortium
    its.registry.as_(its.holder).freeze_dataset(announced.datasets[0])
    announced.wait()
    assert announced.status is ReleaseStatus.RELEASED


def test_a_freeze_holds_a_release_back_for_as_long_as_it_lasts(announced):
    announced.wait(WEEK - 60)
    announced.freeze(3600)
    announced.wait(3599)
    assert announced.status is ReleaseStatus.ANNOUNCED
    announced.wait(1)
    assert announced.status is ReleaseStatus.RELEASED


def test_a_freeze_of_its_amendment_holds_back_what_was_announced_under_a_superseded_permit(announced):
    amendment = announced.amend()
    assert announced.consortium.registry.permit(amendment).line == announced.permit
    announced.wait()
    assert announced.status is ReleaseStatus.RELEASED
    announced.freeze(60, permit=amendment)
    assert announced.status is ReleaseStatus.ANNOUNCED
    announced.wait(60)
    assert announced.status is ReleaseStatus.RELEASED


def test_a_pause_holds_a_release_back_for_as_long_as_it_lasts(announced):
    announced.wait()
    announced.pause()
    assert announced.status is ReleaseStatus.ANNOUNCED
    announced.resume()
    assert announced.status is ReleaseStatus.RELEASED


@pytest.mark.parametrize("when", ["announced", "objected", "released", "settled", "confirmed"])
def test_a_revocation_withdraws_every_release_of_the_line(announced, when):
    board = announced.consortium.board
    if when in ("objected", "confirmed"):
        announced.object(board[2])
    if when != "announced":
        announced.wait()
    if when == "settled":
        announced.settle()
    if when == "confirmed":
        announced.vote(*board[:2])
    announced.revoke(announced.amend() if when == "settled" else None)
    assert announced.status is ReleaseStatus.WITHDRAWN
    announced.wait(10 * WEEK)
    assert announced.status is ReleaseStatus.WITHDRAWN


def test_the_end_of_a_permit_changes_nothing(announced):
    announced.wait(1000 * DAY)
    assert announced.consortium.registry.permit(announced.permit).expires_at < announced.consortium.evm.now
    assert announced.status is ReleaseStatus.RELEASED
    announced.settle()


def test_what_nobody_announced_is_none(stage):
    releases = stage.consortium.registry.releases
    for permit, model in ((stage.permit, MODEL), (stage.permit, bytes(32)), (0, MODEL), (99, MODEL)):
        assert releases.status(permit, model) is ReleaseStatus.NONE
        assert releases.find(permit, model) is None
    stage.revoke()
    assert releases.status(stage.permit, MODEL) is ReleaseStatus.NONE


def test_every_view_is_read_by_anybody_and_no_write_is_payable():
    functions = [each for each in contract("Releases").compiled.abi if each["type"] == "function"]
    views = {each["name"] for each in functions if each["stateMutability"] == "view"}
    writes = {each["name"] for each in functions if each["stateMutability"] == "nonpayable"}
    assert views == {"status", "record", "objections", "confirmations", "objectionCount"}
    assert writes == {"release", "object", "voteConfirm", "tallyConfirm", "settle", "withdraw"}
    assert len(functions) == len(views | writes)
