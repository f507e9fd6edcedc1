"""Handing the texts behind an application to an institution's service, so that whoever decides can read them.

1. The chain has the hashes; what was applied with, said or released is kept in this directory (`belmont.lab.documents`)
   and handed to the service, which takes only what the chain has the hash of.
2. What is done on chain is done, also where the service is away: then the study's card says what was not handed in, and
   ``study.hand_in()`` does it later. Anybody who is a member and has a text can.
3. Why an amendment is asked for has no hash on chain: only its applicant hands that in.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from belmont.federated.hashes import canonical_json
from belmont.identity.approval_conditions import ApprovalConditions
from belmont.lab import documents
from belmont.lab.errors import LabError, ServiceAway, ServiceRefused
from belmont.lab.home import Home
from belmont.lab.people import Actor
from belmont.registry.types import ZERO_HASH, PermitId, Study, StudyId, StudyTerms

if TYPE_CHECKING:
    from belmont.lab.consortium import Consortium
    from belmont.lab.models import StudyModel

PROTOCOL, CONFIGURATION, CODE, REASON, CONDITIONS = "protocol", "configuration", "code", "reason", "conditions"
AMENDMENT, MODEL_CARD, EVIDENCE, ROUND = "amendment", "model-card", "evidence", "round"
"""Kinds as the service names them (`belmont.service.documents.kinds`)."""


@dataclass(frozen=True)
class Text:
    """One document: ``content`` is None where it is not on this machine."""

    kind: str
    content: bytes | None


@dataclass(frozen=True)
class HandedIn:
    """What became of a study's documents, the last time that they were handed in from here."""

    study: StudyId
    service: str
    there: tuple[str, ...] = ()
    """Kinds that the service has now."""
    missing: tuple[str, ...] = ()
    """Kinds that are neither there nor on this machine, or that the service did not take."""
    why: str = ""
    """Why nothing more was handed in; empty where nothing stood against it."""

    @property
    def is_complete(self) -> bool:
        return not self.missing and not self.why

    @property
    def says(self) -> str:
        """For the study's card."""
        if self.is_complete:
            return f"handed in: {_counted(self.there)}"
        parts = [f"not handed in: {_counted(self.missing)}"] if self.missing else []
        parts += [f"{self.why}: study.hand_in() hands them in once more"] if self.why else []
        return "; ".join(parts)

    def __repr__(self) -> str:
        return f"HandedIn(study {self.study}, {self.service}, {self.says})"


def hand_over(consortium: "Consortium", study: StudyId, by: Actor, texts: Sequence[Text]) -> HandedIn | None:
    """Hand documents in, as a member; None where there is no service. Raises nothing of the service's (2)."""
    if consortium.service is None:
        return None
    there: list[str] = []
    missing = [each.kind for each in texts if each.content is None]
    why = ""
    for text in texts:
        if text.content is None:
            continue
        if why:
            missing.append(text.kind)
            continue
        try:
            consortium.service.hand_in(by.identity, study, text.kind, text.content)
            there.append(text.kind)
        except ServiceRefused as refused:
            missing.append(text.kind)
            why = why if refused.code in ("TOO_LARGE", "ALREADY_THERE") else str(refused)
        except ServiceAway as away:
            missing.append(text.kind)
            why = str(away)
    before = consortium.handed_in.get(study)
    if before is not None:
        left = [kind for kind in before.missing if kind not in there]
        there, missing, why = [*before.there, *there], [*left, *missing], why or (before.why if left else "")
    found = HandedIn(study, consortium.service.url, tuple(there), tuple(missing), why)
    consortium.handed_in[study] = found
    return found


def hand_in(consortium: "Consortium", study: StudyId, by: Actor | None = None) -> HandedIn:
    """Hand in everything of a study that is on this machine and not at the service. Raises LabError."""
    if consortium.service is None:
        raise LabError("there is no service here: Consortium.connect(..., service='http://...') names one")
    who = by or signer_of(consortium)
    has = {
        (each.get("kind"), each.get("hash"))
        for each in consortium.service.documents(who.identity, study)
        if each.get("document") is not None
    }
    there, wanted = [], []
    for kind, hashed in expected(consortium, study):
        if (kind, None if hashed is None else "0x" + hashed.hex()) in has:
            there.append(kind)
        else:
            wanted.append(Text(kind, _local(consortium.home, study, kind, hashed)))
    consortium.handed_in[study] = HandedIn(study, consortium.service.url, tuple(there))
    hand_over(consortium, study, who, wanted)
    return consortium.handed_in[study]


