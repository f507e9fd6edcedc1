"""A vote of the members in a notebook: on who belongs, and on the consortium's own rules.

There are two series, each numbered from 1: ``members 1`` admits or removes somebody, ``rules 1`` changes a rule, the
code of a contract, or redeems credits. A vote on rules takes effect when it is enacted, after its delay; one on members
at once.
"""

from typing import TYPE_CHECKING

from belmont.lab import cards, documents
from belmont.lab.errors import LabError, NotYet
from belmont.lab.host import Host
from belmont.lab.people import Actor, refuse_others
from belmont.lab.rule_table import DAY, text_of
from belmont.registry.chain_registry import ChainRegistry
from belmont.registry.errors import RegistryError, RegistryRefused
from belmont.registry.reasons import WriteRefusal
from belmont.registry.rules.protocol import Rule, RuleProposal, RuleProposalId, RuleProposalKind
from belmont.registry.types import (
    ZERO_HASH,
    Address,
    DatasetId,
    MemberProfile,
    MemberStatus,
    ProposalId,
    ProposalKind,
    Role,
)
from belmont.registry.types import Proposal as MemberRecord

if TYPE_CHECKING:
    import pandas as pd

ENACTMENT_SECONDS = 30 * DAY
MEMBERS, RULES = "members", "rules"
_COLOURS = {
    "open": cards.WAITING,
    "carried": cards.WAITING,
    "can be enacted": cards.GOOD,
    "in force": cards.GOOD,
    "lapsed": cards.NEUTRAL,
}


class Proposal:
    """One proposal. Every attribute is read from the chain when it is asked for, and times are by its clock."""

    def __init__(self, host: Host, series: str, number: int) -> None:
        self._host = host
        self.series = series
        self.number = number

    @property
    def label(self) -> str:
        """As ``consortium.proposals()`` lists it."""
        return f"{self.series} {self.number}"

    @property
    def record(self) -> MemberRecord | RuleProposal:
        """The proposal as the chain has it now. Raises ``LabError`` where there is none."""
        registry = self._host.registry
        found: MemberRecord | RuleProposal | None
        if self.series == MEMBERS:
            found = registry.proposal(ProposalId(self.number))
        else:
            found = registry.rules.proposal(RuleProposalId(self.number))
        if found is None:
            raise LabError(f"there is no proposal {self.label!r}: consortium.proposals() lists them")
        return found

    @property
    def status(self) -> str:
        """open, carried (waiting for its delay), can be enacted, in force, or lapsed."""
        record, now = self.record, self._host.registry.head().timestamp
        if isinstance(record, MemberRecord):
            if record.executed:
                return "in force"
            return "open" if now < self.open_until else "lapsed"
        if record.enacted:
            return "in force"
        if not record.carried_at:
            return "open" if now < self.open_until else "lapsed"
        if now < record.enactable_at:
            return "carried"
        return "can be enacted" if now < record.enactable_at + ENACTMENT_SECONDS else "lapsed"

    @property
    def open_until(self) -> int:
        """Unix seconds until which it can be supported."""
        return self.record.open_until

    @property
    def votes(self) -> tuple[int, int]:
        """Of members who are active now, and how many it needs."""
        registry = self._host.registry
        active = [each.address for each in registry.members() if each.status is MemberStatus.ACTIVE]
        needed = len(active) * registry.rules.setting(Rule.MAJORITY_PERCENT) // 100 + 1
        return sum(each in active for each in self.record.supporters), needed

    def support(self, *members: Actor) -> "Proposal":
        """These members vote for it, one after the other until it is carried. Raises ``RegistryRefused``."""
        refuse_others(Actor, members, "proposal.support(*consortium.actors)")
        for k, member in enumerate(members):
            if k == 0 or self.status == "open":
                supported_by(self, self._host.registry.as_(member.identity.account))
        return self

    def enact(self) -> "Proposal":
        """Gives a carried proposal on rules its effect, as any account may. Raises ``NotYet``, ``RegistryRefused``."""
        if self.series == MEMBERS:
            raise LabError(f"{self.label} takes effect by the vote that carries it: there is nothing to enact")
        if not self._host.actors:
            raise LabError("no key is on this machine to send it with: connect with home=...")
        try:
            self._host.registry.as_(self._host.actors[0].identity.account).rules.enact(RuleProposalId(self.number))
        except RegistryRefused as refused:
            if refused.code not in (WriteRefusal.TOO_EARLY, WriteRefusal.VOTE_UNDECIDED):
                raise
            votes, needed = self.votes
            missing = f"it has {votes} of {needed} votes"
            record = self.record
            if votes >= needed and isinstance(record, RuleProposal) and record.carried_at:
                missing = f"it can be enacted from {cards.moment(record.enactable_at)}"
            raise NotYet(f"proposal {self.label} is not in force yet: {missing}") from refused
        return self

    @property
    def says(self) -> str:
        """What it would do, in a sentence."""
        record = self.record
        if isinstance(record, MemberRecord):
            return _about_members(self._host, record)
        return _about_rules(self._host, record)

    def __repr__(self) -> str:
        try:
            votes, needed = self.votes
            return f"Proposal({self.label}: {self.says}; {self.status}, {votes} of {needed} votes)"
        except (LabError, RegistryError) as error:
            return f"Proposal({self.label}: {error})"

    def _repr_html_(self) -> str:
        try:
            return self._card()
        except (LabError, RegistryError) as error:
            return cards.card(f"Proposal {self.label}", str(error), mark=cards.badge("unreachable", cards.BAD))

    def _card(self) -> str:
        record, status, (votes, needed) = self.record, self.status, self.votes
        names = names_of(self._host)
        facts: dict[str, object] = {
            "votes": cards.bar(min(votes, needed), needed, f"{votes} of {needed} that it needs"),
            "for it": ", ".join(names.get(each, each) for each in record.supporters),
            "proposed": cards.moment(record.proposed_at),
            "open until": cards.moment(self.open_until),
        }
        if isinstance(record, MemberRecord):
            facts["documents"] = _documents(self._host, record.documents)
        else:
            if record.carried_at:
                facts["can be enacted"] = f"from {cards.moment(record.enactable_at)} for 30 days"
            if record.kind is RuleProposalKind.REDEMPTION:
                facts["note"] = note_of(self._host, record.note_hash)
        mark = cards.badge(status, _COLOURS[status])
        return cards.card(f"Proposal {self.label}: {self.says}", cards.facts(facts), mark=mark)


