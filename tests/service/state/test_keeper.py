"""The snapshot is what the chain says, whichever events led there."""

from dataclasses import replace

import pytest
from tests.service.conftest import World

from belmont.audit.events import Advance
from belmont.audit.index import EventIndex
from belmont.registry.types import Computation, StudyStatus, UseKind
from belmont.service.errors import StateUnavailable
from belmont.service.state.keeper import Keeper
from belmont.service.state.snapshot import Snapshot


@pytest.fixture
def index(world: World, tmp_path) -> EventIndex:
    return EventIndex.open(f"sqlite:///{tmp_path / 'index.sqlite'}", world.registry)


def read_anew(world: World, index: EventIndex) -> Snapshot:
    return Keeper(world.registry).told(Advance(index.head, (), 0))


def same(one: Snapshot, other: Snapshot) -> bool:
    return replace(one, head=other.head) == other


def test_before_the_first_block_there_is_no_snapshot(world: World) -> None:
    with pytest.raises(StateUnavailable):
        _ = Keeper(world.registry).snapshot


def test_after_each_act_the_renewed_snapshot_is_the_one_read_from_nothing(world: World, index: EventIndex) -> None:
    keeper = Keeper(world.registry)
    keeper.told(index.catch_up())
    study = world.study(computations=Computation.QUERY, rounds=0)
    root = world.registry.consents.root(world.datasets[0])
    acts = [
        lambda: world.as_("board").vote(study, True),
        lambda: world.as_("lay").vote(study, True, "for patients"),
        lambda: world.as_("holder").accept(study, world.datasets[0]),
        lambda: world.as_("other_holder").accept(study, world.datasets[1]),
        lambda: world.as_("third_holder").accept(study, world.datasets[2]),
        lambda: world.as_("holder").issue(study),
        lambda: world.as_("data_user").open_query(study, 1, b"\x05" * 32, world.datasets),
        lambda: world.as_("holder").record_use(
            study,
            UseKind.QUERY,
            1,
            world.datasets[0],
            b"\x06" * 32,
            0,
            1,
            root,
        ),
        lambda: world.as_("board").freeze_permit(study, 3600, "look"),
        lambda: world.as_("lay").vote_lift(study),
        lambda: world.as_("other_board").vote_lift(study),
        lambda: world.as_("holder").freeze_dataset(world.datasets[0]),
        lambda: world.as_("holder").unfreeze_dataset(world.datasets[0]),
        lambda: world.as_("third_holder").withdraw(study, world.datasets[2]),
        lambda: world.as_("data_user").propose_amendment(study, world.terms()),
        lambda: world.as_("board").vote_revoke(study),
        lambda: world.as_("holder").rules.propose_rule(0, 60),
        lambda: world.as_("holder").propose_removal(world.address("auditor")),
    ]
    for act in acts:
        act()
        found = keeper.told(index.catch_up())
        assert same(found, read_anew(world, index))
    assert keeper.snapshot.studies[study].status is StudyStatus.APPROVED


def test_an_amendments_permit_shows_the_one_it_takes_the_place_of_as_superseded(
    world: World, index: EventIndex
) -> None:
    first = world.permit()
    keeper = Keeper(world.registry)
    keeper.told(index.catch_up())
    second = world.as_("data_user").propose_amendment(first, world.terms())
    for name in ("board", "other_board"):
        world.as_(name).vote(second, True)
    for name, dataset in zip(("holder", "other_holder", "third_holder"), world.datasets, strict=True):
        world.as_(name).accept(second, dataset)
    world.as_("data_user").issue(second)
    found = keeper.told(index.catch_up())
    assert found.permits[first].superseded_by == second
    assert same(found, read_anew(world, index))


def test_a_removed_member_is_nobody(world: World, index: EventIndex) -> None:
    index.catch_up()
    snapshot = read_anew(world, index)
    assert snapshot.member(world.address("removed")) is None
    assert snapshot.name_of(world.address("removed")) == "Member removed"
    assert snapshot.member(world.address("lay")) is not None
