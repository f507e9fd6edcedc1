"""Data use as the API has it: codes of GA4GH's DUO, conditions with parameters, what applicants declare."""

from belmont.registry.duo import codes
from belmont.registry.duo.conditions import Conditions
from belmont.registry.duo.intended_use import Declaration
from belmont.registry.duo.terms import Purpose, Term
from belmont.service.api.values import AccountText, Answer, Hash, MomentOrNone, Whole


class Code(Answer):
    """A code of DUO."""

    code: str
    """`DUO:0000006` and the like."""
    short: str
    """Its short form, `HMB`; for purposes a name of ours."""
    label: str


class DataUse(Answer):
    """What a dataset's holder permits. What is empty or null is not stated."""

    terms: list[Code]
    research_types: list[Code]
    diseases: list[str]
    """MONDO."""
    countries: list[str]
    """ISO 3166-1 alpha-2; the numeric code where there are no letters."""
    institutions: list[str]
    """ROR."""
    users: list[AccountText]
    projects: list[Hash]
    moratorium_until: MomentOrNone
    months: Whole


class Declared(Answer):
    """What an application declares beyond its terms. What is empty or null is not declared."""

    diseases: list[str]
    countries: list[str]
    institution: str | None
    organisation: str
    commerce: str
    commitments: list[str]
    clinical_care: bool
    publishes_not_before: MomentOrNone
    ethics_approval: Hash
    """SHA-256 of the local committee's letter; zero where there is none."""


def term_codes(mask: int) -> list[Code]:
    """The terms in a mask, by their numbers."""
    return [_code(bit, Term) for bit in range(64) if mask >> bit & 1]


def purpose_codes(mask: int) -> list[Code]:
    """The purposes in a mask, by their numbers."""
    return [_code(bit, Purpose) for bit in range(64) if mask >> bit & 1]


def data_use(found: Conditions) -> DataUse:
    """Conditions of the registry, as the API has them."""
    return DataUse(
        terms=term_codes(int(found.terms)),
        research_types=purpose_codes(int(found.research_types)),
        diseases=[codes.mondo(each) for each in sorted(found.diseases)],
        countries=sorted(codes.country(each) for each in found.countries),
        institutions=[codes.ror(each) for each in sorted(found.institutions)],
        users=sorted(found.users),
        projects=sorted(found.projects),
        moratorium_until=found.moratorium_until,
        months=found.months,
    )


def declared(found: Declaration) -> Declared:
    """A declaration of the registry, as the API has it."""
    return Declared(
        diseases=[codes.mondo(each) for each in sorted(found.diseases)],
        countries=sorted(codes.country(each) for each in found.countries),
        institution=codes.ror(found.institution) if found.institution else None,
        organisation=found.organisation.name.lower(),
        commerce=found.commerce.name.lower(),
        commitments=[str(each.name).lower() for each in found.commitments],
        clinical_care=found.clinical_care,
        publishes_not_before=found.publishes_not_before,
        ethics_approval=found.ethics_approval,
    )


def _code(bit: int, kind: type[Term] | type[Purpose]) -> Code:
    curie = f"DUO:{bit:07d}"
    if 1 << bit not in kind._value2member_map_:
        return Code(code=curie, short="", label="")
    found = kind(1 << bit)
    return Code(code=curie, short=str(found.name), label=found.label)
