"""What signing in needs of one service, put together; and the cookies of it.

Whether cookies are kept to TLS is decided by the public address of the configuration, never by a header of a request.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from belmont.registry.chain_registry import ChainRegistry
from belmont.service.access.limits import Limits
from belmont.service.config import ServiceConfig
from belmont.service.sign_in.challenges import Challenges
from belmont.service.sign_in.oidc.flow import OidcFlow
from belmont.service.sign_in.oidc.provider import Provider
from belmont.service.sign_in.owners import OwnerWatch
from belmont.service.sign_in.passkeys import Passkeys
from belmont.service.store.database import Store
from belmont.service.store.sessions import BROWSER, Sessions

BROWSER_COOKIE: Final = "belmont-sign-in"
BROWSER_SECONDS: Final = 15 * 60
NEXT_MOST: Final = 500
_BROWSER = re.compile(r"[A-Za-z0-9_-]{43}")
_PATH = re.compile(r"/(?![/\\])[!-~]*", re.ASCII)


class SignIn:
    """The parts of signing in."""

    def __init__(
        self, config: ServiceConfig, store: Store, registry: ChainRegistry, now: Callable[[], float] = time.time
    ) -> None:
        self.config = config
        self.sessions = Sessions(store, config.oidc.members, now)
        self.challenges = Challenges(store, registry, config.origin, now)
        providers = [Provider(each, now) for each in config.oidc.providers]
        self.oidc = OidcFlow(store, config.origin, providers, config.oidc.members, now)
        self.passkeys = Passkeys(store, config.name, config.origin, now)
        self.owners = OwnerWatch(self.sessions, registry)
        self.limits = Limits(config.rates, proxies=config.proxies)

    @property
    def _prefix(self) -> str:
        """Over TLS a cookie with this prefix is this very host's and nobody else's (RFC 6265bis, section 4.1.3.2)."""
        return "__Host-" if self.config.is_secure else ""

    @property
    def session_cookie(self) -> str:
        return f"{self._prefix}belmont"

    @property
    def browser_cookie(self) -> str:
        return f"{self._prefix}{BROWSER_COOKIE}"

    def browser(self, request: Request) -> str | None:
        """The secret that binds what was handed out to a browser; None where it has none."""
        found = request.cookies.get(self.browser_cookie, "")
        return found if _BROWSER.fullmatch(found) else None

    def new_browser(self) -> str:
        return secrets.token_urlsafe(32)

    def keep_browser(self, response: Response, browser: str) -> None:
        """Give a browser its secret, for as long as a sign-in may take."""
        self._set(response, self.browser_cookie, browser, BROWSER_SECONDS)

    def keep_session(self, response: Response, secret: str) -> None:
        """Give a browser its session; what bound the sign-in is over."""
        self._set(response, self.session_cookie, secret, BROWSER.longest_seconds)
        self._forget(response, self.browser_cookie)

    def forget_session(self, response: Response) -> None:
        self._forget(response, self.session_cookie)

    def _set(self, response: Response, name: str, value: str, seconds: int) -> None:
        secure = self.config.is_secure
        response.set_cookie(name, value, seconds, path="/", secure=secure, httponly=True, samesite="lax")

    def _forget(self, response: Response, name: str) -> None:
        response.delete_cookie(name, path="/", secure=self.config.is_secure, httponly=True, samesite="lax")


def own_path(text: str | None) -> str:
    """A page of this service to go on to; the first one for anything else (open redirects)."""
    return text if text is not None and len(text) <= NEXT_MOST and _PATH.fullmatch(text) else "/"
