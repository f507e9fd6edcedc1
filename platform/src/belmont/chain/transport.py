"""JSON-RPC over HTTP with kept connections, one per thread, and errors that say what happened.

- No answer (refused, timed out, broken off, not HTTP 200): `ChainUnreachable`.
- An answer that is not JSON-RPC: `BadChainData`.
- A JSON-RPC error: `RpcRefused`, or `ContractReverted` when the EVM reverted.

A request on a kept connection that the server had closed meanwhile is sent once more on a new one. That is safe for
everything here: reads change nothing, and a raw transaction sent twice is included once.
"""

from __future__ import annotations

import http.client
import itertools
import json
import re
import threading
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from belmont.chain.errors import BadChainData, ChainUnreachable, ContractReverted, RpcRefused
from belmont.chain.reverts import revert_message
from belmont.identity.strict_json import loads

ANSWER_BYTES_MAX: Final = 256 * 1024 * 1024
REVERTED = re.compile(r"execution reverted(?:: ?(?P<reason>.*))?", re.IGNORECASE | re.DOTALL)
CLOSED_MEANWHILE: Final = (
    http.client.RemoteDisconnected,
    BrokenPipeError,
    ConnectionResetError,
    ConnectionAbortedError,
)


class StaleConnection(ChainUnreachable):
    """The server had closed a kept connection; it may or may not have read the request."""


class JsonRpcTransport:
    """Sends JSON-RPC requests to one URL; safe to share between threads."""

    def __init__(self, url: str, timeout_seconds: float) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ChainUnreachable(f"{url!r} is no http(s) URL of a chain: expected http://HOST:PORT")
        self.url = url
        self.timeout_seconds = timeout_seconds
        self._secure = parts.scheme == "https"
        self._host, self._port = parts.hostname, parts.port
        self._path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._local = threading.local()
        self._identifiers = itertools.count(1)

    def request(
        self,
        method: str,
        parameters: Sequence[Any] = (),
        timeout_seconds: float | None = None,
        resend: bool = True,
    ) -> Any:
        """The result of one method."""
        (result,) = self.batch([(method, parameters)], timeout_seconds, resend)
        if isinstance(result, RpcRefused):
            raise result
        return result

    def batch(
        self,
        requests: Sequence[tuple[str, Sequence[Any]]],
        timeout_seconds: float | None = None,
        resend: bool = True,
    ) -> list[Any]:
        """Results of several methods in one round trip; a refused one's place holds its `RpcRefused`."""
        documents = [
            {"jsonrpc": "2.0", "id": next(self._identifiers), "method": method, "params": list(parameters)}
            for method, parameters in requests
        ]
        single = len(documents) == 1
        answer = self.exchange(json.dumps(documents[0] if single else documents).encode(), timeout_seconds, resend)
        answers = [answer] if single else answer
        if not isinstance(answers, list):
            raise _refusal(answers) or BadChainData(f"{self.url} did not answer a batch with a batch")
        by_id = {entry.get("id"): entry for entry in answers if isinstance(entry, dict)}
        results = []
        for document in documents:
            entry = by_id.get(document["id"])
            if entry is None and single and isinstance(answer, dict) and answer.get("id") is None:
                entry = answer
            if entry is None:
                raise BadChainData(f"{self.url} left {document['method']} unanswered")
            refusal = _refusal(entry)
            if refusal is None and "result" not in entry:
                raise BadChainData(f"{self.url} answered {document['method']} with neither result nor error")
            results.append(entry["result"] if refusal is None else refusal)
        return results

    def exchange(self, body: bytes, timeout_seconds: float | None = None, resend: bool = True) -> Any:
        """Post a body, parse the JSON answer. Without `resend`, a closed kept connection is a `StaleConnection`."""
        timeout = self.timeout_seconds if timeout_seconds is None else timeout_seconds
        reused = self._connection() is not None
        try:
            raw = self._post(body, timeout)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            if not (reused and isinstance(error, CLOSED_MEANWHILE)):
                raise self._unreachable(error) from error
            if not resend:
                raise StaleConnection(f"{self.url} had closed the connection: {error!r}") from error
            return self.exchange(body, timeout)
        try:
            return loads(raw)
        except ValueError as error:
            raise BadChainData(f"{self.url} answered with something that is not JSON: is it a chain's RPC?") from error

    def close(self) -> None:
        """Close this thread's connection."""
        connection = self._connection()
        self._local.connection = None
        if connection is not None:
            connection.close()

    def _connection(self) -> http.client.HTTPConnection | None:
        connection: http.client.HTTPConnection | None = getattr(self._local, "connection", None)
        return connection

    def _post(self, body: bytes, timeout: float) -> bytes:
        connection = self._connection()
        if connection is None:
            kind = http.client.HTTPSConnection if self._secure else http.client.HTTPConnection
            connection = kind(self._host, self._port, timeout=timeout)
            self._local.connection = connection
        connection.timeout = timeout
        if connection.sock is not None:
            connection.sock.settimeout(timeout)
        connection.request("POST", self._path, body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        raw = response.read(ANSWER_BYTES_MAX + 1)
        if len(raw) > ANSWER_BYTES_MAX:
            self.close()
            raise BadChainData(f"{self.url} answered with more than {ANSWER_BYTES_MAX} bytes")
        if response.will_close:
            self.close()
        if response.status != 200:
            raise ChainUnreachable(f"{self.url} answered HTTP {response.status}: {raw[:200]!r}")
        return raw

    def _unreachable(self, error: Exception) -> ChainUnreachable:
        why = f"{type(error).__name__}: {error}".rstrip(": ")
        return ChainUnreachable(f"no answer from the chain at {self.url} ({why}): check that its server runs")


def _refusal(entry: Any) -> RpcRefused | None:
    """The error of a JSON-RPC answer, None when it has none."""
    error = entry.get("error") if isinstance(entry, dict) else None
    if error is None:
        return None
    if not isinstance(error, dict):
        return RpcRefused(0, str(error))
    code, message, data = error.get("code", 0), str(error.get("message", "")), error.get("data")
    reverted = REVERTED.match(message)
    if reverted or code == 3:
        output = _hex(data)
        reason = revert_message(output) if output else ""
        return ContractReverted(reason or (reverted.group("reason") if reverted else "") or "", data)
    return RpcRefused(code if isinstance(code, int) else 0, message, data)


def _hex(data: Any) -> bytes:
    try:
        return bytes.fromhex(data.removeprefix("0x")) if isinstance(data, str) else b""
    except ValueError:
        return b""
