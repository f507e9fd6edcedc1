"""Releases of models as the story of a consortium tells them, counted anew from its events alone.

1. A model is announced once for each permit, by the permit's active data user, while nothing of the permit's line is
   revoked, its newest permit is not frozen and the consortium is not paused; and it is the one that a round of this
   permit was opened with, which the permit's minimum of hospitals recorded.
2. Nobody objects twice, nobody but the board and holders of datasets that the permit names, and not to what is final.
3. What somebody objected to, or somebody left from, is released by a quorum of the board alone, without who took no
   part in the vote on the study, after the time for objections, and while nothing stops the permit.
4. What is settled has nothing against it, and its time for objections is over.
5. What is withdrawn stays withdrawn; a revocation withdraws everything of the line.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.contracts.stateful.uses import Uses
from tests.contracts.stateful.votes import OBJECTIONS

from belmont.registry.releases.protocol import ReleaseStatus
from belmont.registry.types import Address, AuditEvent, DatasetId, Role, UseKind

Key = tuple[int, bytes]


@dataclass
class Release:
    """What happened to one announcement."""

    round: int
    until: int
    objections: set[Address] = field(default_factory=set)
    votes: set[Address] = field(default_factory=set)
    is_final: bool = False
    is_withdrawn: bool = False


class Releases:
    """Announcements and what became of them."""

    def __init__(self, uses: Uses) -> None:
        self.uses, self.permits, self.votes = uses, uses.permits, uses.votes
        self.releases: dict[Key, Release] = {}

    def status(self, key: Key, now: int) -> ReleaseStatus:
        """From the events so far."""
        found = self.releases.get(key)
        if found is None:
            return ReleaseStatus.NONE
        if found.is_withdrawn or self._is_line_revoked(key[0]):
            return ReleaseStatus.WITHDRAWN  # 5
        if found.is_final:
            return ReleaseStatus.RELEASED
        if found.objections or self._has_left(key[0], found.round):
            return ReleaseStatus.OBJECTED  # 3
        is_held = self._newest(key[0]).frozen_until > now or self.votes.is_paused(now)
        return ReleaseStatus.ANNOUNCED if now < found.until or is_held else ReleaseStatus.RELEASED

    def announced(self, event: AuditEvent) -> None:
        key, its = _key(event), event.details
        assert key not in self.releases  # 1
        self._is_free(key[0], event.timestamp)
        assert event.actor == self.permits.studies[key[0]].data_user  # 1
        assert Role.DATA_USER in self.votes.roles[event.actor]  # 1
        about = key[0], UseKind.ROUND, its["evaluated_round"]
        assert self.uses.models[about] == key[1]  # 1
        assert len(self._recorded(key[0], its["evaluated_round"])) >= self.permits.terms_of(key[0]).min_hospitals  # 1
        assert any(its["card_hash"]) and any(its["evidence_hash"])
        assert its["objections_until"] == event.timestamp + self.votes.settings[OBJECTIONS]
        self.releases[key] = Release(its["evaluated_round"], its["objections_until"])

    def objected(self, event: AuditEvent) -> None:
        key, found = _key(event), self.releases[_key(event)]
        before = self.status(key, event.timestamp)
        assert before in (ReleaseStatus.ANNOUNCED, ReleaseStatus.OBJECTED)  # 2
        assert before is ReleaseStatus.ANNOUNCED or event.timestamp < found.until  # 2
        holders = {self.permits.datasets[each].holder for each in self.permits.terms_of(key[0]).datasets}
        is_holder = event.actor in holders and Role.DATA_HOLDER in self.votes.roles.get(event.actor, Role.NONE)
        assert self.votes.is_board(event.actor) or is_holder  # 2
        assert event.actor not in found.objections  # 2
        found.objections.add(event.actor)

    def supported(self, event: AuditEvent) -> None:
        found = self._contested(event)
        assert self.votes.is_board(event.actor) and event.actor not in found.votes  # 3
        assert event.actor not in self.permits.studies[event.details["permit"]].recused  # 3
        found.votes.add(event.actor)

    def confirmed(self, event: AuditEvent) -> None:
        found = self._contested(event)
        assert self.votes.is_quorum(found.votes)  # 3
        found.is_final = True

    def settled(self, event: AuditEvent) -> None:
        found = self.releases[_key(event)]
        assert self.status(_key(event), event.timestamp) is ReleaseStatus.RELEASED and not found.is_final  # 4
        found.is_final = True

    def withdrawn(self, event: AuditEvent) -> None:
        key = _key(event)
        assert event.actor == self.permits.studies[key[0]].data_user
        assert self.status(key, event.timestamp) not in (ReleaseStatus.NONE, ReleaseStatus.WITHDRAWN)  # 5
        self.releases[key].is_withdrawn = True

    def _contested(self, event: AuditEvent) -> Release:
        key, found = _key(event), self.releases[_key(event)]
        self._is_free(key[0], event.timestamp)
        assert self.status(key, event.timestamp) is ReleaseStatus.OBJECTED and event.timestamp >= found.until  # 3
        return found

    def _is_free(self, permit: int, now: int) -> None:
        assert permit in self.permits.permits and not self._is_line_revoked(permit)
        assert self._newest(permit).frozen_until <= now and not self.votes.is_paused(now)

    def _newest(self, permit: int) -> Any:
        found = self.permits.permits[permit]
        while found.superseded_by:
            found = self.permits.permits[found.superseded_by]
        return found

    def _is_line_revoked(self, permit: int) -> bool:
        line = self.permits.permits[permit].line
        return any(each.is_revoked for each in self.permits.permits.values() if each.line == line)

    def _recorded(self, permit: int, n: int) -> set[DatasetId]:
        return {id_ for number, kind, k, id_ in self.uses.recorded if (number, kind, k) == (permit, UseKind.ROUND, n)}

    def _has_left(self, permit: int, n: int) -> bool:
        data_user = self.permits.studies[permit].data_user
        is_there = Role.DATA_USER in self.votes.roles.get(data_user, Role.NONE)
        return not is_there or not self._recorded(permit, n) <= set(self.permits.covered(permit))


def _key(event: AuditEvent) -> Key:
    return event.details["permit"], event.details["model_hash"]


FOLLOWED: dict[str, Callable[[Any, AuditEvent], None]] = {
    "ModelReleased": Releases.announced,
    "ReleaseObjected": Releases.objected,
    "ConfirmationSupported": Releases.supported,
    "ReleaseConfirmed": Releases.confirmed,
    "ReleaseSettled": Releases.settled,
    "ReleaseWithdrawn": Releases.withdrawn,
}
