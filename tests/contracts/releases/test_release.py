import pytest
from tests.contracts.releases.conftest import CARD, DAY, EVIDENCE, MODEL, WEEK

from belmont.registry.contract_set import contract
from belmont.registry.errors import RegistryArgumentError
from belmont.registry.releases.protocol import ModelRelease, ReleaseStatus
from belmont.registry.types import MicroRho, UseKind

YEAR = 365 * DAY
OTHER = b"\x77" * 32
MEASURED = {
    "release": 194_589, "settle": 102_920, "object": 128_228,
    "vote": 113_364, "last vote": 117_604, "withdraw": 62_610,
}  # fmt: skip
"""Of a permit over two datasets."""


def test_a_model_that_was_evaluated_is_announced(stage):
    assert stage.status is ReleaseStatus.NONE
    assert stage.consortium.registry.releases.find(stage.permit, MODEL) is None
    stage.wait(5)
    stage.release()
    now = stage.consortium.evm.now
    expected = ModelRelease(
        permit_id=stage.permit,
        model_hash=MODEL,
        data_user=stage.consortium.data_user.address,
        evaluated_round=1,
        card_hash=CARD,
        evidence_hash=EVIDENCE,
        announced_at=now,
        objections_until=now + WEEK,
        status=ReleaseStatus.ANNOUNCED,
    )
    assert stage.found == expected and not stage.found.is_final
    releases = stage.consortium.registry.releases
    assert releases.every() == releases.every(stage.permit) == [expected]
    assert releases.every(stage.permit + 1) == []


def test_the_announcement_says_what_is_to_be_read_and_until_when_one_can_object(announced):
    details = {"permit": announced.permit, "model_hash": MODEL, "evaluated_round": 1}
    details |= {"card_hash": CARD, "evidence_hash": EVIDENCE, "objections_until": announced.consortium.evm.now + WEEK}
    assert announced.events() == [("ModelReleased", announced.consortium.data_user.address, details)]


def test_the_time_for_objections_is_the_rule_of_when_it_was_announced(stage):
    stage.set_days(20)
    stage.release()
    until = stage.consortium.evm.now + 20 * DAY
    assert stage.found.objections_until == until
    stage.set_days(1)
    assert stage.found.objections_until == until and stage.status is ReleaseStatus.ANNOUNCED


def test_two_models_of_a_permit_are_two_releases(announced):
    its = announced.consortium
    its.registry.as_(its.data_user).open_round(announced.permit, 2, OTHER, announced.datasets)
    for place, holder in enumerate((its.holder, its.other_holder)):
        its.record(announced.permit, announced.datasets[place], n=2, by=holder)
    announced.release(model_hash=OTHER, evaluated_round=2)
    announced.withdraw()
    found = its.registry.releases.every(announced.permit)
    assert [(each.model_hash, each.status.name) for each in found] == [(MODEL, "WITHDRAWN"), (OTHER, "ANNOUNCED")]


# --- what ends computing does not end publishing ---


def test_a_model_of_a_permit_that_expired_is_announced(stage):
    stage.wait(2 * YEAR)
    assert stage.consortium.registry.permit(stage.permit).expires_at < stage.consortium.evm.now
    stage.release()
    assert stage.status is ReleaseStatus.ANNOUNCED


def test_a_model_of_a_permit_that_was_superseded_is_announced(stage):
    stage.amend()
    stage.release()
    assert stage.status is ReleaseStatus.ANNOUNCED


def test_after_a_freeze_and_after_a_pause_it_is_announced(stage, refused):
    stage.freeze(60)
    with refused("PERMIT_FROZEN"):
        stage.release()
    stage.wait(60)
    stage.pause()
    with refused("CONSORTIUM_PAUSED"):
        stage.release()
    stage.resume()
    stage.release()


# --- refused ---


@pytest.mark.parametrize("role", ["holder", "other_holder", "auditor", "non_member"])
def test_only_the_permits_data_user_announces(stage, refused, role):
    with refused("NOT_THE_APPLICANT"):
        stage.release(by=getattr(stage.consortium, role))


def test_not_even_the_board_announces(stage, refused):
    with refused("NOT_THE_APPLICANT"):
        stage.release(by=stage.consortium.board[0])


def test_a_data_user_who_was_removed_announces_nothing(stage, refused):
    stage.consortium.remove(stage.consortium.data_user)
    with refused("DATA_USER_INACTIVE"):
        stage.release()


def test_a_permit_that_was_never_issued_is_refused(stage, refused):
    study = stage.consortium.study(stage.datasets)
    for number in (study, 99, 0):
        with refused("PERMIT_MISSING"):
            stage.release(permit_id=number)


def test_a_permit_that_was_revoked_is_refused(stage, refused):
    stage.revoke()
    with refused("PERMIT_REVOKED"):
        stage.release()


def test_the_revocation_of_its_amendment_counts_for_a_superseded_permit(stage, refused):
    stage.revoke(stage.amend())
    with refused("PERMIT_REVOKED"):
        stage.release()


