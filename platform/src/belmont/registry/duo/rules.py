"""What each term asks of an intended use: one rule a term, each with a sentence for people.

The contract's module `duo` keeps the same rules, under the same numbers; tests hold the two against each other.

  0. A dataset without a permission permits nothing.
  1. NRES approves every use.
  2. GRU approves every research purpose.
  3. HMB approves biomedical purposes, and denies ancestry. It abstains on purposes that may or may not be biomedical:
     population, age or gender category, research control, and method development for nothing stated.
  4. DS asks what HMB asks. Beyond that every declared disease is on the dataset's list. Nothing declared denies; a
     disease that is not on the list abstains, unless a hierarchy says what it is: a kind of a listed one approves, any
     other denies.
  5. POA approves ancestry, and denies every purpose that has nothing to do with it. It abstains on population and
     genetics, which are more, and on method development alone.
  6. RS approves purposes that are all among the types it states, and denies when none is. It abstains where only some
     are, where it states none, and on categories of age and gender, since no code says which category.
  7. NMDS denies method development.
  8. GSO denies what is not genetic.
  9. NPUNCU asks for what NPU and NCU ask.
 10. PUB, COL and RTN ask for the promise.
 11. IRB abstains: a person has to read the letter.
 12. GS asks that the analysis happens in listed countries only.
 13. MOR asks for the promise not to publish before its date, or that the date is past.
 14. TS asks for a permit that lasts no longer than its months.
 15. US, PS and IS ask for one that is listed.
 16. CC restricts nothing. Clinical care is denied without CC or NRES.
 17. NPOA denies ancestry, and abstains on population.
 18. NPU asks for a declared not-for-profit organisation.
 19. NCU asks for a declared non-commercial use.
 20. Where a rule asks for something declared, silence denies. Where a dataset's term lacks its parameter, it abstains.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from belmont.registry.duo import codes
from belmont.registry.duo.because import Because, Countries, OnDay, Terms, because
from belmont.registry.duo.conditions import Conditions
from belmont.registry.duo.hierarchy import DiseaseHierarchy
from belmont.registry.duo.intended_use import Commerce, Commitment, IntendedUse, Organisation
from belmont.registry.duo.terms import HEALTH, PERMISSIONS, Purpose, Term

MONTH_SECONDS: Final = 365 * 24 * 3600 // 12
UNSURE_FOR_HEALTH: Final = (
    Purpose.POPULATION | Purpose.AGE_CATEGORY | Purpose.GENDER_CATEGORY | Purpose.RESEARCH_CONTROL
)
UNSURE_FOR_ANCESTRY: Final = Purpose.POPULATION | Purpose.GENETIC
ABOUT_ANCESTRY: Final = UNSURE_FOR_ANCESTRY | Purpose.ANCESTRY | Purpose.METHOD_DEVELOPMENT
CATEGORIES: Final = Purpose.AGE_CATEGORY | Purpose.GENDER_CATEGORY


class Verdict(IntEnum):
    """APPROVE, DENY, or ABSTAIN, which leaves it to the board."""

    DENY = 1
    ABSTAIN = 2
    APPROVE = 3


Finding = tuple[Verdict, Because]
A, D, Q = Verdict.APPROVE, Verdict.DENY, Verdict.ABSTAIN


@dataclass(frozen=True)
class Case:
    """What the rules look at."""

    conditions: Conditions
    use: IntendedUse
    now: int
    hierarchy: DiseaseHierarchy | None


def permission(case: Case) -> Finding:
    return D, because("The holder stated no permission, only modifiers of one.")  # 0


def no_restriction(case: Case) -> Finding:
    return A, because("Every use is permitted.")  # 1


def general_research(case: Case) -> Finding:
    return A, because("Every research purpose is permitted: {purposes}.", purposes=case.use.purposes)  # 2


def health(case: Case) -> Finding:
    purposes = case.use.purposes
    if Purpose.ANCESTRY in purposes:
        return D, because("Health research does not include ancestry research.")  # 3
    if unsure := purposes & UNSURE_FOR_HEALTH:
        return Q, because("Whether this is health research is not in the code: {purposes}.", purposes=unsure)  # 3
    if not purposes & HEALTH:
        return Q, because("Methods are developed, and no purpose says for what.")  # 3
    return A, because("Health research is permitted: {purposes}.", purposes=purposes)  # 3


def disease_specific(case: Case) -> Finding:
    return _worst(health(case), _diseases(case))  # 4


def _diseases(case: Case) -> Finding:
    listed, declared = case.conditions.diseases, case.use.diseases
    if not declared:
        return D, because(
            "The data are for studies of listed diseases, and the study names none: name its diseases."
        )  # 20
    if not listed:
        return Q, because("The holder does not state for which diseases.")  # 20
    others = declared - listed
    if not others:
        return A, because("Every disease of the study is listed: {diseases}.", diseases=_named(case, declared))  # 4
    if case.hierarchy is None or any(each not in case.hierarchy for each in others):
        return Q, because(
            "Not listed, and perhaps a kind of a listed disease: {diseases}.", diseases=_named(case, others)
        )  # 4
    outside = frozenset(each for each in others if not case.hierarchy.is_a(each, listed))
    if outside:
        return D, because(
            "No kind of a listed disease by MONDO, {release}: {diseases}.",
            release=case.hierarchy.release,
            diseases=_named(case, outside),
        )  # 4
    return A, because(
        "Kinds of listed diseases by MONDO, {release}: {diseases}.",
        release=case.hierarchy.release,
        diseases=_named(case, others),
    )  # 4


def ancestry_only(case: Case) -> Finding:
    purposes = case.use.purposes
    if outside := purposes & ~ABOUT_ANCESTRY:
        return D, because("Only the study of origins and ancestry is permitted, not {purposes}.", purposes=outside)  # 5
    if more := purposes & UNSURE_FOR_ANCESTRY:
        return Q, because("May be more than the study of origins and ancestry: {purposes}.", purposes=more)  # 5
    if Purpose.ANCESTRY not in purposes:
        return Q, because("Methods are developed, and no purpose says for what.")  # 5
    return A, because("The study of origins and ancestry is permitted.")  # 5


def research_types(case: Case) -> Finding:
    purposes, types = case.use.purposes, case.conditions.research_types
    if not types:
        return Q, because("The holder does not state which type of research.")  # 20
    if not purposes & types:
        return D, because("Limited to {types}.", types=types)  # 6
    if purposes & ~types or purposes & CATEGORIES:
        return Q, because(
            "Limited to {types}, and the study is for {purposes}: compare with the protocol.",
            types=types,
            purposes=purposes,
        )  # 6
    return A, because("All purposes are among those permitted: {types}.", types=types)  # 6


def no_methods(case: Case) -> Finding:
    if Purpose.METHOD_DEVELOPMENT in case.use.purposes:
        return D, because("The development of methods is not permitted.")  # 7
    return A, because("No methods are developed.")  # 7


def genetic_only(case: Case) -> Finding:
    if Purpose.GENETIC not in case.use.purposes:
        return D, because("Limited to genetic studies, and the study's purposes do not name genetic research.")  # 8
    return A, because("The study is a genetic one.")  # 8


def not_for_profit(case: Case) -> Finding:
    match case.use.organisation:
        case Organisation.NOT_FOR_PROFIT:
            return A, because("A not-for-profit organisation is declared.")  # 18
        case Organisation.FOR_PROFIT:
            return D, because("Limited to not-for-profit organisations, and a for-profit one is declared.")  # 18
    return D, because("Limited to not-for-profit organisations: declare which kind yours is.")  # 20


def non_commercial(case: Case) -> Finding:
    match case.use.commerce:
        case Commerce.NON_COMMERCIAL:
            return A, because("Non-commercial use is declared.")  # 19
        case Commerce.COMMERCIAL:
            return D, because("Limited to non-commercial use, and a commercial one is declared.")  # 19
    return D, because("Limited to non-commercial use: declare whether yours is.")  # 20


def neither_profit_nor_commerce(case: Case) -> Finding:
    return _worst(not_for_profit(case), non_commercial(case))  # 9


def promised(commitment: Commitment, kept: Because, lacking: Because) -> Callable[[Case], Finding]:
    def rule(case: Case) -> Finding:
        return (A, kept) if commitment in case.use.commitments else (D, lacking)  # 10, 20

    return rule


def ethics_approval(case: Case) -> Finding:
    if any(case.use.ethics_approval):
        hashed = "0x" + case.use.ethics_approval.hex()
        return Q, because("Read the local ethics committee's letter, with the SHA-256 {hash}.", hash=hashed)  # 11
    return Q, because("A local ethics committee's letter is required, and the study names none yet.")  # 11


def geography(case: Case) -> Finding:
    where, permitted = case.use.countries, case.conditions.countries
    if not where:
        return D, because("The analysis is limited to a region: declare the countries where it happens.")  # 20
    if not permitted:
        return Q, because("The holder does not state which region.")  # 20
    if outside := where - permitted:
        return D, because(
            "Limited to {permitted}, and the analysis would happen in {outside} too.",
            permitted=Countries(permitted),
            outside=Countries(outside),
        )  # 12
    return A, because("The analysis happens in {countries} only.", countries=Countries(where))  # 12


def moratorium(case: Case) -> Finding:
    until, promise = case.conditions.moratorium_until, case.use.publishes_not_before
    if not until:
        return Q, because("The holder does not state until when nothing may be published.")  # 20
    if case.now >= until:
        return A, because("The moratorium ended on {day}.", day=OnDay(until))  # 13
    if promise >= until:
        return A, because("The data user promises to publish nothing before {day}.", day=OnDay(promise))  # 13
    return D, because("The data user has to promise to publish nothing before {day}.", day=OnDay(until))  # 13


def time_limit(case: Case) -> Finding:
    months, seconds = case.conditions.months, case.use.duration_seconds
    if not months:
        return Q, because("The holder does not state for how many months.")  # 20
    if seconds > months * MONTH_SECONDS:
        return D, because(
            "Limited to {months} months: apply for {days} days at most.",
            months=months,
            days=months * MONTH_SECONDS // 86400,
        )  # 14
    return A, because(
        "The permit lasts {days} days, of the {months} months permitted.", days=seconds // 86400, months=months
    )  # 14


def users(case: Case) -> Finding:
    if not case.conditions.users:
        return Q, because("The holder does not state which users.")  # 20
    if case.use.user not in case.conditions.users:
        return D, because("{user} is none of the users that the holder approved.", user=case.use.user)  # 15
    return A, because("The holder approved {user}.", user=case.use.user)  # 15


def projects(case: Case) -> Finding:
    if not case.conditions.projects:
        return Q, because("The holder does not state which projects.")  # 20
    if case.use.project not in case.conditions.projects:
        return D, because("The protocol is none of those that the holder approved.")  # 15
    return A, because("The holder approved this protocol.")  # 15


def institutions(case: Case) -> Finding:
    if not case.use.institution:
        return D, because("Limited to approved institutions: declare yours.")  # 20
    if not case.conditions.institutions:
        return Q, because("The holder does not state which institutions.")  # 20
    if case.use.institution not in case.conditions.institutions:
        return D, because(
            "{institution} is none of the institutions that the holder approved.",
            institution=codes.ror(case.use.institution),
        )  # 15
    return A, because(
        "The holder approved the institution {institution}.", institution=codes.ror(case.use.institution)
    )  # 15


def clinical_care(case: Case) -> Finding:
    if case.use.clinical_care and not case.conditions.terms & (Term.CC | Term.NRES):
        return D, because("Results would go into the care of patients, and the holder permits research only.")  # 16
    return A, because("Use in the care of patients is permitted too.")  # 16


def no_ancestry(case: Case) -> Finding:
    if Purpose.ANCESTRY in case.use.purposes:
        return D, because("Ancestry research is prohibited.")  # 17
    if Purpose.POPULATION in case.use.purposes:
        return Q, because("Ancestry research is prohibited, and population research may be that.")  # 17
    return A, because("No ancestry research is intended.")  # 17


RULES: Final[dict[Term, Callable[[Case], Finding]]] = {
    Term.PERMISSION: permission,
    Term.NRES: no_restriction,
    Term.HMB: health,
    Term.DS: disease_specific,
    Term.POA: ancestry_only,
    Term.RS: research_types,
    Term.NMDS: no_methods,
    Term.GSO: genetic_only,
    Term.NPUNCU: neither_profit_nor_commerce,
    Term.PUB: promised(
        Commitment.PUBLISHES,
        because("The data user promises to publish the results."),
        because("The data user has to promise to publish the results, and does not."),
    ),
    Term.COL: promised(
        Commitment.COLLABORATES,
        because("The data user promises to collaborate with the holder's investigators."),
        because("The data user has to promise to collaborate with the holder's investigators, and does not."),
    ),
    Term.IRB: ethics_approval,
    Term.GS: geography,
    Term.MOR: moratorium,
    Term.TS: time_limit,
    Term.US: users,
    Term.PS: projects,
    Term.IS: institutions,
    Term.RTN: promised(
        Commitment.RETURNS,
        because("The data user promises to return derived data to the holder."),
        because("The data user has to promise to return derived data to the holder, and does not."),
    ),
    Term.GRU: general_research,
    Term.CC: clinical_care,
    Term.NPOA: no_ancestry,
    Term.NPU: not_for_profit,
    Term.NCU: non_commercial,
}


def applying(case: Case) -> Term:
    """The terms whose rules apply: the dataset's own, and those that it would need."""
    terms = case.conditions.terms
    if not terms & PERMISSIONS:
        terms |= Term.PERMISSION  # 0
    if case.use.clinical_care:
        terms |= Term.CC  # 16
    return terms


def _worst(*findings: Finding) -> Finding:
    """Within one term, what denies counts before what abstains."""
    worst = min(verdict for verdict, _ in findings)
    first, *more = [reason for verdict, reason in findings if verdict is worst]
    return worst, Because(first.message, first.parts, tuple(more))


def _named(case: Case, numbers: frozenset[int]) -> Terms:
    def named(number: int) -> str:
        name = case.hierarchy.name(number) if case.hierarchy else ""
        return f"{codes.mondo(number)} ({name})" if name else codes.mondo(number)

    return Terms(tuple(map(named, sorted(numbers))))
