"""Votes as the story of a consortium tells them, counted anew from its events alone.

Nothing here asks the contracts or the model who is a member, what a rule is set to or how a vote ended: it follows from
the events before, and a decision that does not is an error.

1. A member counts from the event that admitted it to the event that removed it, and a vote of somebody who was removed
   since does not: neither for a decision nor in the number of those who decide. Nor does who is to be removed.
2. A rule is what the last enactment set it to, and a vote counts for as long as the rules said when it was called.
3. What is enacted was carried, waited for the delay that was the rule then, and has a majority once more; and nothing
   that was proposed later on the same rule or contract was enacted before.
4. A mask key is of one account, from the first time that it is named for one.
"""

from collections.abc import Iterable

from belmont.registry.types import Address, AuditEvent, Role

DAY = 24 * 3600
ENACTMENT_SECONDS = 30 * DAY
DEFAULTS = [50, 50, 2, 0, 30 * DAY, 7 * DAY, 7 * DAY, 30 * DAY, 30, 7 * DAY]
QUORUM, MAJORITY, BOARD_MIN, LAY_VOTES, OPEN, DELAY, FREEZE, PAUSE, PATIENTS, OBJECTIONS = range(10)


class Proposals:
    """Proposals of one contract, each with who supports it and until when that can be."""

    def __init__(self) -> None:
        self.open_until: dict[int, int] = {}
        self.about: dict[int, AuditEvent] = {}
        self.supporters: dict[int, list[Address]] = {}

    def propose(self, event: AuditEvent, seconds: int) -> None:
        assert event.details["proposal"] == len(self.about) + 1, "proposals are numbered without gaps"
        self.about[event.details["proposal"]] = event
        self.supporters[event.details["proposal"]] = [event.actor]
        self.open_until[event.details["proposal"]] = event.timestamp + seconds

    def support(self, event: AuditEvent) -> None:
        supporters = self.supporters[event.details["proposal"]]
        assert event.timestamp < self.open_until[event.details["proposal"]]
        assert event.actor not in supporters, "everybody supports once"
        supporters.append(event.actor)


