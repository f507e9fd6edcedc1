"""Random operations of the members on the consortium itself: membership, rules, code, credits, pause, keys."""

from random import Random
from typing import Any

from tests.contracts.stateful.machine import (
    ANYONE,
    AUDITOR,
    BOARD,
    DATA_USER,
    DAY,
    HASHES,
    HOLDERS,
    NEWCOMERS,
    PATIENTS,
    RENEWED,
    WEEK,
    YEAR,
    Machine,
    mostly,
    operation,
)

from belmont.registry.reference.members import NOBODY
from belmont.registry.reference.settings import is_paused
from belmont.registry.rules.protocol import Rule, RuleProposalId
from belmont.registry.types import Address, MemberProfile, ProposalId, Role, StudyId

VETTING = b"\x01\x55\x12\x20" + bytes(32)
MASK_KEYS = [bytes(32), *(bytes(31) + bytes([last]) for last in (1, 2, 3, 128))]
"""None, three that are canonical, and one that is not."""
SETTINGS = {
    Rule.BOARD_QUORUM_PERCENT: [50, 50, 67, 80],
    Rule.MAJORITY_PERCENT: [50, 60, 70],
    Rule.BOARD_MIN: [2, 3],
    Rule.LAY_VOTES: [0, 0, 0, 1],
    Rule.PROPOSAL_SECONDS: [DAY, 30 * DAY],
    Rule.DELAY_SECONDS: [DAY, WEEK],
    Rule.FREEZE_SECONDS: [DAY, WEEK],
    Rule.PAUSE_SECONDS: [DAY, 30 * DAY],
    Rule.PATIENTS_PERCENT: [0, 30, 33, 100],
    Rule.OBJECTION_SECONDS: [DAY, WEEK],
}
OUT_OF_BOUNDS = [0, 1, 49, 100, 101, 90 * DAY + 1, 2**64 - 1]


