"""The synthetic hospitals: the same bytes every time, patients as the model says, and a known truth."""

import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from belmont.cli import main
from belmont.ehr.coded import CodedTable
from belmont.ehr.dictionary import Dictionary
from belmont.ehr.errors import GeneratorError
from belmont.ehr.synthetic import HospitalCohort, coded_tables, generate_population, holdout, write_csv, write_fhir
from belmont.ehr.synthetic_draws import Draws, inverse_normal
from belmont.ehr.synthetic_model import RISK_COEFFICIENTS, RISK_INTERCEPT
from belmont.ehr.synthetic_records import MEASURES, Fate

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def large() -> list[HospitalCohort]:
    return generate_population(hospitals=4, patients=40_000, seed=7)


def auc(outcome: NDArray[Any], score: NDArray[np.float64]) -> float:
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(outcome, score))


def features(table: CodedTable) -> NDArray[np.float64]:
    columns = [(table.values(name) - table.center(name)) / table.scale(name) for name in table.dictionary.features]
    return np.nan_to_num(np.stack(columns, axis=1))


def test_the_same_seed_gives_the_same_bytes_and_another_gives_others(tmp_path: Path) -> None:
    def written(seed: int, name: str) -> list[bytes]:
        cohort = generate_population(2, 60, seed)[1]
        paths = [*write_fhir(cohort, tmp_path / name), write_csv(cohort, tmp_path / name / "h.csv")]
        return [*(path.read_bytes() for path in paths), cohort.coded().to_bytes()]

    assert written(5, "a") == written(5, "b")
    assert all(one != other for one, other in zip(written(5, "a"), written(6, "c"), strict=True))


def test_the_committed_sample_is_what_the_command_makes_from_its_numbers_and_nothing_else(tmp_path: Path) -> None:
    sample, again = REPOSITORY / "datasets" / "synthetic" / "sample", tmp_path / "again"
    made_with = json.loads((sample / "made_with.json").read_text(encoding="utf-8"))
    numbers = [word for name, value in made_with.items() for word in (f"--{name}", str(value))]
    assert main(["data", "generate", *numbers, "--truth", "--out", str(again)]) == 0

    def files(folder: Path) -> dict[str, bytes]:
        return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    made = files(again)
    assert made.pop("dictionary.yaml") == (sample.parent / "dictionary.yaml").read_bytes()
    made["made_with.json"] = (sample / "made_with.json").read_bytes()
    assert made == files(sample)
    assert sum(len(content) for content in files(sample).values()) <= 2_000_000


DIGEST = "87c24e7aec48a0ca220dc948c9b8563bf4034e29fcb6fa94142feff6175248b8"
PRINT_DIGEST = """
import hashlib
from belmont.ehr.synthetic import coded_tables, generate_population
tables = coded_tables(generate_population(3, 3000, 2024))
print(hashlib.sha256(b"".join(table.to_bytes() for table in tables)).hexdigest())
"""


@pytest.mark.parametrize("switched_off", ["", "X86_V4 AVX512_ICL AVX512_SPR", "X86_V3 X86_V4 AVX512_ICL AVX512_SPR"])
def test_these_bytes_stay_the_same_on_every_machine(switched_off: str) -> None:
    """numpy's exp and log differ in their last bits between these kinds of processors."""
    if switched_off and platform.machine() != "x86_64":
        pytest.skip("these are names of x86 features")
    environment = {**os.environ, "NPY_DISABLE_CPU_FEATURES": switched_off}
    done = subprocess.run([sys.executable, "-c", PRINT_DIGEST], env=environment, capture_output=True, check=True)
    assert done.stdout.decode().strip() == DIGEST


def test_draws_use_only_the_raw_words_of_pcg64() -> None:
    draws = Draws(7, (1, 2), 5)
    raw = np.random.PCG64(np.random.SeedSequence(7, spawn_key=(1, 2))).random_raw(5)
    assert draws.uniform().tolist() == [((int(word) >> 12) + 0.5) / 2**52 for word in raw]


def test_the_inverse_normal_agrees_with_the_standard_library() -> None:
    from statistics import NormalDist

    p = np.concatenate([np.linspace(1e-9, 1 - 1e-9, 999), [1e-300, 2.0**-53, 1 - 2.0**-53]])
    exact = np.array([NormalDist().inv_cdf(each) for each in p])
    assert np.abs(inverse_normal(p) - exact).max() < 1e-9


@pytest.mark.parametrize(("hospitals", "patients"), [(1, 1), (3, 3), (4, 4000), (7, 1001)])
def test_patients_are_counted_over_all_hospitals(hospitals: int, patients: int) -> None:
    cohorts = generate_population(hospitals, patients, 1)
    assert len(cohorts) == hospitals
    assert sum(cohort.patients for cohort in cohorts) == patients
    assert all(cohort.patients >= 1 for cohort in cohorts)


@pytest.mark.parametrize(("hospitals", "patients", "seed"), [(0, 10, 1), (5, 4, 1), (2, 10, -1), (2, 10**8, 1)])
def test_what_cannot_be_made_is_refused(hospitals: int, patients: int, seed: int) -> None:
    with pytest.raises(GeneratorError):
        generate_population(hospitals, patients, seed)


def test_going_straight_to_tables_needs_the_demonstration_dictionary(cohorts: list[HospitalCohort]) -> None:
    text = "format: belmont-dictionary/1\nname: x\nversion: 1\ntitle: x\n"
    other = Dictionary.loads(text + "columns: [{name: a, label: a, kind: bit, on_bad: drop_row}]")
    with pytest.raises(GeneratorError, match="FHIR or CSV"):
        cohorts[0].coded(other)


