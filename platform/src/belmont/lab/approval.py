"""What an ethics board's votes say of a study beside yes and no: conditions, and who takes no part.

Texts of conditions are off chain, by their hash, as canonical JSON (``belmont.identity.approval_conditions``). Rules:

1. A text is shown and agreed to only as what a vote's hash names.
2. Whoever agrees has every text here, and agrees to the running hash that these votes give, counted here once more.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from belmont.identity.approval_conditions import ApprovalConditions
from belmont.identity.errors import ApprovalConditionsMalformed, MessageMalformed
from belmont.identity.signed_message import SignedMessage
from belmont.lab import cards, documents
from belmont.lab.errors import LabError
from belmont.lab.home import Home
from belmont.lab.host import Host
from belmont.lab.proposals import names_of
from belmont.registry.hashes import conditions_of
from belmont.registry.types import ZERO_HASH, Study


@dataclass(frozen=True)
class VoteConditions:
    """What one vote set."""

    voter: str
    """The member's name, or its account."""
    hash: bytes
    texts: tuple[str, ...] | None
    """None where the text is not on this machine."""


def conditions_from(texts: Sequence[str], approve: bool) -> ApprovalConditions | None:
    """What a person wrote, in the one form that is hashed; None for no conditions. Raises ``LabError``."""
    if not texts:
        return None
    if not approve:
        raise LabError("a vote against sets no conditions: approve=True with conditions=[...], or leave these out")
    try:
        return ApprovalConditions.of(texts)
    except ApprovalConditionsMalformed as error:
        raise LabError(str(error)) from error


def keep_conditions(home: Home | None, conditions: ApprovalConditions | None) -> None:
    """Keep a text under its hash, where there is a directory."""
    if conditions is not None:
        documents.keep(home, conditions.canonical())


def found_conditions(home: Home | None, conditions_hash: bytes) -> ApprovalConditions | None:
    """The text behind a vote's hash (1); None where it is not here."""
    content = documents.found(home, conditions_hash)
    try:
        return ApprovalConditions.parse(content) if content is not None else None
    except ApprovalConditionsMalformed:
        return None  # the voter hashed something else


def conditions_set(host: Host, record: Study) -> list[VoteConditions]:
    """What the votes on a study set, in their order."""
    names, found = names_of(host), []
    for ballot in record.ballots:
        if ballot.conditions_hash != ZERO_HASH:
            text = found_conditions(host.home, ballot.conditions_hash)
            voter = names.get(ballot.voter, ballot.voter)
            found.append(VoteConditions(voter, ballot.conditions_hash, text.texts if text else None))
    return found


def agreeable(host: Host, record: Study, given: Sequence[bytes | Path | str]) -> bytes:
    """The running hash that may be agreed to (2), with texts that were handed over kept first. Raises ``LabError``."""
    wanted = {ballot.conditions_hash for ballot in record.ballots}
    handed = {}
    for each in given:
        conditions = _read(each)
        if conditions.hash not in wanted:
            raise LabError(
                f"no vote on study {record.id} set the conditions 0x{conditions.hash.hex()[:16]}… of that file"
            )
        keep_conditions(host.home, conditions)
        handed[conditions.hash] = conditions
    if not record.conditions_count:
        raise LabError(f"no vote on study {record.id} set conditions: there is nothing to agree to")
    missing = [each for each in conditions_set(host, record) if each.texts is None and each.hash not in handed]
    if missing:
        raise LabError(
            "nobody agrees to what they have not read: ask for the text, and give its file to study.agree(...): "
            + "; ".join(f"0x{each.hash.hex()[:16]}… of {each.voter}" for each in missing)
        )
    if conditions_of(record.id, record.ballots) != record.conditions:
        raise LabError(
            "the study's running hash is not that of its votes: agree to nothing, and ask who runs the chain"
        )
    return record.conditions


def facts(host: Host, record: Study) -> dict[str, object]:
    """Rows of a study's card; none where nobody set conditions or takes no part."""
    found: dict[str, object] = {}
    if record.recused:
        names = names_of(host)
        found["takes no part"] = ", ".join(names.get(each, each) for each in record.recused)
    if record.conditions_count:
        found["conditions"] = (
            "agreed to by the data user" if record.conditions_agreed else "open: no permit until agreed"
        )
    return found


def table(host: Host, record: Study) -> cards.Html:
    """The conditions, each with who set it; nothing where there are none."""
    rows = [
        [each.voter, text]
        for each in conditions_set(host, record)
        for text in each.texts or (f"only its hash is here, 0x{each.hash.hex()[:16]}…",)
    ]
    return cards.table(["set by", "condition"], rows) if rows else cards.Html("")


def _read(given: bytes | Path | str) -> ApprovalConditions:
    """From canonical bytes, or from the file of a signed vote that has the text in it. Raises ``LabError``."""
    content = documents.read_document(given)
    try:
        if _is_signed(content):
            signed = SignedMessage.from_json(content)
            if signed.conditions is None:
                raise LabError("that signed message has no text of conditions in it")
            return signed.conditions
        return ApprovalConditions.parse(content)
    except (ApprovalConditionsMalformed, MessageMalformed) as error:
        raise LabError(f"{error}: give the file of a signed vote, or the text as Belmont wrote it") from error


def _is_signed(content: bytes) -> bool:
    return b'"typed_data"' in content
