"""A permit in a notebook: train and query under it, freeze, lift, revoke or withdraw, and read what is left of it."""

import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

from belmont.federated.accounting.epsilon import DELTA
from belmont.federated.models.bundles import shipped_bundle
from belmont.federated.query.answer import ask
from belmont.lab import budgets, cards, documents, evaluations, handing_in, permit_rounds, protection
from belmont.lab.amendments import amended
from belmont.lab.answers import Answer
from belmont.lab.errors import LabError
from belmont.lab.hopeless import refuse_hopeless
from belmont.lab.models import StudyModel
from belmont.lab.people import Actor, Hospital, refuse_others
from belmont.lab.performance import Performance
from belmont.lab.preparation import Preparation, prepare
from belmont.lab.questions import Question, columns_of
from belmont.lab.training import TrainingResult
from belmont.registry.errors import RegistryError
from belmont.registry.types import DatasetId, PermitId, PermitStatus, StudyId
from belmont.registry.types import Permit as PermitRecord

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from belmont.lab.consortium import Consortium
    from belmont.lab.own.code import Code
    from belmont.lab.releases import Release
    from belmont.lab.study import Study

_COLOURS = {
    "active": cards.GOOD,
    "frozen": cards.WAITING,
    "revoked": cards.BAD,
    "expired": cards.NEUTRAL,
    "superseded": cards.NEUTRAL,
}


