"""Hardware keys that members enrol, and the touch that stopping something asks for from then on (WebAuthn, level 3).

1. A member enrols at most ``KEYS_MOST`` keys: nothing about the key's maker is asked (attestation ``none``), it need
   not keep a login (``residentKey`` discouraged), and it asks for a PIN or finger where it can. Who signed in through
   an institution enrols none: whoever runs its provider could keep the member from freezing anything here.
2. Once there is one, a member's Freeze, Revocation and Pause are relayed here only in a session of that member in
   which a key was touched for this very message in the last five minutes. The challenge that the key signs ends in the
   hash of what it is for: a touch for one message is none for another.
3. Another key is enrolled, and a key removed, only by a touch of one that is there: a stolen account key alone neither
   adds its thief's nor takes the member's away. Losing all means asking the operator (``forget``).
4. A challenge counts once, in the session that asked for it, for the account's own keys. Every ceremony gives the
   session a new secret (``store.sessions``, 2); the endpoints do that, and a touch counts for the new one alone.
5. A key that counts has to count up: one whose counter stands still or goes back may be a copy, and is refused
   (WebAuthn, section 6.1.1). Of two assertions with the same counter one is taken.
6. Keys are bound to the service's host name (WebAuthn, section 5.1.2), so a service that is reached by an address of
   numbers has none; on one's own machine it is ``localhost``.

What it is worth: it guards this service's relay and nothing beyond. Who has a member's account key signs, and relays
elsewhere (docs/adr/0076).
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from sqlalchemy import and_, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from webauthn import (
    generate_authentication_options,
    generate_registration_options,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url, options_to_json_dict
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AttestationConveyancePreference,
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from belmont.identity.messages import Freeze, Pause, Revocation
from belmont.identity.signed_message import SignedMessage
from belmont.identity.strict_json import loads
from belmont.registry.types import Address
from belmont.service.access.visitor import SessionView, Visitor
from belmont.service.errors import Conflict, Malformed, NotAllowed, NotFound
from belmont.service.store.database import Store
from belmont.service.store.passkeys import passkeys, steps
from belmont.service.store.sessions import Way, sessions
from belmont.service.store.tickets import Tickets

KEYS_MOST: Final = 8
CEREMONY_SECONDS: Final = 120
STEP_SECONDS: Final = 300
GUARDED: Final = (Freeze, Revocation, Pause)
ENROL: Final = hashlib.sha256(b"belmont passkeys: enrol another").digest()


def removal(credential: bytes) -> bytes:
    """The purpose of a touch that removes a key."""
    return hashlib.sha256(b"belmont passkeys: remove " + credential).digest()


def key_id(text: str) -> bytes:
    """A key's identifier from base64url. Raises ``Malformed``."""
    try:
        found = base64url_to_bytes(text)
    except ValueError as error:
        raise Malformed("This is no identifier of a key.") from error
    if bytes_to_base64url(found) != text:
        raise Malformed("This is no identifier of a key.")
    return found


class PasskeyRefused(NotAllowed):
    """What came from a key does not hold; ``code`` says why."""

    default_code = "PASSKEY_REFUSED"


@dataclass(frozen=True)
class Passkey:
    """One enrolled key."""

    credential: bytes
    """Its identifier, as the key chose it."""
    label: str
    enrolled: int
    """Unix seconds, as ``used``."""
    used: int

    @property
    def id(self) -> str:
        """The identifier in base64url, as browsers write it."""
        return bytes_to_base64url(self.credential)


@dataclass(frozen=True)
class StepUp:
    """A touch that counts."""

    account: Address
    purpose: bytes
    ends: int


