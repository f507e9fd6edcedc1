"""What a data holder attaches to a dataset: its DUO terms, and what DUO leaves to a parameter of the term.

A parameter stands only beside its term, so that nobody believes in a restriction that nothing applies. A term may stand
without its parameter: then no machine can decide, and the board does.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from eth_utils.address import is_checksum_address

from belmont.registry.duo import codes
from belmont.registry.duo.terms import DATASET_TERMS, NO_PURPOSE, PURPOSES, Purpose, Term
from belmont.registry.errors import RegistryArgumentError

DISEASE_WORDS: Final = 4
DISEASES_MAX: Final = DISEASE_WORDS * codes.LANES
INSTITUTIONS_MAX: Final = codes.LANES
USERS_MAX: Final = 6
PROJECTS_MAX: Final = 6
MONTHS_MAX: Final = 1200

PARAMETER_OF: Final = {
    "research_types": Term.RS,
    "diseases": Term.DS,
    "countries": Term.GS,
    "institutions": Term.IS,
    "users": Term.US,
    "projects": Term.PS,
    "moratorium_until": Term.MOR,
    "months": Term.TS,
}


@dataclass(frozen=True)
class Conditions:
    """The conditions of one dataset. Empty sets and zeros are parameters that the holder does not state."""

    terms: Term
    diseases: frozenset[int] = frozenset()
    """DS: MONDO terms, with every narrower one that shall be approved without asking the board."""
    countries: frozenset[int] = frozenset()
    """GS: where the analysis may happen, ISO 3166-1 numeric."""
    institutions: frozenset[int] = frozenset()
    """IS: numbers of ROR identifiers."""
    users: frozenset[str] = frozenset()
    """US: checksummed accounts of data users."""
    projects: frozenset[bytes] = frozenset()
    """PS: protocol hashes of studies."""
    research_types: Purpose = NO_PURPOSE
    """RS: the purposes that studies are limited to."""
    moratorium_until: int = 0
    """MOR: nothing is published before this Unix second."""
    months: int = 0
    """TS: how long a permit may last."""

    def __post_init__(self) -> None:
        require(isinstance(self.terms, int) and self.terms > 0, "terms is empty: state a permission, like Term.HMB.")
        require(not int(self.terms) & ~int(DATASET_TERMS), "terms has a code that is no term of a dataset.")
        require(not int(self.research_types) & ~int(PURPOSES), "research_types has a code that is no purpose.")
        # On from here the masks are flags, whoever gave plain numbers.
        object.__setattr__(self, "terms", Term(self.terms))
        object.__setattr__(self, "research_types", Purpose(self.research_types))
        for name, term in PARAMETER_OF.items():
            require(
                not getattr(self, name) or term in self.terms,
                f"{name} is given, and {term} ({term.label}) is not among the terms: add it, or leave {name} out.",
            )
        check_set("diseases", self.diseases, DISEASES_MAX, codes.is_lane)
        check_set("countries", self.countries, codes.COUNTRIES, codes.is_country)
        check_set("institutions", self.institutions, INSTITUTIONS_MAX, codes.is_lane)
        check_set("users", self.users, USERS_MAX, is_checksum_address)
        check_set("projects", self.projects, PROJECTS_MAX, lambda each: isinstance(each, bytes) and len(each) == 32)
        require_whole("moratorium_until", self.moratorium_until, 1 << 64)
        require_whole("months", self.months, MONTHS_MAX + 1)

    def __repr__(self) -> str:
        return f"Conditions({'; '.join(self.spoken().values())})"

    def spoken(self) -> dict[str, str]:
        """Each term with its parameter, as people read it, by the term's short form."""
        return {str(term): f"{term} {self._parameter(term)}".strip() for term in self.terms}

    def _parameter(self, term: Term) -> str:
        values = {
            Term.RS: str(self.research_types) if self.research_types else "",
            Term.DS: ", ".join(map(codes.mondo, sorted(self.diseases))),
            Term.GS: ", ".join(sorted(map(codes.country, self.countries))),
            Term.IS: ", ".join(map(codes.ror, sorted(self.institutions))),
            Term.US: ", ".join(sorted(self.users)),
            Term.PS: ", ".join(f"0x{each.hex()[:16]}…" for each in sorted(self.projects)),
            Term.MOR: f"until {day(self.moratorium_until)}" if self.moratorium_until else "",
            Term.TS: f"{self.months} months" if self.months else "",
        }
        return (values[term] or "(not stated)") if term in values else ""

    def struct(self) -> tuple[Any, ...]:
        """As ``duo.Conditions`` of the contracts."""
        return (
            int(self.terms),
            int(self.research_types),
            codes.to_lanes(self.diseases, DISEASE_WORDS),
            codes.to_bits(self.countries),
            codes.to_lanes(self.institutions, 1)[0],
            sorted(self.users),
            sorted(self.projects),
            self.moratorium_until,
            self.months,
        )

    @classmethod
    def from_struct(cls, struct: Mapping[str, Any]) -> "Conditions":
        """From ``duo.Conditions``, as ``abi.Interface`` decodes it."""
        return cls(
            terms=Term(struct["terms"]),
            research_types=Purpose(struct["researchTypes"]),
            diseases=codes.from_lanes(struct["diseases"]),
            countries=codes.from_bits(struct["countries"]),
            institutions=codes.from_lanes([struct["institutions"]]),
            users=frozenset(struct["users"]),
            projects=frozenset(struct["projects"]),
            moratorium_until=struct["moratoriumUntil"],
            months=struct["months"],
        )


def day(seconds: int) -> str:
    """A Unix second as people read it; beyond what a calendar holds, the number."""
    try:
        return datetime.fromtimestamp(seconds, UTC).date().isoformat()
    except (OverflowError, ValueError, OSError):
        return f"second {seconds}"


def require(condition: object, message: str) -> None:
    if not condition:
        raise RegistryArgumentError(message)


def require_whole(name: str, value: object, below: int) -> None:
    whole = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < below
    require(whole, f"{name} must be a whole number from 0 to {below - 1}; it is {value!r}.")


def check_set(name: str, values: object, most: int, fits: Callable[[Any], bool]) -> None:
    """``values`` is a frozenset of at most ``most`` that fit the contract's words."""
    if not isinstance(values, frozenset):
        raise RegistryArgumentError(f"{name} must be a frozenset; see belmont.registry.duo.codes.")
    require(len(values) <= most, f"{name} has more than {most}; state broader ones.")
    for each in values:
        require(fits(each), f"{name} has {each!r}, which is none; see belmont.registry.duo.codes.")
