"""The messages that a consortium's contracts take (docs/registry.md), and what each says in words.

Every message begins with who acts: ``actor``, the account of a member or patient, which is its identity. Whoever owns
that identity signs it (``belmont.identity.signed_message``). Reasons stay off chain; a message holds their SHA-256.
"""

import hashlib
import time
from dataclasses import dataclass, field
from typing import ClassVar

from belmont.identity import words
from belmont.identity.errors import MessageMalformed
from belmont.identity.typed_data import Account, Accounts, Data, Flag, Hash, Message, Uint64, Uint256, random_nonce

WEEK_SECONDS = 7 * 24 * 3600
NO_REASON = bytes(32)
NO_CONDITIONS = bytes(32)


def reason_hash(reason: str) -> bytes:
    """SHA-256 of a reason's UTF-8 text; 32 zero bytes for an empty one."""
    return hashlib.sha256(reason.encode()).digest() if reason else NO_REASON


def _in_a_week() -> int:
    return int(time.time()) + WEEK_SECONDS


@dataclass(frozen=True, kw_only=True)
class Statement(Message):
    """A message to ``Relay``."""

    FIRST: ClassVar = ("actor",)
    CONTRACT: ClassVar = "Relay"

    actor: Account
    """Who acts: the account of a member or patient."""
    nonce: Uint256 = field(default_factory=random_nonce)
    deadline: Uint64 = field(default_factory=_in_a_week)


@dataclass(frozen=True, kw_only=True)
class Vote(Statement):
    """A vote of a member of the ethics board on a study."""

    FUNCTION: ClassVar = "vote"
    study: Uint64
    approve: Flag
    conditions_hash: Hash = NO_CONDITIONS
    """Of the conditions that a vote for the study sets (``belmont.identity.approval_conditions``)."""
    reason_hash: Hash = NO_REASON

    def sentence(self) -> str:
        under = "" if self.conditions_hash == NO_CONDITIONS else f" under the conditions 0x{self.conditions_hash.hex()}"
        return f"{'Approve' if self.approve else 'Refuse'} study {self.study}{under}."


@dataclass(frozen=True, kw_only=True)
class Recusal(Statement):
    """A member of the ethics board takes no part in the vote on a study."""

    FUNCTION: ClassVar = "recuse"
    study: Uint64
    reason_hash: Hash = NO_REASON

    def sentence(self) -> str:
        return f"Take no part in the vote on study {self.study}, for good."


@dataclass(frozen=True, kw_only=True)
class Agreement(Statement):
    """A data user's agreement to all conditions of the ethics board on a study."""

    FUNCTION: ClassVar = "agree"
    study: Uint64
    conditions: Hash
    """The running hash of them all, as the study has it now."""

    def sentence(self) -> str:
        return f"Agree to the conditions 0x{self.conditions.hex()} of study {self.study}."


@dataclass(frozen=True, kw_only=True)
class Acceptance(Statement):
    """A data holder's acceptance of a study."""

    FUNCTION: ClassVar = "accept"
    study: Uint64
    dataset: Hash
    """The dataset's identifier."""

    def sentence(self) -> str:
        return f"Accept study {self.study} for dataset 0x{self.dataset.hex()}."


@dataclass(frozen=True, kw_only=True)
class Freeze(Statement):
    """Stops a permit at once, for a while."""

    FUNCTION: ClassVar = "freeze"
    permit: Uint64
    duration: Uint64
    """Seconds, from the moment that it is relayed."""
    reason_hash: Hash = NO_REASON

    def sentence(self) -> str:
        return f"Freeze permit {self.permit} for {self.duration} seconds."


@dataclass(frozen=True, kw_only=True)
class Lift(Statement):
    """A vote to end a freeze early."""

    FUNCTION: ClassVar = "voteLift"
    permit: Uint64
    freeze: Uint64
    """The number of the freeze: 1 is the permit's first."""

    def sentence(self) -> str:
        return f"Lift freeze {self.freeze} of permit {self.permit}."


@dataclass(frozen=True, kw_only=True)
class Revocation(Statement):
    """A vote to end a permit for good."""

    FUNCTION: ClassVar = "voteRevoke"
    permit: Uint64
    reason_hash: Hash = NO_REASON

    def sentence(self) -> str:
        return f"Revoke permit {self.permit} for good."


@dataclass(frozen=True, kw_only=True)
class Withdrawal(Statement):
    """Takes a dataset out of a permit for good."""

    FUNCTION: ClassVar = "withdraw"
    permit: Uint64
    dataset: Hash

    def sentence(self) -> str:
        return f"Withdraw dataset 0x{self.dataset.hex()} from permit {self.permit} for good."


