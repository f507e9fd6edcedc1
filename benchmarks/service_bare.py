"""A route that returns so many bytes, which reads compare with: ``python -m benchmarks.service_bare BYTES``.

It stands in the very server that the service is served by, without anything of the service.
"""

from __future__ import annotations

import json
import socket
import sys
from types import SimpleNamespace

from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from belmont.service.serving import Serving


def main(size: int) -> None:
    """Serve until it is ended."""
    body = json.dumps("x" * max(0, size - 2)).encode()

    async def constant(request: Request) -> Response:
        return Response(body, media_type="application/json")

    app = Starlette(routes=[Route("/", constant)])
    app.state.service = SimpleNamespace(feed=SimpleNamespace(close=lambda: None))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        served: FastAPI = app  # type: ignore[assignment]
        Serving(served, lambda: print(json.dumps({"url": url}), flush=True)).run(sockets=[listening])


if __name__ == "__main__":
    main(int(sys.argv[1]))
