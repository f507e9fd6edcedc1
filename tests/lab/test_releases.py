"""Releases in a notebook: on a chain of our own, and in memory, where a week passes at once."""

import hashlib
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest

from belmont.identity.keys import Identity
from belmont.lab import Consortium
from belmont.lab.errors import LabError
from belmont.lab.people import Actor, Hospital
from belmont.lab.permit import Permit
from belmont.lab.releases import (
    COLUMNS,
    Release,
    confirm_release,
    object_release,
    record_release,
    releases_frame,
    settle_release,
    withdraw_release,
)
from belmont.registry.consents.statements import ConsentState
from belmont.registry.errors import RegistryRefused
from belmont.registry.reference.datasets import mark_proven
from belmont.registry.simulated import SimulatedRegistry
from belmont.registry.types import (
    Address,
    AnswerMode,
    Computation,
    DatasetId,
    MemberProfile,
    MicroRho,
    PermitId,
    Role,
    StudyTerms,
    UseKind,
)

CARD, EVIDENCE = hashlib.sha256(b"a model card").digest(), hashlib.sha256(b"what the output check found").digest()
DAY, YEAR = 24 * 3600, 365 * 24 * 3600
WEEK = 7 * DAY
HASH, MODEL = b"\x11" * 32, b"\x33" * 32


# --- on a chain ---


def test_a_model_is_announced_objected_to_and_withdrawn(consortium: Consortium, permit: Permit) -> None:
    permit.train(rounds=2)
    opened = consortium.registry.opened(permit.id, UseKind.ROUND, 2)
    assert opened is not None and permit.releases().empty
    with pytest.raises(RegistryRefused, match="MODEL_MISMATCH"):
        record_release(permit, HASH, 2, CARD, EVIDENCE)
    release = record_release(permit, opened.subject_hash, 2, CARD, EVIDENCE)
    assert release.status == "announced" and release.against == []
    (row,) = permit.releases().to_dict("records")
    assert (row["model"], row["status"], row["final"], row["round"]) == (
        "0x" + opened.subject_hash.hex(), "announced", False, 2,
    )  # fmt: skip
    object_release(permit, opened.subject_hash, consortium.hospitals[1], "one hospital is most of it")
    assert release.status == "objected"
    assert release.against == [f"{consortium.hospitals[1].name} objects: one hospital is most of it"]
    shown = release._repr_html_()
    assert "objected" in shown and "one hospital is most of it" in shown and "0x" + CARD.hex() in shown
    with pytest.raises(RegistryRefused, match="OBJECTIONS_OPEN"):
        confirm_release(permit, opened.subject_hash, consortium.board[0])
    withdraw_release(permit, opened.subject_hash)
    assert release.status == "withdrawn" and "its data user withdrew it" in release.against
    assert "ModelReleased" in set(consortium.audit()["what"])


def test_what_was_not_announced_says_so(permit: Permit) -> None:
    release = Release(permit, HASH)
    with pytest.raises(LabError, match="was not announced"):
        _ = release.status
    assert "was not announced" in repr(release) and "was not announced" in release._repr_html_()


# --- in memory ---


@dataclass
class Stage:
    """A permit over two hospitals in memory, whose first round both recorded."""

    registry: SimulatedRegistry
    permit: Permit
    hospitals: tuple[Hospital, ...]
    board: tuple[Actor, ...]

    def wait(self, seconds: int = WEEK) -> None:
        self.registry.clock.advance(seconds)

    def as_(self, actor: Actor) -> SimulatedRegistry:
        return self.registry.as_(actor.identity.account)


def proven(registry: SimulatedRegistry, holder: Identity) -> DatasetId:
    """A dataset with a version that counts as proven: what a proof takes is tested elsewhere."""
    as_holder = registry.as_(holder.account)
    until = registry.clock() + 5 * YEAR
    id_ = as_holder.register_dataset("a", 1 << 4, HASH, 1, 1, until, MicroRho(100))
    number = as_holder.add_version(id_, b"cid", 100, HASH, ConsentState().root)
    with as_holder.sending() as (world, _):
        mark_proven(world, id_, number)
    return id_


