"""Uses, budgets and credits as the story of a consortium tells them, counted anew from its events alone.

1. Rounds and queries of a line of permits are numbered from 1 without gaps, up to the number that the permit allows.
2. Nothing is opened or recorded under a permit that is not usable, or that does not cover all who take part.
3. Every recorded use was opened under the same permit, for this dataset among others, and is recorded once.
4. What is recorded never exceeds the permit's budget for the dataset, counted over its line, nor the dataset's cap,
   counted over all permits.
5. A use is of the newest version, with the consents that are current; and a query of a version that was built at them.
6. Every recorded use is credited once, together with it: a credit for each row, to the holder and the patients.
7. Nothing is redeemed but what the members enacted, and never more than there is.
8. Code that runs is what the last switch says, and every switch was enacted.
9. A round is closed once, by its data user, while its permit is usable, over exactly those that recorded a use of it:
   at least the permit's minimum of hospitals, each still covered. Nothing is recorded of it afterwards.
"""

from collections import Counter
from collections.abc import Callable
from typing import Any

from tests.contracts.stateful.permits import Permits
from tests.contracts.stateful.votes import PATIENTS

from belmont.registry.types import ZERO_HASH, AuditEvent, DatasetId, Role, UseKind

KIND = {"RoundOpened": UseKind.ROUND, "QueryOpened": UseKind.QUERY}
Line, Key = int, tuple[int, UseKind, int]


class Uses:
    """Openings, recorded uses and credits."""

    def __init__(self, permits: Permits, participants: dict[bytes, tuple[DatasetId, ...]]) -> None:
        """``participants`` are those that were named in any opening, by their hash."""
        self.permits, self.votes, self.participants = permits, permits.votes, participants
        self.count: Counter[tuple[Line, UseKind]] = Counter()
        self.opened: dict[Key, tuple[DatasetId, ...]] = {}
        """By permit, kind and number."""
        self.models: dict[Key, bytes] = {}
        """What rounds were opened with."""
        self.recorded: set[tuple[int, UseKind, int, DatasetId]] = set()
        self.closed: set[Key] = set()
        self.spent: Counter[tuple[Line, DatasetId]] = Counter()
        self.earned: Counter[Any] = Counter()
        """By holder, and by dataset for its patients."""
        self.redeemed: Counter[Any] = Counter()
        self.rows_used = 0
        self.credited: list[AuditEvent] = []
        """What has to be recorded with the next event."""

    def opens(self, event: AuditEvent) -> None:
        number, kind, n = event.details["permit"], KIND[event.name], event.details["n"]
        assert self.permits.is_usable(number, event.timestamp)  # 2
        permit, terms = self.permits.permits[number], self.permits.terms_of(number)
        assert event.actor == self.permits.studies[number].data_user
        assert Role.DATA_USER in self.votes.roles[event.actor]
        self.count[permit.line, kind] += 1
        assert n == self.count[permit.line, kind]  # 1
        assert n <= (terms.rounds if kind is UseKind.ROUND else terms.queries)  # 1
        named = self.participants[event.details["participants_hash"]]
        covered = self.permits.covered(number)
        assert len(set(named)) == len(named) >= terms.min_hospitals and set(named) <= set(covered)  # 2
        assert kind is UseKind.ROUND or list(named) == covered, "a query is over all datasets that are covered"
        self.opened[number, kind, n] = named
        if kind is UseKind.ROUND:
            self.models[number, kind, n] = event.details["model_hash"]

    def closes(self, event: AuditEvent) -> None:
        number, n = event.details["permit"], event.details["n"]
        key = number, UseKind.ROUND, n
        assert self.permits.is_usable(number, event.timestamp)  # 9
        assert event.actor == self.permits.studies[number].data_user  # 9
        assert Role.DATA_USER in self.votes.roles[event.actor]  # 9
        assert key in self.opened and key not in self.closed  # 9
        terms = self.permits.terms_of(number)
        delivered = [id_ for id_ in terms.datasets if (*key, id_) in self.recorded]
        assert list(event.details["recorded"]) == delivered and len(delivered) >= terms.min_hospitals  # 9
        assert set(delivered) <= set(self.permits.covered(number))  # 9
        self.closed.add(key)

    def credits(self, event: AuditEvent) -> None:
        assert not self.credited, "credited with no use"  # 6
        self.credited.append(event)

    def records(self, event: AuditEvent) -> None:
        its = event.details
        number, kind, n, id_ = its["permit"], UseKind(its["kind"]), its["n"], its["dataset"]
        assert self.permits.is_usable(number, event.timestamp)  # 2
        permit, terms, dataset = self.permits.permits[number], self.permits.terms_of(number), self.permits.datasets[id_]
        assert Role.DATA_USER in self.votes.roles[self.permits.studies[number].data_user]
        assert event.actor == dataset.holder and Role.DATA_HOLDER in self.votes.roles[event.actor]
        assert dataset.status == "active" and event.timestamp < dataset.retention_until
        assert id_ in self.opened[number, kind, n]  # 3
        assert set(self.opened[number, kind, n]) <= set(self.permits.covered(number))  # 2
        assert (number, kind, n, id_) not in self.recorded  # 3
        assert (number, kind, n) not in self.closed  # 9
        self.recorded.add((number, kind, n, id_))
        self.spent[permit.line, id_] += its["rho"]
        assert its["rho"] >= 0 and self.spent[permit.line, id_] <= terms.rho_per_dataset  # 4
        assert sum(rho for (_, each), rho in self.spent.items() if each == id_) <= dataset.rho_cap  # 4
        assert its["version"] == len(dataset.versions) and its["consent_root"] == dataset.consent_root  # 5
        rows, built_at = dataset.versions[-1]
        assert kind is UseKind.ROUND or built_at == dataset.consent_root  # 5
        assert rows >= terms.min_cohort
        self._credit(self.credited.pop(), event, rows)

    def _credit(self, credit: AuditEvent, use: AuditEvent, rows: int) -> None:
        assert (credit.actor, credit.details["dataset"]) == (use.actor, use.details["dataset"])  # 6
        to_patients = rows * self.votes.settings[PATIENTS] // 100
        assert credit.details["to_patients"] == to_patients and credit.details["to_holder"] == rows - to_patients  # 6
        self.earned[use.actor] += rows - to_patients
        self.earned[use.details["dataset"]] += to_patients
        self.rows_used += rows
        assert sum(self.earned.values()) == self.rows_used, "credits are the rows of all uses"

    def redeems(self, event: AuditEvent) -> None:
        about = self.votes.to_redeem.pop().details  # 7
        assert about["account"] == event.actor
        assert all(about[name] == event.details[name] for name in ("dataset", "amount", "note_hash"))
        of = event.actor if event.details["dataset"] == ZERO_HASH else event.details["dataset"]
        self.redeemed[of] += event.details["amount"]
        assert self.redeemed[of] <= self.earned[of]  # 7


FOLLOWED: dict[str, Callable[[Any, AuditEvent], None]] = {
    "RoundOpened": Uses.opens,
    "QueryOpened": Uses.opens,
    "RoundClosed": Uses.closes,
    "Credited": Uses.credits,
    "UseRecorded": Uses.records,
    "Redeemed": Uses.redeems,
}
