"""What both sides that talk to a coordinator have in common: answers of bounded size, waiting pulls, errors in words.

A coordinator is trusted for nothing: an answer larger than ``MAX_ANSWER_BYTES`` is cut off while it is being read.
"""

import ssl
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import httpx
from flwr.supercore.interceptors import RuntimeVersionHttpInterceptor
from flwr.supercore.protobuf.client import ProtobufCall, ProtobufClient, ProtobufRequestContext

from belmont.federated.deployed.carried import CARRY_HEADER
from belmont.federated.deployed.keepalive import KEEPALIVE_OPTIONS
from belmont.federated.deployed.paths import FLEET_PULL, MOST_WAIT_SECONDS, RUNTIME_PULL, SEEN_HEADER, WAIT_HEADER
from belmont.federated.errors import CoordinatorError
from belmont.federated.grid.records import MAX_MODEL_BYTES
from belmont.registry.strict_json import loads

MAX_ANSWER_BYTES = MAX_MODEL_BYTES + 1024 * 1024
TIMEOUT_SECONDS = MOST_WAIT_SECONDS + 15

C = TypeVar("C", bound=ProtobufClient)
T = TypeVar("T")


def connect(kind: type[C], address: str, authority: bytes, component: str, *interceptors: Any) -> C:
    """A client of Flower's for a coordinator at ``host:port`` whose certificate leads to ``authority`` (PEM)."""
    version = RuntimeVersionHttpInterceptor(component_name=component)
    client = kind(
        f"https://{address}",
        interceptors=[version, *interceptors],
        verify=tls_context(authority),
        timeout=TIMEOUT_SECONDS,
    )
    client._client.close()
    client._client = bounded_client(authority, TIMEOUT_SECONDS)
    return client


def bounded_client(authority: bytes, timeout: float) -> "BoundedClient":
    """A client that trusts ``authority`` (PEM), and notices within seconds that the line is cut (`keepalive`)."""
    transport = httpx.HTTPTransport(
        verify=tls_context(authority), trust_env=False, socket_options=KEEPALIVE_OPTIONS, retries=0
    )
    return BoundedClient(transport=transport, timeout=timeout, trust_env=False)


def tls_context(authority: bytes) -> ssl.SSLContext:
    """Trusts one authority and no other. Raises CoordinatorError for what is no certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    try:
        context.load_verify_locations(cadata=authority.decode("ascii"))
    except (ValueError, ssl.SSLError) as error:
        raise CoordinatorError("the coordinator's authority is no certificate in PEM") from error
    return context


class BoundedClient(httpx.Client):
    """Reads no more of an answer than is allowed, and follows no redirect."""

    def send(self, request: httpx.Request, **options: Any) -> httpx.Response:
        request.headers["accept-encoding"] = "identity"
        response = super().send(request, **options | {"stream": True, "follow_redirects": False})
        try:
            if response.headers.get("content-encoding", "identity") != "identity":
                raise CoordinatorError("the coordinator's answer is compressed: its size would not be known")
            content = bytearray()
            for chunk in response.iter_raw():
                content += chunk
                if len(content) > MAX_ANSWER_BYTES:
                    raise CoordinatorError(f"the coordinator's answer is larger than {MAX_ANSWER_BYTES} bytes")
        finally:
            response.close()
        return httpx.Response(
            response.status_code, headers=response.headers, content=bytes(content), request=response.request
        )


class WaitingPulls:
    """Interceptor: a pull is answered once there may be something to pull, with small objects (`carried`)."""

    def __init__(self) -> None:
        self.seconds = MOST_WAIT_SECONDS
        """The next pull waits at most so long."""
        self._seen = 0

    def intercept(self, context: ProtobufRequestContext, call_next: ProtobufCall) -> httpx.Response:
        if context.request.url.path not in (FLEET_PULL, RUNTIME_PULL):
            return call_next(context)
        context.request.headers[CARRY_HEADER] = "1"
        context.request.headers[WAIT_HEADER] = f"{max(0.0, min(self.seconds, 25.0)):.3f} {self._seen}"
        response = call_next(context)
        seen = response.headers.get(SEEN_HEADER, "")
        if seen.isascii() and seen.isdigit():
            self._seen = int(seen[:18])
        return response


def explained(call: Callable[[], T], doing: str) -> T:
    """What ``call`` gives; raises CoordinatorError in place of an HTTP error."""
    try:
        return call()
    except httpx.HTTPStatusError as error:
        status = error.response.status_code
        raise CoordinatorError(f"{doing}: the coordinator answered {status}{_said(error.response)}", status) from error
    except httpx.HTTPError as error:
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            why = str(error).partition("certificate verify failed: ")[2].partition(" (_ssl")[0] or "not verified"
            raise CoordinatorError(
                f"{doing}: the coordinator's certificate is refused ({why}): is the address one that it names, and "
                "the authority's file the coordinator's?"
            ) from error
        kind = type(error).__name__
        raise CoordinatorError(f"{doing}: the coordinator cannot be reached ({kind}): is it running?") from error
    except (ValueError, TypeError, LookupError, RuntimeError, OverflowError) as error:  # what Flower's readers raise
        raise CoordinatorError(f"{doing}: the coordinator's answer cannot be read") from error


def _said(response: httpx.Response) -> str:
    """A coordinator's own words for why it refuses; nothing where there are none."""
    try:
        said = loads(response.content)["error"]
    except (ValueError, TypeError, LookupError):
        return ""
    return f": {said[:500]}" if isinstance(said, str) else ""


def read_json(response: httpx.Response, doing: str) -> Mapping[str, Any]:
    """A JSON object, or CoordinatorError with the coordinator's own words."""
    try:
        content = loads(response.content)
        if not isinstance(content, dict):
            raise ValueError
    except ValueError as error:
        raise CoordinatorError(f"{doing}: the coordinator answered {response.status_code}, and no JSON") from error
    if response.status_code != httpx.codes.OK:
        said = str(content.get("error", response.status_code))[:500]
        raise CoordinatorError(f"{doing}: {said}", response.status_code)
    return content
