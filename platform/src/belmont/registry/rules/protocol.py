"""What the members can change about their consortium by vote, and the ethics board's pause (``Rules.vy``)."""

from dataclasses import dataclass
from enum import IntEnum
from typing import NewType, Protocol

from belmont.registry.types import Address, DatasetId

RuleProposalId = NewType("RuleProposalId", int)


class Rule(IntEnum):
    """The numbers that a vote can change; ``bounds`` of each are in docs/registry.md and kept by the contract."""

    BOARD_QUORUM_PERCENT = 0
    """More than this share of the board decides."""
    MAJORITY_PERCENT = 1
    """More than this share of the active members decides."""
    BOARD_MIN = 2
    LAY_VOTES = 3
    """Votes of lay members that an approval needs."""
    PROPOSAL_SECONDS = 4
    DELAY_SECONDS = 5
    """Between a vote and its effect."""
    FREEZE_SECONDS = 6
    PAUSE_SECONDS = 7
    PATIENTS_PERCENT = 8
    """Share of the credits that goes to the pool of a dataset's patients."""
    OBJECTION_SECONDS = 9
    """For so long a model that was announced for release is open to objection."""


class RuleProposalKind(IntEnum):
    RULE = 1
    CODE = 2
    REDEMPTION = 3


@dataclass(frozen=True)
class RuleProposal:
    """A vote of the members on the consortium itself."""

    id: RuleProposalId
    kind: RuleProposalKind
    subject: bytes
    """Number of the rule as 32 bytes, or the dataset whose patients' pool is drawn on (zero: the account's balance)."""
    account: Address
    """The proxy that gets other code, or who redeems."""
    implementation: Address
    amount: int
    """New setting of the rule, or credits."""
    note_hash: bytes
    """Hash of the new code, or of the text that explains a redemption."""
    supporters: tuple[Address, ...]
    proposed_at: int
    open_until: int
    carried_at: int
    enactable_at: int
    """Unix seconds from which on anybody has it enacted; 0 while it is not carried."""
    enacted: bool


@dataclass(frozen=True)
class Pause:
    """Whether everything stands still."""

    number: int
    """Pauses so far; the next vote is on the next number."""
    until: int
    """Unix seconds; a time that is over where the consortium is not paused."""


class Rules(Protocol):
    """Rules of one consortium."""

    def setting(self, rule: Rule) -> int:
        """What a rule is set to now."""

    def settings(self) -> dict[Rule, int]:
        """All rules as they are now."""

    def proposal(self, proposal_id: RuleProposalId) -> RuleProposal | None:
        """A proposal by number; numbers begin with 1."""

    def proposals(self) -> list[RuleProposal]:
        """Every proposal, in order."""

    def pause(self) -> Pause:
        """The newest pause."""

    def propose_rule(self, rule: Rule, setting: int) -> RuleProposalId:
        """Propose another setting, and support it."""

    def propose_code(self, target: Address, implementation: Address) -> RuleProposalId:
        """Propose other code for the contract behind the proxy at ``target``, and support it."""

    def propose_redemption(
        self, account: Address, amount: int, note: str, dataset_id: DatasetId | None = None
    ) -> RuleProposalId:
        """Propose that an account redeems credits: its own, or of the pool of a dataset's patients."""

    def support(self, proposal_id: RuleProposalId) -> None:
        """Vote for a proposal; the vote that makes the majority starts its delay."""

    def withdraw_support(self, proposal_id: RuleProposalId) -> None:
        """Take one's support back: an objection, also after the vote, until the proposal is enacted."""

    def tally(self, proposal_id: RuleProposalId) -> None:
        """Carry a proposal whose support became enough because the members changed."""

    def enact(self, proposal_id: RuleProposalId) -> None:
        """Give a carried proposal its effect, after its delay; anybody may."""

    def vote_pause(self, pause: int, reason: str = "") -> None:
        """Vote, on the ethics board, to pause the consortium; ``pause`` is one more than the newest number."""

    def tally_pause(self) -> None:
        """Pause, where the votes became enough because the board changed."""

    def vote_resume(self, pause: int) -> None:
        """Vote, on the ethics board, to end the current pause early."""

    def tally_resume(self) -> None:
        """Resume, where the votes became enough because the board changed."""
