"""An application in a notebook: read it, vote on it, accept it, and take the permit it leads to."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from belmont.lab import approval, budgets, cards, documents, handing_in, protection
from belmont.lab.amendments import differences, side_by_side
from belmont.lab.errors import LabError, NotYet
from belmont.lab.people import Actor, Hospital, refuse_others
from belmont.lab.permit import Permit
from belmont.registry.duo import DiseaseHierarchy, Match, match
from belmont.registry.errors import RegistryError
from belmont.registry.types import ZERO_HASH, Abstention, AnswerMode, PermitId, StudyId, StudyStatus
from belmont.registry.types import Study as StudyRecord

if TYPE_CHECKING:
    import pandas as pd

    from belmont.lab.consortium import Consortium
    from belmont.lab.own.code import Code
    from belmont.lab.own.difference import CodeDifference

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

    def vote(self, *members: Actor, approve: bool = True, conditions: Sequence[str] = (), reason: str = "") -> "Study":
        """These board members vote, one after the other until the board has decided. Raises ``RegistryRefused``.

        With ``conditions``, one text for each, they approve under these, and no permit is issued until the data user
        agrees. Texts are kept in this directory and handed to the service, if there is one; their hash goes on chain.
        """
        refuse_others(Actor, members, "study.vote(*consortium.board, approve=True, reason='...')")
        texts = approval.conditions_from(conditions, approve)
        approval.keep_conditions(self._consortium.home, texts)
        for k, member in enumerate(members):
            if k == 0 or self.record.status is StudyStatus.PROPOSED:
                registry = self._consortium.registry.as_(member.identity.account)
                registry.vote(self.id, approve, reason, texts.hash if texts else ZERO_HASH)
                handing_in.keep_reason(self._consortium, self.id, member, reason, texts)
        return self

    def recuse(self, member: Actor, reason: str = "") -> "Study":
        """A board member with an interest in the study takes no part in its vote, for good. Raises ``RegistryRefused``.

        The quorum stays that of the whole board.
        """
        refuse_others(Actor, (member,), "study.recuse(consortium.board[0], 'I am a co-author')")
        self._consortium.registry.as_(member.identity.account).recuse(self.id, reason)
        handing_in.keep_reason(self._consortium, self.id, member, reason)
        return self

    @property
    def conditions(self) -> "pd.DataFrame":
        """What the board's votes set: who, each text where it is on this machine, and the hash that was voted."""
        import pandas as pd

        rows = [
            (each.voter, text, "0x" + each.hash.hex())
            for each in approval.conditions_set(self._consortium, self.record)
            for text in each.texts or (None,)
        ]
        return pd.DataFrame(rows, columns=["set by", "condition", "hash"])

    def agree(self, *texts: bytes | Path | str) -> "Study":
        """This machine's data user agrees to all conditions of the board, exactly as they are now.

        Every text has to be here, or at the service: give ``texts`` that others handed over, as the files of their
        signed votes or as Belmont wrote them. Raises ``LabError`` for one that is missing, and ``RegistryRefused``.
        """
        handing_in.fetch_conditions(self._consortium, self.record)
        conditions = approval.agreeable(self._consortium, self.record, texts)
        self._consortium.registry.as_(self._consortium.researcher.identity.account).agree(self.id, conditions)
        return self

    def accept(self, *hospitals: Hospital) -> "Study":
        """Each of these hospitals accepts the study for its own dataset. Raises ``RegistryRefused``."""
        refuse_others(Hospital, hospitals, "study.accept(*consortium.hospitals)")
        for hospital in hospitals:
            self._consortium.registry.as_(hospital.identity.account).accept(self.id, hospital.dataset_id)
        return self

    def data_use(self, hierarchy: DiseaseHierarchy | None = None) -> dict[str, Match]:
        """What the conditions of each dataset say of this study, by the dataset's name, with a reason for each term.

        A hierarchy of diseases settles some of what the contract leaves to the board (docs/duo.md).
        """
        record = self.record
        use, names = record.terms.use_of(record.data_user), self._consortium.dataset_names
        datasets = {each.id: each for each in self._consortium.registry.datasets()}
        return {
            names[id_]: match(datasets[id_].data_use, use, record.proposed_at, hierarchy)
            for id_ in record.terms.datasets
        }

    def permit(self) -> Permit:
        """The permit, issued now if everything it needs has happened. Raises ``NotYet`` saying what is missing."""
        registry = self._consortium.registry
        if registry.permit(PermitId(self.id)) is None:
            missing = self._missing()
            if missing:
                raise NotYet(f"study {self.id} has no permit yet: " + "; ".join(missing))
            registry.as_(self._consortium.researcher.identity.account).issue(self.id)
        return Permit(self._consortium, PermitId(self.id))

    def issue(self) -> Permit:
        """The same: the permit, issued now. Of an amendment it takes the place of the permit that it amends."""
        return self.permit()

    @property
    def amends(self) -> Permit | None:
        """The permit that this application would take the place of."""
        amends = self.record.amends
        return Permit(self._consortium, amends) if amends else None

    @property
    def reason(self) -> str | None:
        """Why an amendment was asked for, where its text is on this machine."""
        return documents.reason_for(self._consortium.home, self.id)

    @property
    def protocol(self) -> str | None:
        """The text of the protocol, where it is on this machine."""
        return documents.protocol_for(self._consortium.home, self.record.terms.protocol_hash)

    @property
    def url(self) -> str | None:
        """Its page in the ethics board's console; None where no service was named."""
        service = self._consortium.service_url
        return f"{service}/studies/{self.id}" if service else None

    def hand_in(self, by: Actor | None = None) -> "handing_in.HandedIn":
        """Hand everything of this study that is on this machine to the service, where it is not there yet.

        As the researcher whose key is here, unless named. Raises ``ServiceAway`` and ``ServiceRefused``.
        """
        return handing_in.hand_in(self._consortium, self.id, by)

    def differences(self) -> "pd.DataFrame":
        """What an amendment changes: each term as permitted, and as applied for. Raises ``LabError`` for another."""
        import pandas as pd

        amends = self.amends
        if amends is None:
            raise LabError(f"study {self.id} amends no permit: its card shows what it asks for")
        rows = differences(amends.record.terms, self.record.terms, self._consortium.dataset_names)
        return pd.DataFrame(rows, columns=["term", f"permit {amends.id}", "amendment"]).set_index("term")

    def code(self, bundle: bytes | Path | str | None = None) -> "Code":
        """The files whose hash the application names, and the configuration, to read; nothing of it is run.

        They are kept where the application was made. Elsewhere give the ``bundle`` that the applicant sent, a file of
        ``belmont model hash my_model --out my_model.fab``: it is compared with the hash and kept. Raises ``LabError``.
        """
        from belmont.lab.own.code import code_of

        return code_of(self._consortium.home, self.record.terms, bundle)

    def code_diff(self, against: "str | Permit | None" = None) -> "CodeDifference":
        """What the code differs in: against ``"template"``, an app that comes with Belmont such as ``"glm"``, or a
        permit; by default the permit that this amends, or whichever of the others is nearest. Raises ``LabError``."""
        other = self.amends if against is None else against
        code = self.code()
        return code.diff_from(other.code(), f"permit {other.id}") if isinstance(other, Permit) else code.diff(other)

    def _missing(self) -> list[str]:
        record = self.record
        missing = []
        if record.status is StudyStatus.PROPOSED:
            missing.append(f"the board has {record.votes_for} of {record.quorum} votes it needs")
        elif record.status is not StudyStatus.APPROVED:
            missing.append(f"the application was {self.status}")
        if record.conditions_open:
            missing.append("the board set conditions: read study.conditions, then study.agree()")
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
        left = {each.dataset_id: each for each in record.abstentions}
        rows = [
            [names[d], "accepted" if d in record.accepted else "not yet", _data_use(left.get(d))]
            for d in terms.datasets
        ]
        facts: dict[str, object] = {
            "board": f"{record.votes_for} for, {record.votes_against} against, quorum {record.quorum}",
            **approval.facts(self._consortium, record),
            "asks for": f"{terms.rounds} rounds, {terms.queries} queries, {terms.duration_seconds // 86400} days",
            "answers": "exact totals" if terms.answer_mode is AnswerMode.EXACT else "totals with noise",
            "safeguards": f"at least {terms.min_hospitals} hospitals, {terms.min_cohort} patients at each",
            "updates": protection.sentence_for(self._consortium.home, terms.config_hash),
            "privacy budget": budgets.card(terms),
            "code": cards.short(terms.code_hash),
            "configuration": cards.short(terms.config_hash),
            "protocol": cards.short(terms.protocol_hash),
        }
        if self.url:
            facts["console"] = cards.link(self.url)
        handed = self._consortium.handed_in.get(self.id)
        if handed is not None:
            facts["documents"] = handed.says
        mark = cards.badge(self.status, _COLOURS.get(record.status, cards.NEUTRAL))
        title, parts = f"Study {self.id}: {terms.title}", []
        if self.amends is not None:
            title = f"Study {self.id}, which amends permit {record.amends}: {terms.title}"
            parts = [side_by_side(self.amends.record, terms, names)]
            facts["reason"] = self.reason or f"not on this machine: ask {record.data_user}"
        table = cards.table(["dataset", "holder", "data use"], rows)
        parts += [cards.facts(facts), approval.table(self._consortium, record), table, self._code_card()]
        return cards.card(title, *parts, mark=mark)

    def _code_card(self) -> cards.Html:
        try:
            difference = self.code_diff()
        except LabError as error:
            return cards.Html(f"<p>{cards.text(f'code: {error}')}</p>")
        head = f"<details><summary>{cards.text(f'code: {difference.summary}')}</summary>"
        return cards.Html(f"{head}{difference.html()}</details>")


def _data_use(left: Abstention | None) -> str:
    return f"the board decides on {left.terms}" if left else "permitted by the dataset's terms"
