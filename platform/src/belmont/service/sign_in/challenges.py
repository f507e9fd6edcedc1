"""Challenges: the text that this service has somebody sign, and what it makes of the signature (ERC-4361).

1. The service writes the whole text: its own domain and address, the consortium's chain, a nonce of 128 random bits,
   when it was issued and when it ends, five minutes later. A client chooses which key signs, and for which identity.
2. A nonce counts once, and only for the browser that asked ("Creating Sessions"; ``store.tickets``). It is used up
   before anything is checked, so that a failed attempt leaves nothing to try again.
3. A signed text is read strictly, and every field of it is the one that was issued: what comes back is compared with
   what this service would write, whole.
4. The signature is the signer's (``signatures``).
5. The signer owns the identity on the chain now (ERC-1056): a key that was replaced signs in for nobody, the one in its
   place does, and a delegate, who works for an identity, does not speak for it.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, fields
from http import HTTPStatus
from typing import Any, Final

from belmont.identity import sign_in_message
from belmont.identity.errors import MessageMalformed
from belmont.identity.sign_in_message import SignInMessage, parse, resources_of
from belmont.registry.chain_registry import ChainRegistry
from belmont.registry.types import Address
from belmont.service.errors import Problem
from belmont.service.sign_in.signatures import way_of_signature
from belmont.service.store.database import Store
from belmont.service.store.sessions import Proof
from belmont.service.store.tickets import Tickets

CHALLENGE_SECONDS: Final = 300
STATEMENT: Final = "Sign in to read and to relay. This signature decides nothing: each decision is signed by itself."


class SignInRefused(Problem):
    """A sign-in that does not hold; ``code`` says why."""

    status = HTTPStatus.UNAUTHORIZED

    default_code = "SIGN_IN_REFUSED"


@dataclass(frozen=True)
class Issued:
    """One text to sign."""

    message: SignInMessage
    ends: int
    """Unix seconds."""


class Challenges:
    """Issues texts and checks what was signed; ``origin`` is the service's public one (RFC 6454)."""

    def __init__(
        self, store: Store, registry: ChainRegistry, origin: str, now: Callable[[], float] = time.time
    ) -> None:
        self._registry, self._origin, self._now = registry, origin, now
        self._scheme, _, self._domain = origin.partition("://")
        self._tickets = Tickets(store, "sign-in", CHALLENGE_SECONDS, now)

    def issue(self, browser: str, signer: Address, identity: Address | None = None) -> Issued:
        """A text for ``signer`` to sign, to sign in as ``identity`` (itself, where there is none).

        Raises ``TooMany``, ``Unavailable``.
        """
        nonce, issued = secrets.token_hex(16), int(self._now())  # 1
        message = self._message(nonce, signer, identity or signer, issued)
        kept = {"signer": signer, "identity": identity or signer, "issued": issued}
        return Issued(message, self._tickets.issue(nonce, browser, kept))

    def issued(self, browser: str, nonce: str) -> SignInMessage | None:
        """A text that was issued to this browser and is still to be signed."""
        kept = self._tickets.look(nonce, browser)
        return self._of(nonce, kept) if kept else None

    def check(self, browser: str, text: str, signature: bytes) -> Proof:
        """Who signed in. Raises ``SignInRefused``, and ``RegistryUnreachable`` where the chain does not answer."""
        try:
            message = parse(text)
        except MessageMalformed as error:
            raise SignInRefused(str(error), code="SIGN_IN_MALFORMED") from error
        kept = self._take(browser, message.nonce)  # 2
        expected = self._of(message.nonce, kept)
        for field in fields(expected):  # 3
            if getattr(message, field.name) != getattr(expected, field.name):
                raise SignInRefused(f"The signed text has another {field.name} than was asked for.")
        return self._checked(expected, signature)

    def check_nonce(self, browser: str, nonce: str, signature: bytes) -> Proof:
        """The same, for a form that sends the signature alone: the text is the one that was issued."""
        return self._checked(self._of(nonce, self._take(browser, nonce)), signature)  # 2, 3

    def _take(self, browser: str, nonce: str) -> dict[str, Any]:
        kept = self._tickets.take(nonce, browser)
        if kept is None:
            raise SignInRefused(
                "This text was signed in with already, has ended, or was asked for by another browser.",
                code="NONCE_INVALID",
                remedy="Ask for a new text and sign that.",
            )
        return kept

    def _checked(self, message: SignInMessage, signature: bytes) -> Proof:
        signer, identity = Address(message.address), Address(message.identity)
        way = way_of_signature(self._registry.chain, signer, message.digest, signature)  # 4
        if way is None:
            raise SignInRefused(f"This is no signature of {signer} under this text.", code="SIGNATURE_INVALID")
        if self._registry.identities.owner(identity) != signer:  # 5
            raise SignInRefused(
                f"{signer} does not speak for {identity} now: its key was replaced, or it is a delegate.",
                code="NOT_THE_OWNER",
                remedy="Sign with the key that owns the identity now, and name the identity.",
            )
        return Proof(identity, way, signer)

    def _of(self, nonce: str, kept: dict[str, Any]) -> SignInMessage:
        return self._message(nonce, Address(kept["signer"]), Address(kept["identity"]), kept["issued"])

    def _message(self, nonce: str, signer: Address, identity: Address, issued: int) -> SignInMessage:
        chain_id = self._registry.chain_id
        return SignInMessage(
            scheme=self._scheme if self._scheme == "http" else None,  # https is what the ERC assumes
            domain=self._domain,
            address=signer,
            statement=STATEMENT,
            uri=f"{self._origin}/sign-in",
            chain_id=chain_id,
            nonce=nonce,
            issued_at=sign_in_message.written(issued),
            expiration_time=sign_in_message.written(issued + CHALLENGE_SECONDS),
            resources=resources_of(signer, identity, chain_id),
        )
