"""What a board should look at now, the most pressing first.

1. Everything is held against ``now``, the clock of whoever reads: what the record says alone does not expire.
2. ``URGENT`` is what is stopped, ``SOON`` what will stop by itself or needs a decision in time, ``NOTE``
   what a person may want to know. Within one, what ends first comes first.
3. A permit that is over (expired, revoked, superseded) is nobody's alert.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final, Protocol

from belmont.registry.limits import ISSUE_MAX_SECONDS
from belmont.registry.releases.protocol import ModelRelease, ReleaseStatus
from belmont.registry.rules.protocol import Pause, Rule, RuleProposal
from belmont.registry.types import (
    Address,
    Dataset,
    DatasetId,
    DatasetStatus,
    DatasetVersion,
    Member,
    Permit,
    PermitId,
    PermitStatus,
    Proposal,
    Study,
    StudyStatus,
    VersionStatus,
)
from belmont.service.explain import privacy
from belmont.service.explain.naming import Names
from belmont.service.words import Hash, Moment, Plain, Sentence, Thing, Value

EXPIRES_SOON_SECONDS: Final = 14 * 86400
LAPSES_SOON_SECONDS: Final = 7 * 86400
RETENTION_SOON_SECONDS: Final = 90 * 86400
BUDGET_SHARE: Final = 0.8


class Urgency(IntEnum):
    """Rule 2."""

    URGENT = 1
    SOON = 2
    NOTE = 3


@dataclass(frozen=True)
class Alert:
    """One thing. ``kind`` is a word for programs, ``about`` has a page of its own."""

    urgency: Urgency
    kind: str
    said: Sentence
    about: Thing | None = None
    until: int | None = None
    """When it ends or happens, in Unix seconds."""


class Consortium(Protocol):
    """What is looked at: ``belmont.service.state.snapshot.Snapshot`` has it."""

    @property
    def members(self) -> Mapping[Address, Member]: ...
    @property
    def proposals(self) -> Mapping[int, Proposal]: ...
    @property
    def datasets(self) -> Mapping[DatasetId, Dataset]: ...
    @property
    def versions(self) -> Mapping[DatasetId, tuple[DatasetVersion, ...]]: ...
    @property
    def studies(self) -> Mapping[int, Study]: ...
    @property
    def permits(self) -> Mapping[int, Permit]: ...
    @property
    def releases(self) -> tuple[ModelRelease, ...]: ...
    @property
    def rules(self) -> Mapping[Rule, int]: ...
    @property
    def rule_proposals(self) -> Mapping[int, RuleProposal]: ...
    @property
    def pause(self) -> Pause: ...


@dataclass(frozen=True)
class _Look:
    """One look at everything."""

    consortium: Consortium
    now: int
    spent: Mapping[tuple[PermitId, DatasetId], int]
    known: Names = field(repr=False)

    def every(self) -> Iterator[Alert]:
        yield from self.pause()
        for permit in self.consortium.permits.values():
            if is_alive(permit, self.now):
                yield from self.permit(permit)
        for study in self.consortium.studies.values():
            yield from self.study(study)
        for dataset in self.consortium.datasets.values():
            if dataset.status is not DatasetStatus.DESTROYED:
                yield from self.dataset(dataset)
        for proposal in self.consortium.proposals.values():
            yield from self.proposal(proposal)
        for other in self.consortium.rule_proposals.values():
            yield from self.rule_proposal(other)
        for release in self.consortium.releases:
            yield from self.release(release)

    def pause(self) -> Iterator[Alert]:
        pause = self.consortium.pause
        if pause.until > self.now:
            said = Sentence("The consortium is paused until {until}: nothing is computed.", until=Moment(pause.until))
            yield Alert(Urgency.URGENT, "PAUSED", said, None, pause.until)

    def permit(self, permit: Permit) -> Iterator[Alert]:
        about = self.known.permit(permit.id)
        study = self.known.study(permit.id)
        if permit.status is PermitStatus.FROZEN and permit.frozen_until > self.now:
            until = permit.frozen_until
            said = Sentence(
                "{study} is frozen until {until}: the ethics board revokes its permit, or ends the freeze.",
                study=study,
                until=Moment(until),
            )
            yield Alert(Urgency.URGENT, "PERMIT_FROZEN", said, about, until)
        if permit.expires_at - self.now <= EXPIRES_SOON_SECONDS:
            said = Sentence("The permit of {study} ends on {until}.", study=study, until=Moment(permit.expires_at))
            yield Alert(Urgency.SOON, "PERMIT_EXPIRES", said, about, permit.expires_at)
        if len(permit.covered) < permit.terms.min_hospitals:
            said = Sentence("{study} has fewer hospitals left than its permit asks for: nothing can be computed.",
                            study=study)  # fmt: skip
            yield Alert(Urgency.URGENT, "TOO_FEW_HOSPITALS", said, about)
        yield from self.budgets(permit, about, study)

    def budgets(self, permit: Permit, about: Thing, study: Thing) -> Iterator[Alert]:
        terms = permit.terms
        counts = (
            (Sentence("rounds"), permit.rounds_opened, terms.rounds),
            (Sentence("queries"), permit.queries_opened, terms.queries),
        )
        for what, used, allowed in counts:
            if allowed and used / allowed >= BUDGET_SHARE:
                said = Sentence("{study} has used {used} of its {allowed} {what}.", study=study, used=used,
                                allowed=allowed, what=what)  # fmt: skip
                yield Alert(Urgency.NOTE, "BUDGET_NEARLY_USED", said, about)
        for id_ in permit.covered:
            spent = self.spent.get((permit.id, id_), 0)
            if terms.rho_per_dataset and spent / terms.rho_per_dataset >= BUDGET_SHARE:
                said = Sentence(
                    "{study} has used {share} of the privacy budget that it has for {dataset}.",
                    study=study,
                    share=privacy.share(spent, terms.rho_per_dataset),
                    dataset=self.known.dataset(id_),
                )
                yield Alert(Urgency.NOTE, "BUDGET_NEARLY_USED", said, about)

    def study(self, study: Study) -> Iterator[Alert]:
        about, lapses = self.known.study(study.id), study.proposed_at + ISSUE_MAX_SECONDS
        is_open = study.status is StudyStatus.PROPOSED
        is_waiting = study.status is StudyStatus.APPROVED and study.id not in self.consortium.permits
        if not (is_open or is_waiting) or lapses <= self.now:
            return
        if is_open:
            said = Sentence(
                "{study} waits for the board: {votes} of {quorum} votes for it.",
                study=about,
                votes=study.votes_for,
                quorum=study.quorum,
            )
            yield Alert(Urgency.SOON, "VOTE_OPEN", said, about, lapses)
        if is_open and study.abstentions:
            left = tuple(self.known.dataset(each.dataset_id) for each in study.abstentions)
            said = Sentence("{study} leaves the conditions of {datasets} to the board.", study=about, datasets=left)
            yield Alert(Urgency.SOON, "DATA_USE_LEFT_OPEN", said, about, lapses)
        if study.conditions_open:
            said = Sentence("{study} has conditions that {user} has not agreed to: no permit is issued until then.",
                            study=about, user=self.known.account(study.data_user))  # fmt: skip
            yield Alert(Urgency.SOON, "CONDITIONS_OPEN", said, about, lapses)
        missing = tuple(self.known.dataset(each) for each in study.terms.datasets if each not in study.accepted)
        if is_waiting and missing:
            said = Sentence(
                "{study} is approved and waits for the holders of {datasets}.", study=about, datasets=missing
            )
            yield Alert(Urgency.NOTE, "ACCEPTANCE_OPEN", said, about, lapses)
        if lapses - self.now <= LAPSES_SOON_SECONDS:
            said = Sentence("{study} lapses on {until} if no permit is issued.", study=about, until=Moment(lapses))
            yield Alert(Urgency.SOON, "STUDY_LAPSES", said, about, lapses)

    def dataset(self, dataset: Dataset) -> Iterator[Alert]:
        about, versions = self.known.dataset(dataset.id), self.consortium.versions.get(dataset.id, ())
        newest = versions[-1] if versions else None
        if dataset.status is DatasetStatus.FROZEN:
            yield Alert(
                Urgency.NOTE, "DATASET_FROZEN", Sentence("{dataset} is frozen by its holder.", dataset=about), about
            )
        if newest is None:
            yield Alert(Urgency.NOTE, "DATASET_EMPTY", Sentence("{dataset} has no version yet.", dataset=about), about)
        elif newest.status is not VersionStatus.PROVEN:
            said = Sentence("Version {number} of {dataset} is not proven: nothing is computed on the dataset.",
                            number=Plain(newest.number), dataset=about)  # fmt: skip
            yield Alert(Urgency.URGENT, "DATASET_UNPROVEN", said, about)
        elif newest.consent_root != dataset.consent_root:
            said = Sentence(
                "Consents to {dataset} changed since its newest version: rounds leave out who took consent back, and "
                "queries wait for a new version.",
                dataset=about,
            )
            yield Alert(Urgency.NOTE, "CONSENT_NEWER", said, about)
        if dataset.retention_until <= self.now:
            said = Sentence("The retention of {dataset} ended on {until}: it has to be destroyed.", dataset=about,
                            until=Moment(dataset.retention_until))  # fmt: skip
            yield Alert(Urgency.URGENT, "RETENTION_OVER", said, about, dataset.retention_until)
        elif dataset.retention_until - self.now <= RETENTION_SOON_SECONDS:
            said = Sentence("The retention of {dataset} ends on {until}.", dataset=about,
                            until=Moment(dataset.retention_until))  # fmt: skip
            yield Alert(Urgency.SOON, "RETENTION_ENDS", said, about, dataset.retention_until)
        if dataset.rho_cap and dataset.rho_spent / dataset.rho_cap >= BUDGET_SHARE:
            share = privacy.share(dataset.rho_spent, dataset.rho_cap)
            said = Sentence("All studies together have used {share} of the privacy budget that {dataset} has in its "
                            "lifetime.", share=share, dataset=about)  # fmt: skip
            yield Alert(Urgency.NOTE, "CAP_NEARLY_USED", said, about)

    def proposal(self, proposal: Proposal) -> Iterator[Alert]:
        if proposal.executed or proposal.open_until <= self.now:
            return
        about = Thing("proposal", str(proposal.id), Sentence("proposal {number}", number=Plain(proposal.id)))
        said = Sentence(
            "The {kind} of {account} is voted on until {until}, by {n} so far.",
            kind=proposal.kind,
            account=self.known.account(proposal.account),
            until=Moment(proposal.open_until),
            n=len(proposal.supporters),
        )
        yield Alert(self._lapsing(proposal.open_until), "PROPOSAL_OPEN", said, about, proposal.open_until)

    def rule_proposal(self, proposal: RuleProposal) -> Iterator[Alert]:
        if proposal.enacted:
            return
        about = Thing(
            "rule_proposal", str(proposal.id), Sentence("proposal {number} on rules", number=Plain(proposal.id))
        )
        if proposal.carried_at:
            if proposal.enactable_at > self.now:
                said = Sentence(
                    "A {kind} was carried and can take effect from {at}: until then support can be taken back.",
                    kind=proposal.kind,
                    at=Moment(proposal.enactable_at),
                )
                yield Alert(Urgency.SOON, "RULE_CARRIED", said, about, proposal.enactable_at)
        elif proposal.open_until > self.now:
            said = Sentence(
                "A {kind} is voted on until {until}, by {n} so far.",
                kind=proposal.kind,
                until=Moment(proposal.open_until),
                n=len(proposal.supporters),
            )
            yield Alert(self._lapsing(proposal.open_until), "RULE_PROPOSAL_OPEN", said, about, proposal.open_until)

    def release(self, release: ModelRelease) -> Iterator[Alert]:
        about = self.known.permit(release.permit_id)
        said: dict[str, Value] = {"model": Hash(release.model_hash), "study": self.known.study(release.permit_id)}
        if release.status is ReleaseStatus.ANNOUNCED and release.objections_until > self.now:
            until = release.objections_until
            sentence = Sentence(
                "Model {model} of {study} is to leave; objections are open until {until}.", until=Moment(until), **said
            )
            yield Alert(Urgency.SOON, "RELEASE_ANNOUNCED", sentence, about, until)
        elif release.status is ReleaseStatus.OBJECTED:
            sentence = Sentence(
                "Something stands against the release of model {model} of {study}: the board decides.", **said
            )
            yield Alert(Urgency.SOON, "RELEASE_OBJECTED", sentence, about, release.objections_until)

    def _lapsing(self, until: int) -> Urgency:
        return Urgency.SOON if until - self.now <= LAPSES_SOON_SECONDS else Urgency.NOTE


def of(
    consortium: Consortium,
    now: int,
    *,
    spent: Mapping[tuple[PermitId, DatasetId], int] | None = None,
    known: Names | None = None,
) -> tuple[Alert, ...]:
    """``spent``: micro-rho by permit and dataset, over the permit's line."""
    called = known or Names.of(consortium.members.values(), consortium.datasets.values(), consortium.studies.values())
    look = _Look(consortium, now, spent or {}, called)
    return tuple(sorted(look.every(), key=lambda each: (each.urgency, each.until or 1 << 63, each.kind)))


def is_alive(permit: Permit, now: int) -> bool:
    """Rule 3."""
    return permit.status in (PermitStatus.ACTIVE, PermitStatus.FROZEN) and permit.expires_at > now
