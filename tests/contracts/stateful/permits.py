"""Studies, permits and consents as the story of a consortium tells them, counted anew from its events alone.

1. There is no permit without a quorum of the board, as many lay members among them as the rules ask for then, the
   acceptance of every dataset's holder, and the data user's agreement to all conditions that votes set; none while the
   consortium is paused, and none a year after the application.
2. A permit is usable from its issue on until it expires, is revoked or superseded, and not while it is frozen; votes to
   lift a freeze are those on the newest one.
3. An amendment belongs to the line of the permit that it amends, which was usable when it was superseded. Votes to
   revoke and withdrawals stand for the line.
4. A consent root is what the last batch or statement made it.
5. Who took no part in the vote on a study does not vote on it, nor to lift a freeze of its permit. A study is refused
   when those against and those who take no part leave too few of the board for a quorum.
6. A permit covers a dataset that it names, unless it was withdrawn or destroyed or its holder left.
"""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.contracts.stateful.votes import DAY, FREEZE, LAY_VOTES, QUORUM, Votes

from belmont.registry.consents.statements import ConsentState
from belmont.registry.hashes import next_conditions
from belmont.registry.types import Address, AuditEvent, DatasetId, Role, StudyId, StudyTerms

YEAR = 365 * DAY


@dataclass
class Study:
    """What happened to one application."""

    data_user: Address
    amends: int
    proposed_at: int
    votes: dict[Address, bool] = field(default_factory=dict)
    recused: set[Address] = field(default_factory=set)
    conditions: list[tuple[Address, bytes]] = field(default_factory=list)
    agreed_to: int = 0
    """How many of the conditions the data user agreed to, in their order."""
    accepted: set[DatasetId] = field(default_factory=set)
    decided: str = ""


@dataclass
class Permit:
    """What happened to one permit."""

    line: int
    expires_at: int
    frozen_until: int = 0
    frozen_by: set[Address] = field(default_factory=set)
    lifts: set[Address] = field(default_factory=set)
    is_revoked: bool = False
    superseded_by: int = 0

    def is_alive(self, now: int) -> bool:
        return not self.is_revoked and not self.superseded_by and now < self.expires_at  # 2

    def is_usable(self, now: int) -> bool:
        return self.is_alive(now) and now >= self.frozen_until  # 2


@dataclass
class Dataset:
    """What happened to one dataset."""

    holder: Address
    rho_cap: int
    retention_until: int
    status: str = "active"
    consent_root: bytes = ConsentState().root
    versions: list[tuple[int, bytes]] = field(default_factory=list)
    """Rows, and the consent root that each was built at."""


