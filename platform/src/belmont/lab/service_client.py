"""A small client of an institution's service: signs in with a member's key, hands documents in, reads them.

1. The service is not trusted. What it has signed is read first (ERC-4361): a sign-in at its own address, on the
   consortium's chain, of the account that signs, and nothing else. What it gives is compared with its hash.
2. It may be away: every request ends in time, and is then a ``ServiceAway``; what it refuses is a ``ServiceRefused``.
3. Tokens are in memory, for as long as this object is, and are in no text of it.
4. It is reached over TLS, or on this very machine, and no redirection is followed: a token is a secret.
"""

import hashlib
import time
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import httpx
from eth_typing import Hash32

from belmont.identity.errors import IdentityError
from belmont.identity.keys import Identity
from belmont.identity.sign_in_message import parse
from belmont.identity.strict_json import loads
from belmont.lab.errors import LabError, ServiceAway, ServiceRefused

TIMEOUT_SECONDS = 20.0
STARTING_SECONDS = 10.0
"""For how long a service that is only just starting is asked again."""
LOOPBACK = ("127.0.0.1", "localhost", "::1")
ANSWER_MOST_BYTES = 32 * 1024 * 1024


class ServiceClient:
    """One service. Use as a context manager, or ``close`` it. Not for several threads at a time."""

    def __init__(self, url: str, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self.url = service_address(url)
        self._http = httpx.Client(base_url=self.url, timeout=timeout_seconds, follow_redirects=False)
        self._tokens: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"ServiceClient({self.url!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Forget the tokens, and close the connections."""
        self._tokens.clear()
        self._http.close()

    def sign_in(self, identity: Identity, account: str | None = None) -> str:
        """A bearer token, for an hour; ``account`` is the identity where the key is another's owner."""
        asked = {"account": identity.address} | ({"identity": account} if account else {})
        given = self._json("POST", "/api/v1/sign-in/challenge", json=asked)
        text = str(given.get("message", ""))
        self._check(text, identity, account or identity.address)
        signature = identity.account.unsafe_sign_hash(Hash32(parse(text).digest)).signature
        session = self._json(
            "POST", "/api/v1/session", json={"message": text, "signature": "0x" + bytes(signature).hex()}
        )
        token = session.get("token")
        if not isinstance(token, str):
            raise ServiceRefused("UNREADABLE", f"{self.url} gave no token")
        return token

    def documents(self, identity: Identity, study: int) -> list[dict[str, Any]]:
        """What the service says that there should be of a study, and what of it is there."""
        found = self._json("GET", f"/api/v1/studies/{int(study)}/documents", identity).get("documents")
        if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
            raise ServiceRefused("UNREADABLE", f"{self.url} gave no list of documents")
        return found

    def hand_in(self, identity: Identity, study: int, kind: str, content: bytes) -> str:
        """Hand a document in; its SHA-256 in hexadecimal."""
        path = f"/api/v1/studies/{int(study)}/documents/{kind}"
        return str(self._json("PUT", path, identity, content=content).get("sha256"))

    def read(self, identity: Identity, sha256: bytes) -> bytes:
        """A document, compared with its hash (1)."""
        content = self._asked("GET", f"/api/v1/documents/{sha256.hex()}", identity)
        if hashlib.sha256(content).digest() != sha256:
            raise ServiceRefused("OTHER_CONTENT", f"{self.url} gave another document than the one that was asked for")
        return content

    def _check(self, text: str, identity: Identity, account: str) -> None:
        """Raises ServiceRefused for a text that is not to be signed (1)."""
        parts = urlsplit(self.url)
        try:
            message = parse(text)
            wanted = (parts.netloc, identity.address, identity.chain_id, account)
            same = (message.domain, message.address, message.chain_id, message.identity) == wanted
        except IdentityError as error:
            raise ServiceRefused("SIGN_IN_REFUSED", f"{self.url} gave no sign-in to sign: {error}") from error
        if not same or urlsplit(message.uri)[:2] != parts[:2]:
            raise ServiceRefused(
                "SIGN_IN_REFUSED", f"{self.url} asks to sign what is no sign-in of {account} there: nothing was signed"
            )

    def _json(self, method: str, path: str, identity: Identity | None = None, **given: Any) -> dict[str, Any]:
        content = self._asked(method, path, identity, **given)
        try:
            found = loads(content)
        except (ValueError, RecursionError) as error:
            raise ServiceRefused("UNREADABLE", f"{self.url} gave an answer that cannot be read") from error
        if not isinstance(found, dict):
            raise ServiceRefused("UNREADABLE", f"{self.url} gave an answer that cannot be read")
        return found

    def _asked(self, method: str, path: str, identity: Identity | None = None, **given: Any) -> bytes:
        """The bytes of an answer, after signing in once more where that has ended."""
        deadline, is_new = time.monotonic() + STARTING_SECONDS, False
        while True:
            headers = {}
            if identity is not None:
                if identity.address not in self._tokens:
                    self._tokens[identity.address], is_new = self.sign_in(identity), True
                headers = {"Authorization": f"Bearer {self._tokens[identity.address]}"}
            status, content = self._sent(method, path, headers=headers, **given)
            if status < 300:
                return content
            if status == 401 and identity is not None and not is_new:
                self._tokens.pop(identity.address, None)
            elif status == 503 and time.monotonic() < deadline:
                time.sleep(0.5)
            else:
                raise _refused(self.url, status, content)

    def _sent(self, method: str, path: str, **given: Any) -> tuple[int, bytes]:
        content = bytearray()
        try:
            with self._http.stream(method, path, **given) as answer:
                for chunk in answer.iter_bytes():
                    content += chunk
                    if len(content) > ANSWER_MOST_BYTES:
                        raise ServiceRefused("UNREADABLE", f"{self.url} gave more than {ANSWER_MOST_BYTES} bytes")
                return answer.status_code, bytes(content)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            why = str(error) or type(error).__name__
            raise ServiceAway(f"the service at {self.url} does not answer: {why}") from error


def service_address(url: str) -> str:
    """Scheme and authority of a service's address. Raises LabError for what is none (4)."""
    try:
        parts = urlsplit(url)
        plain = parts.scheme in ("http", "https") and parts.hostname and parts.username is None and parts.port != 0
    except ValueError:
        plain = False
    if not plain or parts.path not in ("", "/") or parts.query or parts.fragment:
        raise LabError(f"{url!r} is no address of a service: it is as https://belmont.hospital.example")
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        raise LabError(f"{url} is plain http, which is for this machine only: a token is a secret, so name it by https")
    return f"{parts.scheme}://{parts.netloc}"


def _refused(url: str, status: int, content: bytes) -> LabError:
    try:
        found = loads(content)
    except (ValueError, RecursionError):
        found = None
    problem = found if isinstance(found, dict) else {}
    code, detail = (str(problem.get(name, ""))[:300] for name in ("code", "detail"))
    remedy = str(problem.get("remedy", ""))[:300]
    if status >= 500:
        return ServiceAway(f"the service at {url} cannot answer now ({status} {code}): {detail}")
    return ServiceRefused(
        code or str(status), f"the service at {url} refuses ({code or status}): {detail} {remedy}".strip()
    )
