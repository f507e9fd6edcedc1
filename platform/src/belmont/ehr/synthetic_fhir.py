"""A synthetic cohort as FHIR R4 bulk data: one NDJSON file for each resource type.

Every resource is valid R4 by structure, slips included: a slip is a wrong content (a mistyped code, a number no patient
has), never a broken resource. Every Patient is labelled HTEST, test health data. Text is made from whole numbers and
values rounded before, so the same seed gives the same bytes.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from belmont.ehr.check_digits import LOINC, SNOMED
from belmont.ehr.dictionary import Dictionary
from belmont.ehr.synthetic_cohort import HospitalCohort
from belmont.ehr.synthetic_records import MEASURES, ConsentKind, Fate, impossible_value

RESOURCE_TYPES = ("Patient", "Encounter", "Condition", "Observation", "MedicationRequest", "Consent")
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
UCUM = "http://unitsofmeasure.org"
TERMINOLOGY = "http://terminology.hl7.org/CodeSystem"

WRONG_BIRTH_DATE = "1900-01-01"
CONSENT_UNTIL = "2049-12-31"
_PROGRESS_EVERY = 500

_STATINS = (("83367", "atorvastatin"), ("36567", "simvastatin"), ("301542", "rosuvastatin"), ("42463", "pravastatin"))
_ANTIHYPERTENSIVES = (
    ("35296", "ramipril"),
    ("29046", "lisinopril"),
    ("52175", "losartan"),
    ("17767", "amlodipine"),
    ("5487", "hydrochlorothiazide"),
)
_EVENTS = (
    ("57054005", "Acute myocardial infarction"),
    ("22298006", "Myocardial infarction"),
    ("230690007", "Cerebrovascular accident"),
    ("422504002", "Ischemic stroke"),
)
_SMOKING = (("266919005", "Never smoked tobacco"), ("8517006", "Ex-smoker"), ("449868002", "Smokes tobacco daily"))

Resource = dict[str, Any]
Progress = Callable[[int, int], None]


def write_fhir(cohort: HospitalCohort, directory: Path, progress: Progress | None = None) -> list[Path]:
    """Write Patient.ndjson and the others into `directory` (made if need be) and return their paths.

    `progress` is called with (patients written, patients) now and then. Raises OSError where the disk refuses.
    """
    directory.mkdir(parents=True, exist_ok=True)
    paths = [directory / f"{kind}.ndjson" for kind in RESOURCE_TYPES]
    encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode
    files = {
        kind: path.open("w", encoding="ascii", newline="\n") for kind, path in zip(RESOURCE_TYPES, paths, strict=True)
    }
    try:
        writer = _PatientWriter(cohort)
        for index in range(cohort.patients):
            for resource in writer.resources(index):
                files[resource["resourceType"]].write(encode(resource) + "\n")
            if progress is not None and (index + 1) % _PROGRESS_EVERY == 0:
                progress(index + 1, cohort.patients)
    finally:
        for file in files.values():
            file.close()
    if progress is not None:
        progress(cohort.patients, cohort.patients)
    return paths


class _PatientWriter:
    """The resources of one patient after the other."""

    def __init__(self, cohort: HospitalCohort) -> None:
        records = cohort.records
        self._cohort = cohort
        self._dictionary = Dictionary.builtin()
        self._identifier_system = f"urn:belmont:synthetic:{cohort.name}"
        # Python numbers, not numpy scalars: a third of the time, and json accepts them.
        self._value = {name: records.value[name].tolist() for name in MEASURES}
        self._fate = {name: records.fate[name].tolist() for name in MEASURES}
        self._unit = {name: records.unit[name].tolist() for name in MEASURES}
        self._choice = records.choice.tolist()
        self._baseline = records.baseline_day.tolist()
        first, last = int(records.baseline_day.min()) - 6000, int(records.baseline_day.max()) + 3000
        self._first_day = first
        self._dates: list[str] = np.arange(first, last).astype("datetime64[D]").astype(str).tolist()
        self._births = _birth_dates(cohort).tolist()

    def _date(self, day: int) -> str:
        return self._dates[day - self._first_day]

    def resources(self, i: int) -> list[Resource]:
        """Everything recorded about patient `i`."""
        records, truth = self._cohort.records, self._cohort.truth
        patient = f"h{self._cohort.identifiers[i]}".lower()
        subject = {"reference": f"Patient/{patient}"}
        found = [self._patient(i, patient)]
        if records.patient_twice[i]:
            found.append(self._patient(i, f"{patient}-again"))
        found += self._encounters(i, patient, subject)
        found += self._conditions(i, patient, subject)
        found += self._observations(i, patient, subject)
        found += self._medications(i, patient, subject, bool(truth.statin[i]), bool(truth.antihypertensive[i]))
        found += self._consents(i, patient, subject)
        return found

    def _patient(self, i: int, patient: str) -> Resource:
        records, truth = self._cohort.records, self._cohort.truth
        gender = "unknown" if records.sex_unknown[i] else "male" if truth.male[i] else "female"
        return {
            "resourceType": "Patient",
            "id": patient,
            "meta": {"tag": [{"system": f"{TERMINOLOGY}/v3-ActReason", "code": "HTEST"}]},
            "identifier": [
                {
                    "use": "official",
                    "type": {"coding": [{"system": f"{TERMINOLOGY}/v2-0203", "code": "MR"}]},
                    "system": self._identifier_system,
                    "value": self._cohort.identifiers[i],
                }
            ],
            "gender": gender,
            "birthDate": WRONG_BIRTH_DATE if records.birth_date_wrong[i] else self._births[i],
        }

    def _encounters(self, i: int, patient: str, subject: Resource) -> list[Resource]:
        visits = [0, 364] if self._choice[i] % 3 == 0 else [0]
        return [
            {
                "resourceType": "Encounter",
                "id": f"{patient}-visit-{number}",
                "status": "finished",
                "class": {"system": f"{TERMINOLOGY}/v3-ActCode", "code": "AMB", "display": "ambulatory"},
                "type": [_concept(SNOMED, "170777000", "Diabetic annual review")],
                "subject": subject,
                "period": {"start": self._date(self._baseline[i] + day), "end": self._date(self._baseline[i] + day)},
            }
            for number, day in enumerate(visits, start=1)
        ]

    def _conditions(self, i: int, patient: str, subject: Resource) -> list[Resource]:
        records, truth = self._cohort.records, self._cohort.truth
        choice, baseline = self._choice[i], self._baseline[i]
        event = _EVENTS[choice % len(_EVENTS)]
        listed = [("diabetes", "44054006", "Diabetes mellitus type 2", -400 - choice, "confirmed")]
        if truth.prior_event[i]:
            listed.append(("prior", *event, -int(records.prior_days[i]), "confirmed"))
        if records.event_days[i]:
            listed.append(("event", *event, int(records.event_days[i]), "confirmed"))
        if choice % 50 == 1:
            listed.append(("suspected", *event, 200 + choice, "refuted"))
        return [
            {
                "resourceType": "Condition",
                "id": f"{patient}-{name}",
                **(
                    {}
                    if status == "refuted"
                    else {"clinicalStatus": _concept(f"{TERMINOLOGY}/condition-clinical", "active")}
                ),
                "verificationStatus": _concept(f"{TERMINOLOGY}/condition-ver-status", status),
                "code": _concept(SNOMED, code, display),
                "subject": subject,
                "onsetDateTime": self._date(baseline + day),
            }
            for name, code, display, day, status in listed
        ]

    def _observations(self, i: int, patient: str, subject: Resource) -> list[Resource]:
        records = self._cohort.records
        observed = self._date(self._baseline[i] - int(records.observed_days[i]))

        def observation(name: str, **content: Any) -> Resource:
            return {
                "resourceType": "Observation",
                "id": f"{patient}-{name}",
                "status": "final",
                **content,
                "subject": subject,
                "encounter": {"reference": f"Encounter/{patient}-visit-1"},
                "effectiveDateTime": observed,
            }

        found = []
        pressures = {name: self._measured(i, name) for name in ("systolic", "diastolic")}
        if records.pressure_swapped[i]:
            upper, lower = (pressures[name]["valueQuantity"] for name in ("systolic", "diastolic"))
            upper["value"], lower["value"] = lower["value"], upper["value"]
        if records.pressure_panel[i]:
            components = [content for content in pressures.values() if content]
            if components:
                code = _concept(LOINC, "85354-9", "Blood pressure panel with all children optional")
                found.append(observation("pressure", code=code, component=components))
        else:
            found += [observation(name, **content) for name, content in pressures.items() if content]
        for name in ("bmi", "hba1c", "ldl", "hdl", "egfr"):
            content = self._measured(i, name)
            if content:
                found.append(observation(name, **content))
                if name == "bmi" and records.patient_twice[i]:
                    again = {"reference": f"Patient/{patient}-again"}
                    found.append({**observation("bmi-again", **content), "subject": again})
                if name == "hba1c" and records.lab_twice[i]:
                    found.append(observation("hba1c-again", **content))
        if not np.isnan(records.older_hba1c[i]):
            choice = MEASURES["hba1c"].units[self._unit["hba1c"][i]]
            quantity = _quantity(float(records.older_hba1c[i]), choice.unit, choice.decimals)
            earlier = self._date(self._baseline[i] - int(records.observed_days[i]) - 150)
            code = _concept(LOINC, choice.loinc, choice.display)
            found.append(
                {**observation("hba1c-earlier", code=code, valueQuantity=quantity), "effectiveDateTime": earlier}
            )
        if records.smoking_fate[i] != Fate.MISSING:
            answer, display = _SMOKING[int(self._cohort.truth.smoking[i])]
            if records.smoking_fate[i] == Fate.CODE_TYPO:
                answer = _typo(answer)
            status = _concept(SNOMED, answer, display)
            found.append(
                observation(
                    "smoking", code=_concept(LOINC, "72166-2", "Tobacco smoking status"), valueCodeableConcept=status
                )
            )
        return found

    def _measured(self, i: int, name: str) -> Resource:
        """code and valueQuantity of a measure, with its slip; empty where it is missing."""
        fate = self._fate[name][i]
        if fate == Fate.MISSING:
            return {}
        measure, index = MEASURES[name], self._unit[name][i]
        choice = measure.units[index]
        value, unit, code = self._value[name][i], choice.unit, choice.loinc
        if fate == Fate.IMPOSSIBLE:
            value = impossible_value(value, self._dictionary.column(name), unit)
        elif fate == Fate.UNKNOWN_UNIT:
            unit = measure.unlisted_unit
        elif fate == Fate.SWAPPED_UNIT:
            unit = measure.units[1 - index].unit
        elif fate == Fate.CODE_TYPO:
            code = _typo(code)
        return {"code": _concept(LOINC, code, choice.display), "valueQuantity": _quantity(value, unit, choice.decimals)}

    def _medications(
        self, i: int, patient: str, subject: Resource, statin: bool, antihypertensive: bool
    ) -> list[Resource]:
        choice = self._choice[i]
        written = self._baseline[i] - int(self._cohort.records.observed_days[i]) - 10
        listed = []
        if choice % 4:
            listed.append(("metformin", "6809", "metformin", written))
        if statin:
            listed.append(("statin", *_STATINS[choice % len(_STATINS)], written))
        elif choice % 20 == 0:
            listed.append(("statin-stopped", *_STATINS[0], self._baseline[i] - 800))
        if antihypertensive:
            listed.append(("antihypertensive", *_ANTIHYPERTENSIVES[choice % len(_ANTIHYPERTENSIVES)], written))
        return [
            {
                "resourceType": "MedicationRequest",
                "id": f"{patient}-{name}",
                "status": "completed" if name == "statin-stopped" else "active",
                "intent": "order",
                "medicationCodeableConcept": _concept(RXNORM, code, display),
                "subject": subject,
                "authoredOn": self._date(day),
            }
            for name, code, display, day in listed
        ]

    def _consents(self, i: int, patient: str, subject: Resource) -> list[Resource]:
        kind = self._cohort.records.consent[i]
        baseline = self._baseline[i]
        if kind == ConsentKind.ABSENT:
            return []
        if kind == ConsentKind.DENIES:
            return [self._consent(f"{patient}-consent", subject, baseline - 20, False)]
        found = [self._consent(f"{patient}-consent", subject, baseline - 20, True)]
        if kind == ConsentKind.WITHDRAWN:
            found.append(self._consent(f"{patient}-consent-withdrawn", subject, baseline + 700, False))
        return found

    def _consent(self, identifier: str, subject: Resource, day: int, permits: bool) -> Resource:
        """Our reading of R4: the root provision denies, a nested provision permits (German broad consent)."""
        date = self._date(day)
        period = {"start": date, "end": CONSENT_UNTIL}
        provision: Resource = {"type": "deny", "period": period}
        if permits:
            purpose = {"system": f"{TERMINOLOGY}/v3-ActReason", "code": "HRESCH"}
            provision["provision"] = [{"type": "permit", "period": period, "purpose": [purpose]}]
        return {
            "resourceType": "Consent",
            "id": identifier,
            "status": "active",
            "scope": _concept(f"{TERMINOLOGY}/consentscope", "research"),
            "category": [_concept(LOINC, "59284-0", "Consent Document")],
            "patient": subject,
            "dateTime": date,
            "policyRule": _concept(f"{TERMINOLOGY}/v3-ActCode", "OPTIN"),
            "provision": provision,
        }


def _concept(system: str, code: str, display: str | None = None) -> Resource:
    coding = {"system": system, "code": code}
    if display is not None:
        coding["display"] = display
    return {"coding": [coding]}


def _quantity(value: float, unit: str, decimals: int) -> Resource:
    return {"value": _number(value, decimals), "unit": unit, "system": UCUM, "code": unit}


def _number(value: float, decimals: int) -> int | float:
    return int(value) if decimals == 0 else round(value, decimals)


def _typo(code: str) -> str:
    """The code with its last digit wrong."""
    return code[:-1] + str((int(code[-1]) + 1) % 10)


def _birth_dates(cohort: HospitalCohort) -> NDArray[np.str_]:
    """Birth dates that give each patient's true age at baseline (29 February becomes the 28th in other years)."""
    records = cohort.records
    birthday = (records.baseline_day - records.birthday_days).astype("datetime64[D]")
    year = birthday.astype("datetime64[Y]").astype(np.int64) + 1970
    month = birthday.astype("datetime64[M]").astype(np.int64) % 12 + 1
    day = (birthday - birthday.astype("datetime64[M]")).astype(np.int64) + 1
    born = year - cohort.truth.age.astype(np.int64)
    day = np.where((month == 2) & (day == 29), 28, day)
    return np.array(
        [f"{y:04d}-{m:02d}-{d:02d}" for y, m, d in zip(born.tolist(), month.tolist(), day.tolist(), strict=True)]
    )
