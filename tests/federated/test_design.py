"""What a study's code gets of a hospital's table: levels, references, parts of the patients, and small cells hidden."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from flwr.app import Context, RecordDict
from hypothesis import given
from hypothesis import strategies as st

from belmont.federated.errors import FederatedError
from belmont.federated.executor.parcel import ArrayTable
from belmont.federated.node.data import (
    NODE_CONFIG_KEY,
    coded_data,
    fractions_of,
    offered,
    rows_to_score,
    training_data,
)
from belmont.federated.node.design import design

ROWS = 100


def table(rows: int = ROWS, current: int = 30) -> ArrayTable:
    age = np.linspace(20.0, 80.0, rows)
    age[::10] = np.nan
    smoking = np.where(np.arange(rows) < current, 2, 1).astype(np.uint16)
    smoking[-5:] = 0
    event = (np.arange(rows) % 3 == 0).astype(np.uint16)
    columns = {
        "age": (np.nan_to_num(age).astype(np.uint16), np.isfinite(age), age),
        "smoking": (smoking, smoking > 0, np.where(smoking > 0, smoking, np.nan).astype(float)),
        "event": (event, np.ones(rows, bool), event.astype(float)),
    }
    numbers = {"age": (50.0, 10.0, 80), "smoking": (1.0, 1.0, 2), "event": (0.0, 1.0, 1)}
    return ArrayTable(rows, columns, numbers, {"smoking": ("never", "current")})


@contextmanager
def run(of: Any, **choices: Any) -> Iterator[tuple[Context, Any]]:
    with offered(of, **choices) as (ticket, offer):
        yield Context(1, 1, {NODE_CONFIG_KEY: ticket}, RecordDict(), {}), offer


def test_a_levels_indicator_is_one_where_the_level_is_and_zero_where_it_is_missing() -> None:
    made = design(table(), ("smoking=current", "smoking=never"), "event", smallest_cell=5)
    assert made.columns == ("intercept", "smoking=current", "smoking=never")
    assert made.design[:, 1].sum() == 30 and made.design[:, 2].sum() == 65
    assert (made.design[-5:, 1:] == 0).all()


@pytest.mark.parametrize(("current", "shown"), [(0, 0), (4, 0), (5, 5), (90, 90), (100, 95)])
def test_an_indicator_of_too_few_patients_is_the_others_value_throughout(current: int, shown: int) -> None:
    made = design(table(current=current), ("smoking=current",), "event", smallest_cell=5)
    assert made.design[:, 1].sum() == shown
    hidden = design(table(current=90), ("smoking=never",), "event", smallest_cell=8)
    assert (hidden.design[:, 1] == 0).all(), "five patients are too few to show"
    others = design(table(current=92), ("smoking=current",), "event", smallest_cell=9)
    assert (others.design[:, 1] == 1).all(), "so are the eight who have it not"


def test_an_unknown_level_is_named_with_those_there_are() -> None:
    with pytest.raises(FederatedError, match="no level 'former'; it has never, current"):
        design(table(), ("smoking=former",), "event")
    with pytest.raises(FederatedError, match="it is no category"):
        design(table(), ("age=old",), "event")


def test_references_that_come_with_the_model_replace_the_dictionarys() -> None:
    references = np.array([[40.0, 45.0, 5.0]])
    made = design(table(), ("age",), "event", references=references)
    assert made.design[0, 1] == (40.0 - 45.0) / 5.0, "the missing value is the fill"
    assert made.design[1, 1] == pytest.approx((table().values("age")[1] - 45.0) / 5.0)


@pytest.mark.parametrize("wrong", [np.zeros((1, 3)), np.ones((2, 3)), np.array([[0.0, np.nan, 1.0]]), np.ones(3)])
def test_references_that_are_no_such_numbers_are_refused(wrong: Any) -> None:
    with pytest.raises(FederatedError, match="references"):
        design(table(), ("age",), "event", references=wrong)


def test_required_columns_leave_rows_out_and_come_in_their_unit() -> None:
    made = design(table(), ("smoking=current",), "event", required=("age",))
    assert len(made.outcome) == 90 and np.isfinite(made.values["age"]).all()


@given(st.binary(min_size=32, max_size=32), st.floats(0.05, 0.95))
def test_every_patient_is_on_one_side_of_a_split_and_the_share_is_about_right(secret: bytes, share: float) -> None:
    fractions = fractions_of(np.arange(1, 2_001, dtype=np.uint64), secret)
    assert ((fractions >= 0) & (fractions < 1)).all()
    assert abs((fractions < share).mean() - share) < 0.08
    assert np.array_equal(fractions[:100], fractions_of(np.arange(1, 101, dtype=np.uint64), secret))


def test_two_secrets_split_differently() -> None:
    pseudonyms = np.arange(1, 501, dtype=np.uint64)
    same = (fractions_of(pseudonyms, bytes(32)) < 0.5) == (fractions_of(pseudonyms, b"\1" * 32) < 0.5)
    assert 0.4 < same.mean() < 0.6


def test_parts_are_disjoint_and_together_everybody() -> None:
    fractions = fractions_of(np.arange(1, ROWS + 1, dtype=np.uint64), bytes(32))
    with run(table(), smallest_cell=1, fractions=fractions) as (context, _):
        kept = training_data(context, ("age",), "event", keep=(0.3, 1.0))
        apart = training_data(context, ("age",), "event", keep=(0.0, 0.3))
        assert len(kept.outcome) + len(apart.outcome) == ROWS
        assert len(apart.outcome) == (fractions < 0.3).sum()


def test_a_part_cannot_be_asked_for_where_nobody_is_kept_apart_nor_a_part_that_is_none() -> None:
    with run(table()) as (context, _):
        for keep in ((0.0, 0.5), (0.5, 0.5), (-1.0, 0.5), (0.0, 2.0)):
            with pytest.raises(FederatedError, match=r"kept apart|a part of"):
                training_data(context, ("age",), "event", keep=keep)


def test_too_few_rows_refuse_the_round_and_are_given_to_who_only_predicts_for_them() -> None:
    with run(table(), min_cohort=95) as (context, offer):
        scored = rows_to_score(context, ("age",), "event", keep=(0.0, 1.0))
        assert len(scored.outcome) == ROWS and not offer.too_small
        with pytest.raises(FederatedError, match="too few rows"):
            training_data(context, ("age",), "event")
        assert offer.too_small


def test_codes_come_with_their_widths_and_what_is_missing() -> None:
    with run(table(), smallest_cell=1) as (context, _):
        made = coded_data(context, ("smoking", "age"), "event")
        assert made.widths == (2, 80) and made.codes.shape == (ROWS, 2)
        assert made.is_missing[:, 0].sum() == 5 and made.is_missing[:, 1].sum() == 10
        assert not made.codes.flags.writeable
    with run(table(), min_cohort=1_000) as (context, offer):
        with pytest.raises(FederatedError, match="too few rows"):
            coded_data(context, ("smoking",), "event")
        assert offer.too_small
