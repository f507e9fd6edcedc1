"""A researcher whose model is aimed at one patient: what exact tables tell, and ours do not.

The model's arrays are not bound by the permit, so that anybody who may evaluate may send such a one.
"""

import numpy as np

from belmont.federated.executor.parcel import ArrayTable

from .conftest import Evaluate, hospital, study, table_of

AIMED = {"coefficients": np.array([-200.0, 40.0, 0.0])}
"""Everybody's risk is 0 but that of patients above 110, and one is 115."""


def with_target(event: int) -> ArrayTable:
    """A hospital where everybody was kept apart who counts here, and one patient is 115 years old."""
    base = hospital(400, 3)
    age, sex, events = (base.values(name).copy() for name in ("age", "sex", "event"))
    age[0], events[0] = 115.0, event
    return table_of(age, sex + 1, events)


def both(evaluate: Evaluate, smallest_cell: int) -> list[np.ndarray]:
    """All sums of two hospitals without anybody so old and one with, for either outcome of that patient."""
    others = [hospital(400, seed) for seed in (1, 2)]
    found = []
    for event in (0, 1):
        arrays = evaluate([*others, with_target(event)], study(), AIMED, smallest_cell=smallest_cell)
        found.append(arrays["counts"][0] + arrays["counts"][1])
    return found


def test_in_an_exact_table_the_one_patient_with_a_risk_shows_his_outcome(evaluate: Evaluate) -> None:
    for event, counts in enumerate(both(evaluate, smallest_cell=1)):
        assert counts[-1, event] == 1 and counts[-1, 1 - event] == 0
        assert counts[1:-1].sum() == 0


def test_in_ours_nobody_stands_out(evaluate: Evaluate) -> None:
    for counts in both(evaluate, smallest_cell=8):
        assert counts[1:].sum() == 0, "all groups are where everybody is"


def test_a_mean_in_the_place_of_the_middle_half_would_show_him() -> None:
    table = with_target(1)
    events, risk = table.values("event"), (table.values("age") > 110).astype(float)
    means = [np.sort(risk[events == y])[-8:].mean() for y in (0, 1)]
    assert means == [0.0, 1 / 8], "the group of cases with a mean above 0 is that of the patient"


def test_values_of_single_patients_do_not_come_out_of_moments_either(evaluate: Evaluate) -> None:
    base = hospital(400, 3)
    for age in (108.0, 119.0):
        ages = base.values("age").copy()
        ages[0] = age
        sex = np.where(np.arange(400) == 0, 2, 1)
        table = table_of(ages, sex, base.values("event"))
        aimed = {"coefficients": np.array([0.0, 0.0, 1.0])}  # the only man
        exact = evaluate([table], study("value"), aimed, smallest_cell=1)["moments"]
        ours = evaluate([table], study("value"), aimed, smallest_cell=8)["moments"]
        assert exact[:2, 5].sum() == age, "y f is that patient's value"
        assert (ours[:2, 5] == 0).all()


def evaluations_of(evaluate: Evaluate, events: np.ndarray) -> list[np.ndarray]:
    """Counts of a model by age, and then of models that each give one patient more the highest risk, nobody else.

    Here a column names each patient. A network or trees that somebody made single out who has an unusual combination.
    """
    count = len(events)
    levels = tuple(f"p{k}" for k in range(count))
    ages, who, yes = np.linspace(30.0, 90.0, count), np.arange(1, count + 1), np.ones(count, bool)
    columns = {
        "age": (ages.astype(np.uint16), yes, ages),
        "who": (who.astype(np.uint16), yes, who - 1.0),
        "event": (events.astype(np.uint16), yes, events),
    }
    numbers = {"age": (60.0, 10.0, 120), "who": (0.0, 1.0, count), "event": (0.0, 1.0, 1)}
    table = ArrayTable(count, columns, numbers, {"who": levels})
    config = study(holdout=1.0 - 1e-9) | {"features": ",".join(("age", *(f"who={each}" for each in levels)))}
    found = []
    for aimed in range(-1, count):
        coefficients = np.array([0.0, 0.7, *np.zeros(count)])
        if aimed >= 0:
            coefficients[2 + aimed] = 20.0
        found.append(evaluate([table], config, {"coefficients": coefficients})["counts"][0])
    return found


def outcomes_told(found: list[np.ndarray]) -> list[int | None]:
    """What the difference to the first evaluation says of each one's patient: in which outcome's column it is."""
    told = []
    for counts in found[1:]:
        moved = [outcome for outcome in (0, 1) if (counts[:, outcome] != found[0][:, outcome]).any()]
        told.append(moved[0] if len(moved) == 1 else None)
    return told


def test_two_evaluations_tell_the_outcome_of_a_patient_and_each_one_more_that_of_another(evaluate: Evaluate) -> None:
    """What groups do not hold back, and why a study has few (`tests/federated/test_evaluations_counted.py`)."""
    events = np.random.default_rng(2).integers(0, 2, 96)
    found = evaluations_of(evaluate, events.astype(float))
    told = outcomes_told(found)
    named = {patient: outcome for patient, outcome in enumerate(told) if outcome is not None}
    assert 0.1 < len(named) / len(events) < 0.3, "many, by as many evaluations; by a score of their own 85 of 96 were"
    assert all(events[patient] == outcome for patient, outcome in named.items())
