"""An evaluation with noise: every row adds its own cells, of a fixed norm, and the rest is noise."""

from typing import Any

import numpy as np
import pytest

from belmont.federated.accounting.clipping import clip_examples
from belmont.federated.accounting.settings import Clipping, PrivacySettings
from belmont.federated.errors import FederatedError
from belmont.federated.evaluation.layout import PRIVATE_BINS, evaluation_sum, row_weight
from belmont.federated.evaluation.risks import RiskSums
from belmont.federated.executor.compute import compute
from belmont.federated.executor.parcel import ArrayTable
from belmont.federated.executor.protocol import Answer, Task
from belmont.federated.hashes import code_hash
from belmont.federated.models.bundles import shipped_bundle
from belmont.registry.types import MicroRho

from .conftest import MODEL, Evaluate, hospital, study

NOISE = PrivacySettings(Clipping.EXAMPLE, 2.0, 20, MicroRho(90_000_000), 3)
BUNDLE = shipped_bundle("glm")


def private(**more: Any) -> dict[str, Any]:
    return study(groups=("sex", "age:60"), **(NOISE.as_config() | more))


def by_row(table: ArrayTable, config: dict[str, Any]) -> np.ndarray:
    """What the app answers for a hospital whose first half is kept apart."""
    fractions = np.linspace(0, 0.999, table.rows)
    task = Task(BUNDLE, code_hash(BUNDLE), config, MODEL, 1, 1, 1, table, 10, 1, True, fractions, "evaluate")
    outcome = compute(task)
    assert isinstance(outcome, Answer)
    return outcome.arrays["counts"]


def test_each_row_is_one_in_each_of_its_slots_and_none_is_cut() -> None:
    table, config = hospital(60), private()
    rows = by_row(table, config)
    assert rows.shape == (60, 10, PRIVATE_BINS, 2)
    ones = rows / np.float32(row_weight(config))
    assert np.isin(np.round(ones, 5), (0, 1)).all()
    assert ones.sum(axis=(1, 2, 3)).round(3).tolist() == [3.0] * 30 + [1.0] * 30
    clipped = clip_examples({"counts": rows}, NOISE.bound, NOISE.fraction_bits)
    assert clipped.contributions == 60
    scaled = np.ldexp(clipped.values.reshape(10, PRIVATE_BINS, 2).astype(float), -20) / row_weight(config)
    assert np.allclose(scaled, ones.sum(axis=0), atol=1e-3)
    assert scaled[0].sum() == pytest.approx(30, abs=1e-3)


def test_a_row_rests_on_that_patient_alone() -> None:
    config = private()
    table = hospital(60)
    whole, without = by_row(table, config), by_row(table.select(np.arange(60) != 45), config)
    assert (whole[:30] == without[:30]).all() and (whole[46:] == without[45:]).all()


def test_with_little_noise_the_sums_are_the_counts_and_the_auc_theirs(evaluate: Evaluate) -> None:
    tables, config = [hospital(3_000, seed) for seed in range(3)], private()
    exact = RiskSums(evaluate(tables, study(), smallest_cell=1)["counts"][0])
    counts = evaluate(tables, config)["counts"] / row_weight(config)
    assert counts[:2].sum() == pytest.approx(9_000, abs=100)
    found = RiskSums(counts[0], noise_deviation=1.0)
    interval = found.auc_interval()
    surely = found.auc_interval(level=1 - 1e-9)  # each evaluation here keeps others apart
    assert surely.low < exact.auc() < surely.high
    assert interval.high - interval.low >= exact.auc_interval().high - exact.auc_interval().low - 0.02
    louder = RiskSums(counts[0], noise_deviation=30.0)
    for one, two in ((louder.auc_interval(), interval), (louder.at(0.3).sensitivity, found.at(0.3).sensitivity)):
        assert one.high - one.low > 1.5 * (two.high - two.low), "more noise, wider intervals"
    for sums in (found, louder):
        slope = sums.calibration_slope(level=1 - 1e-9)
        assert slope.low < 1.0 < slope.high


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"evaluates": "value"}, "only models of a risk"),
        ({"report-hospitals": True}, "no results of single hospitals"),
        ({"belmont-clipping": "client"}, "by row"),
    ],
)
def test_what_has_no_form_with_noise_is_refused_and_says_so(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(FederatedError, match=message):
        evaluation_sum(private() | changed)