def supported_by(proposal: Proposal, writes: ChainRegistry) -> None:
    """A vote of whoever ``writes`` is bound to."""
    if proposal.series == MEMBERS:
        writes.support(ProposalId(proposal.number))
    else:
        writes.rules.support(RuleProposalId(proposal.number))


def find(host: Host, which: "Proposal | str | int", series: str = RULES) -> Proposal:
    """By itself, by its label, or by its number in a series. Raises ``LabError``."""
    if isinstance(which, Proposal):
        return which
    word, _, number = str(which).partition(" ")
    if not number:
        word, number = series, word
    if word not in (MEMBERS, RULES) or not number.isdecimal():
        raise LabError(
            f"{which!r} names no proposal: give 'rules 1' or 'members 1', as consortium.proposals() lists them"
        )
    proposal = Proposal(host, word, int(number))
    proposal.record  # noqa: B018  raises where there is none
    return proposal


def every(host: Host) -> list[Proposal]:
    """Both series, each in order."""
    members = [Proposal(host, MEMBERS, each.id) for each in host.registry.proposals()]
    return members + [Proposal(host, RULES, each.id) for each in host.registry.rules.proposals()]


def frame(host: Host) -> "pd.DataFrame":
    """One row for each proposal."""
    import pandas as pd

    names, rows = names_of(host), []
    for each in every(host):
        record, (votes, needed) = each.record, each.votes
        enactable = record.enactable_at if isinstance(record, RuleProposal) else 0
        rows.append(
            (
                each.label,
                each.says,
                names.get(record.supporters[0], record.supporters[0]),
                f"{votes} of {needed}",
                each.status,
                pd.Timestamp(each.open_until, unit="s", tz="UTC"),
                pd.Timestamp(enactable, unit="s", tz="UTC") if enactable else pd.NaT,
            )
        )
    columns = ["proposal", "what", "by", "votes", "status", "open until", "enactable at"]
    return pd.DataFrame(rows, columns=columns).set_index("proposal")


def profile_of(host: Host, number: int) -> MemberProfile | None:
    """Who a proposal would admit."""
    for event in host.registry.audit_events():
        if event.name == "AdmissionProposed" and event.details["proposal"] == number:
            its = event.details
            return MemberProfile(its["account"], its["name"], its["did"], Role(its["roles"]))
    return None


def names_of(host: Host) -> dict[Address, str]:
    """Members by account."""
    return {member.address: member.name for member in host.registry.members()}


def roles_of(roles: Role) -> str:
    """In words."""
    return " and ".join(str(role.name).replace("_", " ").lower() for role in roles)


def note_of(host: Host, note_hash: bytes) -> str:
    """The text behind a hash where this machine has it."""
    text = documents.found(host.home, note_hash)
    return f"only its hash is here, 0x{note_hash.hex()[:16]}…" if text is None else text.decode("utf-8", "replace")


def _about_members(host: Host, record: MemberRecord) -> str:
    if record.kind is ProposalKind.ADMISSION:
        profile = profile_of(host, record.id)
        return f"admit {profile.name}, {roles_of(profile.roles)}" if profile else f"admit {record.account}"
    return f"remove {names_of(host).get(record.account, record.account)}"


def _about_rules(host: Host, record: RuleProposal) -> str:
    if record.kind is RuleProposalKind.RULE:
        text = text_of(Rule(int.from_bytes(record.subject, "big")))
        return f"set {text.name} to {text.shown(record.amount):g} {text.unit}"
    if record.kind is RuleProposalKind.CODE:
        contracts = {address: name for name, address in host.registry.addresses.items()}
        return f"give {contracts.get(record.account, record.account)} other code, {record.implementation}"
    who = names_of(host).get(record.account, record.account)
    if record.subject == ZERO_HASH:
        return f"{who} redeems {record.amount:,} of its own credits"
    dataset = host.registry.dataset(DatasetId(record.subject))
    name = dataset.name if dataset else record.subject.hex()[:12]
    return f"{who} redeems {record.amount:,} credits for the patients of {name}"


def _documents(host: Host, binary: bytes) -> str:
    from belmont.lab.destruction_report import cid_text

    if not binary:
        return "none"
    here = documents.found(host.home, binary) is not None if len(binary) == 36 else False
    return f"{cid_text(binary)}, " + (f"in {documents.FOLDER} of this directory" if here else "not on this machine")
