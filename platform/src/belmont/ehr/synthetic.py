"""Synthetic hospitals: people with type 2 diabetes, their records, and the truth behind them.

    cohorts = generate_population(hospitals=4, patients=4000, seed=7)
    tables = coded_tables(cohorts)                    # straight to coded tables, or
    write_fhir(cohorts[0], Path("hospital-1"))        # FHIR R4 NDJSON, which reads back to the same table
    fresh = holdout(patients=10_000, seed=7)          # the same mixture of patients, in no hospital's data

The same seed gives the same bytes on every machine. docs/synthetic_model.md describes the model; nobody in it exists.
"""

from belmont.ehr.coded import CodedTable
from belmont.ehr.dictionary import Dictionary
from belmont.ehr.errors import GeneratorError
from belmont.ehr.synthetic_cohort import HospitalCohort, demonstration_dictionary
from belmont.ehr.synthetic_csv import write_csv
from belmont.ehr.synthetic_draws import Draws
from belmont.ehr.synthetic_fhir import write_fhir
from belmont.ehr.synthetic_model import Profile, Truth, hospital_profile, true_patients
from belmont.ehr.synthetic_records import Records, written_records

__all__ = ["HospitalCohort", "coded_tables", "generate_population", "holdout", "write_csv", "write_fhir"]

MAX_HOSPITALS = 1000
MAX_PATIENTS = 10_000_000

_COHORT, _HOLDOUT = 1, 2


def generate_population(hospitals: int, patients: int, seed: int) -> list[HospitalCohort]:
    """Hospitals that differ in size, case mix, units and care with records; `patients` counts over all of them."""
    profiles = _profiles(hospitals, patients, seed)
    dictionary = demonstration_dictionary(None)
    cohorts = []
    for hospital, (profile, size) in enumerate(zip(profiles, _sizes(profiles, patients), strict=True)):
        draws = Draws(seed, (_COHORT, hospital), size)
        truth = true_patients(profile, draws)
        records = written_records(profile, truth, dictionary, draws)
        cohorts.append(HospitalCohort(f"hospital-{hospital + 1}", hospital, seed, truth, records))
    return cohorts


def holdout(patients: int, seed: int, hospitals: int = 4) -> HospitalCohort:
    """A fresh cohort of the same mixture as `generate_population(hospitals, ..., seed)`; none of them is in a hospital.

    Its records have the same gaps, slips and consents; `coded` gives its table, `rows_of` the way back to the truth.
    """
    profiles = _profiles(hospitals, patients, seed)
    dictionary = demonstration_dictionary(None)
    truths, records = [], []
    for hospital, (profile, size) in enumerate(zip(profiles, _sizes(profiles, patients), strict=True)):
        draws = Draws(seed, (_HOLDOUT, hospital), size)
        truths.append(true_patients(profile, draws))
        records.append(written_records(profile, truths[-1], dictionary, draws))
    return HospitalCohort("holdout", None, seed, Truth.join(truths), Records.join(records))


def coded_tables(cohorts: list[HospitalCohort], dictionary: Dictionary | None = None) -> list[CodedTable]:
    """The coded table of each cohort, row for row what ingest makes of its FHIR or CSV files."""
    return [cohort.coded(dictionary) for cohort in cohorts]


def _profiles(hospitals: int, patients: int, seed: int) -> list[Profile]:
    if not 1 <= hospitals <= MAX_HOSPITALS:
        raise GeneratorError(f"the number of hospitals is 1 to {MAX_HOSPITALS}, not {hospitals}")
    if not hospitals <= patients <= MAX_PATIENTS:
        raise GeneratorError(
            f"the number of patients is {hospitals} (one a hospital) to {MAX_PATIENTS}, not {patients}"
        )
    if seed < 0:
        raise GeneratorError(f"a seed is 0 or more, not {seed}")
    return [hospital_profile(seed, hospital) for hospital in range(hospitals)]


def _sizes(profiles: list[Profile], patients: int) -> list[int]:
    """Patients of each hospital by weight, at least one each, adding up exactly (largest remainders)."""
    total = sum(profile.size_weight for profile in profiles)
    spare = patients - len(profiles)
    exact = [spare * profile.size_weight / total for profile in profiles]
    sizes = [int(each) for each in exact]
    by_remainder = sorted(range(len(sizes)), key=lambda i: (sizes[i] - exact[i], i))
    for i in by_remainder[: spare - sum(sizes)]:
        sizes[i] += 1
    return [size + 1 for size in sizes]
