"""Whether a dataset's conditions permit a study, term by term: what each asks, what was declared, and why it fits.

1. The verdicts and reasons are those of ``belmont.registry.duo.match``, at the second at which the study was proposed:
   the contract decided then. A hierarchy of diseases settles some of what it left to the board.
2. Terms that deny come first, then those that leave the use to the board: what a board reads first.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from belmont.registry.duo import Commerce, DiseaseHierarchy, Organisation, Purpose, Term, Verdict, codes, match
from belmont.registry.duo.because import Because, Countries, OnDay, Part, Terms
from belmont.registry.duo.intended_use import IntendedUse
from belmont.registry.types import Dataset, Study
from belmont.service.explain.naming import Names
from belmont.service.words import Country, Day, Hash, Listed, Sentence, Span, Thing, Value


@dataclass(frozen=True)
class Line:
    """One term of a dataset, held against one study."""

    term: Term
    asks: Sentence
    """What the term asks for."""
    declared: Value
    """What the study declared about it."""
    verdict: Verdict
    because: tuple[Sentence, ...]


@dataclass(frozen=True)
class DataUse:
    """All terms of one dataset."""

    dataset: Thing
    verdict: Verdict
    summary: Sentence
    lines: tuple[Line, ...]


def explain(
    dataset: Dataset, study: Study, hierarchy: DiseaseHierarchy | None = None, known: Names | None = None
) -> DataUse:
    """The conditions of a dataset against what a study declares."""
    use = study.terms.use_of(study.data_user)
    found = match(dataset.data_use, use, study.proposed_at, hierarchy)
    called = known or Names.of(datasets=[dataset])
    lines = tuple(
        Line(
            each.term,
            _ASKS[each.term],
            _declared(each.term, use, hierarchy, called),
            each.verdict,
            tuple(sentence_of(reason) for reason in each.reason.each),
        )
        for each in found.terms
    )
    return DataUse(called.dataset(dataset.id), found.verdict, sentence_of(found.conclusion), lines)


def sentence_of(reason: Because) -> Sentence:
    """A rule's reason, for any language."""
    return Sentence(reason.message, **{name: _part(part) for name, part in reason.parts.items()})


def _part(part: Part) -> Value:
    match part:
        case OnDay(seconds):
            return Day(seconds)
        case Countries():
            return tuple(Country(each) for each in part.letters)
        case Terms(items):
            return Listed(items)
    return part


def _declared(term: Term, use: IntendedUse, hierarchy: DiseaseHierarchy | None, known: Names) -> Value:
    """What the study says about what a term asks."""
    silent = Sentence("nothing")
    match term:
        case Term.DS:
            diseases = tuple(_disease(each, hierarchy) for each in sorted(use.diseases))
            return Sentence("{purposes}; {diseases}", purposes=use.purposes, diseases=diseases or silent)
        case Term.GS:
            return tuple(Country(codes.country(each)) for each in sorted(use.countries)) or silent
        case Term.IS:
            return codes.ror(use.institution) if use.institution else silent
        case Term.US:
            return known.account(use.user)
        case Term.PS:
            return Sentence("a protocol with the SHA-256 {hash}", hash=Hash(use.project))
        case Term.TS:
            return Span(use.duration_seconds)
        case Term.MOR:
            if use.publishes_not_before:
                return Sentence("publishes nothing before {day}", day=Day(use.publishes_not_before))
            return silent
        case Term.IRB:
            letter = Sentence("a letter with the SHA-256 {hash}", hash=Hash(use.ethics_approval))
            return letter if any(use.ethics_approval) else silent
        case Term.PUB | Term.COL | Term.RTN:
            return use.commitments or silent
        case Term.NPU:
            return silent if use.organisation is Organisation.UNDECLARED else use.organisation
        case Term.NCU:
            return silent if use.commerce is Commerce.UNDECLARED else use.commerce
        case Term.NPUNCU:
            return Listed((use.organisation, use.commerce))
        case Term.CC:
            return Sentence("results go into the care of patients") if use.clinical_care else Sentence("research only")
    return Purpose(use.purposes)


def _disease(number: int, hierarchy: DiseaseHierarchy | None) -> str:
    name = hierarchy.name(number) if hierarchy else ""
    return f"{name} ({codes.mondo(number)})" if name else codes.mondo(number)


def conditions(dataset: Dataset, hierarchy: DiseaseHierarchy | None = None) -> tuple[tuple[Term, Sentence, Value], ...]:
    """A dataset's conditions without a study: each term, what it asks for, and the parameter that the holder stated."""
    stated = dataset.data_use
    parameters: Mapping[Term, Value] = {
        Term.DS: tuple(_disease(each, hierarchy) for each in sorted(stated.diseases)),
        Term.GS: tuple(Country(codes.country(each)) for each in sorted(stated.countries)),
        Term.IS: tuple(map(codes.ror, sorted(stated.institutions))),
        Term.US: tuple(sorted(stated.users)),
        Term.PS: tuple(Hash(each) for each in sorted(stated.projects)),
        Term.RS: stated.research_types or (),
        Term.MOR: Day(stated.moratorium_until) if stated.moratorium_until else (),
        Term.TS: Span(stated.months * 365 * 86400 // 12) if stated.months else (),
    }
    return tuple(
        (term, _ASKS[term], (parameters[term] or Sentence("not stated")) if term in parameters else "")
        for term in stated.terms
    )


_ASKS: Final[Mapping[Term, Sentence]] = {
    Term.PERMISSION: Sentence("The holder has to state for what kind of research the data may be used."),
    Term.NRES: Sentence("Any use is permitted."),
    Term.GRU: Sentence("Any research is permitted."),
    Term.HMB: Sentence("Health, medical and biomedical research is permitted; the study of ancestry is not."),
    Term.DS: Sentence("Research on the listed diseases is permitted."),
    Term.POA: Sentence("Only research on the origins or ancestry of populations is permitted."),
    Term.RS: Sentence("Only the stated types of research are permitted."),
    Term.NMDS: Sentence("The data must not be used to develop methods."),
    Term.GSO: Sentence("Only genetic studies are permitted."),
    Term.NPUNCU: Sentence("Only not-for-profit organisations may use the data, and only for non-commercial ends."),
    Term.PUB: Sentence("The results have to be published."),
    Term.COL: Sentence("The data user has to collaborate with the holder's investigators."),
    Term.IRB: Sentence("A local ethics committee has to have approved the study."),
    Term.GS: Sentence("The analysis may happen only in the listed countries."),
    Term.MOR: Sentence("Nothing may be published before a date."),
    Term.TS: Sentence("A permit may last only so long."),
    Term.US: Sentence("Only the listed users may use the data."),
    Term.PS: Sentence("The data may be used only for the listed projects."),
    Term.IS: Sentence("Only the listed institutions may use the data."),
    Term.RTN: Sentence("Derived data have to be returned to the holder."),
    Term.CC: Sentence("Use in the care of patients is permitted beside research."),
    Term.NPOA: Sentence("Research on the origins or ancestry of populations is prohibited."),
    Term.NPU: Sentence("Only not-for-profit organisations may use the data."),
    Term.NCU: Sentence("Only non-commercial use is permitted."),
}
"""What each term asks, in a sentence; the labels are DUO's (``words.names.of``)."""
