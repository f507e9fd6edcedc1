"""The contracts and the reference model, side by side: the same writes have the same effect, or the same refusal.

Members, patients and strangers write at random, often what they may not: ``governance``, ``data``, ``work`` and
``releasing`` hold the operations, ``machine`` what they run on. After every write the invariants are held against the
story that the events tell; they are listed by number in ``votes``, ``permits``, ``uses``, ``releases`` and ``keys``.

The same writes come every time. More of them: ``BELMONT_STATEFUL_RUNS=1000 pytest tests/contracts/stateful``.
Signed messages have a test of this kind of their own (``relay/test_against_model.py``), as have the paths of consents.
"""

import os
from collections import Counter

import pytest
from tests.contracts.conftest import AREA_WRITES, WRITES
from tests.contracts.stateful.machine import deploy_once_more
from tests.contracts.stateful.releasing import Releasing

RUNS = max(40, int(os.environ.get("BELMONT_STATEFUL_RUNS", "0")))
STEPS = 60
EVERY_WRITE = {
    *WRITES,
    "rules.propose_code",
    *(f"{area}.{write}" for area in AREA_WRITES for write in AREA_WRITES[area]),
}
STOPS = {
    "CONSORTIUM_PAUSED",
    "PERMIT_SUPERSEDED",
    "PERMIT_REVOKED",
    "PERMIT_EXPIRED",
    "PERMIT_FROZEN",
    "PERMIT_MISSING",
}
REFUSED = {
    "open_round": STOPS | {"NOT_THE_ACTOR", "NOT_THE_APPLICANT", "ROUNDS_EXHAUSTED", "NOT_NEXT"},
    "open_query": STOPS | {"NOT_THE_ACTOR", "NOT_THE_APPLICANT", "QUERIES_EXHAUSTED", "PARTICIPANTS_MISMATCH"},
    "record_use": STOPS
    | {"NOT_THE_ACTOR", "NOT_THE_HOLDER", "DATA_USER_INACTIVE", "DATASET_NOT_COVERED", "DATASET_FROZEN"}
    | {"DATASET_UNPROVEN", "VERSION_STALE", "CONSENT_STALE", "COHORT_TOO_SMALL", "BUDGET_EXHAUSTED"}
    | {"ROUND_NOT_OPEN", "QUERY_NOT_OPEN", "ALREADY_SERVED", "ROUND_CLOSED"},
    "close_round": STOPS
    | {"NOT_THE_ACTOR", "NOT_THE_APPLICANT", "DATA_USER_INACTIVE", "ROUND_NOT_OPEN", "ROUND_CLOSED"}
    | {"TOO_FEW_HOSPITALS", "DATASET_NOT_COVERED"},
    "issue": {"CONSORTIUM_PAUSED", "STUDY_NOT_APPROVED", "NOT_ACCEPTED", "PERMIT_EXISTS", "NOT_THE_APPLICANT"}
    | {"CONDITIONS_OPEN"},
    "vote": {"NOT_ETHICS_BOARD", "STUDY_CLOSED", "ALREADY_VOTED", "RECUSED", "CONDITIONS_WITH_REFUSAL"},
    "recuse": {"NOT_ETHICS_BOARD", "STUDY_CLOSED", "ALREADY_VOTED", "RECUSED"},
    "agree": {"NOT_THE_APPLICANT", "STUDY_CLOSED", "PERMIT_EXISTS", "NO_CONDITIONS", "CONDITIONS_MISMATCH"}
    | {"ALREADY_AGREED"},
    "vote_lift": {"NOT_ETHICS_BOARD", "PERMIT_NOT_FROZEN", "ALREADY_VOTED", "RECUSED"},
    "rules.enact": {"TOO_EARLY", "VOTE_UNDECIDED", "PROPOSAL_CLOSED", "PROPOSAL_OVERTAKEN", "CREDITS_EXHAUSTED"},
    "rules.propose_rule": {"RULE_UNKNOWN", "RULE_OUT_OF_BOUNDS", "NOT_MEMBER"},
    "releases.release": {"PERMIT_FROZEN", "PERMIT_REVOKED", "NOT_THE_APPLICANT", "HASH_MISSING", "TOO_FEW_HOSPITALS"}
    | {"ROUND_NOT_OPEN", "MODEL_MISMATCH", "NOT_THE_ACTOR"},
    "releases.object": {"NOT_INVOLVED", "OBJECTIONS_CLOSED", "ALREADY_OBJECTED", "RELEASE_CLOSED", "RELEASE_UNKNOWN"},
    "releases.vote_confirm": {"NOT_OBJECTED", "OBJECTIONS_OPEN", "NOT_ETHICS_BOARD", "ALREADY_VOTED"},
    "releases.settle": {"NOT_RELEASED", "ALREADY_SETTLED"},
    "releases.withdraw": {"NOT_THE_APPLICANT", "RELEASE_CLOSED"},
    "identities.change_owner": {"NOT_THE_OWNER", "OWNER_REPLACED"},
}
"""What the random writes are refused with as well: a run that never meets it would show nothing about it."""


class SideBySide(Releasing):
    """All operations."""


@pytest.fixture(scope="module")
def outcomes(founded):
    """How often each write was done, or refused for a reason, in all runs; an error in one is an error here."""
    start, found = founded.evm.mark(), Counter()
    implementations = deploy_once_more(founded)
    for seed in range(RUNS):
        back = founded.evm.mark()
        its = SideBySide(founded, implementations, seed)
        its.run(STEPS)
        found += its.outcomes
        back()
    start()
    return found


def test_thousands_of_random_writes_have_the_same_effect_on_both_and_break_no_invariant(outcomes):
    assert sum(outcomes.values()) > 150 * RUNS
    assert sum(count for (_, how), count in outcomes.items() if how == "done") > 50 * RUNS


def test_every_write_was_done_among_them(outcomes):
    done = {write for write, how in outcomes if how == "done"}
    # Two hospitals are too few for a total, whose own tests have three.
    assert EVERY_WRITE - done == {"publish_total"}


def test_every_write_was_refused_among_them(outcomes):
    refused = {write for write, how in outcomes if how != "done"}
    assert EVERY_WRITE - refused == set()


@pytest.mark.parametrize("write", REFUSED)
def test_a_write_was_refused_for_every_reason_that_matters(outcomes, write):
    assert REFUSED[write] - {how for name, how in outcomes if name == write} == set()
