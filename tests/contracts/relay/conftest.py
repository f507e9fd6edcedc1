"""A consortium in which everything that a message can be about is there, and one message of each kind."""

from dataclasses import dataclass, replace
from typing import Any

import pytest
from eth_account import Account
from eth_utils import keccak

from belmont.identity import messages as m
from belmont.identity.messages import reason_hash
from belmont.registry.consents.scope import Scope
from belmont.registry.consents.statements import account_key
from belmont.registry.consents.tree import ConsentTree
from belmont.registry.contract_set import contract
from belmont.registry.rules.protocol import Rule
from belmont.registry.types import UseKind

REASON = reason_hash("because")
CONDITIONS = b"\x33" * 32
KINDS = [kind.__name__ for kind in m.STATEMENTS]


@dataclass
class Act:
    """A message, who signs it, and what the contract that acts says then."""

    consortium: Any
    message: Any
    signer: Any
    contract: str
    event: str

    @property
    def registry(self) -> Any:
        """Bound to somebody who has nothing to do with it: anybody relays."""
        return self.consortium.registry.as_(self.consortium.non_member)

    def signed(self, by: Any = None, **changes: Any) -> Any:
        return replace(self.message, **changes).sign(by or self.signer, self.registry.relay.domain)

    def submit(self, signed: Any) -> None:
        self.registry.relay.submit(signed)

    def send(self, message: Any, signature: bytes, address: str | None = None) -> None:
        """A transaction that the registry's own methods would not send."""
        data = contract("Relay").interface.encode_call(message.FUNCTION, *message.arguments(), signature)
        self.consortium.evm.send(self.consortium.non_member, address or self.registry.addresses["Relay"], data)

    def happened(self) -> list[Any]:
        """Who acted, in the events of this kind."""
        return [each.actor for each in self.registry.events_of(self.contract, self.event)]


@pytest.fixture
def patient() -> Any:
    return Account.from_key(keccak(b"patient"))


def about(consortium: Any, kind: str, patient: Any) -> tuple[dict[str, Any], Any, str]:
    """What a message of this kind says, who signs it, and the event that follows."""
    registry, board = consortium.registry, consortium.board
    if kind in ("Vote", "Acceptance"):
        study = consortium.study()
        dataset = registry.study(study).terms.datasets[0]
        if kind == "Vote":
            fields = {"study": study, "approve": True, "conditions_hash": CONDITIONS, "reason_hash": REASON}
            return fields, board[0], "Studies.VoteCast"
        return {"study": study, "dataset": dataset}, consortium.holder, "Studies.DatasetAccepted"
    if kind == "Recusal":
        return {"study": consortium.study(), "reason_hash": REASON}, board[0], "Studies.Recused"
    if kind == "Agreement":
        study = consortium.study()
        registry.as_(board[1]).vote(study, True, "", CONDITIONS)
        fields = {"study": study, "conditions": registry.study(study).conditions}
        return fields, consortium.data_user, "Studies.ConditionsAgreed"
    if kind in ("Freeze", "Lift", "Revocation", "Withdrawal"):
        permit = consortium.permit()
        if kind == "Freeze":
            return {"permit": permit, "duration": 3600, "reason_hash": REASON}, board[0], "Permits.PermitFrozen"
        if kind == "Lift":
            registry.as_(board[1]).freeze_permit(permit)
            return {"permit": permit, "freeze": 1}, board[0], "Permits.LiftSupported"
        if kind == "Revocation":
            return {"permit": permit, "reason_hash": REASON}, board[0], "Permits.RevocationSupported"
        dataset = registry.permit(permit).covered[0]
        return {"permit": permit, "dataset": dataset}, consortium.holder, "Permits.DatasetWithdrawn"
    if kind == "MemberSupport":
        proposal = registry.as_(consortium.auditor).propose_removal(consortium.data_user.address)
        return {"proposal": proposal}, board[0], "Members.ProposalSupported"
    if kind == "RuleSupport":
        proposal = registry.as_(consortium.auditor).rules.propose_rule(Rule.MAJORITY_PERCENT, 60)
        return {"proposal": proposal}, board[0], "Rules.RuleProposalSupported"
    if kind == "Pause":
        return {"pause": 1, "reason_hash": REASON}, board[0], "Rules.PauseSupported"
    if kind == "Resume":
        for member in board[:2]:
            registry.as_(member).rules.vote_pause(1)
        return {"pause": 1}, board[0], "Rules.ResumeSupported"
    if kind in ("Release", "Objection", "Confirmation", "ReleaseWithdrawal"):
        return about_a_release(consortium, kind)
    dataset = consortium.dataset(versions=0)
    scope = Scope(1 << 37, 7, consortium.evm.now, consortium.evm.now + 3600)
    key = account_key(patient.address)
    tree = ConsentTree([(key, scope.hash), (b"\x01" * 32, scope.hash)])
    registry.as_(consortium.holder).consents.publish_batch(dataset, tree.batch)
    registry.as_(consortium.non_member).consents.enrol(dataset, patient.address, tree.membership(key))
    if kind == "ConsentRevocation":
        return {"dataset": dataset, "sequence": 1}, patient, "Consents.ConsentRevoked"
    recipients = sorted((each.address for each in (consortium.data_user, consortium.holder)), key=str.lower)
    fields = {"purposes": 1 << 37, "categories": 7, "valid_from": scope.valid_from, "valid_until": scope.valid_until}
    return (
        {"dataset": dataset, "recipients": tuple(recipients), "sequence": 1, **fields},
        patient,
        "Consents.ConsentGranted",
    )


