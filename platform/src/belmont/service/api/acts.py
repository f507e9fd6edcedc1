"""What anybody may have a contract do, since it leaves nobody a choice: issue what was approved, count votes anew.

Here it is for members who act: a regulator's view changes nothing, not even that. It is sent by an account that is
made for it and forgotten, and counts as relaying does (``limits``). What the contract refuses is
answered 409, with its word.
"""

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Path

from belmont.registry.chain_registry import ChainRegistry
from belmont.registry.rules.protocol import RuleProposalId
from belmont.registry.types import PermitId, ProposalId, StudyId
from belmont.service.access.limits import limited
from belmont.service.api import routing
from belmont.service.api.values import EXACT_MOST, Answer, Hash, Whole
from belmont.service.service import Service

router: APIRouter = routing.router("acts", limited("relay"))
Number = Annotated[int, Path(ge=1, le=EXACT_MOST)]
Model = Annotated[Hash, Path(description="Hash of the model.")]


class Done(Answer):
    """The contract did it."""

    act: str
    number: Whole | None


def _done(service: Service, act: str, number: int | None, does: Callable[[ChainRegistry], object]) -> Done:
    does(service.relaying.anybody())
    return Done(act=act, number=number)


@router.post("/studies/{number}/issue")
def issue_permit(service: routing.Here, visitor: routing.AnActor, number: Number) -> Done:
    """Issue the permit of a study that the board approved and every holder accepted."""
    return _done(service, "issue", number, lambda chain: chain.issue(StudyId(number)))


@router.post("/studies/{number}/tally")
def tally_study(service: routing.Here, visitor: routing.AnActor, number: Number) -> Done:
    """Decide a study whose votes became enough because the board changed."""
    return _done(service, "tally", number, lambda chain: chain.tally(StudyId(number)))


@router.post("/permits/{number}/tally-lift")
def tally_lift(service: routing.Here, visitor: routing.AnActor, number: Number) -> Done:
    """End a freeze early whose votes became enough because the board changed."""
    return _done(service, "tally-lift", number, lambda chain: chain.tally_lift(PermitId(number)))


@router.post("/permits/{number}/tally-revoke")
def tally_revoke(service: routing.Here, visitor: routing.AnActor, number: Number) -> Done:
    """End a permit for good whose votes became enough because the board changed."""
    return _done(service, "tally-revoke", number, lambda chain: chain.tally_revoke(PermitId(number)))


@router.post("/proposals/{number}/tally")
def tally_proposal(service: routing.Here, visitor: routing.AnActor, number: Number) -> Done:
    """Carry out an admission or removal whose support became enough because the members changed."""
    return _done(service, "tally", number, lambda chain: chain.tally_proposal(ProposalId(number)))


@router.post("/rules/proposals/{number}/tally")
def tally_rule_proposal(service: routing.Here, visitor: routing.AnActor, number: Number) -> Done:
    """Carry a change of the rules whose support became enough because the members changed."""
    return _done(service, "tally", number, lambda chain: chain.rules.tally(RuleProposalId(number)))


@router.post("/rules/proposals/{number}/enact")
def enact_rule_proposal(service: routing.Here, visitor: routing.AnActor, number: Number) -> Done:
    """Give a carried change its effect, after its delay."""
    return _done(service, "enact", number, lambda chain: chain.rules.enact(RuleProposalId(number)))


@router.post("/pause/tally")
def tally_pause(service: routing.Here, visitor: routing.AnActor) -> Done:
    """Pause, where the votes became enough because the board changed."""
    return _done(service, "tally-pause", None, lambda chain: chain.rules.tally_pause())


@router.post("/pause/tally-resume")
def tally_resume(service: routing.Here, visitor: routing.AnActor) -> Done:
    """Go on, where the votes became enough because the board changed."""
    return _done(service, "tally-resume", None, lambda chain: chain.rules.tally_resume())


@router.post("/releases/{permit}/{model}/tally")
def tally_release(service: routing.Here, visitor: routing.AnActor, permit: Number, model: Model) -> Done:
    """Release a model whose votes became enough because the board changed."""
    return _done(service, "tally", permit, lambda chain: chain.releases.tally_confirm(PermitId(permit), model))


@router.post("/releases/{permit}/{model}/settle")
def settle_release(service: routing.Here, visitor: routing.AnActor, permit: Number, model: Model) -> Done:
    """Put down for good that a model is released."""
    return _done(service, "settle", permit, lambda chain: chain.releases.settle(PermitId(permit), model))
