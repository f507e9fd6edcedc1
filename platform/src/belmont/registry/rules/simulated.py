"""Rules in memory: the reference model behind the Protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING

from belmont.registry import arguments
from belmont.registry.hashes import reason_hash
from belmont.registry.reference import rules, settings
from belmont.registry.rules.protocol import Pause, Rule, RuleProposal, RuleProposalId
from belmont.registry.types import Address, DatasetId

if TYPE_CHECKING:
    from belmont.registry.simulated import SimulatedRegistry


class SimulatedRules:
    """Implements ``belmont.registry.rules.protocol.Rules``."""

    def __init__(self, registry: SimulatedRegistry) -> None:
        self._registry = registry

    def setting(self, rule: Rule) -> int:
        with self._registry.reading() as world:
            return settings.setting(world, Rule(rule))

    def settings(self) -> dict[Rule, int]:
        with self._registry.reading() as world:
            return {rule: settings.setting(world, rule) for rule in Rule}

    def proposal(self, proposal_id: RuleProposalId) -> RuleProposal | None:
        with self._registry.reading() as world:
            return world.rule_proposals.get(proposal_id)

    def proposals(self) -> list[RuleProposal]:
        with self._registry.reading() as world:
            return list(world.rule_proposals.values())

    def pause(self) -> Pause:
        with self._registry.reading() as world:
            return world.pause

    def propose_rule(self, rule: Rule, setting: int) -> RuleProposalId:
        arguments.check_number("rule", rule, 64)
        arguments.check_number("setting", setting, 64)
        with self._registry.acting() as (world, by):
            return rules.propose_rule(world, by, rule, setting)

    def propose_code(self, target: Address, implementation: Address) -> RuleProposalId:
        arguments.check_address("target", target)
        arguments.check_address("implementation", implementation)
        with self._registry.acting() as (world, by):
            return rules.propose_code(world, by, target, implementation)

    def propose_redemption(
        self, account: Address, amount: int, note: str, dataset_id: DatasetId | None = None
    ) -> RuleProposalId:
        arguments.check_address("account", account)
        arguments.check_number("amount", amount, 64)
        with self._registry.acting() as (world, by):
            return rules.propose_redemption(world, by, account, amount, note, dataset_id)

    def support(self, proposal_id: RuleProposalId) -> None:
        arguments.check_number("proposal_id", proposal_id, 64)
        with self._registry.acting() as (world, by):
            rules.support(world, by, proposal_id)

    def withdraw_support(self, proposal_id: RuleProposalId) -> None:
        arguments.check_number("proposal_id", proposal_id, 64)
        with self._registry.acting() as (world, by):
            rules.withdraw_support(world, by, proposal_id)

    def tally(self, proposal_id: RuleProposalId) -> None:
        arguments.check_number("proposal_id", proposal_id, 64)
        with self._registry.sending() as (world, by):
            rules.tally(world, by, proposal_id)

    def enact(self, proposal_id: RuleProposalId) -> None:
        arguments.check_number("proposal_id", proposal_id, 64)
        with self._registry.sending() as (world, by):
            rules.enact(world, by, proposal_id)

    def vote_pause(self, pause: int, reason: str = "") -> None:
        arguments.check_number("pause", pause, 64)
        with self._registry.acting() as (world, by):
            rules.vote_pause(world, by, pause, reason_hash(reason))

    def tally_pause(self) -> None:
        with self._registry.sending() as (world, by):
            rules.tally_pause(world, by)

    def vote_resume(self, pause: int) -> None:
        arguments.check_number("pause", pause, 64)
        with self._registry.acting() as (world, by):
            rules.vote_resume(world, by, pause)

    def tally_resume(self) -> None:
        with self._registry.sending() as (world, by):
            rules.tally_resume(world, by)