class Votes:
    """Members, rules, and everything that is decided by vote about either."""

    def __init__(self) -> None:
        self.roles: dict[Address, Role] = {}
        """Of those who are members now."""
        self.removed: set[Address] = set()
        self.mask_keys: dict[bytes, Address] = {}
        self.is_founded = False
        self.settings = list(DEFAULTS)
        self.membership, self.rules = Proposals(), Proposals()
        self.enactable_at: dict[int, int] = {}
        self.enacted: dict[int, object] = {}
        """On which rule or contract each was."""
        self.pauses, self.paused_until = 0, 0
        self.pause_votes: dict[Address, int] = {}
        self.resume_votes: set[Address] = set()
        self.switches: list[tuple[Address, Address]] = []
        self.to_redeem: list[AuditEvent] = []
        """What was enacted and has to be redeemed with the next event."""

    # --- who decides ---

    def is_board(self, account: Address) -> bool:
        return Role.ETHICS_BOARD in self.roles.get(account, Role.NONE)

    def is_quorum(self, voters: Iterable[Address]) -> bool:
        board = sum(map(self.is_board, self.roles))
        return sum(map(self.is_board, voters)) >= board * self.settings[QUORUM] // 100 + 1  # 1

    def is_majority(self, voters: Iterable[Address], concerned: Address | None = None) -> bool:
        among = self.roles.keys() - {concerned}
        return sum(each in among for each in voters) >= len(among) * self.settings[MAJORITY] // 100 + 1  # 1

    def is_paused(self, now: int) -> bool:
        return now < self.paused_until

    # --- members ---

    def proposed(self, event: AuditEvent) -> None:
        assert event.actor in self.roles
        self.membership.propose(event, self.settings[OPEN])

    def admission_proposed(self, event: AuditEvent) -> None:
        self.proposed(event)
        self._claim(event.details["mask_key"], event.details["account"])

    def keys_replaced(self, event: AuditEvent) -> None:
        assert event.actor in self.roles
        self._claim(event.details["mask_key"], event.actor)

    def _claim(self, mask_key: bytes, account: Address) -> None:
        assert not any(mask_key) or self.mask_keys.setdefault(mask_key, account) == account  # 4

    def supported(self, event: AuditEvent) -> None:
        about = self.membership.about[event.details["proposal"]]
        assert event.actor in self.roles and event.actor != about.details["account"]
        self.membership.support(event)

    def founded(self, event: AuditEvent) -> None:
        assert not self.is_founded and sum(map(self.is_board, self.roles)) >= self.settings[BOARD_MIN]
        self.is_founded = True

    def admitted(self, event: AuditEvent) -> None:
        account = event.details["account"]
        assert account not in self.roles and account not in self.removed, "everybody is admitted once"
        if self.is_founded:
            self._agreed("AdmissionProposed", event)
        self.roles[account] = Role(event.details["roles"])

    def removed_one(self, event: AuditEvent) -> None:
        account = event.details["account"]
        self._agreed("RemovalProposed", event)
        self.removed.add(account)
        if Role.ETHICS_BOARD in self.roles.pop(account):
            assert sum(map(self.is_board, self.roles)) >= self.settings[BOARD_MIN], "the board stays large enough"

    def _agreed(self, kind: str, event: AuditEvent) -> None:
        """A majority supports a proposal to do this, which is still open."""
        fitting = [
            number
            for number, about in self.membership.about.items()
            if about.name == kind
            and about.details["account"] == event.details["account"]
            and event.timestamp < self.membership.open_until[number]
        ]
        concerned = event.details["account"]
        assert any(self.is_majority(self.membership.supporters[number], concerned) for number in fitting), event

    # --- rules ---

    def rule_proposed(self, event: AuditEvent) -> None:
        assert event.actor in self.roles
        self.rules.propose(event, self.settings[OPEN])

    def rule_supported(self, event: AuditEvent) -> None:
        assert event.actor in self.roles
        self.rules.support(event)

    def support_withdrawn(self, event: AuditEvent) -> None:
        assert event.actor in self.roles and event.details["proposal"] not in self.enacted
        self.rules.supporters[event.details["proposal"]].remove(event.actor)

    def carried(self, event: AuditEvent) -> None:
        number = event.details["proposal"]
        assert self.is_majority(self.rules.supporters[number])
        assert event.timestamp < self.rules.open_until[number]
        assert event.details["enactable_at"] == event.timestamp + self.settings[DELAY]
        assert number not in self.enactable_at, "a proposal is carried once"
        self.enactable_at[number] = event.details["enactable_at"]

    rules_address: object = ""
    """Where Rules stands."""

    def rule_changed(self, event: AuditEvent) -> None:
        about = self._enacted("RuleProposed", event, "number")
        assert (about["number"], about["setting"]) == (event.details["number"], event.details["setting"])
        self.settings[about["number"]] = about["setting"]  # 2

    def code_switched(self, event: AuditEvent) -> None:
        about = self._enacted("CodeProposed", event, "target")
        assert (about["target"], about["implementation"]) == (event.details["target"], event.details["implementation"])
        self.switches.append((about["target"], about["implementation"]))

    def redemption_enacted(self, event: AuditEvent) -> None:
        self._enacted("RedemptionProposed", event, "")
        self.to_redeem.append(self.rules.about[event.details["proposal"]])

    def _enacted(self, kind: str, event: AuditEvent, on: str) -> dict[str, object]:
        number = event.details["proposal"]
        at = self.enactable_at[number]
        assert at <= event.timestamp < at + ENACTMENT_SECONDS, "neither before the delay nor long after it"  # 3
        assert self.is_majority(self.rules.supporters[number])  # 3
        assert number not in self.enacted, "a proposal is enacted once"
        about = self.rules.about[number]
        assert about.name == kind
        subject = (kind, about.details.get(on, number))
        if about.details.get(on) != self.rules_address:  # Rules keeps no order of its own code
            assert all(earlier < number for earlier, its in self.enacted.items() if its == subject)  # 3
        self.enacted[number] = subject
        return about.details

    # --- pause ---

    def pause_supported(self, event: AuditEvent) -> None:
        assert self.is_board(event.actor) and event.details["pause"] == self.pauses + 1
        self.pause_votes[event.actor] = event.timestamp + self.settings[OPEN]  # 2

    def paused(self, event: AuditEvent) -> None:
        assert not self.is_paused(event.timestamp) and event.details["pause"] == self.pauses + 1
        in_time = [who for who, until in self.pause_votes.items() if event.timestamp < until]
        assert self.is_quorum(in_time)
        assert event.details["until"] == event.timestamp + self.settings[PAUSE]
        self.pauses, self.paused_until = self.pauses + 1, event.details["until"]
        self.pause_votes, self.resume_votes = {}, set()

    def resume_supported(self, event: AuditEvent) -> None:
        assert self.is_board(event.actor) and event.details["pause"] == self.pauses
        self.resume_votes.add(event.actor)

    def resumed(self, event: AuditEvent) -> None:
        assert self.is_paused(event.timestamp) and self.is_quorum(self.resume_votes)
        self.paused_until = 0


FOLLOWED = {
    "ConsortiumFounded": Votes.founded,
    "MemberAdmitted": Votes.admitted,
    "MemberRemoved": Votes.removed_one,
    "AdmissionProposed": Votes.admission_proposed,
    "KeysReplaced": Votes.keys_replaced,
    "RemovalProposed": Votes.proposed,
    "ProposalSupported": Votes.supported,
    "RuleProposed": Votes.rule_proposed,
    "CodeProposed": Votes.rule_proposed,
    "RedemptionProposed": Votes.rule_proposed,
    "RuleProposalSupported": Votes.rule_supported,
    "SupportWithdrawn": Votes.support_withdrawn,
    "ProposalCarried": Votes.carried,
    "RuleChanged": Votes.rule_changed,
    "CodeSwitched": Votes.code_switched,
    "RedemptionEnacted": Votes.redemption_enacted,
    "PauseSupported": Votes.pause_supported,
    "ConsortiumPaused": Votes.paused,
    "ResumeSupported": Votes.resume_supported,
    "ConsortiumResumed": Votes.resumed,
}
