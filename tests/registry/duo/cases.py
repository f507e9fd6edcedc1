"""The table of cases in tests/vectors/duo.json as objects, and random ones like them."""

import json
from dataclasses import dataclass
from functools import reduce
from operator import or_
from pathlib import Path
from typing import Any

from eth_utils.address import to_checksum_address
from hypothesis import strategies as st

from belmont.registry.duo import (
    Commerce,
    Commitment,
    Conditions,
    DiseaseHierarchy,
    IntendedUse,
    Organisation,
    Purpose,
    Term,
    Verdict,
    countries,
    diseases,
    institution,
)
from belmont.registry.duo.conditions import PARAMETER_OF
from belmont.registry.duo.rules import MONTH_SECONDS
from belmont.registry.duo.terms import DATASET_TERMS

ROOT = Path(__file__).parents[3]
VECTORS = ROOT / "tests" / "vectors" / "duo.json"
NOW = 1_767_225_600
"""2026-01-01."""
DAY = 86400
USERS = {"first": "0x" + "11" * 20, "second": "0x" + "22" * 20}
PROJECTS = {"first": b"\x11" * 32, "second": b"\x22" * 32}
LETTER = b"\x33" * 32
HIERARCHY = DiseaseHierarchy.load(Path(__file__).with_name("mondo_excerpt.obo"))


@dataclass(frozen=True)
class DuoCase:
    """One row of the table."""

    name: str
    conditions: Conditions
    use: IntendedUse
    general: bool
    """Whether the published schema would call the purpose general research."""
    verdict: Verdict
    denied: Term
    abstained: Term
    with_mondo: Verdict
    published: str
    why: str


def load() -> list[DuoCase]:
    return [_case(each) for each in json.loads(VECTORS.read_text())["cases"]]


def _case(row: dict[str, Any]) -> DuoCase:
    return DuoCase(
        name=row["case"],
        conditions=_conditions(row["dataset"]),
        use=_use(row["study"]),
        general=row["study"].get("general", False),
        verdict=Verdict[row["ours"]],
        denied=_flags(Term, row.get("denied", [])),
        abstained=_flags(Term, row.get("open", [])),
        with_mondo=Verdict[row.get("with_mondo", row["ours"])],
        published=row["published"],
        why=row["why"],
    )


def _conditions(row: dict[str, Any]) -> Conditions:
    return Conditions(
        _flags(Term, row["terms"]),
        diseases=diseases(*row.get("diseases", [])),
        countries=countries(*row.get("countries", [])),
        institutions=frozenset(map(institution, row.get("institutions", []))),
        users=frozenset(USERS[each] for each in row.get("users", [])),
        projects=frozenset(PROJECTS[each] for each in row.get("projects", [])),
        research_types=_flags(Purpose, row.get("research_types", [])),
        moratorium_until=NOW + DAY * row["moratorium_in_days"] if "moratorium_in_days" in row else 0,
        months=row.get("months", 0),
    )


def _use(row: dict[str, Any]) -> IntendedUse:
    return IntendedUse(
        purposes=_flags(Purpose, row["purposes"]),
        user=USERS[row.get("user", "first")],
        project=PROJECTS[row.get("project", "first")],
        duration_seconds=DAY * row.get("days", 365),
        diseases=diseases(*row.get("diseases", [])),
        countries=countries(*row.get("countries", [])),
        institution=institution(row["institution"]) if "institution" in row else 0,
        organisation=Organisation[row.get("organisation", "UNDECLARED")],
        commerce=Commerce[row.get("commerce", "UNDECLARED")],
        commitments=_flags(Commitment, row.get("commitments", [])),
        clinical_care=row.get("clinical_care", False),
        publishes_not_before=NOW + DAY * row["publishes_in_days"] if "publishes_in_days" in row else 0,
        ethics_approval=LETTER if row.get("letter") else bytes(32),
    )


def _flags(kind: Any, names: list[str]) -> Any:
    return reduce(or_, (kind[each] for each in names), kind(0))


# Few values, so that random conditions and uses meet.
CODES = [1, 2, 3, 5148, 7254, 2**32 - 1]
PLACES = [0, 40, 255, 256, 276, 840, 1023]


def sets(values: list[Any], most: int) -> st.SearchStrategy[frozenset[Any]]:
    return st.frozensets(st.sampled_from(values), max_size=most)


def flags(kind: Any, members: Any, least: int = 0) -> st.SearchStrategy[Any]:
    return st.lists(st.sampled_from(list(members)), min_size=least, max_size=5).map(
        lambda found: reduce(or_, found, kind(0))
    )


purposes = flags(Purpose, Purpose, least=1)


@st.composite
def conditions(draw: Any) -> Conditions:
    terms = draw(flags(Term, DATASET_TERMS, least=1))
    parameters = {
        "diseases": sets(CODES, 6),
        "countries": sets(PLACES, 7),
        "institutions": sets(CODES, 6),
        "users": sets(list(USERS.values()), 2),
        "projects": sets(list(PROJECTS.values()), 2),
        "research_types": flags(Purpose, Purpose),
        "moratorium_until": st.sampled_from([0, NOW - 1, NOW, NOW + 1, NOW + DAY]),
        "months": st.sampled_from([0, 1, 12, 1200]),
    }
    stated = {name: draw(found) for name, found in parameters.items() if PARAMETER_OF[name] in terms}
    return Conditions(terms, **stated)


uses = st.builds(
    IntendedUse,
    purposes=purposes,
    user=st.sampled_from(list(USERS.values())),
    project=st.sampled_from(list(PROJECTS.values())),
    duration_seconds=st.sampled_from([0, MONTH_SECONDS, MONTH_SECONDS + 1, 365 * DAY, 2**64 - 1]),
    diseases=sets(CODES, 6),
    countries=sets(PLACES, 7),
    institution=st.sampled_from([0, *CODES]),
    organisation=st.sampled_from(Organisation),
    commerce=st.sampled_from(Commerce),
    commitments=flags(Commitment, Commitment),
    clinical_care=st.booleans(),
    publishes_not_before=st.sampled_from([0, NOW, NOW + 1, NOW + DAY]),
    ethics_approval=st.sampled_from([bytes(32), LETTER]),
)


def longest() -> tuple[Conditions, IntendedUse]:
    """As much as a dataset can state, and a use that makes the contract look at all of it."""
    conditions = Conditions(
        DATASET_TERMS,
        diseases=frozenset(range(1, 33)),
        countries=frozenset(range(512)),
        institutions=frozenset(range(1, 9)),
        users=frozenset(to_checksum_address(bytes([each] * 20)) for each in range(6)),
        projects=frozenset(bytes([each] * 32) for each in range(6)),
        research_types=Purpose.GENETIC,
        moratorium_until=NOW + DAY,
        months=12,
    )
    use = IntendedUse(
        purposes=Purpose.BIOMEDICAL,
        user=to_checksum_address(b"\xff" * 20),
        project=b"\xff" * 32,
        duration_seconds=365 * DAY,
        diseases=frozenset(range(25, 33)),
        countries=frozenset(range(512)),
        institution=8,
    )
    return conditions, use
