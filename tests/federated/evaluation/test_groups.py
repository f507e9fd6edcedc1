"""Subgroups as a configuration names them."""

import numpy as np
import pytest

from belmont.federated.errors import FederatedError
from belmont.federated.evaluation.groups import Group, GroupColumn, read_groups
from belmont.federated.evaluation.layout import evaluation_config, evaluation_sum, slots_of


def column(values: list[float], levels: tuple[str, ...] = (), width: int = 100) -> GroupColumn:
    found = np.array(values)
    codes = np.nan_to_num(found).astype(np.int64)
    return GroupColumn(codes, np.isfinite(found), found, levels, width)


def test_cut_points_make_one_part_more_than_there_are_points() -> None:
    (group,) = read_groups("age:40,60")
    assert group.names == ("age <40", "age 40 to <60", "age >=60")
    assert group.places(column([39.9, 40.0, 59.0, 60.0, np.nan])).tolist() == [0, 1, 1, 2, -1]


def test_levels_are_parts_by_name_and_everybody_else_is_in_none() -> None:
    (group,) = read_groups("smoking:never,current")
    smoking = column([1, 2, 3, np.nan], ("never", "former", "current"), 3)
    assert group.places(smoking).tolist() == [0, -1, 1, -1]


def test_a_column_alone_has_a_part_for_each_level_or_bit_value() -> None:
    (group,) = read_groups("sex")
    assert group.places(column([1, 2, np.nan], ("female", "male"), 2)).tolist() == [0, 1, -1]
    assert group.labelled(("female", "male"))[:3] == ("sex=female", "sex=male", "sex #3")
    assert group.places(column([0, 1], (), 1)).tolist() == [0, 1]
    assert group.labelled(())[:2] == ("sex=0", "sex=1")


@pytest.mark.parametrize(
    "text", ["age:60,40", "age:40,40", "age:40,x", "age:", ":40", "age:nan", " age", "sex;sex", "sex;", "a:1,,2", 7]
)
def test_what_is_no_group_is_refused(text: object) -> None:
    with pytest.raises(FederatedError):
        read_groups(text)


@pytest.mark.parametrize(
    ("group", "given"),
    [
        (Group("age"), column([50.0])),
        (Group("sex", (1.0,)), column([1], ("female", "male"), 2)),
        (Group("sex", (), ("other",)), column([1], ("female", "male"), 2)),
        (Group("site"), column([1], tuple("abcdefg"), 7)),
    ],
)
def test_a_group_that_does_not_fit_its_column_is_refused(group: Group, given: GroupColumn) -> None:
    with pytest.raises(FederatedError):
        group.places(given)


def test_more_parts_than_there_are_slots_are_refused() -> None:
    with pytest.raises(FederatedError, match="40 parts"):
        read_groups(";".join(f"c{k}" for k in range(7)))


def test_the_configuration_fixes_slots_and_shape_on_both_sides() -> None:
    config = evaluation_config("risk", 0.2, ("sex:a,b", "age:50"), report_hospitals=True)
    assert slots_of(config) == ("held out", "trained on", "sex=a", "sex=b", "age <50", "age >=50")
    assert dict(evaluation_sum(config).arrays) == {"counts": (6, 100, 2), "hospitals": (16, 7)}
    assert evaluation_config("risk", 0.0) == {}
    with pytest.raises(FederatedError, match="holdout"):
        evaluation_config("risk", 0.0, ("sex",))
    with pytest.raises(FederatedError, match="risk"):
        evaluation_sum({"holdout": 0.2, "evaluates": "rank"})
    with pytest.raises(FederatedError, match="true or false"):
        evaluation_sum(config | {"report-hospitals": "yes"})
