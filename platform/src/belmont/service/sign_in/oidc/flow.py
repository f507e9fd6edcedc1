"""The authorization code flow with PKCE (OpenID Connect Core 1.0, section 3.1; RFC 7636; RFC 9700, section 2.1).

1. The browser is led to the provider with a random state, a nonce and the hash of a verifier. Both follow from the
   state and a secret in a cookie of that browser, so that an answer counts only where it was asked for.
2. A state counts once, and is used up before anything else is looked at.
3. An answer comes to the address of the provider that was asked, and names it where it does so at all (RFC 9207): the
   code of one provider is never handed to another (mix-up).
4. The code is redeemed with the verifier, and the ID token checked (``id_token``). No other token is kept or used.
5. So many people at a time are led or come back, and who comes beyond is told to try again: a provider that does not
   answer holds no more of this service's threads than that.
6. Who it is, is looked up in ``service.toml`` by issuer and subject, never by a name or e-mail address; somebody who is
   not there gets nothing.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final
from urllib.parse import quote, urlencode

from belmont.registry.types import Address
from belmont.service.errors import NotFound
from belmont.service.sign_in.challenges import SignInRefused
from belmont.service.sign_in.oidc.fetching import ProviderUnavailable, fetch
from belmont.service.sign_in.oidc.id_token import subject_of
from belmont.service.sign_in.oidc.provider import Provider
from belmont.service.store.database import Store
from belmont.service.store.sessions import Proof, Way
from belmont.service.store.tickets import Tickets

FLOW_SECONDS: Final = 600
AT_ONCE_MOST: Final = 10
_CODE = re.compile(r"[\x20-\x7e]{1,2048}")  # RFC 6749, appendix A.11
_STATE = re.compile(r"[A-Za-z0-9_-]{43}")


class OidcFlow:
    """Sign-in through providers; ``members`` maps (issuer, subject) to the member's account."""

    def __init__(
        self,
        store: Store,
        origin: str,
        providers: Sequence[Provider],
        members: Mapping[tuple[str, str], Address],
        now: Callable[[], float] = time.time,
    ) -> None:
        self._origin, self._members, self._now = origin, dict(members), now
        self.providers = {each.config.name: each for each in providers}
        self._tickets = Tickets(store, "oidc", FLOW_SECONDS, now)
        self._free = threading.BoundedSemaphore(AT_ONCE_MOST)

    def begin(self, name: str, browser: str, then: str) -> str:
        """Where to lead the browser; ``then`` is the page to come back to. Raises ``ProviderUnavailable``."""
        provider, state = self._provider(name), secrets.token_urlsafe(32)
        with self._turn():
            metadata = provider.metadata()
        self._tickets.issue(state, browser, {"provider": name, "then": then})
        challenge = hashlib.sha256(_derived(browser, "verifier", state).encode()).digest()
        query = {
            "response_type": "code",
            "client_id": provider.config.client_id,
            "redirect_uri": self._redirect_uri(name),
            "scope": "openid",
            "state": state,
            "nonce": _derived(browser, "nonce", state),
            "code_challenge": _base64url(challenge),
            "code_challenge_method": "S256",
        }
        joint = "&" if "?" in metadata.authorization_endpoint else "?"
        return f"{metadata.authorization_endpoint}{joint}{urlencode(query)}"

    def finish(self, name: str, browser: str, query: Sequence[tuple[str, str]]) -> tuple[Proof, str]:
        """Who came back from a provider, and the page to go to. Raises ``SignInRefused``, ``ProviderUnavailable``."""
        provider = self._provider(name)
        with self._turn():
            return self._finished(provider, browser, query)

    def _finished(self, provider: Provider, browser: str, query: Sequence[tuple[str, str]]) -> tuple[Proof, str]:
        given = dict(query)
        state = given.get("state", "")
        kept = self._tickets.take(state, browser) if _STATE.fullmatch(state) else None  # 2
        if kept is None or kept["provider"] != provider.config.name or len(given) != len(query):  # 1, 3
            raise SignInRefused(
                "This answer of a provider was used already, came too late, or was not asked for by this browser.",
                code="STATE_INVALID",
                remedy="Begin the sign-in again.",
            )
        issuer = provider.config.issuer
        if given.get("iss", None if provider.metadata().names_itself else issuer) != issuer:  # 3
            raise SignInRefused("This answer is of another provider than was asked.", code="ISSUER_MIXED_UP")
        if "error" in given or not _CODE.fullmatch(given.get("code", "")):
            raise SignInRefused("The provider did not sign you in.", code="PROVIDER_REFUSED")
        token = self._redeemed(provider, given["code"], _derived(browser, "verifier", state))
        subject = subject_of(token, provider, _derived(browser, "nonce", state), self._now())  # 4
        account = self._members.get((issuer, subject))  # 6
        if account is None:
            raise SignInRefused(
                "The provider knows you, and this service does not: no member of the consortium is named for you.",
                code="NOT_MAPPED",
                remedy="Ask who runs this service to name you under [[oidc.members]], or sign in with your key.",
            )
        then: str = kept["then"]
        return Proof(account, Way.OIDC, None, issuer, subject), then

    def _redeemed(self, provider: Provider, code: str, verifier: str) -> object:
        config = provider.config
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._redirect_uri(config.name),
            "code_verifier": verifier,
        }
        headers = {}
        if config.client_secret is None:
            form["client_id"] = config.client_id
        else:  # RFC 6749, section 2.3.1
            pair = f"{quote(config.client_id, safe='')}:{quote(config.client_secret, safe='')}"
            headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
        return fetch(provider.metadata().token_endpoint, form, headers).get("id_token")

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Raises ``ProviderUnavailable`` (5)."""
        if not self._free.acquire(blocking=False):
            raise ProviderUnavailable("Too many people are signing in through a provider at this moment.")
        try:
            yield
        finally:
            self._free.release()

    def _provider(self, name: str) -> Provider:
        if name not in self.providers:
            raise NotFound("There is no such provider.")
        return self.providers[name]

    def _redirect_uri(self, name: str) -> str:
        return f"{self._origin}/sign-in/oidc/{name}/callback"


def _derived(browser: str, what: str, state: str) -> str:
    """43 characters that only who has the browser's secret can tell (RFC 7636, section 4.1)."""
    return _base64url(hmac.new(browser.encode(), f"belmont oidc {what} {state}".encode(), hashlib.sha256).digest())


def _base64url(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()
