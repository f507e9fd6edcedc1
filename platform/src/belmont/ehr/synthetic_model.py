"""The clinical model behind the synthetic patients: what is true of each, before anything is recorded.

Structural equations, each variable from those before it, so that correlations have reasons. docs/synthetic_model.md
writes the same equations out with what inspired them; a test holds the two equal in the coefficients of the risk.
No part is calibrated to a real population. Units: years, kg/m2, mmHg, mmol/mol (HbA1c), mmol/L (lipids),
mL/min/1.73 m2.
"""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from belmont.ehr.synthetic_draws import Array, Draws, Mask

HORIZON_DAYS = 1826
"""Five years."""

RISK_INTERCEPT = -2.32
RISK_COEFFICIENTS = {
    "age": 0.60,  # per 10 years above 64
    "male": 0.30,
    "former_smoker": 0.18,
    "current_smoker": 0.60,
    "bmi": 0.06,  # per 5 kg/m2 above 31
    "systolic": 0.24,  # per 16 mmHg above 138
    "diastolic": 0.04,  # per 10 mmHg above 78
    "hba1c": 0.28,  # per 13 mmol/mol above 56
    "ldl": 0.26,  # per 0.9 mmol/L above 2.5
    "hdl": -0.20,  # per 0.3 mmol/L above 1.2
    "egfr": -0.28,  # per 20 mL/min/1.73 m2 above 74
    "statin": -0.24,
    "antihypertensive": 0.05,
    "prior_event": 1.30,
    "prior_event_by_age": -0.20,  # relative risks of a prior event shrink with age, per 10 years above 64
    "low_egfr": 0.18,  # per 10 mL/min/1.73 m2 below 45: the one bend
}


@dataclass(frozen=True, slots=True)
class Profile:
    """How one hospital's patients and records differ from the average hospital's."""

    size_weight: float
    age_shift: float
    """Years."""
    male_share: float
    bmi_shift: float
    """Natural logarithm of a factor."""
    pressure_shift: float
    """mmHg."""
    control_shift: float
    """Diabetes control: natural logarithm of a factor on HbA1c above 34 mmol/mol."""
    smoking_shift: float
    prior_shift: float
    statin_shift: float
    antihypertensive_shift: float
    risk_shift: float
    """Logits that no column explains."""
    missing_shift: float
    """Logits added to every probability that a value is missing."""
    error_rate: float
    """Probability that a recorded observation is wrong."""
    duplicate_rate: float
    denial_rate: float
    hba1c_percent: bool
    """Reports HbA1c in % (NGSP) instead of mmol/mol (IFCC)."""
    lipids_mg_dl: bool
    pressure_panel: bool
    """Records blood pressure as one panel with two components instead of two observations."""


def hospital_profile(seed: int, hospital: int) -> Profile:
    """The profile of hospital 0, 1, 2, ... under a seed; units alternate, so that two hospitals never agree on all."""
    draws = Draws(seed, (0, hospital), 1)

    def normal(spread: float) -> float:
        return float(np.round(spread * draws.normal()[0], 4))

    def uniform(low: float, high: float) -> float:
        return float(np.round(low + (high - low) * draws.uniform()[0], 4))

    return Profile(
        size_weight=uniform(0.6, 1.4),
        age_shift=normal(1.5),
        male_share=uniform(0.48, 0.62),
        bmi_shift=normal(0.02),
        pressure_shift=normal(2.0),
        control_shift=normal(0.08),
        smoking_shift=normal(0.25),
        prior_shift=normal(0.25),
        statin_shift=normal(0.35),
        antihypertensive_shift=normal(0.3),
        risk_shift=normal(0.10),
        missing_shift=normal(0.4),
        error_rate=uniform(0.004, 0.016),
        duplicate_rate=uniform(0.004, 0.02),
        denial_rate=uniform(0.02, 0.06),
        hba1c_percent=hospital % 2 == 1,
        lipids_mg_dl=hospital % 4 in (1, 2),
        pressure_panel=hospital % 3 != 1,
    )


@dataclass(frozen=True, slots=True)
class Truth:
    """What is true of each patient; arrays of equal length."""

    age: Array
    """Whole years."""
    male: Mask
    smoking: Array
    """0 never, 1 former, 2 current."""
    bmi: Array
    systolic: Array
    diastolic: Array
    hba1c: Array
    ldl: Array
    hdl: Array
    egfr: Array
    statin: Mask
    antihypertensive: Mask
    prior_event: Mask
    risk: Array
    """Probability of an event within five years."""
    outcome: Mask

    @staticmethod
    def join(parts: "list[Truth]") -> "Truth":
        return Truth(*(np.concatenate([getattr(part, each.name) for part in parts]) for each in fields(Truth)))


