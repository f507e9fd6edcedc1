"""Messages to sign: the service writes out what somebody decides, and their wallet or ``belmont sign`` signs it.

1. Every kind that ``Relay`` takes is here, with the fields that its contract takes. The actor is whoever is signed in.
2. The texts of a reason and of conditions go into the file, for the others to read; the message holds their hashes.
3. A nonce is drawn for every message, and it counts until its deadline: at most a week.
4. Nothing is kept and nothing decided: what is signed is what the file says, and wallets show it.
"""

import time
from dataclasses import MISSING, fields
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Union

from fastapi import Body
from pydantic import ConfigDict, Field, StringConstraints, create_model

from belmont.identity.approval_conditions import CONDITION_CHARACTERS_MAX, CONDITIONS_MAX, ApprovalConditions
from belmont.identity.errors import IdentityError
from belmont.identity.messages import STATEMENTS, WEEK_SECONDS, Statement, reason_hash
from belmont.identity.signed_message import FORMAT, VERSION, SignedMessage
from belmont.identity.strict_json import loads
from belmont.identity.typed_data import RECIPIENTS_MAX, Domain
from belmont.service.access.gates import allow
from belmont.service.access.visitor import Visitor, Who
from belmont.service.api import routing
from belmont.service.api.values import AccountText, Answer, Asked, Hash, Moment, Uint64
from belmont.service.errors import Malformed

router = routing.router("messages")
REASON_CHARACTERS_MOST: Final = 4_000
DAY_SECONDS: Final = 24 * 3600
_TYPES: Final[dict[str, Any]] = {
    "uint64": Uint64,
    "bool": bool,
    "bytes32": Hash,
    "address": AccountText,
    "address[]": Annotated[list[AccountText], Field(max_length=RECIPIENTS_MAX)],
}
_OWN: Final = ("actor", "nonce", "deadline")
_CLOCKS: Final = ("sequence",)
"""Numbers that only have to grow: by default they are the time of day."""
Reason = Annotated[str, StringConstraints(max_length=REASON_CHARACTERS_MOST)]
ConditionText = Annotated[str, StringConstraints(min_length=1, max_length=CONDITION_CHARACTERS_MAX)]
ConditionTexts = Annotated[list[ConditionText], Field(min_length=1, max_length=CONDITIONS_MAX)]


class Wanted(Asked):
    """What every message takes beside its own fields."""

    valid_seconds: Annotated[int, Field(ge=60, le=WEEK_SECONDS)] = DAY_SECONDS
    """For so long it can be relayed."""


def _asked(kind: type[Statement]) -> type[Wanted]:
    """The fields of one kind, as an object of a request (1)."""
    found: dict[str, Any] = {"kind": (Literal[kind.__name__], ...)}
    given = {each.name: each for each in fields(kind)}
    for name, _, its_type in kind.members():
        if name in _OWN:
            continue
        optional = given[name].default is not MISSING or name in _CLOCKS
        found[name] = (_TYPES[its_type] | None, None) if optional else (_TYPES[its_type], ...)
    if "reason_hash" in found:
        found["reason"] = (Reason | None, None)
    if "conditions_hash" in found:
        found["conditions"] = (ConditionTexts | None, None)
    about = (kind.__doc__ or "").strip()
    return create_model(f"{kind.__name__}Wanted", __base__=Wanted, __doc__=about, **found)


KINDS: Final = {each.__name__: each for each in STATEMENTS}
WANTED: Final = {name: _asked(kind) for name, kind in KINDS.items()}
_ANY: Any = Union[tuple(WANTED.values())]  # noqa: UP007 - made at run time
if TYPE_CHECKING:
    AnyWanted = Wanted
else:
    AnyWanted = Annotated[_ANY, Body(discriminator="kind")]


class DomainField(Answer):
    """A field of a type."""

    type: str
    name: str


class SigningDomain(Answer):
    """Where a message counts (EIP-712): one contract of one chain."""

    name: Literal["Belmont"]
    version: Literal["1"]
    chainId: int
    verifyingContract: AccountText


class TypedData(Answer):
    """The argument of ``eth_signTypedData_v4``. Numbers of the message are decimal text."""

    types: dict[str, list[DomainField]]
    primaryType: str
    domain: SigningDomain
    message: dict[str, str | bool | list[str]]


class Unsigned(Answer):
    """A message file that nobody has signed yet, as ``belmont sign`` and ``belmont relay`` read it."""

    model_config = ConfigDict(frozen=True, json_schema_serialization_defaults_required=False)

    format: Literal[FORMAT]  # type: ignore[valid-type]
    version: Literal[VERSION]  # type: ignore[valid-type]
    says: str
    typed_data: TypedData
    signatures: Annotated[list[str], Field(max_length=0)]
    reason: str | None = None
    """The text of its reason; left out where there is none, as conditions are."""
    conditions: list[str] | None = None


class ToSign(Answer):
    """A message to sign."""

    kind: str
    says: str
    """What it says, in words."""
    deadline: Moment
    digest: Hash
    """The 32 bytes that a signature is over."""
    message: Unsigned
    """The file: save it as it is, add the signature, relay it."""


@router.post("/messages", response_model_exclude_none=True)
async def write_message(
    service: routing.Here, visitor: Annotated[Visitor, allow(Who.SIGNED_IN)], wanted: AnyWanted
) -> ToSign:
    """Write a message for whoever is signed in to sign.

    The file is ``message``; a browser wallet signs ``message.typed_data`` (EIP-712).
    """
    signed = unsigned(wanted, routing.account_of(visitor), service.registry.relay.domain)
    return ToSign(
        kind=type(signed.message).__name__,
        says=signed.message.sentence(),
        deadline=signed.message.deadline,
        digest=signed.digest,
        message=file_of(signed),
    )


def unsigned(wanted: Wanted, actor: str, domain: Domain) -> SignedMessage:
    """The message that is asked for. Raises Malformed for fields that its contract cannot take."""
    given = {name: value for name, value in wanted if value is not None}
    kind, reason = KINDS[given.pop("kind")], given.pop("reason", None)
    own = WANTED[kind.__name__].model_fields
    texts = given.pop("conditions", None) if "conditions_hash" in own else None
    now = int(time.time())
    deadline = now + given.pop("valid_seconds")
    try:
        conditions = ApprovalConditions.of(texts) if texts else None  # 2
        if conditions is not None:
            given.setdefault("conditions_hash", conditions.hash)
        if reason:
            given.setdefault("reason_hash", reason_hash(reason))
        for name in _CLOCKS:
            if name in own:
                given.setdefault(name, now)
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in given.items()
        }
        message = kind(actor=actor, deadline=deadline, **values)  # 3
        return SignedMessage(message, domain, (), reason or None, conditions)
    except IdentityError as error:
        raise Malformed(f"body: {error}", code="MESSAGE_MALFORMED") from error


def file_of(signed: SignedMessage) -> Unsigned:
    """A message without signatures, as its file has it."""
    return Unsigned.model_validate(loads(signed.to_json()))
