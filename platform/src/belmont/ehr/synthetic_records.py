"""What the hospital wrote down about its patients: units, rounding, gaps, slips, duplicates, consents and dates.

A slip always leaves something a careful reader can tell is wrong (no code, no listed unit, out of range, pressures the
wrong way round), so that the generator knows what is left after cleaning, and a test can compare. Slips that no reader
could tell from the truth are not made.
"""

from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from belmont.ehr.codebook import NumericBook
from belmont.ehr.dictionary import Column, Dictionary
from belmont.ehr.errors import GeneratorError
from belmont.ehr.synthetic_draws import Array, Draws, Mask
from belmont.ehr.synthetic_model import HORIZON_DAYS, Profile, Truth, sigmoid

Whole = NDArray[np.int64]
Small = NDArray[np.int8]

FIRST_BASELINE_DAY = 17533
"""2018-01-02 in days since 1970-01-01; baselines fall in the 360 days from there."""


class Fate(IntEnum):
    """What became of one observation."""

    FINE = 0
    MISSING = 1
    IMPOSSIBLE = 2
    """Ten times too high, or 9999."""
    UNKNOWN_UNIT = 3
    SWAPPED_UNIT = 4
    """The number of one unit with the label of the other."""
    CODE_TYPO = 5


class ConsentKind(IntEnum):
    """What the patient's Consent resources say in the end."""

    PERMITS = 0
    DENIES = 1
    WITHDRAWN = 2
    """Permitted once, denied later."""
    ABSENT = 3


@dataclass(frozen=True, slots=True)
class UnitChoice:
    """A unit as written, its LOINC code and how many decimals are written."""

    unit: str
    loinc: str
    display: str
    decimals: int


@dataclass(frozen=True, slots=True)
class Measure:
    """An observed quantity: the dictionary's unit first, then the other one in use; and a unit nobody listed."""

    units: tuple[UnitChoice, ...]
    unlisted_unit: str


MEASURES = {
    "bmi": Measure((UnitChoice("kg/m2", "39156-5", "Body mass index (BMI) [Ratio]", 1),), "[lb_av]/[in_i]2"),
    "systolic": Measure((UnitChoice("mm[Hg]", "8480-6", "Systolic blood pressure", 0),), "kPa"),
    "diastolic": Measure((UnitChoice("mm[Hg]", "8462-4", "Diastolic blood pressure", 0),), "kPa"),
    "hba1c": Measure(
        (
            UnitChoice("mmol/mol", "59261-8", "Hemoglobin A1c/Hemoglobin.total in Blood by IFCC", 0),
            UnitChoice("%", "4548-4", "Hemoglobin A1c/Hemoglobin.total in Blood", 1),
        ),
        "mg/dL",
    ),
    "ldl": Measure(
        (
            UnitChoice("mmol/L", "22748-8", "Cholesterol in LDL [Moles/volume] in Serum or Plasma", 2),
            UnitChoice("mg/dL", "18262-6", "Cholesterol in LDL [Mass/volume] by Direct assay", 0),
        ),
        "g/L",
    ),
    "hdl": Measure(
        (
            UnitChoice("mmol/L", "14646-4", "Cholesterol in HDL [Moles/volume] in Serum or Plasma", 2),
            UnitChoice("mg/dL", "2085-9", "Cholesterol in HDL [Mass/volume] in Serum or Plasma", 0),
        ),
        "g/L",
    ),
    "egfr": Measure((UnitChoice("mL/min/{1.73_m2}", "62238-1", "GFR/1.73 sq M predicted by CKD-EPI", 0),), "mL/s"),
}


@dataclass(frozen=True, slots=True)
class Records:
    """Arrays of equal length; those of a measure are keyed by its name."""

    value: dict[str, Array]
    """As written: rounded, in the unit chosen."""
    unit: dict[str, Small]
    """Index into the measure's units."""
    fate: dict[str, Small]
    older_hba1c: Array
    """An earlier HbA1c inside the window, in the same unit; NaN where there is none."""
    smoking_fate: Small
    sex_unknown: Mask
    birth_date_wrong: Mask
    pressure_swapped: Mask
    pressure_panel: Mask
    consent: Small
    patient_twice: Mask
    """The patient was registered a second time."""
    lab_twice: Mask
    """The newest HbA1c was sent a second time."""
    baseline_day: Whole
    """Days since 1970-01-01."""
    birthday_days: Whole
    """Days between the last birthday and baseline."""
    observed_days: Whole
    """Days before baseline at which the observations were made."""
    prior_days: Whole
    """Days before baseline of the prior event."""
    event_days: Whole
    """Days after baseline of the event; 0 where there is none; beyond five years it is no outcome."""
    choice: Whole
    """0..999: picks one of several equal codes (which statin, infarction or stroke)."""

    @staticmethod
    def join(parts: "list[Records]") -> "Records":
        joined: dict[str, Any] = {}
        for each in fields(Records):
            values = [getattr(part, each.name) for part in parts]
            if isinstance(values[0], dict):
                joined[each.name] = {key: np.concatenate([value[key] for value in values]) for key in values[0]}
            else:
                joined[each.name] = np.concatenate(values)
        return Records(**joined)


