"""What the ethics board approved about noise, read from a run configuration.

The configuration is bound by the permit's config hash, so whoever changes a setting has another study.

1. Every key that begins with ``belmont`` is ours, however it is written, and each has to be understood: a node that
   ignored an unknown or misspelt one (``belmont_clipping``) would weaken what was approved.
2. Types are exact: ``true`` is no integer, 1 is no float, NaN and infinity are nothing.
3. Settings are complete or absent. Absent is `NO_NOISE`, a value that the caller has to treat: it never becomes noise
   of some default strength, nor does noise become none.
4. The one optional key, ``belmont-honest-contributors``, is 1 when it is missing, the strictest value: each hospital's
   own noise protects its patients alone.

| key | value |
|---|---|
| belmont-clipping | "client": one update of a hospital; "example": one contribution of each row |
| belmont-clip-norm | L2 norm, float, above 0 |
| belmont-fraction-bits | a value v is sent as about v * 2^bits, 0 to 30 |
| belmont-rho-per-round | zCDP in micro-units, 1 to 100,000,000, charged to each dataset for each round |
| belmont-min-contributors | a total of fewer hospitals is not opened, 1 to 1,024 |
| belmont-honest-contributors | how many of them are counted on to add noise and keep it secret, 1 to the above - 1 |

A contributor knows its own noise, and to another hospital's patients it is one of those who look. So at least one of
several is never counted on.
"""

import math
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import Final, TypeVar

from belmont.federated.errors import SettingsRefused
from belmont.federated.hashes import RunConfig
from belmont.registry.types import MicroRho

MOST_FRACTION_BITS = 30
MOST_RHO = 100_000_000
MOST_CONTRIBUTORS = 1_024
MOST_BOUND = 2**31 - 1
"""Of a contribution's norm in units of 2^-fraction_bits: its square has to fit 63 bits."""

_Scalar = TypeVar("_Scalar", str, int, float)


class Clipping(StrEnum):
    """What is cut to the norm."""

    CLIENT = "client"
    EXAMPLE = "example"


class _NoNoise:
    """The configuration asks for no noise."""

    def __repr__(self) -> str:
        return "NO_NOISE"


NO_NOISE: Final = _NoNoise()
"""What a configuration without any of these settings says. A permit in ``private`` mode cannot be served with it."""


@dataclass(frozen=True)
class PrivacySettings:
    """Raises SettingsRefused if they are not within the table above."""

    clipping: Clipping
    clip_norm: float
    fraction_bits: int
    rho_per_round: MicroRho
    min_contributors: int
    honest_contributors: int = 1

    def __post_init__(self) -> None:
        if not isinstance(self.clipping, Clipping):
            raise SettingsRefused('belmont-clipping is "client" or "example"')
        if type(self.clip_norm) is not float or not math.isfinite(self.clip_norm) or self.clip_norm <= 0:
            raise SettingsRefused("belmont-clip-norm is a finite float above 0")
        _check("belmont-fraction-bits", self.fraction_bits, 0, MOST_FRACTION_BITS)
        _check("belmont-rho-per-round", self.rho_per_round, 1, MOST_RHO)
        _check("belmont-min-contributors", self.min_contributors, 1, MOST_CONTRIBUTORS)
        # One of several looks; of one hospital alone there is nobody else to count on.
        _check("belmont-honest-contributors", self.honest_contributors, 1, max(1, self.min_contributors - 1))
        if not 1 <= self.bound <= MOST_BOUND:
            raise SettingsRefused(
                f"belmont-clip-norm * 2^belmont-fraction-bits is {self.bound}: it has to be 1 to {MOST_BOUND}"
            )

    @property
    def bound(self) -> int:
        """The largest norm of a contribution, in units of 2^-fraction_bits, rounded down."""
        return math.floor(Fraction(self.clip_norm) * (1 << self.fraction_bits))

    def as_config(self) -> dict[str, str | int | float | bool]:
        """The keys of a run configuration that say this; ``read_settings`` reads them back."""
        return {
            "belmont-clipping": str(self.clipping),
            "belmont-clip-norm": self.clip_norm,
            "belmont-fraction-bits": self.fraction_bits,
            "belmont-rho-per-round": self.rho_per_round,
            "belmont-min-contributors": self.min_contributors,
            "belmont-honest-contributors": self.honest_contributors,
        }

    @property
    def sensitivity_sq(self) -> int:
        """The square of how far one patient moves a hospital's integers, in L2.

        By row, the patient's row is there or not: the bound. By client, the update with the patient and the one without
        are any two vectors within the bound: twice the bound. That covers a hospital with all other rows, too.
        """
        return (self.bound if self.clipping is Clipping.EXAMPLE else 2 * self.bound) ** 2


def read_settings(config: RunConfig, also_known: Collection[str] = ()) -> PrivacySettings | _NoNoise:
    """The settings of a run configuration, or NO_NOISE. Raises SettingsRefused for whatever is not fully understood.

    ``also_known``: keys that begin with ``belmont`` and that the caller reads itself.
    """
    ours = {key: value for key, value in config.items() if _is_ours(key) and key not in also_known}
    if not ours:
        return NO_NOISE
    left = dict(ours)
    clipping = _take(left, "belmont-clipping", str)
    if clipping not in set(Clipping):
        raise SettingsRefused('belmont-clipping is "client" or "example"')
    clip_norm = _take(left, "belmont-clip-norm", float)
    fraction_bits = _take(left, "belmont-fraction-bits", int)
    rho = _take(left, "belmont-rho-per-round", int)
    min_contributors = _take(left, "belmont-min-contributors", int)
    honest = _take(left, "belmont-honest-contributors", int) if "belmont-honest-contributors" in left else 1
    if left:
        raise SettingsRefused(f"not understood: {', '.join(sorted(left))}")
    return PrivacySettings(Clipping(clipping), clip_norm, fraction_bits, MicroRho(rho), min_contributors, honest)


def _is_ours(key: object) -> bool:
    if type(key) is not str:
        raise SettingsRefused("every key of a configuration is text")
    return key.strip().casefold().startswith("belmont")  # rule 1


def _take(left: dict[str, str | int | float | bool], key: str, kind: type[_Scalar]) -> _Scalar:
    if key not in left:
        raise SettingsRefused(f"{key} is missing; settings of noise are complete or absent")
    value = left.pop(key)
    if type(value) is not kind:
        raise SettingsRefused(f"{key} is of type {kind.__name__}, not {type(value).__name__}")
    return value


def _check(key: str, value: object, least: int, most: int) -> None:
    if type(value) is not int or not least <= value <= most:
        raise SettingsRefused(f"{key} is an integer from {least} to {most}")
