"""A provider: where it is, which keys it signs with (OpenID Connect Discovery 1.0), and whom it vouches for.

1. What it says of itself names the very issuer that the operator named (Discovery, section 4.3).
2. Every address in it is https, or http where the issuer is on this machine.
3. Metadata and keys are kept for an hour. A token of a key that is not among them has the keys fetched again, once a
   minute at most, so that a provider may change them and a stranger cannot have us ask all the time.
4. Only keys with a public half are kept: a token under a shared secret is none of a provider's.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from belmont.service.errors import ConfigRefused
from belmont.service.sign_in.oidc.fetching import ProviderUnavailable, check_address, fetch

KEPT_SECONDS: Final = 3600
KEYS_AGAIN_SECONDS: Final = 60
KEYS_MOST: Final = 64
ALGORITHMS: Final = (
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "EdDSA",
    "Ed25519",
)
"""Signatures with a public key (RFC 7518, RFC 8037, RFC 9864); never ``none``, never one under a shared secret."""
_KEY_TYPES = ("RSA", "EC", "OKP")


@dataclass(frozen=True)
class ProviderConfig:
    """What the operator says of a provider (``[[oidc.providers]]``)."""

    name: str
    """In addresses: ``/sign-in/oidc/{name}``."""
    title: str
    """For people."""
    issuer: str
    client_id: str
    client_secret: str | None = field(default=None, repr=False)
    """None: a public client, which PKCE alone keeps its codes for."""


@dataclass(frozen=True)
class Metadata:
    """What is needed of a provider's metadata (Discovery, section 3)."""

    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    names_itself: bool
    """Whether each of its answers names it (RFC 9207)."""
    algorithms: tuple[str, ...]


class Provider:
    """One provider; asked only when somebody signs in. Safe to share between threads."""

    def __init__(self, config: ProviderConfig, now: Callable[[], float] = time.time) -> None:
        check_address(config.issuer, f"the issuer of {config.name}")
        self.config, self._now = config, now
        self._lock = threading.Lock()
        self._metadata: tuple[float, Metadata] | None = None
        self._keys: tuple[float, KeySet] | None = None

    def metadata(self) -> Metadata:
        """Raises ``ProviderUnavailable``."""
        with self._lock:
            if self._metadata is None or self._now() - self._metadata[0] > KEPT_SECONDS:  # 3
                self._metadata = self._now(), self._read_metadata()
            return self._metadata[1]

    def keys(self, kid: str | None) -> KeySet:
        """Its keys, fetched again where ``kid`` is not among them. Raises ``ProviderUnavailable``."""
        uri = self.metadata().jwks_uri
        with self._lock:
            age = None if self._keys is None else self._now() - self._keys[0]
            if self._keys is not None and age is not None and age <= KEPT_SECONDS:
                known = kid is None or any(each.kid == kid for each in self._keys[1].keys)
                if known or age < KEYS_AGAIN_SECONDS:  # 3
                    return self._keys[1]
            self._keys = self._now(), self._read_keys(uri)
            return self._keys[1]

    def _read_metadata(self) -> Metadata:
        issuer = self.config.issuer
        found = fetch(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
        if found.get("issuer") != issuer:  # 1
            raise ProviderUnavailable(f"{issuer} says that it is {str(found.get('issuer'))[:100]!r}")
        offered = found.get("id_token_signing_alg_values_supported", ["RS256"])
        return Metadata(
            self._endpoint(found, "authorization_endpoint"),
            self._endpoint(found, "token_endpoint"),
            self._endpoint(found, "jwks_uri"),
            found.get("authorization_response_iss_parameter_supported") is True,
            tuple(each for each in ALGORITHMS if isinstance(offered, list) and each in offered),
        )

    def _endpoint(self, found: dict[str, Any], name: str) -> str:
        url = found.get(name)
        try:
            if not isinstance(url, str):
                raise ConfigRefused("it is missing")
            check_address(url, name)
        except ConfigRefused as error:
            raise ProviderUnavailable(f"{self.config.issuer} names no usable {name}: {error}") from error
        if self.config.issuer.startswith("https://") and not url.startswith("https://"):  # 2
            raise ProviderUnavailable(f"{self.config.issuer} names {name} outside TLS")
        return url

    def _read_keys(self, uri: str) -> KeySet:
        entries = fetch(uri).get("keys")
        if not isinstance(entries, list) or len(entries) > KEYS_MOST:
            raise ProviderUnavailable(f"{self.config.issuer} publishes no list of keys")
        public = [each for each in entries if isinstance(each, dict) and _is_for_signatures(each)]  # 4
        try:
            return KeySet.import_key_set({"keys": public})
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise ProviderUnavailable(f"{self.config.issuer} publishes a key that cannot be read") from error


def _is_for_signatures(key: dict[str, Any]) -> bool:
    return key.get("kty") in _KEY_TYPES and key.get("use", "sig") == "sig" and "d" not in key
