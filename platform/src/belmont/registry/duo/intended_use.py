"""What a researcher declares: what the data are for, where and by whom, and what is promised in return.

A ``Declaration`` is what an application says beyond its other terms; ``IntendedUse`` adds these, and is matched.
Whatever is not declared counts as not granted: silence never opens a dataset.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import STRICT, IntEnum, IntFlag
from typing import Any, Final

from eth_utils.address import is_checksum_address

from belmont.registry.duo import codes
from belmont.registry.duo.conditions import check_set, day, require, require_whole
from belmont.registry.duo.terms import PURPOSES, Purpose

DISEASES_MAX: Final = codes.LANES


class Organisation(IntEnum):
    """Who does the research."""

    UNDECLARED = 0
    NOT_FOR_PROFIT = 1
    FOR_PROFIT = 2


class Commerce(IntEnum):
    """What is done with what comes of it."""

    UNDECLARED = 0
    NON_COMMERCIAL = 1
    COMMERCIAL = 2


class Commitment(IntFlag, boundary=STRICT):
    """What the researcher promises. With their signature on the application it is on record."""

    PUBLISHES = 1
    COLLABORATES = 2
    RETURNS = 4


NO_COMMITMENT: Final = Commitment(0)


@dataclass(frozen=True, kw_only=True)
class Declaration:
    """What an application says of its use of data. Empty sets, zeros and UNDECLARED say nothing."""

    diseases: frozenset[int] = frozenset()
    """MONDO terms that the study is about, all of them."""
    countries: frozenset[int] = frozenset()
    """Where the analysis happens, ISO 3166-1 numeric, all of them."""
    institution: int = 0
    """The data user's, as the number of its ROR identifier."""
    organisation: Organisation = Organisation.UNDECLARED
    commerce: Commerce = Commerce.UNDECLARED
    commitments: Commitment = NO_COMMITMENT
    clinical_care: bool = False
    """Whether results go back into the care of patients."""
    publishes_not_before: int = 0
    """A promise to publish nothing before this Unix second; 0 promises nothing."""
    ethics_approval: bytes = bytes(32)
    """SHA-256 of the local ethics committee's letter; zeros where there is none yet."""

    def __post_init__(self) -> None:
        check_set("diseases", self.diseases, DISEASES_MAX, codes.is_lane)
        check_set("countries", self.countries, codes.COUNTRIES, codes.is_country)
        require_whole("institution", self.institution, 1 << codes.LANE_BITS)
        require(self.organisation in tuple(Organisation), "organisation must be one of Organisation.")
        require(self.commerce in tuple(Commerce), "commerce must be one of Commerce.")
        require(isinstance(self.clinical_care, bool), "clinical_care must be True or False.")
        require_whole("commitments", self.commitments, 8)
        require_whole("publishes_not_before", self.publishes_not_before, 1 << 64)
        hashed = isinstance(self.ethics_approval, bytes) and len(self.ethics_approval) == 32
        require(hashed, "ethics_approval must be 32 bytes: the SHA-256 of the letter.")
        object.__setattr__(self, "organisation", Organisation(self.organisation))
        object.__setattr__(self, "commerce", Commerce(self.commerce))
        object.__setattr__(self, "commitments", Commitment(self.commitments))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({'; '.join(f'{name}: {said}' for name, said in self.spoken().items())})"

    def spoken(self) -> dict[str, str]:
        """What is declared, as people read it."""
        said = {
            "diseases": ", ".join(map(codes.mondo, sorted(self.diseases))),
            "countries": ", ".join(sorted(map(codes.country, self.countries))),
            "institution": codes.ror(self.institution) if self.institution else "",
            "organisation": _words(self.organisation),
            "commerce": _words(self.commerce),
            "promises": ", ".join(str(each.name).lower() for each in self.commitments),
            "clinical care": "yes" if self.clinical_care else "",
            "publishes not before": day(self.publishes_not_before) if self.publishes_not_before else "",
            "ethics approval": f"0x{self.ethics_approval.hex()[:16]}…" if any(self.ethics_approval) else "",
        }
        return {name: each for name, each in said.items() if each}

    def struct(self) -> tuple[Any, ...]:
        """As ``duo.Declaration`` of the contracts."""
        return (
            codes.to_lanes(self.diseases, 1)[0],
            codes.to_bits(self.countries),
            self.institution,
            int(self.organisation),
            int(self.commerce),
            int(self.commitments),
            self.clinical_care,
            self.publishes_not_before,
            self.ethics_approval,
        )

    @classmethod
    def from_struct(cls, struct: Mapping[str, Any]) -> "Declaration":
        """From ``duo.Declaration``, as ``abi.Interface`` decodes it."""
        return cls(
            diseases=codes.from_lanes([struct["diseases"]]),
            countries=codes.from_bits(struct["countries"]),
            institution=struct["institution"],
            organisation=Organisation(struct["organisation"]),
            commerce=Commerce(struct["commerce"]),
            commitments=Commitment(struct["commitments"]),
            clinical_care=struct["clinicalCare"],
            publishes_not_before=struct["publishesNotBefore"],
            ethics_approval=struct["ethicsApproval"],
        )


SILENT: Final = Declaration()
"""Declares nothing."""


@dataclass(frozen=True, kw_only=True, repr=False)
class IntendedUse(Declaration):
    """What is matched with the conditions of a dataset: a declaration, and the rest of the application."""

    purposes: Purpose
    user: str
    """Checksummed account of the data user. Unlike what is declared, the chain knows it."""
    project: bytes
    """The study's protocol hash."""
    duration_seconds: int
    """Of the permit that is asked for."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(isinstance(self.purposes, int) and self.purposes > 0, "purposes is empty: state one, like 37.")
        require(not int(self.purposes) & ~int(PURPOSES), "purposes has a code that is no purpose.")
        require(is_checksum_address(self.user), "user must be a checksummed address (0x and 40 digits).")
        require(isinstance(self.project, bytes) and len(self.project) == 32, "project must be 32 bytes.")
        require_whole("duration_seconds", self.duration_seconds, 1 << 64)
        object.__setattr__(self, "purposes", Purpose(self.purposes))

    @classmethod
    def of(
        cls, declaration: Declaration, *, purposes: int, user: str, project: bytes, duration_seconds: int
    ) -> "IntendedUse":
        """The use that an application with this declaration intends."""
        declared = {each.name: getattr(declaration, each.name) for each in fields(Declaration)}
        return cls(
            **declared, purposes=Purpose(purposes), user=user, project=project, duration_seconds=duration_seconds
        )

    def spoken(self) -> dict[str, str]:
        return {"purposes": str(self.purposes), **super().spoken()}

    def struct(self) -> tuple[Any, ...]:
        """As ``duo.Use`` of the contracts."""
        return (int(self.purposes), self.user, self.project, self.duration_seconds, super().struct())


def _words(value: IntEnum) -> str:
    return value.name.replace("_", " ").lower() if value else ""
