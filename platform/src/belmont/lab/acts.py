"""What a member does beside studies: proposing, supporting, stopping and resuming; part of ``Actor``."""

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from belmont.identity.keys import Identity
from belmont.lab import documents
from belmont.lab.errors import LabError
from belmont.registry.chain_registry import ChainRegistry
from belmont.registry.rules.protocol import Rule
from belmont.registry.types import Address, DatasetId, MemberProfile

if TYPE_CHECKING:
    from belmont.lab.consortium import Consortium
    from belmont.lab.governance import Standstill
    from belmont.lab.people import Hospital
    from belmont.lab.proposals import Proposal


class Acting(Protocol):
    """A member whose key is on this machine."""

    @property
    def name(self) -> str: ...

    @property
    def identity(self) -> Identity: ...

    @property
    def address(self) -> str: ...

    @property
    def consortium(self) -> "Consortium | None": ...


class Acts:
    """Everything here is signed with the member's own key. Each raises ``RegistryRefused`` with what to do."""

    def propose_rule(self: Acting, rule: Rule | str, setting: float) -> "Proposal":
        """Propose another setting of a rule, by name and unit of ``consortium.rules``, and support it."""
        from belmont.lab.proposals import RULES, Proposal
        from belmont.lab.rule_table import text_of

        text = text_of(rule)
        return Proposal(of(self), RULES, writes(self).rules.propose_rule(text.rule, text.setting(setting)))

    def propose_redemption(
        self: Acting,
        amount: int,
        note: str,
        *,
        patients_of: "Hospital | DatasetId | None" = None,
        account: Address | None = None,
    ) -> "Proposal":
        """Propose that credits are redeemed, and support it: this member's own, or those of a dataset's patients.

        ``note`` says what for; its hash goes on chain, and the text stays in this directory. ``account`` redeems, by
        default this member.
        """
        from belmont.lab.proposals import RULES, Proposal

        if not note.strip():
            raise LabError("say in note=... what the credits are redeemed for: the members vote on it")
        if not isinstance(amount, int) or isinstance(amount, bool) or amount < 1:
            raise LabError(f"amount is {amount!r}: redeem a whole number of credits, one at least")
        host = of(self)
        documents.keep(host.home, note.encode())
        dataset = patients_of if isinstance(patients_of, bytes) or patients_of is None else patients_of.dataset_id
        redeemer = account or Address(self.address)
        return Proposal(host, RULES, writes(self).rules.propose_redemption(redeemer, amount, note, dataset))

    def propose_member(self: Acting, profile: MemberProfile, *, documents: bytes | Path | str) -> "Proposal":
        """Propose a new member and support it. ``documents`` is what the members read first: bytes, or a file's path.

        Its content identifier goes on chain, the documents themselves stay in this directory.
        """
        from belmont.lab.documents import keep, read_document
        from belmont.lab.proposals import MEMBERS, Proposal

        host = of(self)
        cid = keep(host.home, read_document(documents))
        return Proposal(host, MEMBERS, writes(self).propose_admission(profile, cid.binary))

    def propose_removal(self: Acting, member: "Address | Acting", *, documents: bytes | Path | str) -> "Proposal":
        """Propose to remove a member for good, with the grounds as ``documents``, and support it."""
        from belmont.lab.documents import keep, read_document
        from belmont.lab.proposals import MEMBERS, Proposal

        host = of(self)
        account = member if isinstance(member, str) else Address(member.address)
        cid = keep(host.home, read_document(documents))
        return Proposal(host, MEMBERS, writes(self).propose_removal(account, cid.binary))

    def support(self: Acting, which: "Proposal | str") -> "Proposal":
        """Vote for a proposal: itself, or its label such as ``'rules 1'`` or ``'members 2'``."""
        from belmont.lab.proposals import find, supported_by

        if isinstance(which, int):
            raise LabError(
                f"say which series: 'rules {which}' or 'members {which}', as consortium.proposals() lists them"
            )
        proposal = find(of(self), which)
        supported_by(proposal, writes(self))
        return proposal

    def pause(self: Acting, reason: str) -> "Standstill":
        """Vote, on the ethics board, to stop everything at once; a quorum does. The reason's hash goes on chain."""
        host = of(self)
        if not reason.strip():
            raise LabError("say why: member.pause('...'); everybody whose work stops will ask")
        documents.keep(host.home, reason.encode())
        rules = writes(self).rules
        rules.vote_pause(rules.pause().number + 1, reason)
        return host.pause

    def resume(self: Acting) -> "Standstill":
        """Vote, on the ethics board, to end the current pause early; a quorum does."""
        rules = writes(self).rules
        rules.vote_resume(rules.pause().number)
        return of(self).pause


def of(actor: Acting) -> "Consortium":
    """The consortium that an actor was taken from. Raises ``LabError``."""
    if actor.consortium is None:
        raise LabError(f"{actor.name} belongs to no consortium here: take members from consortium.board or .hospitals")
    return actor.consortium


def writes(actor: Acting) -> ChainRegistry:
    """The registry, writing as the actor."""
    return of(actor).registry.as_(actor.identity.account)
