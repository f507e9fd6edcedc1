"""What the endpoints of signing in take and give. Bytes are 0x and hex, accounts EIP-55, times RFC 3339 in UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from eth_utils.address import is_checksum_address, to_checksum_address
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from belmont.identity.sign_in_message import TEXT_BYTES_MAX
from belmont.identity.signed_message import SIGNATURE_BYTES_MAX
from belmont.registry.types import Address, Role
from belmont.service.access.visitor import SessionView, Visitor
from belmont.service.sign_in.passkeys import Passkey


def account_of(text: str) -> Address:
    """An account as EIP-55 writes it, from text in one case or with the right checksum. Raises ValueError."""
    one_case = re.fullmatch(r"0x(?:[0-9a-f]{40}|[0-9A-F]{40})", text, re.ASCII)
    if not one_case and not is_checksum_address(text):
        raise ValueError("an account is 0x and 40 hex digits; where letters are mixed, the checksum has to fit")
    return Address(to_checksum_address(text))


AccountText = Annotated[str, Field(pattern="^0x[0-9a-fA-F]{40}$"), AfterValidator(account_of)]
SignatureText = Annotated[str, Field(pattern="^0x([0-9a-fA-F]{2})+$", max_length=2 + 2 * SIGNATURE_BYTES_MAX)]
HashText = Annotated[str, Field(pattern="^0x[0-9a-f]{64}$")]
KeyText = Annotated[str, Field(pattern="^[A-Za-z0-9_-]{1,1364}$")]
"""A key's identifier in base64url: at most 1023 bytes (WebAuthn, section 4)."""


class Taken(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ChallengeAsked(Taken):
    """Who is going to sign."""

    account: AccountText
    """The key's own account, or the wallet."""
    identity: AccountText | None = None
    """Whom it is to sign in as, where that is not the account itself."""


class ChallengeGiven(BaseModel):
    """The text to sign, with ``personal_sign``, ERC-1271 or ``belmont sign sign-in``."""

    message: str
    account: Address
    """Who signs, with the checksum of EIP-55."""
    nonce: str
    expires_at: datetime


class SignedText(Taken):
    """The text as it was given, and the signature under it."""

    message: Annotated[str, Field(max_length=TEXT_BYTES_MAX)]
    signature: SignatureText


class SessionGiven(BaseModel):
    """A sign-in."""

    id: str
    method: Literal["ethereum", "wallet", "oidc"]
    by_token: bool
    since: datetime
    expires_at: datetime
    current: bool
    """Whether it is the one that asks."""
    used_at: datetime | None = None

    @classmethod
    def of(cls, session: SessionView, current: str = "", used: int | None = None) -> SessionGiven:
        return cls(
            id=session.id,
            method=session.method,  # type: ignore[arg-type]
            by_token=session.by_token,
            since=moment(session.since),
            expires_at=moment(session.expires_at),
            current=session.id == current,
            used_at=None if used is None else moment(used),
        )


class TokenGiven(BaseModel):
    """A bearer token: said once, kept by nobody but who asked."""

    token: str
    session: SessionGiven


class Me(BaseModel):
    """Who is signed in, by the chain of now."""

    account: Address
    name: str | None
    """A member's name."""
    roles: list[str]
    session: SessionGiven
    csrf: str | None
    """What unsafe requests by cookie bring along in ``X-CSRF-Token``."""

    @classmethod
    def of(cls, visitor: Visitor, session: SessionView) -> Me:
        return cls(
            account=session.account,
            name=visitor.member.name if visitor.member else None,
            roles=[each.name.lower() for each in Role if each in visitor.roles and each.name],
            session=SessionGiven.of(session, session.id),
            csrf=None if session.by_token else session.csrf,
        )


class PasskeyGiven(BaseModel):
    """An enrolled hardware key."""

    id: str
    label: str
    enrolled_at: datetime
    used_at: datetime

    @classmethod
    def of(cls, key: Passkey) -> PasskeyGiven:
        return cls(id=key.id, label=key.label, enrolled_at=moment(key.enrolled), used_at=moment(key.used))


class AuthenticatorResponse(Taken):
    """What a browser answers about a key, as ``PublicKeyCredential.toJSON`` writes it."""

    clientDataJSON: Annotated[str, Field(max_length=4096)]
    attestationObject: Annotated[str, Field(max_length=16_384)] | None = None
    authenticatorData: Annotated[str, Field(max_length=16_384)] | None = None
    signature: Annotated[str, Field(max_length=4096)] | None = None
    userHandle: Annotated[str, Field(max_length=128)] | None = None
    transports: Annotated[list[Annotated[str, Field(max_length=32)]], Field(max_length=8)] | None = None
    publicKey: Annotated[str, Field(max_length=4096)] | None = None
    publicKeyAlgorithm: int | None = None


class Credential(Taken):
    """WebAuthn's RegistrationResponseJSON or AuthenticationResponseJSON."""

    id: KeyText
    rawId: KeyText
    type: Literal["public-key"]
    response: AuthenticatorResponse
    authenticatorAttachment: Annotated[str, Field(max_length=32)] | None = None
    clientExtensionResults: Annotated[dict[str, Any], Field(max_length=0)] = Field(default_factory=dict)

    def content(self) -> dict[str, Any]:
        return self.model_dump(exclude_none=True)


class Enrolment(Taken):
    """A new key, and what its owner calls it."""

    label: Annotated[str, Field(min_length=1, max_length=80, pattern=r"^[^\x00-\x1f\x7f]+$")]
    credential: Credential


class TouchAsked(Taken):
    """What a key is to be touched for: relaying a message, enrolling another key, or removing one."""

    purpose: Literal["message", "enrol", "remove"]
    digest: HashText | None = None
    """Of the message: the 32 bytes that its signer signed (EIP-712)."""
    key: KeyText | None = None
    """The one to remove."""


class TouchFinished(Taken):
    credential: Credential


class TouchGiven(BaseModel):
    """A touch that counts until then, for the one thing that it was begun for."""

    until: datetime
    csrf: str | None
    """The session's new one, for every unsafe request from here on."""


def moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
