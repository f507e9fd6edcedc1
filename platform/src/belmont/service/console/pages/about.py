"""What this service can and cannot do, and how to check it."""

from fastapi import Request
from fastapi.responses import Response

from belmont.service.console.parts import SignedIn, a_router, service_of

router = a_router()


@router.get("/about")
def about(request: Request, visitor: SignedIn) -> Response:
    """For whoever has to decide whether to rely on it."""
    service = service_of(request)
    return service.pages.page(
        request, "about.html", snapshot=service.snapshot, state=service.follower.state, head=service.index.head
    )