def sigmoid(x: NDArray[np.floating[Any]]) -> Array:
    return np.asarray(1.0 / (1.0 + np.exp(-x)), np.float64)


def true_patients(profile: Profile, draws: Draws) -> Truth:
    """Patients of one hospital. The order of the draws is part of the format: changing it changes every seed."""
    age = np.floor(np.clip(64.0 + profile.age_shift + 10.5 * draws.normal(), 30.0, 95.0))
    older = age - 64.0
    male = draws.chance(profile.male_share)
    years_diabetic = np.minimum(draws.exponential(8.0), age - 25.0)

    current = draws.chance(sigmoid(-1.75 - 0.035 * older + 0.25 * male + profile.smoking_shift))
    former = ~current & draws.chance(sigmoid(-0.45 + 0.02 * older + 0.75 * male))

    bmi_log = np.log(31.0) + profile.bmi_shift - 0.0035 * older + 0.03 * ~male - 0.02 * current
    bmi = np.clip(np.exp(bmi_log + 0.165 * draws.normal()), 16.0, 65.0)
    heavier = bmi - 31.0

    untreated = 141.0 + profile.pressure_shift + 0.35 * older + 0.35 * heavier + 14.0 * draws.normal()
    egfr = 83.0 - 0.9 * older - 0.5 * (years_diabetic - 8.0) - 0.1 * (untreated - 141.0) + 15.0 * draws.normal()
    egfr = np.clip(egfr, 8.0, 125.0)
    treated = 0.3 + profile.antihypertensive_shift + 0.055 * (untreated - 141.0) + 0.03 * older + 0.9 * (egfr < 60.0)
    antihypertensive = draws.chance(sigmoid(treated))
    systolic = np.clip(untreated - 11.0 * antihypertensive + 4.0 * draws.normal(), 85.0, 230.0)
    diastolic = 79.0 + 0.42 * (systolic - 138.0) - 0.28 * older + 6.5 * draws.normal()
    diastolic = np.clip(diastolic, 38.0, np.minimum(systolic - 15.0, 140.0))

    control = 2.85 + profile.control_shift + 0.03 * (years_diabetic - 8.0) + 0.012 * heavier - 0.008 * older
    hba1c = np.clip(34.0 + np.exp(control + 0.10 * current + 0.5 * draws.normal()), 30.0, 150.0)

    prior = -1.95 + profile.prior_shift + 0.05 * older + 0.45 * male + 0.35 * current + 0.2 * former
    prior = prior + 0.012 * (untreated - 141.0) + 0.25 * (egfr < 60.0)
    prior_event = draws.chance(sigmoid(prior))

    ldl_log = np.log(3.3) + 0.004 * heavier - 0.002 * older + 0.06 * ~male + 0.24 * draws.normal()
    untreated_ldl = np.exp(ldl_log)
    lowered = -0.1 + profile.statin_shift + 0.9 * (untreated_ldl - 3.3) + 1.4 * prior_event + 0.02 * older
    statin = draws.chance(sigmoid(lowered))
    ldl = np.clip(untreated_ldl * np.exp(statin * (-0.42 + 0.10 * draws.normal())), 0.6, 9.0)
    hdl_log = np.log(1.18) + 0.16 * ~male - 0.012 * heavier - 0.06 * current - 0.002 * (hba1c - 56.0)
    hdl = np.clip(np.exp(hdl_log + 0.2 * draws.normal()), 0.5, 3.5)

    b = RISK_COEFFICIENTS
    logit = (
        RISK_INTERCEPT
        + profile.risk_shift
        + b["age"] * older / 10.0
        + b["male"] * male
        + b["former_smoker"] * former
        + b["current_smoker"] * current
        + b["bmi"] * heavier / 5.0
        + b["systolic"] * (systolic - 138.0) / 16.0
        + b["diastolic"] * (diastolic - 78.0) / 10.0
        + b["hba1c"] * (hba1c - 56.0) / 13.0
        + b["ldl"] * (ldl - 2.5) / 0.9
        + b["hdl"] * (hdl - 1.2) / 0.3
        + b["egfr"] * (egfr - 74.0) / 20.0
        + b["statin"] * statin
        + b["antihypertensive"] * antihypertensive
        + b["prior_event"] * prior_event
        + b["prior_event_by_age"] * prior_event * older / 10.0
        + b["low_egfr"] * np.maximum(45.0 - egfr, 0.0) / 10.0
    )
    risk = sigmoid(logit)
    return Truth(
        age=age,
        male=male,
        smoking=former + 2.0 * current,
        bmi=bmi,
        systolic=systolic,
        diastolic=diastolic,
        hba1c=hba1c,
        ldl=ldl,
        hdl=hdl,
        egfr=egfr,
        statin=statin,
        antihypertensive=antihypertensive,
        prior_event=prior_event,
        risk=risk,
        outcome=draws.chance(risk),
    )
