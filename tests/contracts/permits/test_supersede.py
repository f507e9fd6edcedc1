"""The permit of an amendment takes the place of the one it amends; budgets and numbers of their line count on."""

import pytest

from belmont.registry.types import PermitStatus, UseKind

DAY, YEAR = 24 * 3600, 365 * 24 * 3600


# --- what changes hands ---


def test_the_amendment_takes_the_permits_place(line):
    registry = line.consortium.registry
    second = line.amend(rounds=9, duration_seconds=YEAR)
    old, new = registry.permit(line.first), registry.permit(second)
    assert (old.status, old.superseded_by, old.line) == (PermitStatus.SUPERSEDED, second, line.first)
    assert (new.status, new.superseded_by, new.line) == (PermitStatus.ACTIVE, 0, line.first)
    assert (old.terms.rounds, new.terms.rounds) == (3, 9)
    assert new.expires_at == line.consortium.evm.now + YEAR


def test_announces_both(line):
    second = line.amend()
    consortium, data_user = line.consortium, line.consortium.data_user.address
    issued = {"permit": second, "data_user": data_user, "expires_at": consortium.evm.now + YEAR}
    assert consortium.events("PermitSuperseded", "PermitIssued")[1:] == [
        ("PermitSuperseded", data_user, {"permit": line.first, "superseded_by": second}),
        ("PermitIssued", data_user, issued),
    ]


def test_a_permit_of_its_own_is_a_line_of_its_own(line):
    other = line.consortium.permit(line.datasets)
    assert line.consortium.registry.permit(other).line == other
    line.consortium.round(line.first)
    line.consortium.round(other)
    line.record(line.first, 1, 60)
    line.record(other, 1, 100)
    assert (line.spent(line.first), line.spent(other)) == (60, 100)


# --- numbers count on ---


def test_rounds_and_queries_count_on(line, refused):
    consortium, registry = line.consortium, line.consortium.registry
    for n in (1, 2):
        consortium.round(line.first, n)
    line.query(line.first, 1)
    second = line.amend()
    found = registry.permit(second)
    assert (found.rounds_opened, found.queries_opened) == (2, 1)
    for n in (1, 2, 4):
        with refused("NOT_NEXT"):
            consortium.round(second, n)
    consortium.round(second, 3)
    line.query(second, 2)
    with refused("ROUNDS_EXHAUSTED"):
        consortium.round(second, 4)
    with refused("QUERIES_EXHAUSTED"):
        line.query(second, 3)


def test_an_amendment_of_fewer_rounds_than_were_opened_opens_none(line, refused):
    for n in (1, 2):
        line.consortium.round(line.first, n)
    for rounds in (2, 1):
        line.first = line.amend(rounds=rounds)
        with refused("ROUNDS_EXHAUSTED"):
            line.consortium.round(line.first, 3)
    line.query(line.first, 1)


# --- budgets count on ---


def test_rho_counts_on(line, refused):
    line.consortium.round(line.first)
    line.record(line.first, 1, 60)
    second = line.amend()
    assert line.spent(second) == line.spent(line.first) == 60
    line.consortium.round(second, 2)
    with refused("BUDGET_EXHAUSTED"):
        line.record(second, 2, 41)
    line.record(second, 2, 40)
    assert line.consortium.registry.dataset(line.datasets[0]).rho_spent == line.spent(second) == 100


def test_an_amendment_that_allows_more_adds_the_difference_only(line, refused):
    line.consortium.round(line.first)
    line.record(line.first, 1, 100)
    second = line.amend(rho_per_dataset=130)
    line.consortium.round(second, 2)
    with refused("BUDGET_EXHAUSTED"):
        line.record(second, 2, 31)
    line.record(second, 2, 30)


def test_an_amendment_that_allows_less_than_was_spent_records_nothing_not_even_for_free(line, refused):
    line.consortium.round(line.first)
    line.record(line.first, 1, 60)
    second = line.amend(rho_per_dataset=59)
    line.consortium.round(second, 2)
    for rho in (0, 1, 2**64 - 1):
        with refused("BUDGET_EXHAUSTED"):
            line.record(second, 2, rho)
    third = line.amend(of=second, rho_per_dataset=60)
    line.consortium.round(third, 3)
    with refused("BUDGET_EXHAUSTED"):
        line.record(third, 3, 1)
    line.record(third, 3, 0)