def of_application(protocol: bytes, model: "StudyModel") -> list[Text]:
    """What is applied with."""
    return [
        Text(PROTOCOL, protocol),
        Text(CONFIGURATION, canonical_json(dict(model.config))),
        Text(CODE, model.bundle),
    ]


def of_amendment(home: Home | None, terms: StudyTerms, reason: str) -> list[Text]:
    """What an amendment is applied with; what does not change was kept when the permit was applied for, if here."""
    hashes = {PROTOCOL: terms.protocol_hash, CONFIGURATION: terms.config_hash, CODE: terms.code_hash}
    found = [Text(kind, _local(home, StudyId(0), kind, hashed)) for kind, hashed in hashes.items()]
    return [*found, Text(AMENDMENT, reason.encode())]


def expected(consortium: "Consortium", study: StudyId) -> Iterator[tuple[str, bytes | None]]:
    """What the chain has hashes of, of a study: kind and hash; None for why it amends."""
    record = consortium.registry.study(study)
    if record is None:
        raise LabError(f"the chain has no study {study}")
    yield PROTOCOL, record.terms.protocol_hash
    yield CONFIGURATION, record.terms.config_hash
    yield CODE, record.terms.code_hash
    if record.amends:
        yield AMENDMENT, None
    for event in consortium.registry.audit_events():
        if study in (event.details.get("study"), event.details.get("permit")):
            for kind, name in ((REASON, "reason_hash"), (CONDITIONS, "conditions_hash")):
                hashed = event.details.get(name, ZERO_HASH)
                if hashed != ZERO_HASH:
                    yield kind, hashed
    for release in consortium.registry.releases.every(PermitId(study)):
        yield MODEL_CARD, release.card_hash
        yield EVIDENCE, release.evidence_hash


def keep_reason(
    consortium: "Consortium", study: StudyId, by: Actor, reason: str, conditions: ApprovalConditions | None = None
) -> None:
    """Keep why somebody decided something, and hand it in, with the conditions that were set."""
    texts = []
    if reason:
        documents.keep(consortium.home, reason.encode())
        texts.append(Text(REASON, reason.encode()))
    if conditions is not None:
        texts.append(Text(CONDITIONS, conditions.canonical()))
    if texts:
        hand_over(consortium, study, by, texts)


def fetch_conditions(consortium: "Consortium", record: Study) -> None:
    """Keep the conditions of a study that are at the service and not here, for its data user to read and agree to."""
    for ballot in record.ballots:
        hashed = ballot.conditions_hash
        if consortium.service is None or hashed == ZERO_HASH or documents.found(consortium.home, hashed) is not None:
            continue
        with suppress(ServiceAway, ServiceRefused):  # whoever agrees is told what is missing
            documents.keep(consortium.home, consortium.service.read(consortium.researcher.identity, hashed))


def signer_of(consortium: "Consortium") -> Actor:
    """Who hands in where nobody is named: the researcher, or whoever's key is here. Raises LabError."""
    try:
        return consortium.researcher
    except LabError:
        if not consortium.actors:
            raise LabError(
                "nobody's key is on this machine: connect with home=..., the directory that has it"
            ) from None
        return consortium.actors[0]


def _local(home: Home | None, study: StudyId, kind: str, hashed: bytes | None) -> bytes | None:
    if kind == AMENDMENT:
        reason = documents.reason_for(home, study)
        return reason.encode() if reason else None
    if hashed is None:
        return None
    if kind == CONFIGURATION:
        config = documents.configuration_for(home, hashed)
        return None if config is None else canonical_json(config)
    return documents.found(home, hashed)


def _counted(kinds: Sequence[str]) -> str:
    names = sorted(set(kinds), key=list(kinds).index)
    return ", ".join(name if kinds.count(name) == 1 else f"{kinds.count(name)} {name}s" for name in names) or "nothing"
