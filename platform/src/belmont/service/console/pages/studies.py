"""Applications: the list, and one of them with everything that a member of the board reads before the vote."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import Request
from fastapi.responses import Response

from belmont.audit.search import EventQuery
from belmont.federated.errors import FederatedError
from belmont.lab.errors import LabError
from belmont.lab.own.code import TEMPLATE
from belmont.lab.own.difference import NOT_THERE, CodeDifference
from belmont.registry.duo import Verdict
from belmont.registry.types import Address, Study, StudyTerms
from belmont.service.console import protocols, standing, votes
from belmont.service.console.kept import Kept
from belmont.service.console.parts import Number, Reading, a_router, found, names_of, newest_first, now, service_of
from belmont.service.console.uses import configuration_of
from belmont.service.documents.code import code_of
from belmont.service.documents.kinds import Kind
from belmont.service.explain import Names, application, data_use, differences, history, privacy
from belmont.service.explain.declaring import declarations
from belmont.service.service import Service
from belmont.service.words import Listed, Sentence, Span, Value
from belmont.service.words import names as named

router = a_router()
STORY_MOST = 200
_kept = Kept(64)
"""By the hashes of what they are made of."""
MARKS = {Verdict.APPROVE: "good", Verdict.ABSTAIN: "wait", Verdict.DENY: "stop"}


@router.get("/studies")
def studies(request: Request, visitor: Reading) -> Response:
    """Every application, the newest first."""
    service = service_of(request)
    snapshot, clock = service.snapshot, now()
    rows = [
        (
            each,
            standing.of_study(each, snapshot.permits, clock),
            standing.can_vote(each, visitor.account or Address(""), clock),
        )
        for each in newest_first(snapshot.studies)
    ]
    return service.pages.page(request, "studies/list.html", rows=rows, snapshot=snapshot)


@router.get("/studies/{number}")
def study(request: Request, visitor: Reading, number: Number) -> Response:
    """One application."""
    service = service_of(request)
    snapshot, clock = service.snapshot, now()
    record = found(snapshot.studies.get(number))
    account = visitor.account or Address("")
    page = service.index.search(EventQuery(study=number, limit=STORY_MOST))
    names = names_of(snapshot)
    code, code_problem = _code(service, record)
    amendment = _amendment(service, record, names)
    config = configuration_of(service, record.terms)
    return service.pages.page(
        request,
        "studies/one.html",
        study=record,
        terms=record.terms,
        stands=standing.of_study(record, snapshot.permits, clock),
        snapshot=snapshot,
        can_vote=standing.can_vote(record, account, clock),
        issuable=standing.is_issuable(record, snapshot.permits, clock),
        waits=standing.amendment_waits(record, snapshot.permits, snapshot.pause.until > clock, clock),
        mine=account == record.data_user,
        to_accept=_to_accept(service, record, account),
        protocol=_protocol(service, record),
        configuration=None if config is None else [(key, repr(config[key])) for key in sorted(config)],
        code=code,
        not_there=NOT_THERE,
        code_problem=code_problem,
        summary=application.summary(
            record,
            snapshot.datasets,
            snapshot.members,
            config,
            clock,
            versions=snapshot.versions,
            dictionary=service.dictionary_of(record.terms.datasets),
        ),
        matches=[
            data_use.explain(snapshot.datasets[each], record, known=names)
            for each in record.terms.datasets
            if each in snapshot.datasets
        ],
        marks=MARKS,
        terms_in_words=_terms(record.terms, names),
        amendment=amendment,
        amended_code=_amended_code(service, record, amendment),
        why_amended=service.documents.why_amended(number) if record.amends else None,
        votes=votes.cast(service, number),
        story=[(each, history.sentence(each, names)) for each in page.events],
        total=page.total,
    )


# --- documents ---


@dataclass(frozen=True)
class Text:
    """A document that is here: as HTML where it can be, and by the SHA-256 of its bytes."""

    html: object | None
    sha256: bytes


def _protocol(service: Service, study: Study) -> Text | None:
    text = service.documents.text(Kind.PROTOCOL, study.terms.protocol_hash)
    if text is None:
        return None
    hashed = study.terms.protocol_hash
    return Text(_kept.of(("protocol", hashed), lambda: protocols.rendered(text)), hashed)


def _amendment(service: Service, study: Study, names: Names) -> differences.Differences | None:
    """What an amendment changes of the permit that it amends."""
    permit = service.snapshot.permits.get(study.amends)
    if permit is None:
        return None
    old, new = permit.terms, study.terms
    return differences.of(
        old,
        new,
        configuration_of(service, old),
        configuration_of(service, new),
        old_bundle=service.documents.find(Kind.CODE, old.code_hash),
        new_bundle=service.documents.find(Kind.CODE, new.code_hash),
        known=names,
    )


def _amended_code(service: Service, study: Study, amendment: differences.Differences | None) -> str:
    """The lines of its code that differ from the permit's."""
    code = None if amendment is None else amendment.code
    if code is None:
        return ""
    old = service.snapshot.permits[study.amends].terms.code_hash
    return _kept.of(("amended", old, study.terms.code_hash), code.to_text)


