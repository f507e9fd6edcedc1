"""Totals of queries that were opened under an amendment: a query belongs to the permit that it was opened under."""

from dataclasses import replace

import pytest
from tests.contracts.totals.test_publish import ROWS, Stage, stage_of

from belmont.federated.query.question import count


@pytest.fixture
def amended(consortium, both) -> Stage:
    """A query of the first permit of a line was answered, and one of the amendment that took its place."""
    stage = stage_of(consortium, both)
    stage.ask(count())
    consortium = stage.consortium
    registry = consortium.registry.as_(consortium.data_user)
    study = registry.propose_amendment(stage.permit, consortium.terms(stage.datasets, queries=3))
    consortium.approve(study)
    consortium.accept(study)
    amendment = replace(stage, permit=registry.issue(study))
    amendment.ask(count(), n=2)
    return amendment


def test_the_total_of_a_query_that_an_amendment_opened_is_published(amended):
    found = amended.publish(amended.claim(count(), 0, n=2))
    assert (found.permit_id, found.n, found.total) == (amended.permit, 2, sum(ROWS))


def test_the_total_of_a_query_that_was_opened_before_is_still_published_under_its_own_permit(amended):
    first = replace(amended, permit=amended.consortium.registry.permit(amended.permit).line)
    found = first.publish(first.claim(count(), 0))
    assert (found.permit_id, found.n, found.total) == (first.permit, 1, sum(ROWS))


@pytest.mark.parametrize("n", [1, 2])
def test_a_query_of_one_permit_of_a_line_is_none_of_the_others(amended, refused, n):
    first = replace(amended, permit=amended.consortium.registry.permit(amended.permit).line)
    of, under = (first, amended) if n == 1 else (amended, first)
    with refused("QUERY_NOT_OPEN"):
        under.publish(replace(of.claim(count(), 0, n=n), permit_id=under.permit))
    assert under.published() == []
