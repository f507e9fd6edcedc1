"""What a person is told who cannot be answered as asked: what happened, why, and what to do."""

from http import HTTPStatus

from fastapi import Request
from fastapi.responses import Response

from belmont.service.console.parts import service_of
from belmont.service.console.refusals import told
from belmont.service.errors import Problem
from belmont.service.sign_in.challenges import SignInRefused
from belmont.service.words import Sentence

HEADINGS = {
    HTTPStatus.BAD_REQUEST: Sentence("This could not be read"),
    HTTPStatus.UNAUTHORIZED: Sentence("Sign in first"),
    HTTPStatus.FORBIDDEN: Sentence("You may not do this"),
    HTTPStatus.NOT_FOUND: Sentence("There is no such page"),
    HTTPStatus.METHOD_NOT_ALLOWED: Sentence("There is no such page"),
    HTTPStatus.CONFLICT: Sentence("It cannot be done as things are"),
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: Sentence("This is too large"),
    HTTPStatus.UNPROCESSABLE_ENTITY: Sentence("This could not be read"),
    HTTPStatus.TOO_MANY_REQUESTS: Sentence("Too many requests"),
    HTTPStatus.SERVICE_UNAVAILABLE: Sentence("Not available just now"),
}
NOT_SIGNED_IN = Sentence("You were not signed in")
"""Of who tried."""
OTHERWISE = Sentence("Something went wrong")


def said(request: Request, problem: Problem, status: int) -> str:
    """What a page would say, as text: for the scripts of our pages, in the visitor's language."""
    return told(problem, status).text(service_of(request).pages.words(request))


def page(request: Request, problem: Problem, status: int) -> Response:
    """The page of a problem."""
    is_sign_in = isinstance(problem, SignInRefused)
    heading = NOT_SIGNED_IN if is_sign_in else HEADINGS.get(HTTPStatus(status), OTHERWISE)
    return service_of(request).pages.page(
        request,
        "problem.html",
        status,
        heading=heading,
        told=told(problem, status),
        number=int(status),
        again=is_sign_in,
    )
