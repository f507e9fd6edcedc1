"""Data use: what holders permit, what researchers intend, and whether the one permits the other (docs/duo.md)."""

from belmont.registry.duo.codes import countries, diseases, institution
from belmont.registry.duo.conditions import Conditions
from belmont.registry.duo.hierarchy import DiseaseHierarchy
from belmont.registry.duo.intended_use import Commerce, Commitment, Declaration, IntendedUse, Organisation
from belmont.registry.duo.matching import Match, TermMatch, match
from belmont.registry.duo.rules import Verdict
from belmont.registry.duo.terms import Purpose, Term

__all__ = [
    "Commerce",
    "Commitment",
    "Conditions",
    "Declaration",
    "DiseaseHierarchy",
    "IntendedUse",
    "Match",
    "Organisation",
    "Purpose",
    "Term",
    "TermMatch",
    "Verdict",
    "countries",
    "diseases",
    "institution",
    "match",
]