@pytest.fixture
def stage() -> Stage:
    roles = {"north": 1, "south": 1, "user": 2, "one": 4, "two": 4, "three": 4}
    people = {slug: Identity.create() for slug in roles}
    founders = [
        MemberProfile(Address(people[slug].address), slug, f"did:ethr:0x539:{slug}", Role(role))
        for slug, role in roles.items()
    ]
    registry = SimulatedRegistry.found("In memory", founders)
    datasets = tuple(proven(registry, people[slug]) for slug in ("north", "south"))
    computations, mode = Computation.TRAINING, AnswerMode.EXACT
    terms = StudyTerms(
        "A study", HASH, 1 << 37, HASH, HASH, datasets, computations, 2, 0, MicroRho(50), 2, 10, mode, YEAR
    )
    as_user = registry.as_(people["user"].account)
    study = as_user.propose(terms)
    for slug in ("one", "two"):
        registry.as_(people[slug].account).vote(study, True)
    for slug, id_ in zip(("north", "south"), datasets, strict=True):
        registry.as_(people[slug].account).accept(study, id_)
    permit_id = as_user.issue(study)
    as_user.open_round(permit_id, 1, MODEL, datasets)
    for slug, id_ in zip(("north", "south"), datasets, strict=True):
        fields = permit_id, UseKind.ROUND, 1, id_, HASH, MicroRho(1), 1, ConsentState().root
        registry.as_(people[slug].account).record_use(*fields)
    hospitals = tuple(
        Hospital(slug, slug, Role.DATA_HOLDER, people[slug], id_, "a", 100)
        for slug, id_ in zip(("north", "south"), datasets, strict=True)
    )
    board = tuple(Actor(slug, slug, Role.ETHICS_BOARD, people[slug]) for slug in ("one", "two", "three"))
    names = dict(zip(datasets, ("north", "south"), strict=True))
    researcher = Actor("user", "user", Role.DATA_USER, people["user"])
    host = SimpleNamespace(registry=registry, home=None, service=None, researcher=researcher, dataset_names=names)
    return Stage(registry, Permit(host, PermitId(permit_id)), hospitals, board)  # type: ignore[arg-type]


@pytest.fixture
def release(stage: Stage) -> Release:
    return record_release(stage.permit, MODEL, 1, CARD, EVIDENCE)


def only_row(stage: Stage) -> dict[str, Any]:
    frame = releases_frame(stage.permit)
    assert list(frame.columns) == COLUMNS
    (row,) = frame.to_dict("records")
    return {str(name): value for name, value in row.items()}


def test_after_a_week_it_is_released_and_anybody_settles_it(stage: Stage, release: Release) -> None:
    assert "goes out once the time for objections is over" in release._repr_html_()
    stage.wait()
    assert release.status == "released" and not only_row(stage)["final"]
    assert "puts that down for good" in release._repr_html_()
    settle_release(stage.permit, MODEL)
    assert only_row(stage)["final"] and "out for good" in release._repr_html_()


def test_the_board_confirms_until_its_quorum_is_reached(stage: Stage, release: Release) -> None:
    object_release(stage.permit, MODEL, stage.board[2], "too good to be true")
    stage.wait()
    assert "only the quorum of the ethics board" in release._repr_html_()
    confirm_release(stage.permit, MODEL, stage.board[0])
    assert release.status == "objected" and "votes to release it" in release._repr_html_()
    confirm_release(stage.permit, MODEL, stage.board[1], stage.board[2])
    assert release.status == "released" and release.record.is_final
    assert release.record.confirmations == (stage.board[0].address, stage.board[1].address)


def test_the_reason_of_an_objection_that_is_not_here_is_its_hash(stage: Stage, release: Release) -> None:
    object_release(stage.permit, MODEL, stage.hospitals[0], "nobody kept this")
    stage.as_(stage.board[0]).releases.object(stage.permit.id, MODEL)
    first, second = release.against
    assert first.startswith("north objects: only its hash is here, 0x") and second == "one objects: no reason given"


def test_an_objection_without_a_reason_is_not_sent(stage: Stage, release: Release) -> None:
    with pytest.raises(LabError, match="say why"):
        object_release(stage.permit, MODEL, stage.hospitals[0], " ")
    with pytest.raises(LabError, match="name members"):
        confirm_release(stage.permit, MODEL)
    assert release.against == []


def test_who_left_stands_against_it_by_name(stage: Stage, release: Release) -> None:
    stage.as_(stage.hospitals[1]).withdraw(stage.permit.id, stage.hospitals[1].dataset_id)
    assert release.status == "objected"
    assert only_row(stage)["against"] == "south evaluated it and is not covered any more"
    everybody = (*stage.hospitals, *stage.board)
    proposal = stage.as_(everybody[0]).propose_removal(Address(stage.permit.consortium.researcher.address))
    for each in everybody[1:3]:
        stage.as_(each).support(proposal)
    assert release.against[0] == "its data user left"


def test_what_holds_it_back_is_said(stage: Stage, release: Release) -> None:
    stage.wait(WEEK - 1)
    stage.as_(stage.hospitals[0]).freeze_permit(stage.permit.id, 60)
    stage.wait(1)
    assert (release.status, release.against) == ("announced", ["a freeze or a pause holds it back"])
    stage.wait(60)
    assert (release.status, release.against) == ("released", [])


def test_a_revocation_is_said(stage: Stage, release: Release) -> None:
    for member in stage.board[:2]:
        stage.as_(member).vote_revoke(stage.permit.id)
    assert (release.status, release.against) == ("withdrawn", ["its permit, or an amendment, was revoked"])
    assert "must not be passed on" in release._repr_html_()
    assert repr(release).endswith("withdrawn)")
