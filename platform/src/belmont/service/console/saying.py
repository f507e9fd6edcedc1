"""A message that is to be signed, in words: one sentence, and a line for each of its fields.

Every field of the typed data has its line, with the value as it is signed beside the words, so that the page's script
can hold the one against the other before a wallet is asked (``static/wallet.js``), and a person can as well.
"""

import json
from dataclasses import dataclass
from typing import Any

from belmont.identity import messages
from belmont.identity.signed_message import SignedMessage
from belmont.identity.typed_data import Message
from belmont.registry.types import DatasetId
from belmont.service.explain import Names
from belmont.service.words import Hash, Listed, Moment, Plain, Sentence, Span, Value, counted
from belmont.service.words import names as named

NONE = bytes(32)


@dataclass(frozen=True)
class Line:
    """One field."""

    label: Sentence
    says: Value
    name: str
    """As in the typed data."""
    raw: str
    """The value there, as JSON."""


def says(message: Message, names: Names) -> Sentence:
    """What somebody says by signing this."""
    match message:
        case messages.Vote(approve=False):
            return Sentence("I refuse {study}.", study=names.study(message.study))
        case messages.Vote(conditions_hash=conditions) if conditions != NONE:
            return Sentence("I approve {study}, under the conditions below.", study=names.study(message.study))
        case messages.Vote():
            return Sentence("I approve {study}.", study=names.study(message.study))
        case messages.Recusal():
            return Sentence("I take no part in the vote on {study}, for good.", study=names.study(message.study))
        case messages.Agreement():
            return Sentence(
                "I agree to all conditions that the ethics board set on {study}.", study=names.study(message.study)
            )
        case messages.Acceptance():
            return Sentence(
                "I accept {study} for {dataset}.",
                study=names.study(message.study),
                dataset=names.dataset(message.dataset),
            )
        case messages.Freeze():
            return Sentence(
                "I freeze {permit} for {span}: nothing is computed under it meanwhile.",
                permit=names.permit(message.permit),
                span=Span(message.duration),
            )
        case messages.Lift():
            return Sentence("I vote to end the freeze of {permit} early.", permit=names.permit(message.permit))
        case messages.Revocation():
            return Sentence("I vote to revoke {permit} for good.", permit=names.permit(message.permit))
        case messages.Withdrawal():
            return Sentence(
                "I withdraw {dataset} from {permit}, for good.",
                dataset=names.dataset(message.dataset),
                permit=names.permit(message.permit),
            )
        case _:
            return _of_consortium(message, names)


def _of_consortium(message: Message, names: Names) -> Sentence:
    match message:
        case messages.MemberSupport():
            return Sentence("I support proposal {number} on members.", number=Plain(message.proposal))
        case messages.RuleSupport():
            return Sentence("I support proposal {number} on the rules.", number=Plain(message.proposal))
        case messages.Pause():
            return Sentence("I vote to pause all work of the consortium.")
        case messages.Resume():
            return Sentence("I vote that the consortium goes on after its pause.")
        case messages.Objection():
            return Sentence(
                "I object to the release of model {model}, made under {permit}.",
                model=Hash(message.model_hash),
                permit=names.permit(message.permit),
            )
        case messages.Confirmation():
            return counted(
                "I vote to release model {model}, made under {permit}, in spite of {n} objection.",
                "I vote to release model {model}, made under {permit}, in spite of {n} objections.",
                message.objections,
                model=Hash(message.model_hash),
                permit=names.permit(message.permit),
            )
        case messages.ReleaseWithdrawal():
            return Sentence(
                "I withdraw the release of model {model}, made under {permit}, for good.",
                model=Hash(message.model_hash),
                permit=names.permit(message.permit),
            )
        case _:
            return Sentence("{text}", text=message.sentence())


def lines(signed: SignedMessage, names: Names) -> tuple[Line, ...]:
    """Every field, in the order in which it is signed."""
    content: dict[str, Any] = signed.message.typed_data(signed.domain)["message"]
    return tuple(
        Line(*_spoken(attribute, getattr(signed.message, attribute), names), name, json.dumps(content[name]))
        for attribute, name, _ in signed.message.members()
    )


def _spoken(attribute: str, value: Any, names: Names) -> tuple[Sentence, Value]:
    match attribute:
        case "actor":
            return Sentence("Who signs"), names.account(value)
        case "study":
            return Sentence("Application"), names.study(value)
        case "permit":
            return Sentence("Permit"), names.permit(value)
        case "dataset":
            return Sentence("Dataset"), names.dataset(DatasetId(value))
        case "approve":
            return Sentence("Vote"), Sentence("for it") if value else Sentence("against it")
        case "reason_hash":
            return Sentence("Fingerprint of the reason"), _hash(value)
        case "conditions_hash" | "conditions":
            return Sentence("Fingerprint of the conditions"), _hash(value)
        case "model_hash":
            return Sentence("Model"), Hash(value)
        case "duration":
            return Sentence("For how long"), Span(value)
        case "freeze":
            return Sentence("Number of the freeze"), Plain(value)
        case "pause":
            return Sentence("Number of the pause"), Plain(value)
        case "proposal":
            return Sentence("Number of the proposal"), Plain(value)
        case "objections":
            return Sentence("Objections so far"), value
        case "purposes":
            return Sentence("For what"), Listed(named.purposes(value))
        case "categories":
            return Sentence("With what data"), Listed(named.categories(value))
        case "recipients":
            return Sentence("Used by"), Listed(tuple(map(names.account, value))) if value else Sentence("any member")
        case "valid_from":
            return Sentence("From"), Moment(value)
        case "valid_until":
            return Sentence("Until"), Moment(value)
        case "sequence":
            return Sentence("Number of this statement: the highest one counts"), Plain(value)
        case "nonce":
            return Sentence("Drawn at random, so that it counts once"), Sentence("a number of its own")
        case "deadline":
            return Sentence("Counts until"), Moment(value)
        case _:
            return Sentence("Field {name}", name=attribute), Plain(value) if isinstance(value, int) else str(value)


def _hash(value: bytes) -> Value:
    return Sentence("none given") if value == NONE else Hash(value)