class Permits:
    """Studies, permits and datasets; ``terms_of`` gives the terms of a study, which never change."""

    def __init__(self, votes: Votes, terms_of: Callable[[int], StudyTerms]) -> None:
        self.votes, self.terms_of = votes, terms_of
        self.studies: dict[int, Study] = {}
        self.permits: dict[int, Permit] = {}
        self.datasets: dict[DatasetId, Dataset] = {}
        self.revocations: defaultdict[int, set[Address]] = defaultdict(set)
        """Votes, by line."""
        self.withdrawn: defaultdict[int, set[DatasetId]] = defaultdict(set)
        """By line."""

    def is_usable(self, permit: int, now: int) -> bool:
        return not self.votes.is_paused(now) and permit in self.permits and self.permits[permit].is_usable(now)

    def covered(self, permit: int) -> list[DatasetId]:
        """In the order of the terms (6)."""
        withdrawn = self.withdrawn[self.permits[permit].line]
        named = [each for each in self.terms_of(permit).datasets if each not in withdrawn]
        return [each for each in named if self.datasets[each].status != "destroyed" and self._has_holder(each)]

    def _has_holder(self, id_: DatasetId) -> bool:
        return Role.DATA_HOLDER in self.votes.roles.get(self.datasets[id_].holder, Role.NONE)

    # --- studies ---

    def proposed(self, event: AuditEvent) -> None:
        assert Role.DATA_USER in self.votes.roles[event.actor] and event.details["study"] == len(self.studies) + 1
        amended = self.studies.get(event.details["amends"])
        assert amended is None or amended.data_user == event.actor
        self.studies[event.details["study"]] = Study(event.actor, event.details["amends"], event.timestamp)

    def voted(self, event: AuditEvent) -> None:
        study = self.studies[event.details["study"]]
        self._takes_part(study, event.actor)
        study.votes[event.actor] = event.details["approve"]
        if any(event.details["conditions_hash"]):
            assert event.details["approve"]
            study.conditions.append((event.actor, event.details["conditions_hash"]))

    def recused(self, event: AuditEvent) -> None:
        study = self.studies[event.details["study"]]
        self._takes_part(study, event.actor)
        study.recused.add(event.actor)

    def _takes_part(self, study: Study, member: Address) -> None:
        assert self.votes.is_board(member) and not study.decided
        assert member not in study.votes and member not in study.recused  # 5

    def agreed(self, event: AuditEvent) -> None:
        number = event.details["study"]
        study = self.studies[number]
        assert event.actor == study.data_user and Role.DATA_USER in self.votes.roles[event.actor]
        assert study.decided in ("", "approved") and number not in self.permits
        running = bytes(32)
        for voter, hashed in study.conditions:
            running = next_conditions(StudyId(number), running, voter, hashed)
        assert event.details["conditions"] == running and study.agreed_to < len(study.conditions)
        study.agreed_to = len(study.conditions)

    def approved(self, event: AuditEvent) -> None:
        self._decide(event, "approved")

    def refused(self, event: AuditEvent) -> None:
        self._decide(event, "refused")

    def cancelled(self, event: AuditEvent) -> None:
        study = self.studies[event.details["study"]]
        assert event.actor == study.data_user and study.decided in ("", "approved")
        assert event.details["study"] not in self.permits
        study.decided = "cancelled"

    def accepted(self, event: AuditEvent) -> None:
        study, dataset = self.studies[event.details["study"]], self.datasets[event.details["dataset"]]
        assert event.actor == dataset.holder and Role.DATA_HOLDER in self.votes.roles[event.actor]
        assert dataset.status == "active" and event.timestamp < dataset.retention_until
        study.accepted.add(event.details["dataset"])

    def _decide(self, event: AuditEvent, how: str) -> None:
        study = self.studies[event.details["study"]]
        assert not study.decided, "a study is decided once"
        assert self._is_decided(study, how), event
        study.decided = how

    def _is_decided(self, study: Study, how: str) -> bool:
        """By the votes of those who sit on the board now (1)."""
        votes, board = self.votes, sum(map(self.votes.is_board, self.votes.roles))
        board_for = [who for who, approves in study.votes.items() if approves and votes.is_board(who)]
        against = [who for who, approves in study.votes.items() if not approves and votes.is_board(who)]
        if how == "refused":
            out_of_reach = len(against) + sum(map(votes.is_board, study.recused))  # 5
            return out_of_reach > board - (board * votes.settings[QUORUM] // 100 + 1)
        lay = [who for who in board_for if Role.LAY in votes.roles[who]]
        return votes.is_quorum(board_for) and len(lay) >= votes.settings[LAY_VOTES]

    # --- permits ---

    def superseded(self, event: AuditEvent) -> None:
        permit, by = self.permits[event.details["permit"]], event.details["superseded_by"]
        assert permit.is_usable(event.timestamp) and self.studies[by].amends == event.details["permit"]  # 3
        permit.superseded_by = by

    def issued(self, event: AuditEvent) -> None:
        number = event.details["permit"]
        study, terms = self.studies[number], self.terms_of(number)
        assert number not in self.permits, "a permit is issued once"
        assert study.decided == "approved" and study.accepted >= set(terms.datasets)  # 1
        assert study.agreed_to == len(study.conditions)  # 1
        assert not self.votes.is_paused(event.timestamp)  # 1
        assert Role.DATA_USER in self.votes.roles[study.data_user]
        for each in terms.datasets:
            assert self.datasets[each].status != "destroyed"
            assert self._has_holder(each)
        assert event.timestamp < study.proposed_at + YEAR  # 1
        amended = self.permits.get(study.amends)
        assert amended is None or amended.superseded_by == number  # 3
        assert event.details["expires_at"] == event.timestamp + terms.duration_seconds
        self.permits[number] = Permit(amended.line if amended else number, event.details["expires_at"])

    def frozen(self, event: AuditEvent) -> None:
        permit = self.permits[event.details["permit"]]
        assert permit.is_alive(event.timestamp) and event.actor not in permit.frozen_by
        permit.frozen_by.add(event.actor)
        longest = event.timestamp + self.votes.settings[FREEZE]
        assert event.timestamp < event.details["until"] <= max(permit.frozen_until, longest)
        permit.frozen_until, permit.lifts = event.details["until"], set()  # 2

    def lift_supported(self, event: AuditEvent) -> None:
        assert self.votes.is_board(event.actor)
        assert event.actor not in self.studies[event.details["permit"]].recused  # 5
        self.permits[event.details["permit"]].lifts.add(event.actor)

    def lifted(self, event: AuditEvent) -> None:
        permit = self.permits[event.details["permit"]]
        assert event.timestamp < permit.frozen_until and self.votes.is_quorum(permit.lifts)
        permit.frozen_until = 0

    def revocation_supported(self, event: AuditEvent) -> None:
        assert self.votes.is_board(event.actor)
        self.revocations[self.permits[event.details["permit"]].line].add(event.actor)

    def revoked(self, event: AuditEvent) -> None:
        permit = self.permits[event.details["permit"]]
        assert permit.is_alive(event.timestamp) and self.votes.is_quorum(self.revocations[permit.line])  # 3
        permit.is_revoked = True

    def withdrawn(self, event: AuditEvent) -> None:
        line, id_ = self.permits[event.details["permit"]].line, event.details["dataset"]
        assert event.actor == self.datasets[id_].holder and id_ not in self.withdrawn[line]
        self.withdrawn[line].add(id_)  # 3

    # --- datasets ---

    def registered(self, event: AuditEvent) -> None:
        assert Role.DATA_HOLDER in self.votes.roles[event.actor]
        its = event.details
        assert its["dataset"] not in self.datasets, "every name is registered once"
        self.datasets[its["dataset"]] = Dataset(event.actor, its["rho_cap"], its["retention_until"])

    def version_added(self, event: AuditEvent) -> None:
        dataset = self._own(event)
        assert event.details["consent_root"] == dataset.consent_root  # 4
        dataset.versions.append((event.details["rows"], event.details["consent_root"]))
        assert event.details["number"] == len(dataset.versions), "versions are numbered without gaps"

    def retention_extended(self, event: AuditEvent) -> None:
        dataset = self._own(event)
        assert event.details["retention_until"] > dataset.retention_until
        dataset.retention_until = event.details["retention_until"]

    def status_changed(self, event: AuditEvent) -> None:
        status = {"DatasetFrozen": "frozen", "DatasetUnfrozen": "active", "DatasetDestroyed": "destroyed"}
        self._own(event).status = status[event.name]

    def batch_published(self, event: AuditEvent) -> None:
        self._own(event).consent_root = event.details["consent_root"]  # 4

    def stated(self, event: AuditEvent) -> None:
        self.datasets[event.details["dataset"]].consent_root = event.details["consent_root"]  # 4

    def _own(self, event: AuditEvent) -> Dataset:
        """Its holder's, who is a member still, and not destroyed."""
        dataset = self.datasets[event.details["dataset"]]
        assert event.actor == dataset.holder and Role.DATA_HOLDER in self.votes.roles[event.actor]
        assert dataset.status != "destroyed", "destroyed is final"
        return dataset


FOLLOWED: dict[str, Callable[[Any, AuditEvent], None]] = {
    "StudyProposed": Permits.proposed,
    "VoteCast": Permits.voted,
    "Recused": Permits.recused,
    "ConditionsAgreed": Permits.agreed,
    "StudyApproved": Permits.approved,
    "StudyRefused": Permits.refused,
    "StudyCancelled": Permits.cancelled,
    "DatasetAccepted": Permits.accepted,
    "PermitSuperseded": Permits.superseded,
    "PermitIssued": Permits.issued,
    "PermitFrozen": Permits.frozen,
    "LiftSupported": Permits.lift_supported,
    "FreezeLifted": Permits.lifted,
    "RevocationSupported": Permits.revocation_supported,
    "PermitRevoked": Permits.revoked,
    "DatasetWithdrawn": Permits.withdrawn,
    "DatasetRegistered": Permits.registered,
    "VersionAdded": Permits.version_added,
    "RetentionExtended": Permits.retention_extended,
    "DatasetFrozen": Permits.status_changed,
    "DatasetUnfrozen": Permits.status_changed,
    "DatasetDestroyed": Permits.status_changed,
    "BatchPublished": Permits.batch_published,
    "ConsentGranted": Permits.stated,
    "ConsentRevoked": Permits.stated,
}
