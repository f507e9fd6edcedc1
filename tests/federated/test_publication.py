"""What a proved answer can be published with: real answers of real nodes, against the contract and in memory."""

from dataclasses import replace

import pytest

from belmont.federated.errors import QueryError
from belmont.federated.query.bfv import ResearcherKey
from belmont.federated.query.columns import cells_of
from belmont.federated.query.publication import claims_of, why_not_publishable
from belmont.federated.query.question import between, count, histogram, mean, total
from belmont.registry.errors import RegistryRefused
from belmont.zk.curve import compressed


@pytest.fixture(scope="module")
def key():
    return ResearcherKey()


@pytest.mark.parametrize("query", [count(), mean("hba1c"), total("statin")], ids=str)
def test_the_totals_of_a_proved_answer_are_published_one_for_each_cell(study, key, layout, query):
    permit = study.issue()
    answer = study.ask(permit, query, key, layout)
    claims = claims_of(answer.proof)
    assert tuple(claim.total for claim in claims) == answer.cells
    assert tuple(claim.column for claim in claims) == cells_of(query, layout)
    for claim in claims:
        for wrong in (replace(claim, total=claim.total - 1), replace(claim, parts=claim.parts[::-1])):
            with pytest.raises(RegistryRefused, match=r"TOTAL_REFUTED|COMMITMENTS_MISMATCH|CHUNKS_INVALID"):
                study.by_researcher.publish_total(wrong)
        study.by_researcher.publish_total(claim)
    assert tuple(each.total for each in study.registry.totals(permit)) == answer.cells


def test_one_hospitals_masked_opening_publishes_nothing(scene, key, layout):
    """The masks cancel in the sum of all; one alone, or all but one, opens nothing."""
    answer = scene.ask(scene.issue(), count(), key, layout)
    (claim,), (cell,) = claims_of(answer.proof), answer.proof.cells
    for opening in (cell.openings[0], cell.openings[0] + cell.openings[1]):
        with pytest.raises(RegistryRefused, match="TOTAL_REFUTED"):
            scene.by_researcher.publish_total(replace(claim, opening=compressed(opening)))
    assert scene.registry.totals(claim.permit_id) == []


def test_a_filtered_answer_makes_no_claim(scene, key, layout):
    elderly = between("age", 43, 93)
    answer = scene.ask(scene.issue(), mean("hba1c", elderly), key, layout)
    with pytest.raises(QueryError, match="whole registered columns"):
        claims_of(answer.proof)
    assert why_not_publishable(histogram("age")) and why_not_publishable(count(elderly))
    assert why_not_publishable(count()) == ""
