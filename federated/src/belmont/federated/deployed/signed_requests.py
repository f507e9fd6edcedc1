"""HTTP requests that a member signs, so that a coordinator knows who asks without keeping any password.

1. What is signed (EIP-191, ``personal_sign``) is a label, the coordinator's own address, method, path, the SHA-256 of
   the body, a time and a nonce, a line each: a signature is good for one request to one coordinator.
2. The time is within ``WINDOW_SECONDS`` of the coordinator's clock, and not before it started.
3. The body's SHA-256 is a header, so that everything is checked before a byte of the body is read.
4. What costs nothing comes first: the form, then whether the claimed address is known at all, then the time, and only
   then the signature, which is the claimed address's, by recovery. Whether that address may do what it asks is the
   caller's to look up on chain, every time, before the nonce is taken.
5. A nonce is taken once; it is remembered for as long as its time is accepted. Each address has its own store of them,
   so that nobody fills another's.
"""

import hashlib
import re
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from eth_account import Account
from eth_account.messages import encode_defunct
from eth_account.signers.local import LocalAccount
from eth_utils.address import is_checksum_address

from belmont.federated.errors import RequestUnsigned
from belmont.registry.types import Address

WINDOW_SECONDS = 60
MOST_NONCES = 2_000
"""Of one address, in the ``2 * WINDOW_SECONDS`` for which they are remembered."""
_HEADERS = ("belmont-address", "belmont-time", "belmont-nonce", "belmont-digest", "belmont-signature")
_NONCE = re.compile(r"[0-9a-f]{32}\Z")
_TIME = re.compile(r"[0-9]{1,12}\Z")
_DIGEST = re.compile(r"[0-9a-f]{64}\Z")
_SIGNATURE = re.compile(r"[0-9a-f]{130}\Z")


def signed_headers(account: LocalAccount, audience: str, method: str, path: str, body: bytes) -> dict[str, str]:
    """The headers of one request. ``audience`` is the coordinator's ``host:port``, as its certificate names it."""
    at, nonce, digest = int(time.time()), secrets.token_hex(16), hashlib.sha256(body).hexdigest()
    signed = account.sign_message(encode_defunct(text=_text(audience, method, path, digest, at, nonce)))
    values = str(account.address), str(at), nonce, digest, bytes(signed.signature).hex()
    return dict(zip(_HEADERS, values, strict=True))


@dataclass(frozen=True)
class Signed:
    """A request whose headers are signed by ``address``; its body has not been read."""

    address: Address
    nonce: str
    digest: str

    def check_body(self, body: bytes) -> None:
        """Raises RequestUnsigned unless this is the body that was signed."""
        if hashlib.sha256(body).hexdigest() != self.digest:
            raise RequestUnsigned("the body is not the one that was signed")


class SignedRequests:
    """Reads signed requests to one coordinator. Safe for several threads."""

    def __init__(self, audience: str, clock: Callable[[], float] = time.time) -> None:
        self._audience = audience
        self._clock = clock
        self._since = int(clock())
        self._nonces: dict[Address, dict[str, float]] = {}
        self._lock = threading.Lock()

    def signed(
        self, headers: Mapping[str, str], method: str, path: str, refuse_unknown: Callable[[Address], None]
    ) -> Signed:
        """Who signed a request's headers. Raises RequestUnsigned, saying what is wrong, and whatever
        ``refuse_unknown`` raises for an address with which nobody need be troubled (4).
        """
        address, at, nonce, digest, signature = (headers.get(name, "") for name in _HEADERS)
        if not is_checksum_address(address):
            raise RequestUnsigned("the request names no address: sign it with a member's key")
        if not (_TIME.match(at) and _NONCE.match(nonce) and _DIGEST.match(digest) and _SIGNATURE.match(signature)):
            raise RequestUnsigned("the request's time, nonce, digest or signature is not well formed")
        refuse_unknown(Address(address))
        now = self._clock()
        if abs(now - int(at)) > WINDOW_SECONDS or int(at) < self._since:
            raise RequestUnsigned(f"the request was signed at another time: set this machine's clock ({int(now)} here)")
        text = _text(self._audience, method, path, digest, int(at), nonce)
        try:
            signed_by = Account.recover_message(encode_defunct(text=text), signature=bytes.fromhex(signature))
        except Exception as error:  # eth-keys raises several kinds for bytes that are no signature
            raise RequestUnsigned("the signature cannot be read") from error
        if signed_by != address:
            raise RequestUnsigned(f"the signature is not that of {address} for this request to {self._audience}")
        return Signed(Address(address), nonce, digest)

    def take(self, signed: Signed) -> None:
        """Takes the nonce (5). Raises RequestUnsigned for one that was taken, or one too many."""
        now = self._clock()
        with self._lock:
            mine = self._nonces.setdefault(signed.address, {})
            if signed.nonce in mine:
                raise RequestUnsigned("the request was made before: its nonce is taken")
            if len(mine) >= MOST_NONCES:
                mine = self._nonces[signed.address] = {each: until for each, until in mine.items() if until > now}
            if len(mine) >= MOST_NONCES:
                raise RequestUnsigned("too many requests of one member in two minutes: try again later")
            mine[signed.nonce] = now + 2 * WINDOW_SECONDS


def _text(audience: str, method: str, path: str, digest: str, at: int, nonce: str) -> str:
    """Rule 1."""
    return "\n".join(("belmont/request/1", audience, method, path, digest, str(at), nonce))
