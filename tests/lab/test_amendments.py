"""An amendment is an application of its own: what is not named stays, what was used counts, the old permit ends."""

from collections.abc import Callable
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from belmont.federated.errors import RoundRefused
from belmont.lab import Consortium
from belmont.lab.amendments import amended, differences
from belmont.lab.errors import LabError, NotYet
from belmont.lab.permit import Permit
from belmont.registry.errors import RegistryRefused
from belmont.registry.types import (
    Address,
    AnswerMode,
    Computation,
    DatasetId,
    MicroRho,
    PermitId,
    PermitStatus,
    StudyTerms,
)
from belmont.registry.types import Permit as PermitRecord

Bare = Callable[..., Consortium]


def permitted(consortium: Consortium, **terms: Any) -> Permit:
    study = consortium.propose("A study", **({"rounds": 4, "queries": 2} | terms))
    return study.vote(*consortium.board[:2]).accept(*consortium.hospitals).issue()


def test_an_amendment_shows_both_sides_and_takes_the_permits_place_once_it_is_issued(bare: Bare) -> None:
    consortium = bare()
    permit = permitted(consortium)
    study = permit.amend(rounds=20, duration_days=60, reason="the model has not converged")
    assert study.amends is not None and study.amends.id == permit.id
    assert study.differences().loc["rounds"].tolist() == ["4", "20"]
    assert study.differences().loc["duration"].tolist() == [
        "30 days from when it is issued",
        "60 days from when it is issued",
    ]
    assert list(study.differences().index) == ["rounds", "duration"]
    card = study._repr_html_()
    assert f"amends permit {permit.id}" in card and "the model has not converged" in card
    assert "everything else stays" in card
    with pytest.raises(NotYet, match="of 2 votes"):
        study.issue()
    assert (permit.status, permit.successor) == ("active", None)
    new = study.vote(*consortium.board[:2]).accept(*consortium.hospitals).issue()
    assert (permit.status, new.status) == ("superseded", "active")
    assert permit.successor is not None and permit.successor.id == new.id
    assert f"permit {new.id}" in permit._repr_html_() and "superseded" in permit._repr_html_()
    assert (
        new.amends is not None
        and new.amends.id == permit.id
        and f"amends</th><td>permit {permit.id}" in (new._repr_html_())
    )
    assert new.record.terms.protocol_hash == permit.record.terms.protocol_hash
    assert consortium.studies()["amends"].tolist() == ["", permit.id]


def test_what_was_used_counts_against_the_new_terms_and_training_goes_on_under_them(
    consortium: Consortium, permit: Permit
) -> None:
    first = permit.train(rounds=2)
    study = permit.amend(rounds=4, reason="two rounds more")
    assert "2 rounds and 0 queries were used" in study._repr_html_()
    new = study.vote(*consortium.board[:2]).accept(*consortium.hospitals).issue()
    with pytest.raises(RoundRefused, match="PERMIT_SUPERSEDED"):
        permit.train(rounds=1, start=first)
    assert new.record.rounds_opened == 2
    assert [result.n for result in new.train(start=first).rounds] == [1, 2, 3, 4]
    assert f"superseded by permit {new.id}, 4 rounds" in repr(permit) and "4/3" not in repr(permit)
    card = permit._repr_html_()
    assert "4 under this permit and those that took its place; it allowed 3" in card and "4 of 3" not in card
    with pytest.raises(RoundRefused, match="ROUNDS_EXHAUSTED"):
        new.train(rounds=1)
    with pytest.raises(LabError, match="fewer than the 4 that were used"):
        new.amend(rounds=3, reason="fewer")


def test_a_second_amendment_amends_the_newest_permit_only(bare: Bare) -> None:
    consortium = bare()
    first = permitted(consortium)
    second = first.amend(rounds=5, reason="more").vote(*consortium.board[:2]).accept(*consortium.hospitals).issue()
    with pytest.raises(RegistryRefused, match=r"PERMIT_SUPERSEDED.*go on under the permit"):
        first.amend(rounds=6, reason="more")
    third = second.amend(queries=4, reason="more").vote(*consortium.board[:2]).accept(*consortium.hospitals).issue()
    assert [each.status for each in (first, second, third)] == ["superseded", "superseded", "active"]
    assert third.record.line == first.id
    assert f"counted from permit {first.id}" in third._repr_html_()


