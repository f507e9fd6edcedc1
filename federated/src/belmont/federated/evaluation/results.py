"""An evaluation's arrays as slots with names: what a researcher's side reads of a round.

    found = Results.of(config, updates, hospitals=3)
    found.risks["held out"].auc_interval()

1. Sums of hospitals are added, where they came one by one.
2. Noise is that of all hospitals that took part, in units of patients.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from belmont.federated.accounting.release import plan_release
from belmont.federated.errors import FederatedError
from belmont.federated.evaluation.comparison import (
    Membership,
    membership,
    membership_of_survival,
    membership_of_values,
)
from belmont.federated.evaluation.layout import (
    EVALUATES,
    HELD_OUT,
    RISK,
    SURVIVAL,
    TRAINED_ON,
    evaluation_cuts_of,
    evaluation_sum,
    groups_of,
    noise_of,
    reports_hospitals,
    row_weight,
    slots_of,
)
from belmont.federated.evaluation.risks import RiskSums
from belmont.federated.evaluation.survival import SurvivalSums
from belmont.federated.evaluation.values import Moments
from belmont.federated.hashes import RunConfig
from belmont.federated.models.combine import Update


@dataclass(frozen=True)
class Results:
    """``risks``, ``values`` or ``survivals`` by the slot's name, of a model of that kind."""

    risks: Mapping[str, RiskSums]
    values: Mapping[str, Moments]
    survivals: Mapping[str, SurvivalSums]
    groups: Mapping[str, tuple[str, ...]]
    """By column, the names of its parts that are not empty."""
    reported: NDArray[np.float64] | None
    """Hospitals' own results, in the participants' order (`layout.RISK_COLUMNS` and the like)."""

    @property
    def is_risk(self) -> bool:
        return bool(self.risks)

    @property
    def is_survival(self) -> bool:
        return bool(self.survivals)

    @property
    def slots(self) -> Mapping[str, RiskSums | Moments | SurvivalSums]:
        """Those that there are."""
        return self.risks or self.survivals or self.values

    @property
    def patients(self) -> float:
        """Who were kept apart."""
        return self.slots[HELD_OUT].patients

    @property
    def headline(self) -> str:
        """How good the model is on them, in one number with its name."""
        if self.is_risk:
            return f"AUC {self.risks[HELD_OUT].auc_interval()}"
        if self.is_survival:
            return f"concordance {self.survivals[HELD_OUT].concordance_interval()}"
        return f"R2 {self.values[HELD_OUT].r2():.3f}"

    def membership(self) -> Membership | None:
        """The advantage of guessing who was trained on; None where a side is empty (`comparison`)."""
        if self.is_risk:
            return membership(self.risks[HELD_OUT], self.risks[TRAINED_ON])
        if self.is_survival:
            return membership_of_survival(self.survivals[HELD_OUT], self.survivals[TRAINED_ON])
        return membership_of_values(self.values[HELD_OUT], self.values[TRAINED_ON])

    @classmethod
    def of(
        cls,
        config: RunConfig,
        updates: Sequence[Update],
        hospitals: int,
        levels: Mapping[str, tuple[str, ...]] | None = None,
    ) -> "Results":
        """``levels`` are the names of groups' categories, of bits nothing. Raises FederatedError for other arrays."""
        shapes = dict(evaluation_sum(config).arrays)
        sums = {name: np.zeros(shape) for name, shape in shapes.items()}
        for update in updates:  # 1
            if {name: array.shape for name, array in update.arrays.items()} != shapes:
                raise FederatedError("an evaluation's arrays are not those of its configuration")
            for name, array in update.arrays.items():
                sums[name] += array
        names = list(slots_of(config))[:2]
        groups: dict[str, tuple[str, ...]] = {}
        for group in groups_of(config):
            known = None if levels is None else levels.get(group.column)
            groups[group.column] = group.names if known is None else group.labelled(known)
            names += groups[group.column]
        reported = sums.get("hospitals")
        risks: dict[str, RiskSums] = {}
        values: dict[str, Moments] = {}
        survivals: dict[str, SurvivalSums] = {}
        if config[EVALUATES] == RISK:
            noise = noise_of(config)
            deviation = 0.0
            if noise is not None:  # 2
                sigma = float(plan_release(noise, evaluation_sum(config).layout.size).sigma)
                deviation = math.ldexp(sigma, -noise.fraction_bits) * math.sqrt(hospitals) / row_weight(config)
            counts = sums["counts"] / row_weight(config)
            risks = {
                name: RiskSums(each, deviation, grouped=noise is None) for name, each in zip(names, counts, strict=True)
            }
        elif config[EVALUATES] == SURVIVAL:
            cuts = evaluation_cuts_of(config)
            survivals = {
                name: SurvivalSums(each, cuts, grouped=True) for name, each in zip(names, sums["counts"], strict=True)
            }
        else:
            values = {name: Moments(each) for name, each in zip(names, sums["moments"], strict=True)}
        slots: Mapping[str, RiskSums | Moments | SurvivalSums] = risks or survivals or values
        known_levels = levels or {}
        shown = {
            column: tuple(
                name
                for name in parts
                # Who reads noise sees something in slots of levels that do not exist.
                if slots[name].patients and not (column in known_levels and name.startswith(f"{column} #"))
            )
            for column, parts in groups.items()
        }
        return cls(risks, values, survivals, shown, reported if reports_hospitals(config) else None)
