"""A permit whose model two hospitals evaluated, on contracts and reference model side by side."""

from typing import Any

import pytest

from belmont.registry.releases.protocol import ModelRelease, ReleaseStatus
from belmont.registry.rules.protocol import Rule
from belmont.registry.types import PermitId

DAY = 24 * 3600
WEEK = 7 * DAY
MODEL = b"\x11" * 32
"""What ``consortium.round`` opens rounds with."""
CARD, EVIDENCE = b"\x22" * 32, b"\x44" * 32


class Stage:
    """A permit over one dataset of each holder; its first round was opened with the model, and both recorded it."""

    def __init__(self, consortium: Any) -> None:
        self.consortium = consortium
        self.datasets = consortium.datasets(proven=True)
        self.permit: PermitId = consortium.permit(self.datasets)
        consortium.round(self.permit)
        for place, holder in enumerate((consortium.holder, consortium.other_holder)):
            consortium.record(self.permit, self.datasets[place], by=holder)

    def as_(self, account: Any) -> Any:
        """Releases, as somebody."""
        return self.consortium.registry.as_(account).releases

    def release(self, by: Any = None, **changes: Any) -> None:
        """Announced by the data user, unless somebody else is named."""
        fields = {"permit_id": self.permit, "model_hash": MODEL, "evaluated_round": 1}
        fields |= {"card_hash": CARD, "evidence_hash": EVIDENCE, **changes}
        self.as_(by or self.consortium.data_user).release(*fields.values())

    def object(self, *by: Any) -> None:
        for each in by:
            self.as_(each).object(self.permit, MODEL, "because")

    def vote(self, *by: Any) -> None:
        for each in by:
            self.as_(each).vote_confirm(self.permit, MODEL)

    def tally(self) -> None:
        self.as_(self.consortium.non_member).tally_confirm(self.permit, MODEL)

    def settle(self) -> None:
        self.as_(self.consortium.non_member).settle(self.permit, MODEL)

    def withdraw(self, by: Any = None) -> None:
        self.as_(by or self.consortium.data_user).withdraw(self.permit, MODEL)

    def wait(self, seconds: int = WEEK) -> None:
        """By default until the time for objections is over."""
        self.consortium.evm.now += seconds

    def freeze(self, seconds: int = WEEK, by: Any = None, permit: PermitId | None = None) -> None:
        self.consortium.registry.as_(by or self.consortium.holder).freeze_permit(permit or self.permit, seconds)

    def revoke(self, permit: PermitId | None = None) -> None:
        for member in self.consortium.board[:2]:
            self.consortium.registry.as_(member).vote_revoke(permit or self.permit)

    def pause(self) -> None:
        for member in self.consortium.board[:2]:
            self.consortium.registry.as_(member).rules.vote_pause(1)

    def resume(self) -> None:
        for member in self.consortium.board[:2]:
            self.consortium.registry.as_(member).rules.vote_resume(1)

    def amend(self) -> PermitId:
        """The permit that takes this one's place."""
        as_data_user = self.consortium.registry.as_(self.consortium.data_user)
        study = as_data_user.propose_amendment(self.permit, self.consortium.terms(self.datasets))
        self.consortium.approve(study)
        self.consortium.accept(study)
        issued: PermitId = as_data_user.issue(study)
        return issued

    def set_days(self, days: int) -> None:
        """How long objections are open, by vote."""
        its = self.consortium
        as_auditor = its.registry.as_(its.auditor).rules
        proposal = as_auditor.propose_rule(Rule.OBJECTION_SECONDS, days * DAY)
        for member in its.board:
            its.registry.as_(member).rules.support(proposal)
        its.evm.now = as_auditor.proposal(proposal).enactable_at
        its.registry.as_(its.non_member).rules.enact(proposal)

    @property
    def found(self) -> ModelRelease:
        release = self.consortium.registry.releases.find(self.permit, MODEL)
        assert release is not None
        return release

    @property
    def status(self) -> ReleaseStatus:
        """The same from one call as with the record, and from the model."""
        pair = self.consortium.registry
        pair.agree_on_the_time()
        status: ReleaseStatus = pair.releases.status(self.permit, MODEL)
        assert status is pair.model.releases.status(self.permit, MODEL)
        found = pair.releases.find(self.permit, MODEL)
        assert status is (found.status if found else ReleaseStatus.NONE)
        return status

    def events(self) -> list[tuple[str, Any, dict[str, Any]]]:
        """Those of the contract."""
        events = self.consortium.registry.audit_events()
        return [(each.name, each.actor, each.details) for each in events if each.contract == "Releases"]

    @property
    def others(self) -> list[Any]:
        """Everybody but board and data user."""
        its = self.consortium
        return [its.holder, its.other_holder, its.auditor, its.non_member]


@pytest.fixture
def stage(paired: Any) -> Stage:
    """Nothing is announced yet."""
    return Stage(paired)


@pytest.fixture
def announced(stage: Stage) -> Stage:
    """The model is announced."""
    stage.release()
    return stage


@pytest.fixture
def objected(announced: Stage) -> Stage:
    """One of the board objected, and the time for objections is over."""
    announced.object(announced.consortium.board[2])
    announced.wait()
    return announced
