"""Releases of models: the same on chain and in memory. A week passes in ``tests/contracts/releases`` only."""

import pytest

from belmont.registry.consents.statements import ConsentState
from belmont.registry.errors import RegistryArgumentError
from belmont.registry.releases.protocol import ReleaseStatus
from belmont.registry.rules.protocol import Rule
from belmont.registry.types import MicroRho, UseKind

CONSENT = ConsentState().root
MODEL, OTHER, CARD, EVIDENCE = b"\x33" * 32, b"\x34" * 32, b"\x55" * 32, b"\x66" * 32
WEEK = 7 * 24 * 3600


@pytest.fixture
def permit(any_world):
    """With one round, opened with the model and recorded by both hospitals."""
    registry, datasets = any_world.registry, any_world.datasets(proven=True)
    permit_id = any_world.permit(datasets)
    registry.as_(any_world.data_user).open_round(permit_id, 1, MODEL, datasets)
    for holder, id_ in zip(any_world.holders, datasets, strict=True):
        registry.as_(holder).record_use(permit_id, UseKind.ROUND, 1, id_, CARD, MicroRho(1), 1, CONSENT)
    return permit_id


def test_a_model_is_announced_objected_to_and_withdrawn(any_world, permit, refused):
    registry = any_world.registry
    as_user, as_holder = (registry.as_(each).releases for each in (any_world.data_user, any_world.holders[0]))
    assert registry.releases.status(permit, MODEL) is ReleaseStatus.NONE
    assert registry.releases.find(permit, MODEL) is None and registry.releases.every(permit) == []
    with refused("MODEL_MISMATCH"):
        as_user.release(permit, OTHER, 1, CARD, EVIDENCE)
    with refused("NOT_THE_APPLICANT"):
        as_holder.release(permit, MODEL, 1, CARD, EVIDENCE)
    as_user.release(permit, MODEL, 1, CARD, EVIDENCE)
    found = registry.releases.find(permit, MODEL)
    assert (found.status, found.evaluated_round, found.card_hash) == (ReleaseStatus.ANNOUNCED, 1, CARD)
    assert found.objections_until - found.announced_at == registry.rules.setting(Rule.OBJECTION_SECONDS) == WEEK
    as_holder.object(permit, MODEL, "too early")
    with refused("OBJECTIONS_OPEN"):
        registry.as_(any_world.board[0]).releases.vote_confirm(permit, MODEL)
    with refused("OBJECTIONS_OPEN"):
        registry.as_(any_world.non_member).releases.tally_confirm(permit, MODEL)
    with refused("NOT_RELEASED"):
        registry.as_(any_world.non_member).releases.settle(permit, MODEL)
    assert registry.releases.status(permit, MODEL) is ReleaseStatus.OBJECTED
    as_user.withdraw(permit, MODEL)
    (found,) = registry.releases.every(permit)
    assert found in registry.releases.every()
    assert (found.status, found.objections) == (ReleaseStatus.WITHDRAWN, (any_world.holders[0].address,))
    names = [each.name for each in registry.audit_events() if each.contract == "Releases"]
    assert names[-3:] == ["ModelReleased", "ReleaseObjected", "ReleaseWithdrawn"]


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        ("status", (-1, MODEL)),
        ("find", (1, b"short")),
        ("release", (1, MODEL, -1, CARD, EVIDENCE)),
        ("release", (1, MODEL, 1, CARD, "0x" + "66" * 32)),
        ("object", (1, None)),
        ("vote_confirm", (2**64, MODEL)),
        ("tally_confirm", (1, 5)),
        ("settle", ("one", MODEL)),
        ("withdraw", (True, MODEL)),
    ],
)
def test_what_fits_no_record_is_not_sent(any_world, function, arguments):
    with pytest.raises(RegistryArgumentError):
        getattr(any_world.registry.as_(any_world.data_user).releases, function)(*arguments)


def test_a_registry_that_only_reads_announces_nothing(any_world, permit):
    with pytest.raises(RegistryArgumentError, match="as_"):
        any_world.registry.releases.release(permit, MODEL, 1, CARD, EVIDENCE)
