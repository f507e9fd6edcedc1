"""What can go wrong in a notebook.

LabError
├── HomeError          the consortium's directory is missing, foreign or half made
├── NotYet             something that must come first has not happened (a vote, an acceptance, a fit)
└── StudyStopped       the nodes refused: carries each hospital's reason
"""

from collections.abc import Mapping
from dataclasses import dataclass

from belmont.registry.reasons import Reason


class LabError(Exception):
    """Base of the area's errors; the text says what to do."""


class HomeError(LabError):
    """The consortium's directory is missing, foreign or half made."""


class NotYet(LabError):
    """Something that must come first has not happened."""


@dataclass(frozen=True)
class HospitalRefusal:
    """One node's own words."""

    hospital: str
    reason: Reason
    detail: str

    @property
    def remedy(self) -> str:
        return self.reason.remedy


class StudyStopped(LabError):
    """At least one node refused; nothing left any hospital for this round or query."""

    def __init__(self, what: str, refusals: Mapping[str, HospitalRefusal]) -> None:
        self.what = what
        self.refusals = dict(refusals)
        lines = [f"{r.hospital}: {r.reason} ({r.detail}). {r.remedy}" for r in self.refusals.values()]
        super().__init__(f"{what} was refused\n  " + "\n  ".join(lines))

    @property
    def reasons(self) -> list[Reason]:
        """The distinct reasons, in the order met."""
        return list(dict.fromkeys(refusal.reason for refusal in self.refusals.values()))
