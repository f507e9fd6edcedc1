"""Asking a provider: over TLS, one request, one short answer in JSON.

1. The address is https, or http of this very machine. A redirection is not followed, nor is a proxy of the environment.
2. An answer has status 200, at most 256 KiB, and is one JSON object that names no field twice.
3. It takes five seconds for each step at most.
"""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from belmont.identity.strict_json import loads, unique
from belmont.service.errors import ConfigRefused, Unavailable

ANSWER_BYTES_MAX: Final = 256 * 1024
SECONDS: Final = 5.0
LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")
"""This machine, as a ``urlsplit(...).hostname``."""


class ProviderUnavailable(Unavailable):
    """A provider did not answer, or not with what it should."""

    default_code = "PROVIDER_UNAVAILABLE"


def check_address(url: str, what: str) -> str:
    """The same. Raises ``ConfigRefused`` for an address that is not https, or http of this machine (1)."""
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018  (raises where it is no number)
    except ValueError as error:
        raise ConfigRefused(f"{what} {url!r} is no address") from error
    safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)
    if not safe or not parts.hostname or parts.username is not None or parts.fragment:
        raise ConfigRefused(f"{what} is {url!r}; it has to be https://..., or http:// of this machine")
    return url


def fetch(url: str, form: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
    """What an address answers to GET, or to a form that is posted. Raises ``ProviderUnavailable``."""
    parts = urlsplit(check_address(url, "a provider's address"))
    host, port = parts.hostname or "", parts.port
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        connection = http.client.HTTPSConnection(host, port, timeout=SECONDS, context=ssl.create_default_context())
    else:
        connection = http.client.HTTPConnection(host, port, timeout=SECONDS)  # 3
    body = None if form is None else urlencode(form)
    sent = {"Accept": "application/json", **(headers or {})}
    if body is not None:
        sent["Content-Type"] = "application/x-www-form-urlencoded"
    try:
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("GET" if body is None else "POST", path, body, sent)
        answer = connection.getresponse()
        content = answer.read(ANSWER_BYTES_MAX + 1)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise ProviderUnavailable(f"{host} does not answer: {type(error).__name__}") from error
    finally:
        connection.close()
    if answer.status != 200 or len(content) > ANSWER_BYTES_MAX:  # 1, 2
        raise ProviderUnavailable(f"{host} answered with status {answer.status} and {len(content)} bytes")
    try:
        found = loads(content, object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        raise ProviderUnavailable(f"{host} answered with something that is not JSON") from error
    if not isinstance(found, dict):
        raise ProviderUnavailable(f"{host} answered with JSON that is no object")
    return found
