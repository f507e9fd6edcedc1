"""A record that is asked for before the service has read its block: it is looked for again, once.

A notebook prints the address of a permit when the contract has issued it, and whoever opens it is often faster than the
follower. "There is no such record" would be wrong then.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from belmont.registry.errors import RegistryError
from belmont.service.errors import NotFound, StateUnavailable

if TYPE_CHECKING:
    from belmont.service.service import Service
    from belmont.service.state.snapshot import Snapshot


class LookingAgain(APIRoute):
    """A route whose reads answer 404 only for what the chain's newest block has not, where the chain answers."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def looking_again(request: Request) -> Response:
            service: Service = request.app.state.service
            before = service.keeper.newest
            try:
                return await handle(request)
            except NotFound:
                if request.method != "GET" or not await _went_on(service, before):
                    raise
            return await handle(request)

        return looking_again


async def _went_on(service: Service, before: Snapshot | None) -> bool:
    """Whether the service knows more than it did before, after waiting until it has read the chain's newest block."""
    try:
        await service.catch_up()
    except (RegistryError, StateUnavailable):
        return False
    return service.keeper.newest is not before