def test_a_refused_amendment_leaves_the_permit_as_it_is(bare: Bare) -> None:
    consortium = bare()
    permit = permitted(consortium)
    study = permit.amend(min_cohort=1, reason="small hospitals").vote(*consortium.board[:2], approve=False)
    with pytest.raises(NotYet, match="refused"):
        study.issue()
    assert (permit.status, permit.successor, study.status) == ("active", None, "refused")


def test_two_amendments_of_one_permit_cannot_both_take_its_place(bare: Bare) -> None:
    consortium = bare()
    permit = permitted(consortium)
    studies = [permit.amend(rounds=rounds, reason="more") for rounds in (5, 6)]
    for study in studies:
        study.vote(*consortium.board[:2]).accept(*consortium.hospitals)
    studies[0].issue()
    with pytest.raises(RegistryRefused, match="PERMIT_SUPERSEDED"):
        studies[1].issue()


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"reason": "because"}, "nothing changes"),
        ({"rounds": 4, "reason": "because"}, "nothing changes"),
        ({"rounds": 9, "reason": "  "}, "say why"),
        ({"rounds": 9}, "say why"),
        ({"duration_days": 0, "reason": "because"}, "lasts longer than nothing"),
        ({"duration_days": -1, "reason": "because"}, "lasts longer than nothing"),
    ],
)
def test_an_amendment_without_change_reason_or_duration_is_not_applied_for(
    bare: Bare, changes: dict[str, Any], why: str
) -> None:
    consortium = bare()
    permit = permitted(consortium)
    with pytest.raises(LabError, match=why):
        permit.amend(**changes)
    assert len(consortium.studies()) == 1


def test_a_study_that_amends_nothing_has_no_differences(bare: Bare) -> None:
    consortium = bare()
    study = consortium.propose("New", rounds=1, queries=1)
    assert (study.amends, study.reason) == (None, None)
    with pytest.raises(LabError, match="amends no permit"):
        study.differences()


TERMS = StudyTerms(
    title="A study",
    protocol_hash=b"\x01" * 32,
    purpose=1 << 40,
    code_hash=b"\x02" * 32,
    config_hash=b"\x03" * 32,
    datasets=(DatasetId(b"\x04" * 32),),
    computations=Computation.TRAINING | Computation.QUERY,
    rounds=5,
    queries=3,
    rho_per_dataset=MicroRho(0),
    min_hospitals=1,
    min_cohort=10,
    answer_mode=AnswerMode.EXACT,
    duration_seconds=30 * 86400,
)
RECORD = PermitRecord(PermitId(7), Address("0x" + "1" * 40), TERMS, PermitStatus.ACTIVE, 1, 2, 0, 1, 2, ())
NEW = {
    "title": st.text(min_size=1, max_size=9),
    "rounds": st.integers(1, 99),
    "queries": st.integers(2, 99),
    "purpose": st.integers(1, 9),
    "min_hospitals": st.integers(1, 9),
    "min_cohort": st.integers(1, 99),
    "duration_days": st.integers(1, 999),
    "rho_per_dataset": st.integers(0, 99),
}
FIELD = {"duration_days": "duration_seconds"}


@given(changes=st.fixed_dictionaries({}, optional=NEW))
def test_only_what_is_named_changes_and_every_change_is_shown(changes: dict[str, Any]) -> None:
    asked = {
        FIELD.get(name, name): value * 86400 if name == "duration_days" else value for name, value in changes.items()
    }
    different = {name for name, value in asked.items() if getattr(TERMS, name) != value}
    if not different:
        with pytest.raises(LabError, match="nothing changes"):
            amended(RECORD, reason="because", **changes)
        return
    terms = amended(RECORD, reason="because", **changes)
    assert {each.name for each in fields(terms) if getattr(terms, each.name) != getattr(TERMS, each.name)} == different
    assert all(getattr(terms, name) == asked[name] for name in different)
    shown = differences(TERMS, terms, {})
    assert len(shown) == len(different) and all(before != after for _, before, after in shown)


def test_asking_for_queries_as_well_asks_for_the_kind_too() -> None:
    only_training = amended(RECORD, reason="because", rounds=6)
    assert only_training.computations == Computation.TRAINING | Computation.QUERY
    with pytest.raises(LabError, match="queries=0 is fewer than the 2"):
        amended(RECORD, reason="because", queries=0)
