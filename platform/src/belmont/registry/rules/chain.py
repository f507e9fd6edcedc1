"""Rules on a chain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from belmont.registry import arguments
from belmont.registry.hashes import reason_hash
from belmont.registry.rules.protocol import Pause, Rule, RuleProposal, RuleProposalId, RuleProposalKind
from belmont.registry.types import ZERO_HASH, Address, DatasetId

if TYPE_CHECKING:
    from belmont.registry.chain_registry import ChainRegistry


class ChainRules:
    """Implements ``belmont.registry.rules.protocol.Rules``."""

    def __init__(self, registry: ChainRegistry) -> None:
        self._registry = registry

    def setting(self, rule: Rule) -> int:
        return int(self._registry.read("Rules", "setting", int(Rule(rule))))

    def settings(self) -> dict[Rule, int]:
        return dict(zip(Rule, self._registry.read("Rules", "settings"), strict=True))

    def proposal(self, proposal_id: RuleProposalId) -> RuleProposal | None:
        arguments.check_number("proposal_id", proposal_id, 64)
        block = self._registry.head().number
        calls = ("proposal", "supporters")
        struct, supporters = self._registry.read_all([("Rules", each, (proposal_id,)) for each in calls], block)
        return _proposal(proposal_id, struct, supporters)

    def proposals(self) -> list[RuleProposal]:
        count = self._registry.read("Rules", "proposalCount")
        every = (self.proposal(RuleProposalId(number)) for number in range(1, count + 1))
        return [each for each in every if each]

    def pause(self) -> Pause:
        block = self._registry.head().number
        number, until = self._registry.read_all([("Rules", each, ()) for each in ("pauseCount", "pausedUntil")], block)
        return Pause(number, until)

    def propose_rule(self, rule: Rule, setting: int) -> RuleProposalId:
        arguments.check_number("rule", rule, 64)
        arguments.check_number("setting", setting, 64)
        return self._propose("proposeRule", "RuleProposed", int(rule), setting)

    def propose_code(self, target: Address, implementation: Address) -> RuleProposalId:
        arguments.check_address("target", target)
        arguments.check_address("implementation", implementation)
        return self._propose("proposeCode", "CodeProposed", target, implementation)

    def propose_redemption(
        self, account: Address, amount: int, note: str, dataset_id: DatasetId | None = None
    ) -> RuleProposalId:
        arguments.check_address("account", account)
        arguments.check_number("amount", amount, 64)
        fields = account, dataset_id or ZERO_HASH, amount, reason_hash(note)
        return self._propose("proposeRedemption", "RedemptionProposed", *fields)

    def support(self, proposal_id: RuleProposalId) -> None:
        arguments.check_number("proposal_id", proposal_id, 64)
        self._registry.act("Rules", "support", proposal_id)

    def withdraw_support(self, proposal_id: RuleProposalId) -> None:
        arguments.check_number("proposal_id", proposal_id, 64)
        self._registry.act("Rules", "withdrawSupport", proposal_id)

    def tally(self, proposal_id: RuleProposalId) -> None:
        arguments.check_number("proposal_id", proposal_id, 64)
        self._registry.send("Rules", "tally", proposal_id)

    def enact(self, proposal_id: RuleProposalId) -> None:
        arguments.check_number("proposal_id", proposal_id, 64)
        self._registry.send("Rules", "enact", proposal_id)

    def vote_pause(self, pause: int, reason: str = "") -> None:
        arguments.check_number("pause", pause, 64)
        self._registry.act("Rules", "votePause", pause, reason_hash(reason))

    def tally_pause(self) -> None:
        self._registry.send("Rules", "tallyPause")

    def vote_resume(self, pause: int) -> None:
        arguments.check_number("pause", pause, 64)
        self._registry.act("Rules", "voteResume", pause)

    def tally_resume(self) -> None:
        self._registry.send("Rules", "tallyResume")

    def _propose(self, function: str, event: str, *args: object) -> RuleProposalId:
        return RuleProposalId(self._registry.act("Rules", function, *args, event=event)["proposal"])


def _proposal(number: int, struct: Any, supporters: tuple[Address, ...]) -> RuleProposal | None:
    if not struct["kind"]:
        return None
    return RuleProposal(
        id=RuleProposalId(number),
        kind=RuleProposalKind(struct["kind"]),
        subject=struct["subject"],
        account=struct["account"],
        implementation=struct["implementation"],
        amount=struct["amount"],
        note_hash=struct["noteHash"],
        supporters=tuple(supporters),
        proposed_at=struct["proposedAt"],
        open_until=struct["openUntil"],
        carried_at=struct["carriedAt"],
        enactable_at=struct["enactableAt"],
        enacted=struct["enacted"],
    )