class Governance(Machine):
    @operation(4)
    def wait(self, chance: Random) -> None:
        self.pass_time(chance.choice([1, 1, 5, 3600, 3600, 3600, DAY, DAY, WEEK, 31 * DAY]))

    # --- members ---

    def admission(self, chance: Random, by: int, whom: int, roles: Role) -> ProposalId | None:
        address = Address(self.people[whom].address)
        profile = MemberProfile(address, "New", "did:ethr:0x1", roles, mostly(chance, MASK_KEYS[:1], MASK_KEYS))
        return self.both(by, "propose_admission", profile, mostly(chance, [VETTING], [b""]))

    @operation()
    def propose_member(self, chance: Random) -> None:
        by = mostly(chance, range(7), ANYONE)
        if chance.random() < 0.5:
            roles = Role(mostly(chance, [1, 2, 4, 5, 8, 20], [0, 6, 16, 18, 32]))
            self.admission(chance, by, mostly(chance, NEWCOMERS, ANYONE), roles)
        else:
            whom = mostly(chance, [1, 2, 3, 6], ANYONE)
            self.both(by, "propose_removal", Address(self.people[whom].address))

    @operation(2)
    def support_by_several(self, chance: Random) -> None:
        proposal = ProposalId(mostly(chance, [max(len(self.world.proposals), 1)], range(4)))
        for by in chance.sample(ANYONE, chance.randint(1, 9)):
            self.both(by, "support", proposal)
        self.both(chance.choice(ANYONE), "tally_proposal", proposal)

    @operation()
    def replace_keys(self, chance: Random) -> None:
        self.both(mostly(chance, range(7), ANYONE), "replace_keys", chance.choice(MASK_KEYS), chance.choice(HASHES))

    @operation(3)
    def votes_stand_while_members_leave(self, chance: Random) -> None:
        """Otherwise a run seldom meets a board that became small enough for votes that were cast before."""
        self.is_calm = chance.random() < 0.8
        new = [each for each in NEWCOMERS if self.people[each].address not in self.world.members]
        newcomer = chance.choice(new or NEWCOMERS)
        self.carry(self.admission(chance, AUDITOR, newcomer, Role.ETHICS_BOARD))
        pending = self.votes_of_two(chance, newcomer)
        leaving = (newcomer, chance.choice(BOARD), DATA_USER)
        for each in leaving[: chance.choice([0, 1, 1, 1, 1, 1, 2, 3, 3])]:
            self.carry(self.both(AUDITOR, "propose_removal", Address(self.people[each].address)))
        for write, *args in chance.sample(pending, chance.randint(4, 7)):
            self.both(chance.choice(ANYONE), write, *args)
        self.is_calm = False

    def votes_of_two(self, chance: Random, newcomer: int) -> list[tuple[Any, ...]]:
        """Two of a board of four vote on something; returns how each is counted again."""
        fresh = self.both(DATA_USER, "propose", self.terms()) if chance.random() < 0.5 else None
        permit, study = self.permit_number(chance), fresh or StudyId(max(len(self.world.studies), 1))
        self.both(chance.choice((*HOLDERS, *BOARD)), "freeze_permit", permit, DAY, "why")
        other = NEWCOMERS[0] if newcomer == NEWCOMERS[1] else NEWCOMERS[1]
        admission = self.admission(chance, 0, other, Role.ETHICS_BOARD) or ProposalId(1)
        number = self.both(AUDITOR, "rules.propose_rule", Rule.PATIENTS_PERCENT, 50) or RuleProposalId(1)
        approves, is_revoking, is_pausing = (chance.random() < share for share in (0.6, 0.45, 0.4))
        if is_pausing and chance.random() < 0.5:
            for by in (*BOARD, newcomer):
                self.both(by, "rules.vote_pause", self.world.pause.number + 1)
        for by in chance.sample(BOARD, 2):
            self.both(by, "vote_lift", permit)
            if chance.random() < 0.95:
                self.both(by, "vote", study, approves)
            else:
                self.both(by, "recuse", study)
            if is_revoking:
                self.both(by, "vote_revoke", permit)
            if is_paused(self.world):
                self.both(by, "rules.vote_resume", self.world.pause.number)
            elif is_pausing:
                self.both(by, "rules.vote_pause", self.world.pause.number + 1)
        # With who proposed it four: enough of seven and not of eight.
        for by in BOARD:
            self.both(by, "support", admission)
            self.both(by, "rules.support", number)
        counts = [("tally_lift", permit), ("tally_revoke", permit), ("tally", study), ("tally_proposal", admission)]
        return [*counts, ("rules.tally", number), ("rules.tally_pause",), ("rules.tally_resume",)]

    def carry(self, proposal: ProposalId | None) -> None:
        for by in ANYONE if proposal is not None else ():
            if self.world.proposals[proposal].executed:
                break
            self.both(by, "support", proposal)

    # --- rules, code, credits ---

    @operation(2)
    def propose_rule(self, chance: Random) -> None:
        number = chance.choice(list(Rule))
        setting = mostly(chance, SETTINGS[number], OUT_OF_BOUNDS)
        by = mostly(chance, range(7), ANYONE)
        self.follow(chance, self.both(by, "rules.propose_rule", mostly(chance, [number], [10, 2**64 - 1]), setting))

    @operation()
    def propose_redemption(self, chance: Random) -> None:
        holder = chance.choice(HOLDERS)
        account, id_ = Address(self.people[holder].address), chance.choice([None, self.dataset_id(holder)])
        left = (self.model.credits.pool(id_) if id_ else self.model.credits.balance(account)).left
        amount = mostly(chance, [max(left, 1), max(left // 2, 1)], [0, left + 1, 2**64 - 1])
        by = mostly(chance, range(7), ANYONE)
        self.follow(chance, self.both(by, "rules.propose_redemption", account, amount, "why", id_))

    @operation(2)
    def propose_code(self, chance: Random) -> None:
        """The same code at another place: whatever happens afterwards must be as if nothing had."""
        name = chance.choice(RENEWED)
        somewhere = Address(self.keys[0].address)
        target = mostly(chance, [self.chain.addresses[name]], [somewhere])
        code = mostly(chance, [self.implementations[name]], [somewhere])
        by = mostly(chance, range(7), ANYONE)
        self.follow(chance, self.both(by, "rules.propose_code", target, code))

    def follow(self, chance: Random, proposal: RuleProposalId | None) -> None:
        """What becomes of a proposal: nothing yet, or a vote and often its enactment."""
        if proposal is None or chance.random() < 0.3:
            return
        for by in chance.sample(range(7), chance.choice([3, 4, 6, 7])):
            self.both(by, "rules.support", proposal)
        if chance.random() < 0.7:
            self.pass_time_until(self.world.rule_proposals[proposal].enactable_at)
            self.both(chance.choice(ANYONE), "rules.enact", proposal)

    @operation()
    def enact_two_proposals_on_one_thing(self, chance: Random) -> None:
        """In either order: the earlier one never after the later one."""
        if chance.random() < 0.5:
            number = Rule.PATIENTS_PERCENT
            made = [self.both(AUDITOR, "rules.propose_rule", number, setting) for setting in (30, 60)]
        else:
            name = chance.choice(RENEWED)
            what = self.chain.addresses[name], self.implementations[name]
            made = [self.both(by, "rules.propose_code", *what) for by in (AUDITOR, BOARD[0])]
        proposals = [each for each in made if each is not None]
        for proposal in proposals:
            for by in range(7):
                self.both(by, "rules.support", proposal)
            self.pass_time_until(self.world.rule_proposals[proposal].enactable_at)
        for proposal in chance.sample(proposals, len(proposals)):
            self.both(chance.choice(ANYONE), "rules.enact", proposal)

    @operation(2)
    def object_to_a_rule(self, chance: Random) -> None:
        """Those who supported it, mostly, and often while it waits for its delay."""
        proposals = [number for number, each in self.world.rule_proposals.items() if not each.enacted]
        proposal = RuleProposalId(mostly(chance, proposals[-2:] or [1], range(4)))
        for by in chance.sample(range(7), 4):
            self.both(by, "rules.withdraw_support", proposal)
        self.both(chance.choice(ANYONE), "rules.enact", proposal)

    @operation(2)
    def go_on_with_a_rule(self, chance: Random) -> None:
        proposals = self.world.rule_proposals
        proposal = RuleProposalId(mostly(chance, sorted(proposals) or [1], range(4)))
        for by in chance.sample(ANYONE, chance.randint(0, 5)):
            self.both(by, chance.choice(["rules.support", "rules.support", "rules.withdraw_support"]), proposal)
        self.both(chance.choice(ANYONE), "rules.tally", proposal)
        if proposal in proposals and chance.random() < 0.5:
            self.pass_time_until(proposals[proposal].enactable_at)
        self.both(chance.choice(ANYONE), "rules.enact", proposal)

    # --- pause ---

    @operation()
    def pause(self, chance: Random) -> None:
        number = mostly(chance, [self.world.pause.number + 1], range(3))
        for by in chance.sample(range(3, 9), chance.randint(1, 4)):
            self.both(by, "rules.vote_pause", number, "why")
        self.both(chance.choice(ANYONE), "rules.tally_pause")

    @operation(2)
    def resume(self, chance: Random) -> None:
        number = mostly(chance, [self.world.pause.number], range(3))
        for by in mostly(chance, [BOARD], [range(3, 9), BOARD[:1]]) if is_paused(self.world) else range(3, 5):
            self.both(by, "rules.vote_resume", number)
        self.both(chance.choice(ANYONE), "rules.tally_resume")

    # --- keys ---

    @operation(2)
    def change_owner(self, chance: Random) -> None:
        whom = chance.choice([*ANYONE, *PATIENTS])
        before = Address(self.people[whom].address)
        fresh = [Address(each.address) for each in self.keys]
        key = chance.choice(fresh) if chance.random() < 0.7 else chance.choice([NOBODY, before])
        self.both(whom, "identities.change_owner", key)

    @operation(2)
    def delegate(self, chance: Random) -> None:
        by, machine = mostly(chance, [*HOLDERS, DATA_USER], ANYONE), Address(chance.choice(self.keys[3:]).address)
        kind = mostly(chance, ["sigAuth"], ["veriKey"])
        if chance.random() < 0.6:
            seconds = mostly(chance, [YEAR, DAY], [0, 1, 11 * YEAR])
            self.both(by, "identities.add_delegate", kind, machine, seconds)
        else:
            self.both(by, "identities.revoke_delegate", kind, machine)