def test_an_amendment_of_an_amendment_is_of_the_first_permits_line(line, refused):
    registry, permit = line.consortium.registry, line.first
    for n in (1, 2, 3):
        line.consortium.round(permit, n)
        line.record(permit, n, 30)
        permit = line.amend(of=permit)
        assert registry.permit(permit).line == line.first
    assert [registry.permit(number).superseded_by for number in (1, 2, 3, 4)] == [2, 3, 4, 0]
    assert {line.spent(number) for number in (1, 2, 3, 4)} == {90}
    with refused("ROUNDS_EXHAUSTED"):
        line.consortium.round(permit, 4)


# --- what was opened before ---


@pytest.mark.parametrize("kind", UseKind)
def test_what_was_opened_under_the_old_permit_is_recorded_under_neither(line, refused, kind):
    if kind is UseKind.ROUND:
        line.consortium.round(line.first)
    else:
        line.query(line.first, 1)
    second = line.amend()
    registry, not_open = line.consortium.registry, f"{kind.name}_NOT_OPEN"
    assert registry.opened(line.first, kind, 1) and registry.opened(second, kind, 1) is None
    with refused("PERMIT_SUPERSEDED"):
        line.record(line.first, 1, kind=kind)
    with refused(not_open):
        line.record(second, 1, kind=kind)
    assert registry.view(second, line.datasets[0], kind, 1).opened is None
    assert line.spent(second) == 0


def test_what_is_opened_under_the_new_permit_is_not_open_under_the_old_one(line):
    second = line.amend()
    line.consortium.round(second)
    assert line.consortium.registry.opened(line.first, UseKind.ROUND, 1) is None
    line.record(second, 1)
    assert [use.permit_id for use in line.consortium.registry.uses()] == [second]


def test_what_was_recorded_before_stays_with_its_permit(line):
    line.consortium.round(line.first)
    line.record(line.first, 1)
    second = line.amend()
    registry = line.consortium.registry
    assert [use.n for use in registry.uses(line.first)] == [1]
    assert registry.uses(second) == []


# --- the old permit ---


def test_the_old_permit_is_refused_everywhere_as_superseded(line, refused):
    consortium, registry = line.consortium, line.consortium.registry
    consortium.round(line.first)
    line.amend()
    board, holder = registry.as_(consortium.board[0]), registry.as_(consortium.holder)
    acts = [
        lambda: consortium.round(line.first, 2),
        lambda: line.query(line.first, 1),
        lambda: line.record(line.first, 1),
        lambda: board.freeze_permit(line.first, 60),
        lambda: holder.freeze_permit(line.first, 60),
        lambda: board.vote_lift(line.first),
        lambda: board.vote_revoke(line.first),
        lambda: board.tally_lift(line.first),
        lambda: board.tally_revoke(line.first),
        lambda: line.as_data_user.propose_amendment(line.first, consortium.terms(line.datasets)),
    ]
    for act in acts:
        with refused("PERMIT_SUPERSEDED"):
            act()
    with refused("PERMIT_EXISTS"):
        line.issue(line.first)


def test_superseded_is_final(line, refused):
    """Nor does the end of the new permit bring the old one back."""
    second = line.amend(duration_seconds=DAY)
    line.consortium.evm.now += DAY
    with refused("PERMIT_EXPIRED"):
        line.consortium.round(second)
    with refused("PERMIT_SUPERSEDED"):
        line.consortium.round(line.first)


def test_withdrawing_from_the_old_permit_withdraws_from_the_new_one(line, refused):
    second = line.amend()
    as_holder, registry = line.consortium.registry.as_(line.consortium.holder), line.consortium.registry
    as_holder.withdraw(line.first, line.datasets[0])
    assert registry.permit(second).covered == line.datasets[1:]
    with refused("DATASET_NOT_COVERED"):
        as_holder.withdraw(second, line.datasets[0])


