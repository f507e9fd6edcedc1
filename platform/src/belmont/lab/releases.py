"""Releases of a permit's models on chain: announced, objected to, confirmed, settled, withdrawn.

What is written here is only that and under which hashes: whether a model may go out is decided before, by the output
check, and afterwards by whoever objects (docs/releases.md).
"""

from typing import TYPE_CHECKING

from belmont.identity.keys import Identity
from belmont.lab import cards, handing_in
from belmont.lab.errors import LabError
from belmont.lab.people import Actor, refuse_others
from belmont.lab.proposals import names_of, note_of
from belmont.registry.errors import RegistryError
from belmont.registry.releases.protocol import ModelRelease, ReleaseStatus
from belmont.registry.types import ZERO_HASH, Address, MemberStatus, StudyId

if TYPE_CHECKING:
    import pandas as pd

    from belmont.lab.permit import Permit

COLUMNS = ["model", "status", "final", "round", "announced", "objections until", "against", "card", "evidence"]
_COLOURS = {
    ReleaseStatus.ANNOUNCED: cards.WAITING,
    ReleaseStatus.OBJECTED: cards.BAD,
    ReleaseStatus.RELEASED: cards.GOOD,
    ReleaseStatus.WITHDRAWN: cards.NEUTRAL,
}


class Release:
    """One model of one permit on its way out. Every attribute is read from the chain when it is asked for."""

    def __init__(self, permit: "Permit", model_hash: bytes) -> None:
        self.permit = permit
        self.model_hash = model_hash

    @property
    def record(self) -> ModelRelease:
        """The release as the chain has it now. Raises ``LabError`` where nothing was announced."""
        found = self.permit.consortium.registry.releases.find(self.permit.id, self.model_hash)
        if found is None:
            raise LabError(f"model 0x{self.model_hash.hex()} was not announced under permit {self.permit.id}")
        return found

    @property
    def status(self) -> str:
        """announced, objected, released or withdrawn, by the chain's clock."""
        return self.record.status.name.lower()

    @property
    def against(self) -> list[str]:
        """What stands against it, in words: objections with their reasons where these are here, and who left."""
        return _against(self.permit, self.record)

    def __repr__(self) -> str:
        try:
            return f"Release(model 0x{self.model_hash.hex()[:16]}… of permit {self.permit.id}, {self.status})"
        except (LabError, RegistryError) as error:
            return f"Release({error})"

    def _repr_html_(self) -> str:
        title = f"Release of a model of permit {self.permit.id}"
        try:
            record = self.record
            against = _against(self.permit, record)
        except (LabError, RegistryError) as error:
            return cards.card(title, str(error), mark=cards.badge("unreachable", cards.BAD))
        names = names_of(self.permit.consortium)
        facts = {
            "model": cards.mono("0x" + record.model_hash.hex()),
            "announced by": f"{names.get(record.data_user, record.data_user)}, {cards.moment(record.announced_at)}",
            "evaluated in": f"round {record.evaluated_round}",
            "model card": cards.mono("0x" + record.card_hash.hex()),
            "output check": cards.mono("0x" + record.evidence_hash.hex()),
            "objections": f"open until {cards.moment(record.objections_until)}",
            "against it": "; ".join(against) or "nothing",
            "means": _means(record),
        }
        if record.confirmations:
            facts["votes to release it"] = ", ".join(names.get(each, each) for each in record.confirmations)
        mark = cards.badge(record.status.name.lower(), _COLOURS.get(record.status, cards.NEUTRAL))
        return cards.card(title, cards.facts(facts), mark=mark)


def record_release(
    permit: "Permit", model_hash: bytes, evaluated_round: int, card_hash: bytes, evidence_hash: bytes
) -> Release:
    """Announces a model for release, as the permit's data user.

    The hashes are 32 raw bytes each: of the model as round ``evaluated_round`` was opened with it, of its model card,
    and of the evidence of its output check. Raises ``RegistryRefused`` with what to do (``ROUND_NOT_OPEN``,
    ``MODEL_MISMATCH``, ``TOO_FEW_HOSPITALS``, ``RELEASE_EXISTS``, ...), ``RegistryArgumentError`` for what is no hash.
    """
    writes = permit.consortium.registry.as_(permit.consortium.researcher.identity.account)
    writes.releases.release(permit.id, model_hash, evaluated_round, card_hash, evidence_hash)
    return Release(permit, model_hash)


