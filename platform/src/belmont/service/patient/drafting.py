"""A patient's own statement, from the form to the message to sign, and from the signed message to the relay.

1. The sequence is the time of now in Unix seconds, or one more than the last statement's where that is higher: what was
   signed before never comes after it (docs/consents.md).
2. What the contract would refuse is said before anything is signed: an account that is not enrolled, a grant within a
   day of the last statement, a revocation of what is revoked.
3. A signed message is passed on only if it is a grant or a revocation, for the dataset of this hospital, by the very
   account that is signed in. Whether the signature holds, the contract says.
"""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass

from belmont.identity.errors import IdentityError
from belmont.identity.messages import ConsentGrant, ConsentRevocation
from belmont.identity.signed_message import SignedMessage
from belmont.identity.typed_data import Domain
from belmont.registry.consents.errors import ScopeRefused
from belmont.registry.consents.scope import Scope
from belmont.registry.consents.statements import OwnConsent
from belmont.registry.limits import GRANT_SECONDS
from belmont.registry.reasons import WriteRefusal
from belmont.registry.types import Address, DatasetId
from belmont.service.errors import Malformed, of_message
from belmont.service.patient.errors import NotAPatient, StatementRefused

_SIGNATURE = re.compile(r"0x(?:[0-9a-f]{2}){1,2048}", re.ASCII)


@dataclass(frozen=True)
class Drafting:
    """Drafts statements of one patient about one dataset."""

    account: Address
    dataset_id: DatasetId
    domain: Domain
    own: OwnConsent | None
    """Where the account stands on chain; None where it is not enrolled."""
    chain_time: int
    clock: Callable[[], float] = time.time

    @property
    def grant_from(self) -> int:
        """When a grant is taken at the earliest, in Unix seconds of the chain; 0 for at once."""
        if self.own is None or not self.own.sequence:
            return 0
        return self.own.stated_at + GRANT_SECONDS

    @property
    def can_revoke(self) -> bool:
        """Whether there is anything that a revocation could take back."""
        return self.own is not None and (not self.own.sequence or any(self.own.scope_hash))

    def grant(self, scope: Scope) -> SignedMessage:
        """The message of a grant, to be signed. Raises Malformed, StatementRefused, NotAPatient."""
        sequence = self._sequence()
        if self.chain_time < self.grant_from:
            raise _refused(WriteRefusal.GRANT_TOO_SOON)
        try:
            scope.checked()
        except ScopeRefused as error:
            raise Malformed(error.reason.remedy, code=error.reason) from error
        if scope.valid_until <= self.chain_time:
            raise Malformed("The period is over already.", code=WriteRefusal.PERIOD_INVALID)
        message = ConsentGrant(
            actor=self.account,
            dataset=self.dataset_id,
            purposes=scope.purposes,
            categories=scope.categories,
            recipients=tuple(scope.recipients),
            valid_from=scope.valid_from,
            valid_until=scope.valid_until,
            sequence=sequence,
        )
        return SignedMessage(message, self.domain)

    def revocation(self) -> SignedMessage:
        """The message of a revocation, to be signed. Raises StatementRefused, NotAPatient."""
        sequence = self._sequence()
        if not self.can_revoke:
            raise _refused(WriteRefusal.ALREADY_REVOKED)
        message = ConsentRevocation(actor=self.account, dataset=self.dataset_id, sequence=sequence)
        return SignedMessage(message, self.domain)

    def _sequence(self) -> int:
        if self.own is None:
            raise NotAPatient(
                "Your account is noted at the hospital, but not enrolled on the chain yet.",
                code=WriteRefusal.NOT_ENROLLED,
                remedy="Ask the hospital to enrol it; your consent stands as the hospital attests it until then.",
            )
        return max(self.own.sequence + 1, int(self.clock()))  # 1


def draft_of(content: bytes) -> SignedMessage:
    """A message of a patient, signed or not, from its file. Raises Malformed."""
    try:
        signed = SignedMessage.from_json(content)
    except IdentityError as error:
        raise of_message(error) from error
    if not isinstance(signed.message, ConsentGrant | ConsentRevocation):
        raise Malformed("This is no consent and no revocation.", code="NOT_A_CONSENT")
    return signed


def with_signature(draft: SignedMessage, signature: str) -> SignedMessage:
    """A draft with what a wallet signed. Raises Malformed."""
    if not _SIGNATURE.fullmatch(signature := signature.strip().lower()):
        raise Malformed("This is no signature: it is 0x and hexadecimal digits.", code="SIGNATURE_MALFORMED")
    return draft.with_signature(bytes.fromhex(signature[2:]))


def check_own(signed: SignedMessage, account: Address, dataset_id: DatasetId, domain: Domain) -> SignedMessage:
    """The same, if it is this patient's to relay (3). Raises StatementRefused, Malformed."""
    message = signed.message
    if not isinstance(message, ConsentGrant | ConsentRevocation):
        raise Malformed("This is no consent and no revocation.", code="NOT_A_CONSENT")
    if signed.domain != domain:
        raise Malformed("This message is for another consortium.", code="OTHER_CONSORTIUM")
    if message.actor != account:
        raise StatementRefused("This was made for another account than yours.", code="OTHER_ACTOR")
    if message.dataset != dataset_id:
        raise StatementRefused("This is about another hospital's data.", code="OTHER_DATASET")
    if not signed.signatures:
        raise Malformed("Nobody has signed this yet.", code="NOT_SIGNED", remedy="Sign it, and send it again.")
    return signed


def _refused(reason: WriteRefusal) -> StatementRefused:
    return StatementRefused(f"The contract would refuse this: {reason}.", code=reason, remedy=reason.remedy)
