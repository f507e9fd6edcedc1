"""The consortium governs itself: rules, proposals, members and the pause; part of ``Consortium``."""

from pathlib import Path
from typing import TYPE_CHECKING

from belmont.identity.keys import Identity
from belmont.identity.signed_message import SignedMessage
from belmont.lab import cards, proposals
from belmont.lab.approval import keep_conditions
from belmont.lab.errors import LabError
from belmont.lab.host import Host
from belmont.lab.proposals import Proposal, roles_of
from belmont.lab.rule_table import TEXTS
from belmont.registry.rules.protocol import Pause

if TYPE_CHECKING:
    import pandas as pd


class Governance:
    """What the members decided, and what they are voting on."""

    @property
    def rules(self: Host) -> "pd.DataFrame":
        """What a vote of the members can change, within bounds that none can leave."""
        from belmont.lab.wide import Wide

        settings = self.registry.rules.settings()
        rows = []
        for text in TEXTS:
            least, default, most = text.bounds
            shown = text.shown(settings[text.rule])
            rows.append((text.name, shown, default, f"{least:g} to {most:g}", text.unit, text.says))
        return Wide(rows, columns=["rule", "setting", "default", "bounds", "unit", "what"]).set_index("rule")

    def proposals(self: Host) -> "pd.DataFrame":
        """Every proposal on members and on rules: what, votes, until when it is open, from when it can be enacted."""
        return proposals.frame(self)

    def proposal(self: Host, which: Proposal | str | int) -> Proposal:
        """A proposal by its label, such as ``'rules 1'`` or ``'members 2'``; a number alone is of the rules."""
        return proposals.find(self, which)

    def enact(self: Host, which: Proposal | str | int) -> Proposal:
        """Gives a carried proposal on rules its effect, after its delay. Raises ``NotYet`` with the date."""
        return proposals.find(self, which).enact()

    def members(self: Host) -> "pd.DataFrame":
        """Everybody who was ever admitted."""
        from belmont.lab.wide import Wide

        rows = [
            (each.name, roles_of(each.roles), each.status.name.lower(), each.address, each.did)
            for each in self.registry.members()
        ]
        return Wide(rows, columns=["member", "roles", "status", "address", "DID"]).set_index("member")

    def relay(self: Host, signed: SignedMessage | Path | str) -> None:
        """Have the contracts act on what somebody signed offline, given as it is or as its file. Anybody may: a key
        made for this sends it. Texts of conditions that a vote sets are kept here.

        Raises ``RegistryRefused`` with SIGNATURE_INVALID, SIGNATURE_EXPIRED, NONCE_USED, or the act's own reason.
        """
        if isinstance(signed, Path | str):
            signed = SignedMessage.load(signed)
        if not isinstance(signed, SignedMessage):
            raise LabError(f"relay a signed message or its file, not {type(signed).__name__}")
        self.registry.as_(Identity.create().account).relay.submit(signed)
        keep_conditions(self.home, signed.conditions)

    @property
    def pause(self: Host) -> "Standstill":
        """Whether the ethics board stopped everything: a card."""
        return Standstill(self)


class Standstill:
    """The pause of a consortium, read from the chain when it is asked for."""

    def __init__(self, host: Host) -> None:
        self._host = host

    @property
    def record(self) -> Pause:
        return self._host.registry.rules.pause()

    @property
    def is_on(self) -> bool:
        """By the chain's clock."""
        return self._host.registry.head().timestamp < self.record.until

    @property
    def votes(self) -> list[str]:
        """Who voted for the next pause, or, while one is on, for its end; removed members are not counted."""
        wanted = ("ResumeSupported", self.record.number) if self.is_on else ("PauseSupported", self.record.number + 1)
        names = proposals.names_of(self._host)
        events = self._host.registry.audit_events()
        cast = [each for each in events if (each.name, each.details.get("pause")) == wanted]
        return [names.get(each.actor, each.actor) for each in cast]

    def __repr__(self) -> str:
        until = f", until {cards.moment(self.record.until)}" if self.is_on else ""
        return f"Standstill({'paused' if self.is_on else 'not paused'}{until})"

    def _repr_html_(self) -> str:
        is_on = self.is_on
        facts = {
            "pauses so far": self.record.number,
            "until": cards.moment(self.record.until) if is_on else "",
            "votes to go on" if is_on else "votes for a pause": ", ".join(self.votes) or "none",
            "means": "nothing is opened, recorded, issued or released until the board goes on",
        }
        mark = cards.badge("paused", cards.BAD) if is_on else cards.badge("at work", cards.GOOD)
        return cards.card("Pause of the consortium", cards.facts(facts), mark=mark)
