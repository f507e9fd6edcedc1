"""What the chain tells beforehand costs no round and no query; what it does not tell is for the nodes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from belmont.federated.errors import QueryRefused, RoundRefused
from belmont.lab import Consortium
from belmont.lab.errors import LabError
from belmont.lab.hopeless import NEVER, _may_have, newest_version
from belmont.lab.models import LogisticRegression
from belmont.lab.permit import Permit
from belmont.lab.questions import count
from belmont.registry.types import DatasetId


def permit_for(consortium: Consortium, min_cohort: int, holdout: float = 0.0) -> Permit:
    model = LogisticRegression(("age",), "cvd_event", holdout=holdout)
    study = consortium.propose("Few rows", model=model, rounds=2, queries=1, min_cohort=min_cohort)
    return study.vote(*consortium.board[:2]).accept(*consortium.hospitals).permit()


def fewest(consortium: Consortium) -> int:
    return min(hospital.rows for hospital in consortium.hospitals)


def test_a_hospital_with_fewer_rows_than_the_minimum_costs_no_round_and_no_query(consortium: Consortium) -> None:
    permit = permit_for(consortium, fewest(consortium) + 1)
    with pytest.raises(LabError, match=r"this permit's minimum is .* nothing was used"):
        permit.train()
    with pytest.raises(LabError, match=r"this permit's minimum is .* nothing was used"):
        permit.query(count())
    assert (permit.record.rounds_opened, permit.record.queries_opened) == (0, 0)


def test_and_the_nodes_refuse_it_where_they_are_asked_all_the_same(consortium: Consortium) -> None:
    permit = permit_for(consortium, fewest(consortium) + 1)
    with pytest.raises(RoundRefused, match="COHORT_TOO_SMALL"):
        permit.train(1, check=False)
    with pytest.raises(QueryRefused, match="COHORT_TOO_SMALL"):
        permit.query(count(), check=False)
    assert (permit.record.rounds_opened, permit.record.queries_opened) == (1, 1)


def test_as_many_rows_as_the_minimum_are_enough_beforehand(consortium: Consortium) -> None:
    assert permit_for(consortium, fewest(consortium)).query(count()).patients > 0


def test_too_few_who_are_left_to_train_on_cost_no_round(consortium: Consortium) -> None:
    permit = permit_for(consortium, fewest(consortium), holdout=0.5)
    with pytest.raises(LabError, match=r"rows, about .* to train on.* nothing was used"):
        permit.train()
    assert permit.record.rounds_opened == 0
    with pytest.raises(RoundRefused, match="COHORT_TOO_SMALL"):
        permit.train(1, check=False)


@given(st.integers(1, 400), st.floats(0.01, 1.0), st.integers(1, 400))
def test_only_what_hardly_ever_happens_counts_as_impossible(rows: int, part: float, least: int) -> None:
    if least > rows:
        assert not _may_have(rows, part, least)
    elif least <= rows * part:
        assert _may_have(rows, part, least)
    elif not _may_have(rows, part, least):
        assert part**rows < NEVER  # all of them in it are enough


def test_a_dataset_that_the_chain_does_not_have_is_for_the_nodes_to_refuse(consortium: Consortium) -> None:
    assert newest_version(consortium.registry, DatasetId(b"\1" * 32)) is None