def written_records(profile: Profile, truth: Truth, dictionary: Dictionary, draws: Draws) -> Records:
    """Record the patients of one hospital. The order of the draws is part of the format."""
    value: dict[str, Array] = {}
    unit: dict[str, Small] = {}
    fate: dict[str, Small] = {}
    gaps = _missing(profile, truth, draws)
    for name, measure in MEASURES.items():
        index = int(profile.hba1c_percent if name == "hba1c" else profile.lipids_mg_dl) if len(measure.units) > 1 else 0
        unit[name] = np.full(draws.rows, index, np.int8)
        value[name] = _as_written(getattr(truth, name), dictionary.column(name), measure.units[index])
        slip = np.where(draws.chance(profile.error_rate), draws.whole(Fate.IMPOSSIBLE, Fate.CODE_TYPO), Fate.FINE)
        slip = np.where(gaps[name], Fate.MISSING, slip)
        fate[name] = _detectable(slip.astype(np.int8), value[name], dictionary.column(name), measure, index)
    older = np.clip(truth.hba1c + 6.0 * draws.normal(), 30.0, 150.0)
    percent = int(profile.hba1c_percent)
    older = _as_written(older, dictionary.column("hba1c"), MEASURES["hba1c"].units[percent])
    has_older = draws.chance(0.35) & (fate["hba1c"] != Fate.MISSING)
    smoking_slip = np.where(draws.chance(profile.error_rate), Fate.CODE_TYPO, Fate.FINE)
    pressure_fine = (fate["systolic"] == Fate.FINE) & (fate["diastolic"] == Fate.FINE)
    consent = np.where(draws.chance(profile.denial_rate), draws.whole(ConsentKind.DENIES, ConsentKind.ABSENT), 0)
    late = draws.chance(0.02)
    event_days = np.where(truth.outcome, draws.whole(1, HORIZON_DAYS), 0)
    event_days = np.where(~truth.outcome & late, HORIZON_DAYS + draws.whole(1, 365), event_days)
    return Records(
        value=value,
        unit=unit,
        fate=fate,
        older_hba1c=np.where(has_older, older, np.nan),
        smoking_fate=np.where(gaps["smoking"], Fate.MISSING, smoking_slip).astype(np.int8),
        sex_unknown=draws.chance(0.003),
        birth_date_wrong=draws.chance(0.002),
        pressure_swapped=draws.chance(profile.error_rate / 2) & pressure_fine,
        pressure_panel=np.full(draws.rows, profile.pressure_panel),
        consent=consent.astype(np.int8),
        patient_twice=draws.chance(profile.duplicate_rate),
        lab_twice=draws.chance(profile.duplicate_rate),
        baseline_day=FIRST_BASELINE_DAY + draws.whole(0, 359),
        birthday_days=draws.whole(0, 364),
        observed_days=draws.whole(0, 60),
        prior_days=draws.whole(30, 4000),
        event_days=event_days,
        choice=draws.whole(0, 999),
    )


def _missing(profile: Profile, truth: Truth, draws: Draws) -> dict[str, Mask]:
    """Who has no value: by hospital, by other values (missing at random), HbA1c by its own value (not at random)."""
    base, older = profile.missing_shift, truth.age - 64.0
    panel = draws.chance(sigmoid(base - 2.2 - 0.8 * truth.statin))
    pressure = draws.chance(sigmoid(base - 3.4 - 0.5 * truth.antihypertensive))
    return {
        "smoking": draws.chance(sigmoid(base - 2.4 + 0.02 * older)),
        "bmi": draws.chance(sigmoid(base - 2.7 - 0.4 * truth.antihypertensive)),
        "systolic": pressure,
        "diastolic": pressure,
        "hba1c": draws.chance(sigmoid(base - 3.1 + 0.03 * (truth.hba1c - 56.0))),
        "ldl": panel | draws.chance(0.01),
        "hdl": panel | draws.chance(0.02),
        "egfr": draws.chance(sigmoid(base - 2.8 - 0.02 * older)),
    }


def _as_written(true_value: Array, column: Column, choice: UnitChoice) -> Array:
    """The true value in the unit written, rounded to the decimals written."""
    if choice.unit != column.unit:
        conversion = next((each for each in column.conversions if each.unit == choice.unit), None)
        if conversion is None:
            raise GeneratorError(f"the dictionary lists no conversion from {choice.unit} for {column.name}")
        true_value = (true_value - conversion.add) / conversion.multiply
    return np.round(true_value, choice.decimals)


def impossible_value(value: float, column: Column, unit: str) -> float:
    """Ten times the value (a decimal point lost), or 9999 where that would be possible."""
    converted = column.convert(value * 10.0, unit)
    book = column.codebook
    possible = converted is not None and isinstance(book, NumericBook) and book.encode(converted) > 0
    return 9999.0 if possible else value * 10.0


def _detectable(slip: Small, value: Array, column: Column, measure: Measure, index: int) -> Small:
    """Turn a swapped unit into an unlisted one where the swap would give a possible value, or no other unit exists."""
    swapped = slip == Fate.SWAPPED_UNIT
    book = column.codebook
    if len(measure.units) == 1 or not isinstance(book, NumericBook):
        return np.where(swapped, np.int8(Fate.UNKNOWN_UNIT), slip)
    label = measure.units[1 - index].unit
    converted = value
    for conversion in column.conversions:
        if conversion.unit == label:
            converted = value * conversion.multiply + conversion.add
    return np.where(swapped & (book.encode_array(converted) > 0), np.int8(Fate.UNKNOWN_UNIT), slip)