def test_the_freeze_of_its_amendment_counts_for_a_superseded_permit(stage, refused):
    """Nobody can freeze the one that was superseded, so this would be the way around every freeze."""
    stage.freeze(permit=stage.amend())
    with refused("PERMIT_FROZEN"):
        stage.release()


@pytest.mark.parametrize("which", ["card_hash", "evidence_hash"])
def test_a_hash_that_is_none_is_refused(stage, refused, which):
    with refused("HASH_MISSING"):
        stage.release(**{which: bytes(32)})


@pytest.mark.parametrize("n", [0, 2, 3, 2**32 - 1])
def test_a_round_that_was_not_opened_is_refused(stage, refused, n):
    with refused("ROUND_NOT_OPEN"):
        stage.release(evaluated_round=n)


def test_the_round_of_another_permit_of_the_line_is_refused(stage, refused):
    """What was opened under one permit is evaluated under that one: each answers for its own terms."""
    amended = stage.amend()
    with refused("ROUND_NOT_OPEN"):
        stage.release(permit_id=amended)
    stage.release()


def test_another_model_than_the_round_was_opened_with_is_refused(stage, refused):
    for other in (OTHER, bytes(32), MODEL[:-1] + b"\x10"):
        with refused("MODEL_MISMATCH"):
            stage.release(model_hash=other)


def test_a_query_is_no_round(stage, refused):
    its = stage.consortium
    its.registry.as_(its.data_user).open_query(stage.permit, 1, OTHER, stage.datasets)
    with refused("MODEL_MISMATCH"):
        stage.release(model_hash=OTHER)


@pytest.mark.parametrize("answered", [0, 1])
def test_a_model_that_too_few_hospitals_evaluated_is_refused(stage, refused, answered):
    """An opening alone says nothing: it costs the data user nothing to open a round with any hash."""
    its = stage.consortium
    its.registry.as_(its.data_user).open_round(stage.permit, 2, OTHER, stage.datasets)
    if answered:
        its.record(stage.permit, stage.datasets[0], n=2)
    with refused("TOO_FEW_HOSPITALS"):
        stage.release(model_hash=OTHER, evaluated_round=2)
    if answered:
        its.record(stage.permit, stage.datasets[1], n=2, by=its.other_holder)
        stage.release(model_hash=OTHER, evaluated_round=2)


def test_answers_to_a_query_do_not_count_as_an_evaluation(stage, refused):
    its = stage.consortium
    registry = its.registry.as_(its.data_user)
    registry.open_round(stage.permit, 2, OTHER, stage.datasets)
    registry.open_query(stage.permit, 1, OTHER, stage.datasets)
    registry.open_query(stage.permit, 2, OTHER, stage.datasets)
    for place, holder in enumerate((its.holder, its.other_holder)):
        id_ = stage.datasets[place]
        root = its.registry.dataset(id_).consent_root
        its.registry.as_(holder).record_use(stage.permit, UseKind.QUERY, 2, id_, MODEL, MicroRho(1), 1, root)
    with refused("TOO_FEW_HOSPITALS"):
        stage.release(model_hash=OTHER, evaluated_round=2)


def test_a_model_is_announced_once_for_each_permit(announced, refused):
    with refused("RELEASE_EXISTS"):
        announced.release(card_hash=OTHER)
    announced.consortium.round(announced.permit, 2)
    with refused("RELEASE_EXISTS"):
        announced.release(evaluated_round=2)
    announced.withdraw()
    with refused("RELEASE_EXISTS"):
        announced.release()


@pytest.mark.parametrize(
    "changes", [{"permit_id": -1}, {"model_hash": b"x"}, {"evaluated_round": 2**32}, {"card_hash": "0x"}]
)
def test_what_fits_no_record_is_not_sent(stage, changes):
    with pytest.raises(RegistryArgumentError):
        stage.release(**changes)


# --- gas ---


def test_every_write_fits_a_block_of_any_chain_many_times(stage):
    """Gas with proxies and data, as docs/releases.md has it."""
    chain = stage.consortium.registry.chain
    spent = {}

    def costs(name, by, function, *args):
        data = contract("Releases").interface.encode_call(function, *args)
        stage.consortium.evm.send(by, chain.addresses["Releases"], data)
        spent[name] = stage.consortium.evm.gas_used

    its, about = stage.consortium, (stage.permit, MODEL)
    back = its.evm.mark()
    user, board = its.data_user, its.board
    costs("release", user, "release", user.address, *about, 1, CARD, EVIDENCE)
    undo = its.evm.mark()
    stage.wait()
    costs("settle", its.non_member, "settle", *about)
    undo()
    costs("object", board[2], "object", board[2].address, *about, OTHER)
    stage.wait()
    costs("vote", board[0], "voteConfirm", board[0].address, *about)
    costs("last vote", board[1], "voteConfirm", board[1].address, *about)
    costs("withdraw", user, "withdraw", user.address, *about)
    back()
    assert spent == pytest.approx(MEASURED, rel=0.1)
