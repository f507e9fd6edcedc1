"""Errors of the service, and what each is over HTTP.

    ServiceError
    ├── ConfigRefused       service.toml, or what it names, cannot be used: nothing is started
    ├── StateUnavailable    nothing was read from the chain yet (503)
    ├── NotModified         the client has the answer (304)
    └── Problem             one request cannot be answered as asked
        ├── Malformed       400, or 422 where a schema refuses it
        ├── NotSignedIn     401
        ├── NotAllowed      403
        ├── NotFound        404
        ├── Conflict        409: a contract refuses; ``code`` is its word
        ├── TooLarge        413
        ├── TooMany         429, with the seconds to wait
        └── Unavailable     503: chain, index or another part is away; nothing was done

``Problem.code`` is a word for programs, ``detail`` and ``remedy`` are for people who read English. Who reads a page is
told by the code, and by ``particular`` or what ``__cause__`` holds (``belmont.service.console.particulars``).
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from belmont.audit.errors import AuditError, QueryError
from belmont.identity.errors import IdentityError, MessageMalformed, SignatureRefused
from belmont.registry.errors import RegistryArgumentError, RegistryError, RegistryRefused, RegistryUnreachable

if TYPE_CHECKING:
    from belmont.service.words import Sentence


class ServiceError(Exception):
    """Anything that the service cannot do."""


class ConfigRefused(ServiceError):
    """The configuration cannot be used."""


class StateUnavailable(ServiceError):
    """The chain was not read yet."""


class NotModified(ServiceError):
    """The answer is the one that the client has, by its ETag."""

    def __init__(self, tag: str) -> None:
        super().__init__(tag)
        self.tag = tag


class Problem(ServiceError):
    """One request that is not answered as asked."""

    status = HTTPStatus.BAD_REQUEST
    default_code = "MALFORMED"

    def __init__(
        self, detail: str, *, code: str | None = None, remedy: str = "", particular: Sentence | None = None
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = code or self.default_code
        self.remedy = remedy
        self.particular = particular
        """What exactly is wrong, where the code does not say it all."""

    @property
    def headers(self) -> dict[str, str]:
        """Headers that belong to the answer."""
        return {}


class Malformed(Problem):
    """What was sent cannot be read."""


class NotSignedIn(Problem):
    """Nobody is signed in, or no longer."""

    status = HTTPStatus.UNAUTHORIZED
    default_code = "NOT_SIGNED_IN"

    @property
    def headers(self) -> dict[str, str]:
        return {"WWW-Authenticate": 'Bearer realm="belmont"'}


class NotAllowed(Problem):
    """Whoever asks may not."""

    status = HTTPStatus.FORBIDDEN
    default_code = "NOT_ALLOWED"


class NotFound(Problem):
    """There is no such thing."""

    status = HTTPStatus.NOT_FOUND
    default_code = "NOT_FOUND"


class Conflict(Problem):
    """It cannot be done as things are."""

    status = HTTPStatus.CONFLICT
    default_code = "CONFLICT"


class TooLarge(Problem):
    """More was sent than is taken."""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    default_code = "TOO_LARGE"


class TooMany(Problem):
    """More often than is allowed."""

    status = HTTPStatus.TOO_MANY_REQUESTS
    default_code = "TOO_MANY_REQUESTS"

    def __init__(self, detail: str, retry_after_seconds: int) -> None:
        super().__init__(detail, remedy=f"Try again in {retry_after_seconds} s.")
        self.retry_after_seconds = retry_after_seconds

    @property
    def headers(self) -> dict[str, str]:
        return {"Retry-After": str(self.retry_after_seconds)}


class Unavailable(Problem):
    """A part that the answer needs is away."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    default_code = "UNAVAILABLE"

    @property
    def headers(self) -> dict[str, str]:
        return {"Retry-After": "2"}


def of_message(error: IdentityError) -> Malformed:
    """What is told of a message, a signature or conditions that cannot be taken."""
    found = Malformed(str(error), code="MESSAGE_MALFORMED")
    found.__cause__ = error
    return found


def problem_of(error: Exception) -> Problem | None:
    """What an error of ours is to whoever asked; None for one that is nobody's business but the operator's."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, MessageMalformed | SignatureRefused):
        return of_message(error)
    if isinstance(error, RegistryRefused):
        remedy = error.code.remedy if error.code else ""
        return Conflict(f"The contract refuses: {error.reason}.", code=error.reason or "REFUSED", remedy=remedy)
    if isinstance(error, RegistryArgumentError):
        return Malformed(str(error), code="ARGUMENT_INVALID")
    if isinstance(error, RegistryUnreachable):
        return Unavailable("The chain does not answer; nothing was done.", code="CHAIN_UNREACHABLE")
    if isinstance(error, RegistryError):
        return Unavailable(str(error), code="CONSORTIUM_UNUSABLE")
    if isinstance(error, QueryError):
        return Malformed(str(error), code="QUERY_MALFORMED")
    if isinstance(error, AuditError):
        return Unavailable("The event index does not answer; nothing was done.", code="INDEX_UNAVAILABLE")
    if isinstance(error, StateUnavailable):
        return Unavailable("The chain was not read yet.", code="STARTING")
    return None
