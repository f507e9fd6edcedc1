"""HTTP requests that a member signs, so that a coordinator knows who asks without keeping any password.

1. What is signed (EIP-191, ``personal_sign``) is a label, the coordinator's own address, method, path, the SHA-256 of
   the body, a time and a nonce, a line each: a signature is good for one request to one coordinator.
2. The time is within ``WINDOW_SECONDS`` of the coordinator's clock, and not before it started.
3. A nonce is taken once; it is remembered for as long as its time is accepted.
4. The signature is the claimed address's, by recovery. Whether that address may do what it asks is the caller's to look
   up on chain, every time.
"""

import hashlib
import re
import secrets
import threading
import time
from collections.abc import Callable, Mapping

from eth_account import Account
from eth_account.messages import encode_defunct
from eth_account.signers.local import LocalAccount
from eth_utils.address import is_checksum_address

from belmont.federated.errors import RequestUnsigned
from belmont.registry.types import Address

WINDOW_SECONDS = 60
MOST_NONCES = 100_000
_HEADERS = ("belmont-address", "belmont-time", "belmont-nonce", "belmont-signature")
_NONCE = re.compile(r"[0-9a-f]{32}\Z")
_TIME = re.compile(r"[0-9]{1,12}\Z")
_SIGNATURE = re.compile(r"[0-9a-f]{130}\Z")


def signed_headers(account: LocalAccount, audience: str, method: str, path: str, body: bytes) -> dict[str, str]:
    """The headers of one request. ``audience`` is the coordinator's ``host:port``, as its certificate names it."""
    at, nonce = int(time.time()), secrets.token_hex(16)
    signed = account.sign_message(encode_defunct(text=_text(audience, method, path, body, at, nonce)))
    values = str(account.address), str(at), nonce, bytes(signed.signature).hex()
    return dict(zip(_HEADERS, values, strict=True))


class SignedRequests:
    """Reads signed requests to one coordinator. Safe for several threads."""

    def __init__(self, audience: str, clock: Callable[[], float] = time.time) -> None:
        self._audience = audience
        self._clock = clock
        self._since = int(clock())
        self._nonces: dict[str, float] = {}
        self._lock = threading.Lock()

    def signer(self, headers: Mapping[str, str], method: str, path: str, body: bytes) -> Address:
        """Who signed a request. Raises RequestUnsigned, saying what is wrong."""
        address, at, nonce, signature = (headers.get(name, "") for name in _HEADERS)
        if not is_checksum_address(address):
            raise RequestUnsigned("the request names no address: sign it with a member's key")
        if not (_TIME.match(at) and _NONCE.match(nonce) and _SIGNATURE.match(signature)):
            raise RequestUnsigned("the request's time, nonce or signature is not well formed")
        now = self._clock()
        if abs(now - int(at)) > WINDOW_SECONDS or int(at) < self._since:
            raise RequestUnsigned(f"the request was signed at another time: set this machine's clock ({int(now)} here)")
        text = _text(self._audience, method, path, body, int(at), nonce)
        try:
            signed_by = Account.recover_message(encode_defunct(text=text), signature=bytes.fromhex(signature))
        except Exception as error:  # eth-keys raises several kinds for bytes that are no signature
            raise RequestUnsigned("the signature cannot be read") from error
        if signed_by != address:
            raise RequestUnsigned(f"the signature is not that of {address} for this request to {self._audience}")
        self._take(nonce, now)
        return Address(address)

    def _take(self, nonce: str, now: float) -> None:
        """Rule 3."""
        with self._lock:
            if nonce in self._nonces:
                raise RequestUnsigned("the request was made before: its nonce is taken")
            if len(self._nonces) >= MOST_NONCES:
                self._nonces = {each: until for each, until in self._nonces.items() if until > now}
            if len(self._nonces) >= MOST_NONCES:
                raise RequestUnsigned("too many requests in one minute: try again later")
            self._nonces[nonce] = now + 2 * WINDOW_SECONDS


def _text(audience: str, method: str, path: str, body: bytes, at: int, nonce: str) -> str:
    """Rule 1."""
    digest = hashlib.sha256(body).hexdigest()
    return "\n".join(("belmont/request/1", audience, method, path, digest, str(at), nonce))
