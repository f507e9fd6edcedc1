"""A synthetic cohort as one CSV file in the hospital's own units: a table as a registry would export it.

One row a patient, except those registered twice. It codes to the same table as the cohort's FHIR files.
"""

import csv
from pathlib import Path

import numpy as np

from belmont.ehr.dictionary import Dictionary
from belmont.ehr.synthetic_cohort import HospitalCohort
from belmont.ehr.synthetic_records import MEASURES, ConsentKind, Fate, impossible_value

_SMOKING = ("never", "former", "current")
_CONSENT = {ConsentKind.PERMITS: "yes", ConsentKind.DENIES: "no", ConsentKind.WITHDRAWN: "no", ConsentKind.ABSENT: ""}
_WRONG_AGE = "118"


def write_csv(cohort: HospitalCohort, path: Path) -> Path:
    """Write the cohort as CSV with the headers of the demonstration dictionary, and return the path."""
    dictionary = Dictionary.builtin()
    path.parent.mkdir(parents=True, exist_ok=True)
    header = [dictionary.csv.identifier, dictionary.csv.date or "", dictionary.csv.consent or ""]
    for column in dictionary:
        header.append(column.csv.header)
        if column.csv.unit_header is not None:
            header.append(column.csv.unit_header)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        for i in range(cohort.patients):
            row = _row(cohort, dictionary, i)
            writer.writerow(row)
            if cohort.records.patient_twice[i]:
                writer.writerow(row)
    return path


def _row(cohort: HospitalCohort, dictionary: Dictionary, i: int) -> list[str]:
    truth, records = cohort.truth, cohort.records
    row = [
        cohort.identifiers[i],
        str(np.datetime64(int(records.baseline_day[i]), "D")),
        _CONSENT[ConsentKind(int(records.consent[i]))],
    ]
    smoking = "??" if records.smoking_fate[i] else _SMOKING[int(truth.smoking[i])]
    words = {
        "age": _WRONG_AGE if records.birth_date_wrong[i] else str(int(truth.age[i])),
        "sex": "" if records.sex_unknown[i] else "male" if truth.male[i] else "female",
        "smoking": "" if records.smoking_fate[i] == Fate.MISSING else smoking,
        "statin": str(int(truth.statin[i])),
        "antihypertensive": str(int(truth.antihypertensive[i])),
        "prior_event": str(int(truth.prior_event[i])),
        "cvd_event": str(int(truth.outcome[i])),
    }
    for column in dictionary:
        if column.name in words:
            row.append(words[column.name])
        else:
            row += _measured(cohort, dictionary, column.name, i)
    return row


def _measured(cohort: HospitalCohort, dictionary: Dictionary, name: str, i: int) -> tuple[str, str]:
    """Value and unit as text; both empty where the value is missing."""
    records = cohort.records
    measure, index, fate = MEASURES[name], int(records.unit[name][i]), int(records.fate[name][i])
    choice = measure.units[index]
    source = name
    if records.pressure_swapped[i] and name in ("systolic", "diastolic"):
        source = "diastolic" if name == "systolic" else "systolic"
    value, unit = float(records.value[source][i]), choice.unit
    if fate == Fate.MISSING:
        return "", ""
    if fate != Fate.FINE and name == "hba1c" and not np.isnan(records.older_hba1c[i]):
        value, fate = float(records.older_hba1c[i]), int(Fate.FINE)
    if fate == Fate.IMPOSSIBLE:
        value = impossible_value(value, dictionary.column(name), unit)
    elif fate == Fate.UNKNOWN_UNIT:
        unit = measure.unlisted_unit
    elif fate == Fate.SWAPPED_UNIT:
        unit = measure.units[1 - index].unit
    text = f"{value:.{choice.decimals}f}"
    return (f"{text}?" if fate == Fate.CODE_TYPO else text), unit