class Passkeys:
    """The hardware keys of one service's members; ``origin`` is the public one, whose host the keys are bound to."""

    def __init__(self, store: Store, name: str, origin: str, now: Callable[[], float] = time.time) -> None:
        self._store, self._name, self._origin, self._now = store, name, origin, now
        self._host = urlsplit(origin).hostname or ""
        self._tickets = Tickets(store, "passkey", CEREMONY_SECONDS, now)

    # --- what others ask ---

    def required_for(self, account: Address) -> bool:
        """Whether the account enrolled a key, so that stopping something asks for a touch."""
        return bool(self.of(account))

    def of(self, account: Address) -> list[Passkey]:
        """The keys of an account, the first enrolled first."""
        query = select(passkeys).where(passkeys.c.account == account)
        with self._store.reading() as connection:
            rows = connection.execute(query.order_by(passkeys.c.enrolled, passkeys.c.credential))
            return [Passkey(bytes(row.credential), row.label, row.enrolled, row.used) for row in rows]

    def check(self, session: SessionView, purpose: bytes) -> bool:
        """Whether a key was touched for these 32 bytes in the last five minutes, for the secret that was shown."""
        mine = and_(steps.c.session == session.standing, steps.c.purpose == purpose, steps.c.ends > int(self._now()))
        with self._store.reading() as connection:
            return connection.execute(select(steps.c.ends).where(mine)).first() is not None

    def step(self, visitor: Visitor, signed: SignedMessage) -> None:
        """Raises ``NotAllowed`` where a touch is missing (2); a step of ``belmont.service.relaying``."""
        if not isinstance(signed.message, GUARDED):
            return
        actor = Address(signed.message.actor)
        if not self.required_for(actor):
            return
        session = visitor.session
        if session is None or session.account != actor or not self.check(session, signed.digest):
            raise NotAllowed(
                "This member enrolled a hardware key, and it was not touched for this message.",
                code="STEP_UP_REQUIRED",
                remedy="Sign in as the member and touch the key for this message.",
            )

    # --- enrolling ---

    def begin_enrolment(self, session: SessionView) -> dict[str, Any]:
        """Options for ``navigator.credentials.create``. Raises ``NotAllowed``, ``Conflict``."""
        if session.method == Way.OIDC:  # 1
            raise NotAllowed(
                "A hardware key is enrolled by who signed in with the member's own key, not through an institution.",
                code="OWN_KEY_NEEDED",
                remedy="Sign in with your key.",
            )
        if self._host.replace(".", "").isdigit() or ":" in self._host:
            raise Conflict("Hardware keys need a service with a name, not an address of numbers.", code="NO_HOST_NAME")
        known = self.of(session.account)
        self._check_room(len(known), self.check(session, ENROL))
        challenge = secrets.token_bytes(32)
        self._tickets.issue(challenge.hex(), session.id, {"for": "enrolment"})
        options = generate_registration_options(
            rp_id=self._host,
            rp_name=self._name,
            user_id=hashlib.sha256(f"{self._origin} {session.account}".encode()).digest(),
            user_name=session.account,
            challenge=challenge,
            timeout=CEREMONY_SECONDS * 1000,
            attestation=AttestationConveyancePreference.NONE,
            authenticator_selection=AuthenticatorSelectionCriteria(  # 1
                resident_key=ResidentKeyRequirement.DISCOURAGED,
                user_verification=UserVerificationRequirement.PREFERRED,
            ),
            exclude_credentials=[PublicKeyCredentialDescriptor(id=each.credential) for each in known],
        )
        return dict(options_to_json_dict(options))

    def finish_enrolment(self, session: SessionView, credential: dict[str, Any], label: str) -> Passkey:
        """Keep a new key. Raises ``PasskeyRefused``, ``NotAllowed``, ``Conflict``."""
        challenge = self._challenge(session, credential, "enrolment")[0]
        try:
            found = verify_registration_response(
                credential=credential,
                expected_challenge=challenge,
                expected_rp_id=self._host,
                expected_origin=self._origin,
            )
        except (WebAuthnException, ValueError, TypeError, KeyError, AttributeError) as error:
            raise PasskeyRefused("The browser's answer about the new key does not hold.") from error
        now = int(self._now())
        row = {
            "credential": found.credential_id,
            "account": session.account,
            "public_key": found.credential_public_key,
            "counter": found.sign_count,
            "label": label,
            "enrolled": now,
            "used": now,
        }
        own = select(func.count()).select_from(passkeys).where(passkeys.c.account == session.account)
        theirs = select(sessions.c.id).where(sessions.c.account == session.account).order_by(sessions.c.id)
        try:
            with self._store.writing() as connection:
                connection.execute(theirs.with_for_update())  # one enrolment of an account after the other
                touched = connection.execute(delete(steps).where(_of(session, ENROL), steps.c.ends > now)).rowcount
                self._check_room(connection.scalar(own) or 0, bool(touched))
                connection.execute(insert(passkeys).values(row))
        except IntegrityError as error:
            raise Conflict("This key is enrolled already.", code="KEY_ENROLLED") from error
        return Passkey(found.credential_id, label, now, now)

    # --- touching ---

    def begin(self, session: SessionView, purpose: bytes) -> dict[str, Any]:
        """Options for ``navigator.credentials.get``, for these 32 bytes. Raises ``NotFound``, ``TooMany``."""
        if len(purpose) != 32:
            raise ValueError("a purpose is a hash of 32 bytes")
        known = self.of(session.account)
        if not known:
            raise NotFound("No hardware key is enrolled.", code="NO_KEYS")
        challenge = secrets.token_bytes(32) + purpose  # 2
        self._tickets.issue(challenge.hex(), session.id, {"for": "touch"})
        options = generate_authentication_options(
            rp_id=self._host,
            challenge=challenge,
            timeout=CEREMONY_SECONDS * 1000,
            allow_credentials=[PublicKeyCredentialDescriptor(id=each.credential) for each in known],
            user_verification=UserVerificationRequirement.PREFERRED,
        )
        return dict(options_to_json_dict(options))

    def finish(self, session: SessionView, credential: dict[str, Any]) -> bytes:
        """What a key was touched for, which is used up by it and counts once ``count`` says where.

        Raises ``PasskeyRefused``.
        """
        challenge, id_ = self._challenge(session, credential, "touch")
        own = and_(passkeys.c.credential == id_, passkeys.c.account == session.account)
        with self._store.reading() as connection:
            row = connection.execute(select(passkeys).where(own)).one_or_none()
        if row is None:
            raise PasskeyRefused("This key is none of this account's.", code="KEY_UNKNOWN")  # 4
        try:
            found = verify_authentication_response(
                credential=credential,
                expected_challenge=challenge,
                expected_rp_id=self._host,
                expected_origin=self._origin,
                credential_public_key=bytes(row.public_key),
                credential_current_sign_count=row.counter,
            )
        except (WebAuthnException, ValueError, TypeError, KeyError, AttributeError) as error:
            raise PasskeyRefused("What the key answered does not hold.") from error
        now = int(self._now())
        with self._store.writing() as connection:
            unmoved = and_(own, passkeys.c.counter == row.counter)
            counted = connection.execute(update(passkeys).where(unmoved).values(counter=found.new_sign_count, used=now))
            if not counted.rowcount:
                raise PasskeyRefused("This key was used elsewhere at the same moment.")  # 5
        return challenge[32:]

    def count(self, session: SessionView, purpose: bytes) -> StepUp:
        """Have a touch count for the secret of this view of a session: that of after its renewal (4)."""
        now = int(self._now())
        ends = now + STEP_SECONDS
        with self._store.writing() as connection:
            connection.execute(delete(steps).where((steps.c.ends <= now) | _of(session, purpose)))
            connection.execute(insert(steps).values(session=session.standing, purpose=purpose, ends=ends))
        return StepUp(session.account, purpose, ends)

    # --- ending ---

    def remove(self, session: SessionView, credential: bytes) -> None:
        """Remove a key of the account. Raises ``NotAllowed``, ``NotFound``."""
        if credential not in {each.credential for each in self.of(session.account)}:
            raise NotFound("This account has no such key.")
        if not self.check(session, removal(credential)):
            raise _untouched()  # 3
        own = and_(passkeys.c.credential == credential, passkeys.c.account == session.account)
        with self._store.writing() as connection:
            connection.execute(delete(passkeys).where(own))
            connection.execute(delete(steps).where(_of(session, removal(credential))))

    def forget(self, account: Address) -> int:
        """Remove all keys of an account that lost them: for the operator, at the machine. Returns how many."""
        with self._store.writing() as connection:
            return connection.execute(delete(passkeys).where(passkeys.c.account == account)).rowcount

    def _check_room(self, known: int, is_touched: bool) -> None:
        """Whether an account with so many keys may have another. Raises ``NotAllowed``, ``Conflict``."""
        if known and not is_touched:
            raise _untouched()  # 3
        if known >= KEYS_MOST:
            raise Conflict(f"An account has at most {KEYS_MOST} keys.", code="TOO_MANY_KEYS")

    def _challenge(self, session: SessionView, credential: dict[str, Any], use: str) -> tuple[bytes, bytes]:
        """The challenge that was answered, now used up (4), and the key's identifier."""
        try:
            data = base64url_to_bytes(credential["response"]["clientDataJSON"])
            challenge = base64url_to_bytes(loads(data)["challenge"])
            id_ = base64url_to_bytes(credential["id"])
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise PasskeyRefused("This is no answer of a browser about a key.") from error
        kept = self._tickets.take(challenge.hex(), session.id)
        if kept is None or kept["for"] != use:
            raise PasskeyRefused(
                "This was used already, came too late, or was begun elsewhere.", code="CHALLENGE_INVALID"
            )
        return challenge, id_


def _of(session: SessionView, purpose: bytes) -> Any:
    return and_(steps.c.session == session.standing, steps.c.purpose == purpose)


def _untouched() -> NotAllowed:
    return NotAllowed(
        "A key that is enrolled has to be touched for this first.",
        code="STEP_UP_REQUIRED",
        remedy="Touch one of your keys; the operator removes them where all are lost.",
    )
