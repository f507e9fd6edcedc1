"""An amendment is an application of its own, by the same data user, that names the permit it is to replace."""

from dataclasses import replace

import pytest
from eth_account import Account
from eth_utils import keccak

from belmont.registry.errors import RegistryArgumentError
from belmont.registry.types import Address, PermitStatus, Role, StudyStatus

HASH, OTHER = b"\x11" * 32, b"\x12" * 32
VETTING = b"\x01\x55\x12\x20" + bytes(32)
NEWCOMER = Account.from_key(keccak(b"another data user"))


@pytest.fixture
def datasets(paired):
    return paired.datasets()


@pytest.fixture
def permit(paired, datasets):
    return paired.permit(datasets)


@pytest.fixture
def amend(paired, permit, datasets):
    """Propose an amendment, of the same terms but for ``changes``."""

    def propose(of=None, by=None, named=None, **changes):
        terms = paired.terms(datasets if named is None else named, **changes)
        return paired.registry.as_(by or paired.data_user).propose_amendment(permit if of is None else of, terms)

    return propose


def admit(consortium, account, roles):
    profile = consortium.profile(account, roles)
    proposal = consortium.registry.as_(consortium.auditor).propose_admission(profile, VETTING)
    for supporter in consortium.board:
        consortium.registry.as_(supporter).support(proposal)


def test_it_is_a_study_that_names_its_permit(paired, permit, amend):
    study = amend(title="More rounds", rounds=9)
    found = paired.registry.study(study)
    assert (study, found.amends, found.status) == (permit + 1, permit, StudyStatus.PROPOSED)
    assert (found.terms.title, found.terms.rounds, found.data_user) == ("More rounds", 9, paired.data_user.address)
    assert (found.votes_for, found.votes_against, found.accepted) == (0, 0, ())
    assert paired.registry.study(permit).amends == 0


def test_announces_it_with_the_permit(paired, permit, amend):
    study = amend(protocol_hash=OTHER)
    details = {
        "study": study,
        "amends": permit,
        "title": "A study",
        "protocol_hash": OTHER,
        "purpose": 1 << 37,
        "code_hash": HASH,
        "config_hash": HASH,
    }
    assert paired.events("StudyProposed")[1:] == [("StudyProposed", paired.data_user.address, details)]
    assert paired.events("StudyProposed")[0][2]["amends"] == 0


def test_proposing_leaves_the_permit_as_it_is(paired, permit, amend):
    amend(rounds=1)
    found = paired.registry.permit(permit)
    assert (found.status, found.superseded_by, found.terms.rounds) == (PermitStatus.ACTIVE, 0, 3)
    paired.round(permit)


def test_neither_votes_nor_acceptances_of_the_permit_count(paired, amend, refused):
    study = amend()
    with refused("STUDY_NOT_APPROVED"):
        paired.registry.as_(paired.data_user).issue(study)
    paired.approve(study)
    with refused("NOT_ACCEPTED"):
        paired.registry.as_(paired.data_user).issue(study)
    paired.accept(study)
    paired.registry.as_(paired.data_user).issue(study)


def test_the_board_may_refuse_it_and_the_data_user_take_it_back(paired, permit, amend, refused):
    first, second = amend(), amend()
    for member in paired.board[:2]:
        paired.registry.as_(member).vote(first, False)
    assert paired.registry.study(first).status is StudyStatus.REFUSED
    paired.registry.as_(paired.data_user).cancel(second)
    for study in (first, second):
        with refused("STUDY_NOT_APPROVED"):
            paired.registry.as_(paired.data_user).issue(study)
    assert paired.registry.permit(permit).status is PermitStatus.ACTIVE


def test_it_may_name_other_datasets(paired, permit, amend):
    study = amend(named=(paired.dataset(paired.other_holder),), min_hospitals=1)
    paired.approve(study)
    paired.accept(study)
    paired.registry.as_(paired.data_user).issue(study)
    assert paired.registry.permit(study).covered == paired.registry.study(study).terms.datasets