class Permit:
    """One permit. Every attribute is read from the chain when it is asked for; the nodes decide, not this object."""

    def __init__(self, consortium: "Consortium", permit_id: PermitId) -> None:
        self.consortium = consortium
        self.id = permit_id
        self.last_training: TrainingResult | None = None

    @property
    def record(self) -> PermitRecord:
        """The permit as the chain has it now."""
        record = self.consortium.registry.permit(self.id)
        if record is None:
            raise LabError(f"the chain has no permit {self.id}")
        return record

    @property
    def status(self) -> str:
        """active, frozen, revoked, expired or superseded, by this machine's clock."""
        record, now = self.record, int(time.time())
        if record.superseded_by:
            return "superseded"
        if record.status is PermitStatus.REVOKED:
            return "revoked"
        if now >= record.expires_at:
            return "expired"
        return "frozen" if record.status is PermitStatus.FROZEN and now < record.frozen_until else "active"

    @property
    def url(self) -> str | None:
        """Its page in the ethics board's console; None where no service was named."""
        service = self.consortium.service_url
        return f"{service}/permits/{self.id}" if service else None

    # --- amend ---

    @property
    def successor(self) -> "Permit | None":
        """The permit of the amendment that took this one's place."""
        by = self.record.superseded_by
        return Permit(self.consortium, by) if by else None

    @property
    def amends(self) -> "Permit | None":
        """The permit whose place this one took."""
        study = self.consortium.registry.study(StudyId(self.id))
        return Permit(self.consortium, study.amends) if study and study.amends else None

    def amend(self, *, reason: str = "", **changes: Any) -> "Study":
        """Apply for other terms of this permit; what is not named stays. It goes on until the new one is issued.

        ``changes`` are those of ``consortium.propose``: ``rounds=20, duration_days=60``. Rounds and queries are counted
        from the first permit on. The study's card shows the differences side by side. Raises ``RegistryRefused``.
        """
        from belmont.lab.study import Study

        terms = amended(self.record, reason=reason, **changes)
        writes = self.consortium.registry.as_(self.consortium.researcher.identity.account)
        study = Study(self.consortium, writes.propose_amendment(self.id, terms))
        model = changes.get("model") or self.consortium.models.get(self.id)
        if model is not None:
            self.consortium.models[PermitId(study.id)] = model
            protection.keep(self.consortium.home, model.config)
            documents.keep(self.consortium.home, model.bundle)
        if changes.get("protocol") is not None:
            documents.keep(self.consortium.home, documents.protocol_of(changes["protocol"]))
        documents.keep_reason(self.consortium.home, study.id, reason)
        texts = handing_in.of_amendment(self.consortium.home, terms, reason)
        handing_in.hand_over(self.consortium, study.id, self.consortium.researcher, texts)
        return study

    # --- use ---

    def train(
        self,
        rounds: int | None = None,
        *,
        model: StudyModel | None = None,
        start: TrainingResult | None = None,
        datasets: "Sequence[DatasetId | Hospital] | None" = None,
        delta: float = DELTA,
        check: bool = True,
        until_finished: bool = False,
        preparation: Preparation | None = None,
    ) -> TrainingResult:
        """Runs the next rounds, by default all that are left; each hospital checks each of them.

        With ``until_finished`` it stops when the model says that another round would change nothing. ``preparation`` is
        what ``prepare`` gave; a model that is trained further keeps its own.

        ``model`` is what was applied with: the one given to this consortium object's ``propose``, unless named, or else
        the shipped logistic regression on every feature. ``start`` continues from an earlier result. Raises
        ``RoundRefused`` with each hospital's own reason; the rounds before it are in ``last_training``, as they are
        after an interrupt. A round that was opened is used, also where the nodes refuse it. So what is plain beforehand
        raises ``LabError``, and opens nothing: another model than the permit's, too few hospitals for a secure sum, too
        few rows at one (``check=False`` asks the nodes anyway), a privacy budget that is gone. Where no round is left
        the nodes are asked, so that the refusal is theirs. Epsilon is shown at ``delta``.
        """
        return permit_rounds.train(
            self, rounds, model, start, datasets, delta, preparation, check=check, until_finished=until_finished
        )

    def evaluate(self, model: StudyModel, *, check: bool = True, delta: float = DELTA) -> Performance:
        """Evaluates a fitted model on the patients who were kept apart, in the next round (docs/evaluation.md).

        ``check`` and what is raised are those of ``train``; a model without ``holdout``, or that is not fitted, raises
        before anything is opened, and so does one whose study has no evaluation left, by what ran from here
        (``NotYet``). Where every hospital's part is too small, ``NotYet`` says so, and whether the round
        is used: it is where their rows do not tell it beforehand.
        """
        return permit_rounds.evaluate(self, model, delta, check=check)

    def evaluations_left(self, model: StudyModel) -> int | None:
        """How many evaluations this model's study has left, by what ran from this machine; each hospital counts too.

        None where there is no such number: with noise, rounds and budgets are the bound.
        """
        return evaluations.left(self, model)

    def release(self, model: StudyModel) -> "Release":
        """Announces a fitted model for release on chain, if it passes the permit's output check (docs/releases.md).

        Raises ``OutputRefused`` with what it does not pass, and ``RegistryRefused``; then nothing is recorded.
        """
        from belmont.lab.output_check import released

        return released(self, model)

    def hand_in(self, result: TrainingResult | None = None) -> "handing_in.HandedIn":
        """Hand the records of secure rounds to the service, for everybody to compute again (``belmont verify-round``).

        Those of ``result``, or of the last training from here. Raises ``LabError`` where there is no service, or none.
        """
        trained = result or self.last_training
        records = [each.record for each in trained.rounds if each.record is not None] if trained else []
        if not records:
            raise LabError("there is no record of a round here: secure sums have one, of what was trained from here")
        texts = [handing_in.Text(handing_in.ROUND, record.to_bytes()) for record in records]
        found = handing_in.hand_over(self.consortium, StudyId(self.id), self.consortium.researcher, texts)
        if found is None:
            raise LabError("there is no service here: Consortium.connect(..., service='http://...') names one")
        return found

    def query(self, question: Question, *, check: bool = True) -> Answer:
        """Asks all the permit's hospitals together; only the total can be read. Raises ``QueryRefused``.

        What is plain from the chain beforehand raises ``LabError``, and uses nothing up (`belmont.lab.hopeless`):
        a query that was opened is used, also where the nodes refuse it. ``check=False`` asks the nodes anyway.
        """
        if not isinstance(question, Question):
            raise LabError("ask with count(), total(...), mean(...), variance(...) or histogram(...) of belmont.lab")
        record = self.record
        participants = record.covered
        if check and self.status == "active":
            refuse_hopeless(self.consortium.registry, record, self.consortium.dataset_names)
        dictionary = self.consortium.dictionary
        query = question.query(dictionary)
        width = dictionary.column(query.column).width if query.column else 1
        registry = self.consortium.registry.as_(self.consortium.researcher.identity.account)
        with closing(self.consortium.grid(participants)) as grid:
            grid.deliver(shipped_bundle("glm"))  # Flower's runs have one; a query runs nothing of it
            encrypted = ask(
                registry,
                grid,
                self.id,
                query,
                width=width,
                participants=participants,
                columns=columns_of(dictionary),
                node_ids=grid.node_ids,
                timeout_seconds=self.consortium.timeout_seconds,
                patience_seconds=self.consortium.patience_seconds,
            )
        return Answer(question, encrypted, dictionary, registry)

    def prepare(self, columns: "Sequence[str] | None" = None, *, median: bool = False) -> Preparation:
        """Asks for scale, imputation values and levels of columns, by default all features, before training.

        One query a column, and one more for each number's ``median``. Raises ``LabError``, and uses nothing, where the
        permit has too few queries left; ``QueryRefused`` as ``query`` does. Give it to ``model.fit(permit,
        preparation=...)``.
        """
        if self.consortium.prepared.get(self.record.line or self.id) == b"":
            raise LabError(
                "rounds ran under this permit without a preparation, so hospitals take none any more: nothing was "
                "used; apply for a permit of its own, and prepare before its first round"
            )
        return prepare(self, columns, median=median)

    def code(self) -> "Code":
        """The files that the hospitals run under this permit, as ``study.code()`` shows them."""
        from belmont.lab.study import Study

        return Study(self.consortium, StudyId(self.id)).code()

    def uses(self) -> "pd.DataFrame":
        """Every use that a hospital recorded under this permit."""
        import pandas as pd

        names = self.consortium.dataset_names
        rows = [
            (use.kind.name.lower(), use.n, names[use.dataset_id], use.rho, use.block, use.result_hash.hex())
            for use in self.consortium.registry.uses(self.id)
        ]
        return pd.DataFrame(rows, columns=["kind", "n", "dataset", "micro-rho", "block", "result"])

    def releases(self) -> "pd.DataFrame":
        """Every model that was announced for release under this permit, how it stands, and what stands against it."""
        from belmont.lab.releases import releases_frame

        return releases_frame(self)

    def budget(self, *, model: StudyModel | None = None, delta: float = DELTA) -> "pd.DataFrame":
        """For each dataset, what was spent of its privacy budgets under this permit, and what is left.

        In micro-rho, and as epsilon at ``delta``: of what was spent, and of that with all that is left. With the
        ``model`` whose noise it was, a tighter epsilon and the rounds that are left.
        """
        return budgets.frame(self.consortium.registry, self.record, self.consortium.dataset_names, model, delta)

    # --- stop ---

    def freeze(self, by: Actor, reason: str = "") -> "Permit":
        """One board member or data holder stops the permit at once, for seven days at most."""
        refuse_others(Actor, (by,), "permit.freeze(consortium.board[0])")
        self.consortium.registry.as_(by.identity.account).freeze_permit(self.id, reason=reason)
        handing_in.keep_reason(self.consortium, StudyId(self.id), by, reason)
        return self

    def lift(self, *members: Actor) -> "Permit":
        """Board members vote to end the freeze early, one after the other until the quorum is reached."""
        refuse_others(Actor, members, "permit.lift(*consortium.board)")
        for k, member in enumerate(members):
            if k == 0 or self.status == "frozen":
                self.consortium.registry.as_(member.identity.account).vote_lift(self.id)
        return self

    def revoke(self, *members: Actor, reason: str = "") -> "Permit":
        """Board members vote to end the permit for good, one after the other until the quorum is reached."""
        refuse_others(Actor, members, "permit.revoke(*consortium.board)")
        for k, member in enumerate(members):
            if k == 0 or self.record.status is not PermitStatus.REVOKED:
                self.consortium.registry.as_(member.identity.account).vote_revoke(self.id, reason)
                handing_in.keep_reason(self.consortium, StudyId(self.id), member, reason)
        return self

    def withdraw(self, hospital: Hospital) -> "Permit":
        """A hospital takes its dataset out of this permit for good."""
        refuse_others(Hospital, (hospital,), "permit.withdraw(consortium.hospitals[0])")
        self.consortium.registry.as_(hospital.identity.account).withdraw(self.id, hospital.dataset_id)
        return self

    def __repr__(self) -> str:
        try:
            record = self.record
        except (LabError, RegistryError) as error:
            return f"Permit({self.id}: {error})"
        if record.superseded_by:
            return (
                f"Permit({self.id}, superseded by permit {record.superseded_by}, "
                f"{record.rounds_opened} rounds and {record.queries_opened} queries used in all)"
            )
        return (
            f"Permit({self.id}, {self.status}, {record.rounds_opened}/{record.terms.rounds} rounds, "
            f"{record.queries_opened}/{record.terms.queries} queries)"
        )

    def _repr_html_(self) -> str:
        try:
            return self._card()
        except (LabError, RegistryError) as error:
            return cards.card(f"Permit {self.id}", str(error), mark=cards.badge("unreachable", cards.BAD))

    def _card(self) -> str:
        record, status = self.record, self.status
        terms, names = record.terms, self.consortium.dataset_names
        day = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(record.expires_at))
        successor, amends = record.superseded_by, self.amends
        facts: dict[str, object] = {
            "rounds": _used(record.rounds_opened, terms.rounds, superseded=bool(successor)),
            "queries": _used(record.queries_opened, terms.queries, superseded=bool(successor)),
            "expires": day,
            "datasets": ", ".join(names[d] for d in record.covered),
            "withdrawn": ", ".join(names[d] for d in record.withdrawn) or "none",
            "safeguards": f"at least {terms.min_hospitals} hospitals, {terms.min_cohort} patients at each",
            "updates": protection.sentence_for(self.consortium.home, terms.config_hash),
            "privacy budget": budgets.card(terms),
            "code": cards.short(terms.code_hash),
            "configuration": cards.short(terms.config_hash),
        }
        if amends is not None:
            facts["amends"] = f"permit {amends.id}; rounds and queries are counted from permit {record.line} on"
        if successor:
            facts["superseded by"] = f"permit {successor}: go on with permit.successor"
        if self.url:
            facts["console"] = cards.link(self.url)
        mark = cards.badge(status, _COLOURS[status])
        return cards.card(f"Permit {self.id}: {terms.title}", cards.facts(facts), mark=mark)


def _used(count: int, most: int, *, superseded: bool) -> object:
    """A count runs on under a permit's successors, past what this one allowed."""
    if superseded:
        return f"{count} under this permit and those that took its place; it allowed {most}"
    return cards.bar(count, most, f"{count} of {most}")