def test_event_rate_and_true_auc_are_in_the_intended_range(large: list[HospitalCohort]) -> None:
    outcome = np.concatenate([cohort.outcome for cohort in large])
    risk = np.concatenate([cohort.true_risk for cohort in large])
    assert 0.12 < outcome.mean() < 0.20
    assert abs(outcome.mean() - risk.mean()) < 0.01
    assert 0.75 < auc(outcome, risk) < 0.80


def test_true_risk_is_calibrated_in_every_tenth(large: list[HospitalCohort]) -> None:
    outcome = np.concatenate([cohort.outcome for cohort in large])
    risk = np.concatenate([cohort.true_risk for cohort in large])
    for tenth in np.array_split(np.argsort(risk), 10):
        spread = np.sqrt(risk[tenth].mean() / tenth.size)
        assert abs(outcome[tenth].mean() - risk[tenth].mean()) < 4 * spread


def test_a_logistic_regression_on_the_coded_columns_comes_close_to_the_truth() -> None:
    from sklearn.linear_model import LogisticRegression

    tables = coded_tables(generate_population(4, 4000, 7))
    fresh = holdout(20_000, 7)
    table = fresh.coded()
    outcome = table.codes("cvd_event")
    model = LogisticRegression().fit(
        np.concatenate([features(each) for each in tables]),
        np.concatenate([each.codes("cvd_event") for each in tables]),
    )
    learned = auc(outcome, model.predict_proba(features(table))[:, 1])
    truth = auc(outcome, fresh.true_risk[fresh.rows_of(table)])
    assert truth - 0.02 < learned < truth + 0.005


def test_a_holdout_cohort_shares_no_patient_and_has_the_same_mixture(large: list[HospitalCohort]) -> None:
    fresh = holdout(40_000, 7)
    assert fresh.hospital is None
    assert not set(fresh.identifiers) & {name for cohort in large for name in cohort.identifiers}
    assert abs(fresh.true_risk.mean() - np.concatenate([cohort.true_risk for cohort in large]).mean()) < 0.005
    assert not np.isin(fresh.truth.bmi, np.concatenate([cohort.truth.bmi for cohort in large])).mean() > 0.01


def test_rows_of_a_table_lead_back_to_the_truth(cohorts: list[HospitalCohort]) -> None:
    for cohort in cohorts:
        table = cohort.coded()
        rows = cohort.rows_of(table)
        assert np.array_equal(cohort.outcome[rows], table.codes("cvd_event") == 1)
        assert np.array_equal(cohort.truth.age[rows], table.values("age"))
    with pytest.raises(GeneratorError):
        cohorts[0].rows_of(cohorts[1].coded())


@pytest.mark.parametrize(
    ("one", "other", "least", "most"),
    [
        ("systolic", "diastolic", 0.4, 0.8),
        ("age", "egfr", -0.7, -0.3),
        ("bmi", "systolic", 0.02, 0.3),
        ("bmi", "hdl", -0.5, -0.1),
        ("ldl", "statin", -0.7, -0.2),
        ("age", "prior_event", 0.05, 0.35),
        ("prior_event", "statin", 0.05, 0.4),
    ],
)
def test_variables_are_correlated_as_in_patients(
    large: list[HospitalCohort], one: str, other: str, least: float, most: float
) -> None:
    first, second = (np.concatenate([getattr(cohort.truth, name) for cohort in large]) for name in (one, other))
    assert least < np.corrcoef(first, second)[0, 1] < most


def test_hospitals_differ_in_case_mix_prevalence_units_and_missingness(large: list[HospitalCohort]) -> None:
    assert np.ptp([cohort.truth.age.mean() for cohort in large]) > 1
    assert np.ptp([cohort.outcome.mean() for cohort in large]) > 0.02
    assert np.ptp([cohort.truth.prior_event.mean() for cohort in large]) > 0.03
    assert np.ptp([(cohort.records.fate["ldl"] == Fate.MISSING).mean() for cohort in large]) > 0.02
    units = {(int(cohort.records.unit["hba1c"][0]), int(cohort.records.unit["ldl"][0])) for cohort in large}
    assert units == {(0, 0), (0, 1), (1, 0), (1, 1)}


def test_hba1c_is_missing_more_often_where_it_is_high(large: list[HospitalCohort]) -> None:
    for cohort in large:
        gone = cohort.records.fate["hba1c"] == Fate.MISSING
        assert cohort.truth.hba1c[gone].mean() > cohort.truth.hba1c[~gone].mean() + 2


def test_every_kind_of_slip_and_duplicate_occurs(large: list[HospitalCohort]) -> None:
    for name in MEASURES:
        met = {Fate(int(fate)) for cohort in large for fate in np.unique(cohort.records.fate[name])}
        assert met >= {Fate.FINE, Fate.MISSING, Fate.IMPOSSIBLE, Fate.UNKNOWN_UNIT, Fate.CODE_TYPO}
    assert any((cohort.records.fate["hba1c"] == Fate.SWAPPED_UNIT).any() for cohort in large)
    assert all(cohort.records.patient_twice.any() and cohort.records.lab_twice.any() for cohort in large)


def test_the_written_down_model_has_the_coefficients_of_the_program() -> None:
    page = (REPOSITORY / "docs" / "synthetic_model.md").read_text(encoding="utf-8")
    assert f"| intercept | {RISK_INTERCEPT:.2f} |" in page
    for name, coefficient in RISK_COEFFICIENTS.items():
        assert f"| `{name}` | {coefficient:.2f} |" in page, name
