"""The members of the consortium as voters on its rules, on contracts and reference model side by side."""

from dataclasses import dataclass
from typing import Any

import pytest

from belmont.registry.rules.protocol import Rule, RuleProposalId
from belmont.registry.types import Address, Role

DAY = 24 * 3600
DELAY = 7 * DAY
VETTING = b"\x01\x55\x12\x20" + bytes(32)


@dataclass
class Chamber:
    """Seven members, three of them on the board: four and two are the majorities."""

    consortium: Any

    @property
    def everybody(self) -> list[Any]:
        its = self.consortium
        return [its.auditor, its.holder, its.other_holder, its.data_user, *its.board]

    @property
    def now(self) -> int:
        return self.consortium.evm.now

    def wait(self, seconds: int) -> None:
        self.consortium.evm.now += seconds

    def rules(self, account: Any = None) -> Any:
        """Rules as somebody, by default as somebody who is no member."""
        return self.consortium.registry.as_(account or self.consortium.non_member).rules

    def propose(self, rule: Rule, setting: int) -> RuleProposalId:
        """Proposed by the auditor."""
        return self.rules(self.consortium.auditor).propose_rule(rule, setting)

    def carry(self, proposal: RuleProposalId) -> RuleProposalId:
        """Supported by as many others as it takes."""
        for member in self.everybody[1:]:
            if self.rules().proposal(proposal).carried_at:
                break
            self.rules(member).support(proposal)
        assert self.rules().proposal(proposal).carried_at == self.now
        return proposal

    def enact(self, proposal: RuleProposalId) -> None:
        """Carried, and enacted as early as can be, by nobody in particular."""
        self.carry(proposal)
        self.consortium.evm.now = self.rules().proposal(proposal).enactable_at
        self.rules().enact(proposal)

    def set(self, rule: Rule, setting: int) -> None:
        """A rule changed by vote."""
        self.enact(self.propose(rule, setting))
        assert self.rules().setting(rule) == setting

    def admit(self, account: Any, roles: Role) -> None:
        """Somebody admitted by vote."""
        registry = self.consortium.registry
        newcomer = self.consortium.profile(account, roles, f"Newcomer {account.address[:10]}")
        proposal = registry.as_(self.consortium.auditor).propose_admission(newcomer, VETTING)
        for member in self.everybody[1:]:
            if registry.proposal(proposal).executed:
                break
            registry.as_(member).support(proposal)
        assert registry.member(Address(account.address)).roles == roles

    def pause(self, by: Any = None) -> int:
        """Everything stopped by two of the board."""
        number = self.rules().pause().number + 1
        for member in by or self.consortium.board[:2]:
            self.rules(member).vote_pause(number)
        assert self.rules().pause().number == number
        return number


@pytest.fixture
def chamber(paired: Any) -> Chamber:
    """What is written is written to contracts and model, and has to agree."""
    return Chamber(paired)