@dataclass(frozen=True, kw_only=True)
class MemberSupport(Statement):
    """A vote for an admission or removal."""

    FUNCTION: ClassVar = "supportMember"
    proposal: Uint64

    def sentence(self) -> str:
        return f"Support proposal {self.proposal} on members."


@dataclass(frozen=True, kw_only=True)
class RuleSupport(Statement):
    """A vote for a change of a rule, new code or a redemption."""

    FUNCTION: ClassVar = "supportRule"
    proposal: Uint64

    def sentence(self) -> str:
        return f"Support proposal {self.proposal} on rules."


@dataclass(frozen=True, kw_only=True)
class Pause(Statement):
    """A vote to stop all work of the consortium."""

    FUNCTION: ClassVar = "votePause"
    pause: Uint64
    """The number of the pause."""
    reason_hash: Hash = NO_REASON

    def sentence(self) -> str:
        return f"Pause the whole consortium (pause {self.pause})."


@dataclass(frozen=True, kw_only=True)
class Resume(Statement):
    """A vote to go on after a pause."""

    FUNCTION: ClassVar = "voteResume"
    pause: Uint64

    def sentence(self) -> str:
        return f"Go on after pause {self.pause}."


@dataclass(frozen=True, kw_only=True)
class ConsentGrant(Statement):
    """A patient's consent (docs/consents.md)."""

    FUNCTION: ClassVar = "grantConsent"
    dataset: Hash
    purposes: Uint64
    """DUO codes 31 to 40, as those bits."""
    categories: Uint64
    """Categories of data, as bits."""
    recipients: Accounts = ()
    """At most eight data users, in ascending order; none: any member."""
    valid_from: Uint64
    valid_until: Uint64
    """Unix seconds; until is exclusive."""
    sequence: Uint64
    """The number of this account's statement on this dataset."""

    def sentence(self) -> str:
        whom = ", ".join(self.recipients) or "any member"
        return (
            f"Consent to research ({words.purposes(self.purposes)}) with data ({words.categories(self.categories)}) of "
            f"dataset 0x{self.dataset.hex()}, by {whom}, "
            f"from {words.moment(self.valid_from)} until {words.moment(self.valid_until)}."
        )


@dataclass(frozen=True, kw_only=True)
class ConsentRevocation(Statement):
    """A patient takes consent back."""

    FUNCTION: ClassVar = "revokeConsent"
    dataset: Hash
    sequence: Uint64

    def sentence(self) -> str:
        return f"Take back every consent for dataset 0x{self.dataset.hex()}."


@dataclass(frozen=True, kw_only=True)
class Release(Statement):
    """A data user's announcement that a model is to be released."""

    FUNCTION: ClassVar = "release"
    permit: Uint64
    model_hash: Hash
    evaluated_round: Uint64
    """The round that was opened with this model."""
    card_hash: Hash
    evidence_hash: Hash
    """Of what the output check found."""

    def sentence(self) -> str:
        return f"Announce model 0x{self.model_hash.hex()} of permit {self.permit} for release."


@dataclass(frozen=True, kw_only=True)
class Objection(Statement):
    """Stands against the release of a model until the ethics board decides."""

    FUNCTION: ClassVar = "object"
    permit: Uint64
    model_hash: Hash
    reason_hash: Hash = NO_REASON

    def sentence(self) -> str:
        return f"Object to the release of model 0x{self.model_hash.hex()} of permit {self.permit}."


@dataclass(frozen=True, kw_only=True)
class Confirmation(Statement):
    """A vote to release a model in spite of what stands against it."""

    FUNCTION: ClassVar = "voteConfirm"
    permit: Uint64
    model_hash: Hash
    objections: Uint64
    """How many there are, so that it is not about one that came later."""

    def sentence(self) -> str:
        return (
            f"Release model 0x{self.model_hash.hex()} of permit {self.permit} in spite of what stands against it: "
            f"{self.objections} objection{'' if self.objections == 1 else 's'}."
        )


@dataclass(frozen=True, kw_only=True)
class ReleaseWithdrawal(Statement):
    """Takes a model's release back for good."""

    FUNCTION: ClassVar = "withdrawRelease"
    permit: Uint64
    model_hash: Hash

    def sentence(self) -> str:
        return f"Withdraw the release of model 0x{self.model_hash.hex()} of permit {self.permit} for good."


