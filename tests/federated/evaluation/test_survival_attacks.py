"""Attacks on an evaluation of survival: what exact tables tell of one patient or of a few, and ours do not."""

import numpy as np
import pytest

from belmont.federated.errors import FederatedError
from belmont.federated.evaluation.microaggregation import microaggregated
from belmont.federated.evaluation.times import classes_of, in_classes, run_together, sets_of
from belmont.federated.executor.parcel import ArrayTable

from .survival_study import CUTS, evaluated, hospital, rehearsed, study, table_of

AIMED = {"coefficients": np.array([40.0, 0.0])}
"""Of the only patient above 60, where all others are 40: the largest score, and nobody else's is above the lowest."""


def with_target(days: float, event: int) -> ArrayTable:
    base = hospital(400, 3)
    sex, times, events = (base.values(name).copy() for name in ("sex", "days", "event"))
    age = np.full(400, 40.0)
    age[0], times[0], events[0] = 115.0, days, event
    return table_of(age, sex + 1, times, events)


@pytest.mark.parametrize(("days", "event"), [(30.0, 1), (300.0, 1), (100.0, 0), (700.0, 0)])
def test_in_an_exact_table_the_one_patient_with_a_score_shows_when_he_left_and_how(days: float, event: int) -> None:
    counts = evaluated([with_target(days, event)], study(), model=AIMED, smallest_cell=1)["counts"][:2]
    alone = in_classes(counts)[:, 1:, :].sum(axis=(0, 1))
    assert alone.sum() == 1
    assert alone.argmax() == classes_of(np.array([days]), np.array([event == 1]), CUTS)[0]


@pytest.mark.parametrize(("days", "event"), [(30.0, 1), (300.0, 1), (100.0, 0), (700.0, 0)])
def test_in_ours_nobody_stands_out(days: float, event: int) -> None:
    others = [hospital(400, seed) for seed in (1, 2)]
    flat = [table_of(np.full(400, 40.0), *(each.values(n) for n in ("sex", "days", "event"))) for each in others]
    counts = evaluated([*flat, with_target(days, event)], study(), model=AIMED)["counts"]
    assert counts[:, 1:].sum() == 0 and counts[:2, 0, 0].sum() == 1_200, "all groups are where everybody is"


@pytest.mark.parametrize("above", [1 / 2, 2 / 3, 9 / 10])
def test_a_patient_alone_between_two_halves_of_the_others_is_in_no_bin_of_his_own(above: float) -> None:
    """Cox's model has no intercept: with large coefficients whoever is at 0 is in the middle, and nobody else.

    Each set that holds the patient would be a chance that the middle of one of its groups is there.
    """
    drawn = np.random.default_rng(1)
    shown = exact = 0
    for _ in range(100):
        classes = drawn.integers(0, 25, 200)
        scores = np.where(drawn.random(200) < above, 1.0, 0.0)
        scores[0] = 0.5
        for inside in sets_of(classes, 25):
            if inside.sum() >= 8:
                grouped = microaggregated(scores[inside], 8, scores)
                shown += ((grouped > 0) & (grouped < 1)).any()
                exact += inside[0]
    assert exact > 100 and shown == 0


def with_few_women(in_first_span: int) -> ArrayTable:
    """240 women and 240 men, 40 of either with events; of women so many in the first span, of men eleven."""
    sex = np.repeat([1, 2], 240)
    days, event = np.full(480, 700.0), np.zeros(480)
    for start, first in ((0, in_first_span), (240, 11)):
        event[start : start + 40] = 1
        days[start : start + first] = 50.0
        days[start + first : start + 40] = 150.0
    return table_of(np.linspace(30, 90, 480), sex, days, event)


def test_a_class_of_a_few_women_does_not_follow_from_everybody_less_the_men() -> None:
    """Were each part run together on its own, the men's eleven would stay, and everybody's fourteen less them is 3."""
    config = study(groups=("sex",), holdout=1 - 1e-9)
    table = with_few_women(3)
    classes = classes_of(table.values("days"), table.values("event") == 1, CUTS)
    men = np.bincount(classes[table.values("sex") == 1], minlength=7)
    assert men[run_together(men[None], 8)[1]] == 11, "on their own"
    sums = in_classes(evaluated([table], config)["counts"].sum(axis=1))
    everybody, women, of_men = sums[0], sums[2], sums[3]
    assert everybody[1] == 14 and women[1] == of_men[1] == 0
    assert women[3] == of_men[3] == 40, "of both the first span is run into the second"
    enough = in_classes(evaluated([with_few_women(9)], config)["counts"].sum(axis=1))
    assert enough[:, 1].tolist()[:4] == [20, 0, 9, 11]