def about_a_release(consortium: Any, kind: str) -> tuple[dict[str, Any], Any, str]:
    """Of a model that two hospitals evaluated."""
    registry, user, board = consortium.registry, consortium.data_user, consortium.board
    datasets = consortium.datasets(proven=True)
    permit = consortium.permit(datasets)
    consortium.round(permit)
    for id_, holder in zip(datasets, (consortium.holder, consortium.other_holder), strict=True):
        consortium.record(permit, id_, by=holder)
    model = registry.opened(permit, UseKind.ROUND, 1).subject_hash
    hashes = {"card_hash": b"\x22" * 32, "evidence_hash": b"\x44" * 32}
    if kind == "Release":
        return (
            {"permit": permit, "model_hash": model, "evaluated_round": 1, **hashes},
            user,
            "Releases.ModelReleased",
        )
    registry.as_(user).releases.release(permit, model, 1, *hashes.values())
    if kind == "Objection":
        fields = {"permit": permit, "model_hash": model, "reason_hash": REASON}
        return fields, board[0], "Releases.ReleaseObjected"
    if kind == "ReleaseWithdrawal":
        return {"permit": permit, "model_hash": model}, user, "Releases.ReleaseWithdrawn"
    registry.as_(board[1]).releases.object(permit, model)
    consortium.evm.now = registry.releases.find(permit, model).objections_until
    fields = {"permit": permit, "model_hash": model, "objections": 1}
    return fields, board[0], "Releases.ConfirmationSupported"


@pytest.fixture(params=KINDS)
def act(request: Any, consortium: Any, patient: Any) -> Act:
    """One message of each kind, that would be taken."""
    fields, signer, event = about(consortium, request.param, patient)
    message = getattr(m, request.param)(actor=signer.address, nonce=7, deadline=consortium.evm.now + 60, **fields)
    return Act(consortium, message, signer, *event.split("."))


@pytest.fixture
def vote(consortium: Any, patient: Any) -> Act:
    """A message of one kind, where kinds do not differ."""
    fields, signer, event = about(consortium, "Vote", patient)
    message = m.Vote(actor=signer.address, nonce=7, deadline=consortium.evm.now + 60, **fields)
    return Act(consortium, message, signer, *event.split("."))