def short_bytes(text: str) -> bytes:
    """A short name as ERC-1056 writes it: ASCII, filled up with zero bytes to 32."""
    if not text.isascii() or not text.isprintable() or not 1 <= len(text) <= 32:
        raise MessageMalformed(f"a short name is 1 to 32 letters of ASCII; it is {text[:80]!r}")
    return text.encode().ljust(32, b"\0")


def short_text(value: bytes) -> str:
    """The short name in 32 bytes; in hexadecimal where it is not printable ASCII."""
    text = value.rstrip(b"\0").decode("ascii", errors="replace")
    return text if text.isprintable() and text.isascii() else "0x" + value.hex()


@dataclass(frozen=True, kw_only=True)
class IdentityChange(Message):
    """A message to ``Identities``, signed by the identity's owner."""

    FIRST: ClassVar = ("identity",)
    CONTRACT: ClassVar = "Identities"

    identity: Account
    """Whose key, delegate or attribute it is about."""
    nonce: Uint256 = field(default_factory=random_nonce)
    deadline: Uint64 = field(default_factory=_in_a_week)


@dataclass(frozen=True, kw_only=True)
class ChangeOwner(IdentityChange):
    """Key rotation. The new owner signs the same message as well."""

    FUNCTION: ClassVar = "changeOwnerSigned"
    new_owner: Account

    def sentence(self) -> str:
        return f"From now on only {self.new_owner} speaks for {self.identity}; all its delegates are revoked."


@dataclass(frozen=True, kw_only=True)
class AddDelegate(IdentityChange):
    """Gives a machine's key the routine work (``sigAuth``), or names a key that verifies (``veriKey``)."""

    FUNCTION: ClassVar = "addDelegateSigned"
    delegate_type: Hash
    delegate: Account
    validity: Uint256
    """Seconds, from the moment that it is relayed."""

    def sentence(self) -> str:
        kind = short_text(self.delegate_type)
        return f"{self.delegate} is a delegate ({kind}) of {self.identity} for {self.validity} seconds."


@dataclass(frozen=True, kw_only=True)
class RevokeDelegate(IdentityChange):
    """Ends a delegate at once."""

    FUNCTION: ClassVar = "revokeDelegateSigned"
    delegate_type: Hash
    delegate: Account

    def sentence(self) -> str:
        return f"{self.delegate} is no longer a delegate ({short_text(self.delegate_type)}) of {self.identity}."


@dataclass(frozen=True, kw_only=True)
class SetAttribute(IdentityChange):
    """Publishes a key or service in the identity's DID document."""

    FUNCTION: ClassVar = "setAttributeSigned"
    name: Hash
    value: Data
    validity: Uint256

    def sentence(self) -> str:
        return f"Publish {short_text(self.name)} of {self.identity} for {self.validity} seconds."


@dataclass(frozen=True, kw_only=True)
class RevokeAttribute(IdentityChange):
    """Takes a key or service out of the DID document."""

    FUNCTION: ClassVar = "revokeAttributeSigned"
    name: Hash
    value: Data

    def sentence(self) -> str:
        return f"Take back {short_text(self.name)} of {self.identity}."


@dataclass(frozen=True, kw_only=True)
class Execution(Message):
    """A call that an institution's wallet makes, signed by as many owners as its threshold."""

    CONTRACT: ClassVar = "Wallet"
    FUNCTION: ClassVar = "execute"
    to: Account
    data: Data
    nonce: Uint256 = field(default_factory=random_nonce)
    deadline: Uint64 = field(default_factory=_in_a_week)

    def sentence(self) -> str:
        return f"The wallet calls {self.to} with 0x{self.data[:4].hex()}… ({len(self.data)} bytes)."


STATEMENTS: tuple[type[Statement], ...] = (
    Vote,
    Recusal,
    Agreement,
    Acceptance,
    Freeze,
    Lift,
    Revocation,
    Withdrawal,
    MemberSupport,
    RuleSupport,
    Pause,
    Resume,
    ConsentGrant,
    ConsentRevocation,
    Release,
    Objection,
    Confirmation,
    ReleaseWithdrawal,
)
IDENTITY_CHANGES: tuple[type[IdentityChange], ...] = (
    ChangeOwner,
    AddDelegate,
    RevokeDelegate,
    SetAttribute,
    RevokeAttribute,
)
_KINDS: tuple[type[Message], ...] = (*STATEMENTS, *IDENTITY_CHANGES, Execution)
MESSAGES = {each.__name__: each for each in _KINDS}
"""By EIP-712 name."""