def object_release(permit: "Permit", model_hash: bytes, by: Actor, reason: str) -> Release:
    """A board member or data holder objects: the model then waits for the ethics board.

    The reason's hash goes on chain, and the text stays in this directory. Raises ``RegistryRefused``.
    """
    refuse_others(Actor, (by,), "object_release(permit, model_hash, consortium.board[0], 'why')")
    if not reason.strip():
        raise LabError("say why: the ethics board decides on it, and the data user will ask")
    permit.consortium.registry.as_(by.identity.account).releases.object(permit.id, model_hash, reason)
    handing_in.keep_reason(permit.consortium, StudyId(permit.id), by, reason)
    return Release(permit, model_hash)


def confirm_release(permit: "Permit", model_hash: bytes, *members: Actor) -> Release:
    """Board members vote to release a model in spite of what stands against it, until the quorum is reached."""
    refuse_others(Actor, members, "confirm_release(permit, model_hash, *consortium.board)")
    release = Release(permit, model_hash)
    for k, member in enumerate(members):
        if k == 0 or release.record.status is ReleaseStatus.OBJECTED:
            permit.consortium.registry.as_(member.identity.account).releases.vote_confirm(permit.id, model_hash)
    return release


def settle_release(permit: "Permit", model_hash: bytes) -> Release:
    """Puts down for good that a model is released. Anybody may: a key made for this sends it."""
    permit.consortium.registry.as_(Identity.create().account).releases.settle(permit.id, model_hash)
    return Release(permit, model_hash)


def withdraw_release(permit: "Permit", model_hash: bytes) -> Release:
    """Takes a release back for good, as the permit's data user. Raises ``RegistryRefused``."""
    writes = permit.consortium.registry.as_(permit.consortium.researcher.identity.account)
    writes.releases.withdraw(permit.id, model_hash)
    return Release(permit, model_hash)


def releases_frame(permit: "Permit") -> "pd.DataFrame":
    """One row for each model that was announced under a permit, in chain order."""
    import pandas as pd

    from belmont.lab.wide import Wide

    rows = []
    for each in permit.consortium.registry.releases.every(permit.id):
        rows.append(
            (
                "0x" + each.model_hash.hex(),
                each.status.name.lower(),
                each.is_final,
                each.evaluated_round,
                pd.Timestamp(each.announced_at, unit="s", tz="UTC"),
                pd.Timestamp(each.objections_until, unit="s", tz="UTC"),
                "; ".join(_against(permit, each)),
                "0x" + each.card_hash.hex(),
                "0x" + each.evidence_hash.hex(),
            )
        )
    return Wide(rows, columns=COLUMNS)


def _against(permit: "Permit", record: ModelRelease) -> list[str]:
    """Rules 4, 5 and 9 of ``Releases.vy``, in words. What is final is changed by a revocation alone."""
    host, names = permit.consortium, names_of(permit.consortium)
    found = [f"{names.get(who, who)} objects: {why}" for who, why in _reasons(permit, record)]
    if not record.released_at:
        data_user = host.registry.member(record.data_user)
        if data_user is None or data_user.status is not MemberStatus.ACTIVE:
            found.append("its data user left")
        recorded = host.registry.round_state(permit.id, record.evaluated_round).recorded
        left = [host.dataset_names[each] for each in permit.record.withdrawn if each in recorded]
        found += [f"{name} evaluated it and is not covered any more" for name in left]
    if record.status is ReleaseStatus.WITHDRAWN:
        found.append("its data user withdrew it" if record.withdrawn_at else "its permit, or an amendment, was revoked")
    if record.status is ReleaseStatus.ANNOUNCED and host.registry.head().timestamp >= record.objections_until:
        found.append("a freeze or a pause holds it back")
    return found


def _reasons(permit: "Permit", record: ModelRelease) -> list[tuple[Address, str]]:
    """Who objected, and why as far as this machine knows."""
    if not record.objections:
        return []
    about = (permit.id, record.model_hash)
    events = [each for each in permit.consortium.registry.audit_events() if each.name == "ReleaseObjected"]
    own = [each for each in events if (each.details["permit"], each.details["model_hash"]) == about]
    return [(each.actor, _reason(permit, each.details["reason_hash"])) for each in own]


def _reason(permit: "Permit", reason_hash: bytes) -> str:
    return "no reason given" if reason_hash == ZERO_HASH else note_of(permit.consortium, reason_hash)


def _means(record: ModelRelease) -> str:
    match record.status:
        case ReleaseStatus.ANNOUNCED:
            return "it goes out once the time for objections is over, nobody objected and nothing holds it back"
        case ReleaseStatus.OBJECTED:
            return "only the quorum of the ethics board lets it out, once the time for objections is over"
        case ReleaseStatus.RELEASED if record.is_final:
            return "it is out for good, unless its data user withdraws it or its permit is revoked"
        case ReleaseStatus.RELEASED:
            return "nothing stands against it: settle_release(...) puts that down for good"
        case _:
            return "it must not be passed on any more"