def _terms(terms: StudyTerms, names: Names) -> list[tuple[Sentence, Value]]:
    """Everything that the permit would bind."""
    return [
        (Sentence("purpose"), Listed(named.purposes(terms.purpose))),
        (Sentence("datasets"), Listed(tuple(names.dataset(each) for each in terms.datasets))),
        (Sentence("computations"), terms.computations),
        (Sentence("rounds"), terms.rounds),
        (Sentence("queries"), terms.queries),
        (Sentence("answers"), terms.answer_mode),
        (Sentence("privacy budget of each dataset"), privacy.amount(terms.rho_per_dataset)),
        (Sentence("fewest hospitals"), terms.min_hospitals),
        (Sentence("fewest patients at each hospital"), terms.min_cohort),
        (Sentence("duration from when it is issued"), Span(terms.duration_seconds)),
        (Sentence("declared use"), Listed(declarations(terms.intended_use))),
    ]


@dataclass(frozen=True)
class CodeShown:
    """The code of a study against what it is nearest to."""

    names: tuple[str, ...]
    against: Sentence
    """What it is compared with."""
    difference: CodeDifference
    text: str
    """The lines that differ, as ``diff -u`` writes them; empty where every file is the same."""


def _code(service: Service, study: Study) -> tuple[CodeShown | None, str]:
    """The code and its differences; or why it cannot be shown."""
    try:
        bundle = service.documents.find(Kind.CODE, study.terms.code_hash)
        if bundle is None:
            return None, ""
        config = service.documents.find(Kind.CONFIGURATION, study.terms.config_hash)
        key = ("code", study.terms.code_hash, None if config is None else study.terms.config_hash)
        return _kept.of(key, lambda: code_shown(bundle, config)), ""
    except (LabError, FederatedError) as error:
        return None, str(error)


def code_shown(bundle: bytes, config: bytes | None) -> CodeShown:
    """A bundle against what it is nearest to. Raises LabError and FederatedError for what is none."""
    code = code_of(bundle, config)
    nearest = code.nearest
    against = Sentence("the template") if nearest == TEMPLATE else Sentence("the shipped app {name}", name=nearest)
    difference = code.diff(nearest)
    return CodeShown(tuple(code), against, difference, difference.to_text() if difference.changed else "")


# --- acceptances ---


def _to_accept(service: Service, study: Study, account: Address) -> list[bytes]:
    """Datasets of this account that the study names and that it has not accepted."""
    if study.id in service.snapshot.permits:
        return []
    mine = [
        each
        for each in study.terms.datasets
        if (dataset := service.snapshot.datasets.get(each)) is not None and dataset.holder == account
    ]
    return [each for each in mine if each not in study.accepted]
