"""An application in a notebook: read it, vote on it, accept it, and take the permit it leads to."""

from typing import TYPE_CHECKING

from belmont.lab import cards
from belmont.lab.errors import LabError, NotYet
from belmont.lab.people import Actor, Hospital, refuse_others
from belmont.lab.permit import Permit
from belmont.registry.errors import RegistryError
from belmont.registry.types import AnswerMode, PermitId, StudyId, StudyStatus
from belmont.registry.types import Study as StudyRecord

if TYPE_CHECKING:
    from belmont.lab.consortium import Consortium

_COLOURS = {
    StudyStatus.PROPOSED: cards.WAITING,
    StudyStatus.APPROVED: cards.GOOD,
    StudyStatus.REFUSED: cards.BAD,
    StudyStatus.CANCELLED: cards.NEUTRAL,
}


class Study:
    """One application for a permit. Every attribute is read from the chain when it is asked for."""

    def __init__(self, consortium: "Consortium", study_id: StudyId) -> None:
        self._consortium = consortium
        self.id = study_id

    @property
    def record(self) -> StudyRecord:
        """The application as the chain has it now."""
        record = self._consortium.registry.study(self.id)
        if record is None:
            raise LabError(f"the chain has no study {self.id}")
        return record

    @property
    def status(self) -> str:
        """proposed, approved, refused or cancelled."""
        return self.record.status.name.lower()

    def vote(self, *members: Actor, approve: bool = True, reason: str = "") -> "Study":
        """These board members vote, one after the other until the board has decided. Raises ``RegistryRefused``."""
        refuse_others(Actor, members, "study.vote(*consortium.board, approve=True, reason='...')")
        for k, member in enumerate(members):
            if k == 0 or self.record.status is StudyStatus.PROPOSED:
                self._consortium.registry.as_(member.identity.account).vote(self.id, approve, reason)
        return self

    def accept(self, *hospitals: Hospital) -> "Study":
        """Each of these hospitals accepts the study for its own dataset. Raises ``RegistryRefused``."""
        refuse_others(Hospital, hospitals, "study.accept(*consortium.hospitals)")
        for hospital in hospitals:
            self._consortium.registry.as_(hospital.identity.account).accept(self.id, hospital.dataset_id)
        return self

    def permit(self) -> Permit:
        """The permit, issued now if everything it needs has happened. Raises ``NotYet`` saying what is missing."""
        registry = self._consortium.registry
        if registry.permit(PermitId(self.id)) is None:
            missing = self._missing()
            if missing:
                raise NotYet(f"study {self.id} has no permit yet: " + "; ".join(missing))
            registry.as_(self._consortium.researcher.identity.account).issue(self.id)
        return Permit(self._consortium, PermitId(self.id))

    def _missing(self) -> list[str]:
        record = self.record
        missing = []
        if record.status is StudyStatus.PROPOSED:
            missing.append(f"the board has {record.votes_for} of {record.quorum} votes it needs")
        elif record.status is not StudyStatus.APPROVED:
            missing.append(f"the application was {self.status}")
        names = self._consortium.dataset_names
        waiting = [names[dataset] for dataset in record.terms.datasets if dataset not in record.accepted]
        if waiting:
            missing.append("not accepted for " + ", ".join(waiting))
        return missing

    def __repr__(self) -> str:
        try:
            record = self.record
        except (LabError, RegistryError) as error:
            return f"Study({self.id}: {error})"
        return f"Study({self.id}, {record.terms.title!r}, {self.status}, {record.votes_for}/{record.quorum} votes)"

    def _repr_html_(self) -> str:
        try:
            return self._card()
        except (LabError, RegistryError) as error:
            return cards.card(f"Study {self.id}", str(error), mark=cards.badge("unreachable", cards.BAD))

    def _card(self) -> str:
        record = self.record
        terms = record.terms
        names = self._consortium.dataset_names
        rows = [[names[d], "accepted" if d in record.accepted else "not yet"] for d in terms.datasets]
        facts = {
            "board": f"{record.votes_for} for, {record.votes_against} against, quorum {record.quorum}",
            "asks for": f"{terms.rounds} rounds, {terms.queries} queries, {terms.duration_seconds // 86400} days",
            "answers": "exact totals" if terms.answer_mode is AnswerMode.EXACT else "totals with noise",
            "safeguards": f"at least {terms.min_hospitals} hospitals, {terms.min_cohort} patients at each",
            "code": cards.short(terms.code_hash),
            "configuration": cards.short(terms.config_hash),
            "protocol": cards.short(terms.protocol_hash),
        }
        mark = cards.badge(self.status, _COLOURS.get(record.status, cards.NEUTRAL))
        title = f"Study {self.id}: {terms.title}"
        return cards.card(title, cards.facts(facts), cards.table(["dataset", "holder"], rows), mark=mark)