def test_what_is_no_permit_is_not_amended(paired, permit, amend, refused):
    approved = paired.study()
    paired.approve(approved)
    for number in (0, approved, approved + 1, 2**64 - 1):
        with refused("PERMIT_MISSING"):
            amend(of=number)


def test_only_its_own_data_user_amends_it(paired, permit, amend, refused):
    """Not even another one; whoever sees other people's permits cannot spend their line."""
    admit(paired, NEWCOMER, Role.DATA_USER)
    for somebody in (NEWCOMER, paired.holder, paired.board[0], paired.non_member):
        with refused("NOT_THE_APPLICANT"):
            amend(by=somebody)


def test_a_data_user_who_was_removed_amends_nothing(paired, amend, refused):
    paired.remove(paired.data_user)
    with refused("NOT_DATA_USER"):
        amend()


def test_nobody_amends_in_the_data_users_name(paired, permit, datasets, refused):
    registry = paired.registry.as_(paired.board[0], Address(paired.data_user.address))
    with refused("NOT_THE_ACTOR"):
        registry.propose_amendment(permit, paired.terms(datasets))


def test_a_superseded_permit_is_not_amended_and_the_newest_of_its_line_is(paired, permit, amend, refused):
    study = amend()
    paired.approve(study)
    paired.accept(study)
    paired.registry.as_(paired.data_user).issue(study)
    with refused("PERMIT_SUPERSEDED"):
        amend(of=permit)
    assert paired.registry.study(amend(of=study)).amends == study


@pytest.mark.parametrize("stop", ["frozen", "revoked", "expired", "paused"])
def test_a_permit_that_is_stopped_can_be_amended_on_paper(paired, permit, amend, stop):
    """Whether it is usable is asked when the amendment is issued (permits/test_supersede.py): freezes end."""
    if stop == "frozen":
        paired.registry.as_(paired.holder).freeze_permit(permit, 60)
    elif stop == "expired":
        paired.evm.now = paired.registry.permit(permit).expires_at
    else:
        for member in paired.board[:2]:
            act = paired.registry.as_(member)
            act.vote_revoke(permit) if stop == "revoked" else act.rules.vote_pause(1)
    assert paired.registry.study(amend()).status is StudyStatus.PROPOSED


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"title": ""}, "TITLE_MISSING"),
        ({"protocol_hash": bytes(32)}, "HASH_MISSING"),
        ({"purpose": 0}, "PURPOSE_INVALID"),
        ({"rounds": 0}, "ROUNDS_INVALID"),
        ({"rounds": 10_001}, "ROUNDS_INVALID"),
        ({"queries": 10_001}, "QUERIES_INVALID"),
        ({"named": ()}, "DATASETS_MISSING"),
        ({"named": (HASH,), "min_hospitals": 1}, "DATASET_UNKNOWN"),
        ({"min_hospitals": 3}, "MIN_HOSPITALS_INVALID"),
        ({"min_cohort": 0}, "MIN_COHORT_INVALID"),
        ({"duration_seconds": 0}, "DURATION_INVALID"),
    ],
)
def test_its_terms_are_held_to_the_same_bounds(amend, refused, change, reason):
    with refused(reason):
        amend(**change)


def test_a_dataset_that_was_destroyed_since_is_not_named_again(paired, datasets, amend, refused):
    paired.registry.as_(paired.holder).destroy_dataset(datasets[0], HASH)
    with refused("DATASET_DESTROYED"):
        amend()
    amend(named=datasets[1:], min_hospitals=1)


def test_what_no_record_can_hold_is_not_sent(paired, permit, datasets):
    terms = paired.terms(datasets)
    for registry in (paired.registry.chain, paired.registry.model):
        as_data_user = registry.as_(paired.data_user)
        for number, given in ((-1, terms), (2**64, terms), (permit, replace(terms, title="x" * 65))):
            with pytest.raises(RegistryArgumentError):
                as_data_user.propose_amendment(number, given)