def test_an_amendment_that_lay_in_the_drawer_brings_no_withdrawn_dataset_back(line):
    consortium, registry = line.consortium, line.consortium.registry
    study = line.approved()
    registry.as_(consortium.holder).withdraw(line.first, line.datasets[0])
    assert registry.permit(line.issue(study)).covered == line.datasets[1:]


def test_only_its_data_user_issues_an_amendment(line, refused):
    """A stranger could do it while a round is under way, and what was opened would be lost."""
    study = line.approved()
    for somebody in (line.consortium.non_member, line.consortium.holder, line.consortium.board[0]):
        with refused("NOT_THE_APPLICANT"):
            line.consortium.registry.as_(somebody).issue(study)


def test_votes_to_revoke_stand_for_the_line_and_freezes_are_of_one_permit(line, refused):
    """Who froze the old one may freeze the new one; an amendment from the drawer takes nobody's vote away."""
    consortium, registry = line.consortium, line.consortium.registry
    as_board = registry.as_(consortium.board[0])
    as_board.freeze_permit(line.first, 60)
    as_board.vote_revoke(line.first)
    consortium.evm.now += 60
    second = line.amend()
    as_board.freeze_permit(second, 60)
    with refused("ALREADY_VOTED"):
        as_board.vote_revoke(second)
    assert registry.permit(second).status is PermitStatus.FROZEN
    registry.as_(consortium.board[1]).vote_revoke(second)
    assert registry.permit(second).status is PermitStatus.REVOKED


# --- when ---


def test_a_frozen_permit_is_not_issued_over_until_the_freeze_ends(line, refused):
    consortium, study = line.consortium, line.approved()
    consortium.registry.as_(consortium.holder).freeze_permit(line.first, DAY)
    consortium.evm.now += DAY - 1
    with refused("PERMIT_FROZEN"):
        line.issue(study)
    assert consortium.registry.permit(line.first).superseded_by == 0
    consortium.evm.now += 1
    line.issue(study)


def test_a_lifted_permit_is_issued_over(line):
    consortium, study = line.consortium, line.approved()
    consortium.registry.as_(consortium.holder).freeze_permit(line.first, DAY)
    for member in consortium.board[:2]:
        consortium.registry.as_(member).vote_lift(line.first)
    line.issue(study)


def test_a_revoked_permit_is_never_issued_over(line, refused):
    consortium, study = line.consortium, line.approved()
    for member in consortium.board[:2]:
        consortium.registry.as_(member).vote_revoke(line.first)
    with refused("PERMIT_REVOKED"):
        line.issue(study)
    assert consortium.registry.permit(study) is None


def test_an_expired_permit_is_never_issued_over(line, refused):
    line.consortium.evm.now += YEAR // 2
    study = line.approved()
    line.consortium.evm.now = line.consortium.registry.permit(line.first).expires_at - 1
    back = line.consortium.evm.mark()
    line.consortium.registry.chain.as_(line.consortium.data_user).issue(study)
    back()
    line.consortium.evm.now += 1
    with refused("PERMIT_EXPIRED"):
        line.issue(study)


def test_nothing_is_issued_over_while_the_consortium_is_paused(line, refused):
    study = line.approved()
    for member in line.consortium.board[:2]:
        line.consortium.registry.as_(member).rules.vote_pause(1)
    with refused("CONSORTIUM_PAUSED"):
        line.issue(study)
    for member in line.consortium.board[:2]:
        line.consortium.registry.as_(member).rules.vote_resume(1)
    line.issue(study)


def test_of_two_amendments_of_one_permit_the_first_that_is_issued_counts(line, refused):
    first, second = line.approved(rounds=5), line.approved(rounds=7)
    line.issue(second)
    with refused("PERMIT_SUPERSEDED"):
        line.issue(first)
    assert line.consortium.registry.permit(line.first).superseded_by == second


def test_an_amendment_is_issued_once(line, refused):
    second = line.amend()
    with refused("PERMIT_EXISTS"):
        line.issue(second)
