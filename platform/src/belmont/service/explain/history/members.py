"""Sentences about members, their keys and what they sign."""

from belmont.registry.types import Role
from belmont.service.explain.history.told import Tellers, Told
from belmont.service.words import Listed, Moment, Plain, Sentence, Value, counted


def _founded(told: Told) -> Sentence:
    return counted(
        "{who} founded the consortium “{name}” with {n} contract.",
        "{who} founded the consortium “{name}” with {n} contracts.",
        len(told.event.details["others"]) + 1,
        who=told.who,
        name=told.text("name"),
    )


def _admission(told: Told) -> Sentence:
    return Sentence(
        "{who} proposed to admit “{name}” ({account}) as {roles}: proposal {proposal}.",
        who=told.who,
        name=told.text("name"),
        account=told.text("account"),
        roles=_roles(told),
        proposal=told.label("proposal"),
    )


def _removal(told: Told) -> Sentence:
    return Sentence(
        "{who} proposed to remove {account}: proposal {proposal}.",
        who=told.who,
        account=told.account("account"),
        proposal=told.label("proposal"),
    )


def _supported(told: Told) -> Sentence:
    return Sentence("{who} supported proposal {proposal} on members.", who=told.who, proposal=told.label("proposal"))


def _admitted(told: Told) -> Sentence:
    return Sentence("“{name}” became a member, as {roles}.", name=told.text("name"), roles=_roles(told))


def _removed(told: Told) -> Sentence:
    return Sentence("The members removed {account}.", account=told.account("account"))


def _keys(told: Told) -> Sentence:
    return Sentence("{who} replaced its keys for masks and for its node.", who=told.who)


def _owner(told: Told) -> Sentence:
    return Sentence("{who} is spoken for by {owner} from now on.", who=told.who, owner=told.account("owner"))


def _delegate(told: Told) -> Sentence:
    delegate, kind, until = told.account("delegate"), _word(told, "delegate_type"), told.number("valid_to")
    if until <= _chain_time(told):
        return Sentence("{who} took the delegation ({kind}) of {delegate} back.", who=told.who, kind=kind,
                        delegate=delegate)  # fmt: skip
    return Sentence(
        "{who} let {delegate} do its routine writes ({kind}) until {until}.",
        who=told.who,
        delegate=delegate,
        kind=kind,
        until=Moment(until),
    )


def _attribute(told: Told) -> Sentence:
    name, until = _word(told, "name"), told.number("valid_to")
    if until <= _chain_time(told):
        return Sentence("{who} took the attribute {name} of its identity back.", who=told.who, name=name)
    return Sentence(
        "{who} gave its identity the attribute {name}, until {until}.", who=told.who, name=name, until=Moment(until)
    )


def _nonce(told: Told) -> Sentence:
    return Sentence("A change of the identity of {who} used the number {nonce}.", who=told.who, nonce=_nonce_of(told))


def _relayed(told: Told) -> Sentence:
    return Sentence("Somebody relayed what {who} had signed, message {digest}.", who=told.who,
                    digest=told.hash("digest"))  # fmt: skip


def _cancelled(told: Told) -> Sentence:
    return Sentence(
        "{who} cancelled the number {nonce}: what was signed with it counts no more.",
        who=told.who,
        nonce=_nonce_of(told),
    )


def _wallet_owners(told: Told) -> Sentence:
    owners: tuple[Value, ...] = tuple(told.names.account(each) for each in told.event.details["owners"])
    return Sentence(
        "The wallet {who} is signed for by {threshold} of {owners} from now on.",
        who=told.who,
        threshold=told.number("threshold"),
        owners=Listed(owners),
    )


def _wallet_executed(told: Told) -> Sentence:
    return Sentence("The wallet {who} acted on {to}.", who=told.who, to=told.account("to"))


def _roles(told: Told) -> Value:
    return Role(told.number("roles"))


def _word(told: Told, field: str) -> str:
    """Text that ERC-1056 keeps in 32 bytes."""
    text = told.event.details[field].rstrip(b"\0").decode("ascii", "replace")
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)


def _nonce_of(told: Told) -> Value:
    """Numbers are drawn from 256 bits: the first and last digits tell them apart."""
    digits = str(told.number("nonce"))
    return Plain(int(digits)) if len(digits) <= 12 else f"{digits[:8]}…{digits[-4:]}"


def _chain_time(told: Told) -> int:
    """When the event was; an end at or before it takes something back (ERC-1056)."""
    return int(told.event.timestamp)


TELLERS: Tellers = {
    ("Members", "ConsortiumFounded"): _founded,
    ("Members", "AdmissionProposed"): _admission,
    ("Members", "RemovalProposed"): _removal,
    ("Members", "ProposalSupported"): _supported,
    ("Members", "MemberAdmitted"): _admitted,
    ("Members", "MemberRemoved"): _removed,
    ("Members", "KeysReplaced"): _keys,
    ("Identities", "DIDOwnerChanged"): _owner,
    ("Identities", "DIDDelegateChanged"): _delegate,
    ("Identities", "DIDAttributeChanged"): _attribute,
    ("Identities", "NonceUsed"): _nonce,
    ("Relay", "MessageRelayed"): _relayed,
    ("Relay", "NonceCancelled"): _cancelled,
    ("Wallet", "OwnersChanged"): _wallet_owners,
    ("Wallet", "Executed"): _wallet_executed,
}