def test_who_lacks_a_value_of_a_group_is_not_found_by_subtraction() -> None:
    base = hospital(400, 5)
    age, days, event = (base.values(name).copy() for name in ("age", "days", "event"))
    sex = 1 + np.arange(400) % 2
    sex[:12], days[:12], event[:12] = 0, 50.0, np.arange(12) < 6
    counts = evaluated([table_of(age, sex, days, event)], study(groups=("sex",), holdout=1 - 1e-9))["counts"]
    shown = counts[2:].sum(axis=(0, 1))
    left = counts[0].sum(axis=0) - shown
    assert min(left[0], left[-2]) >= 8, "six with an event would be left over"
    assert (counts[2:, :, 0].sum(axis=1) > 0).sum() < 2


def test_two_close_cut_points_would_tell_who_had_the_event_between_them() -> None:
    """On one split; so a line of permits has the same ones (`tests/federated/test_survival_evaluated.py`)."""
    base = hospital(400, 6)
    age, sex, days, event = (base.values(name).copy() for name in ("age", "sex", "days", "event"))
    days[(days > 89) & (days <= 91)] = 95.0
    days[0], event[0] = 90.5, 1
    table = table_of(age, sex + 1, days, event)
    by = [evaluated([table], study((cut, 360.0), holdout=1 - 1e-9))["counts"][0, :, 1].sum() for cut in (90.0, 91.0)]
    assert by[1] - by[0] == 1, "the patient's"


OWN = """
import numpy as np
from flwr.app import Array, ArrayRecord, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
app = ClientApp()
@app.evaluate()
def evaluate(message, context):
    counts = np.zeros(SHAPE)
    CODE
    arrays = ArrayRecord({NAME: Array(counts)})
    return Message(RecordDict({"arrays": arrays, "metrics": MetricRecord({"num-examples": 900})}), reply_to=message)
"""
FINE = "counts[0, 9] = [90, 10, 70, 20, 50, 30, 30]"


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (FINE, None),
        ("counts[0, 9] = [90, 7, 73, 20, 50, 30, 30]", "too few patients"),
        ("counts[0, 9] = [90, 10, 70, 17, 53, 30, 30]", "too few patients"),
        ("counts[0, 9] = [90, 10, 77, 20, 50, 30, 30]", "too few patients"),
        ("counts[0, 9] = [90, 10, 70, 20, 50, 30, 7]", "too few patients"),
        ("counts[0, 9] = [90, 20, 60, 10, 70, 30, 30]", "too few patients"),
        ("counts[0, 9] = [40, 10, 30, 10, 20, 10, 20]", "too few patients"),
        (FINE + "; counts[0, 20, 3] = -8", "too few patients"),
        (FINE + "; counts[0, 20, 1] = 1", "too few patients"),
        (FINE + "; counts = counts[:, :, :5]", "another form"),
        (FINE + "; counts = counts[:, :40]", "another form"),
        (FINE + "; counts = counts[None]", "another form"),
    ],
    ids=[
        "as it should be",
        "few events in the first span",
        "few events in the second, as a difference",
        "few who left without in the first, as a difference",
        "few who are followed beyond",
        "fewer events later",
        "fewer patients than the minimum",
        "below zero",
        "one patient in a bin",
        "a cut point less",
        "bins less",
        "an axis more",
    ],
)
def test_code_of_ones_own_is_held_to_the_same(app_builder, code: str, message: str | None) -> None:
    bundle = app_builder(OWN.replace("SHAPE", "(2, 50, 7)").replace("CODE", code).replace("NAME", '"counts"'), "own")
    made = rehearsed([hospital(200)], study(), bundle=bundle, min_cohort=50)
    if message is None:
        assert made.evaluate()[0].arrays["counts"][0, 9].tolist() == [90, 10, 70, 20, 50, 30, 30]
        return
    with pytest.raises(FederatedError, match=message):
        made.evaluate()


def test_code_of_ones_own_that_answers_something_else_is_refused(app_builder) -> None:
    bundle = app_builder(OWN.replace("SHAPE", "(2, 6)").replace("CODE", "pass").replace("NAME", '"moments"'), "own")
    with pytest.raises(FederatedError, match="without counts"):
        rehearsed([hospital(200)], study(), bundle=bundle).evaluate()
