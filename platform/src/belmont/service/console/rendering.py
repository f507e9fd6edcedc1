"""Templates to pages: escaped, in the visitor's language, with what every page shows.

1. Everything is escaped unless a template of ours says that it is HTML.
2. A name that a template does not find is an error, not an empty text.
"""

from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from belmont.service.access.visitor import Visitor
from belmont.service.config import ServiceConfig

AREA = Path(__file__).resolve().parent.parent
TEMPLATE_FOLDERS = (AREA / "console/templates", AREA / "patient/templates", AREA / "sign_in/templates")
STATIC = AREA / "console/static"


class Pages:
    """Renders the templates of the service."""

    def __init__(self, config: ServiceConfig) -> None:
        self._config = config
        self._environment = Environment(
            loader=FileSystemLoader(TEMPLATE_FOLDERS),
            autoescape=True,  # 1
            undefined=StrictUndefined,  # 2
            trim_blocks=True,
            lstrip_blocks=True,
            extensions=["jinja2.ext.i18n"],
        )
        self._environment.install_null_translations(newstyle=True)  # type: ignore[attr-defined]

    def page(self, request: Request, template: str, status: int = 200, /, **context: Any) -> HTMLResponse:
        """A page, with the visitor, the service's name and the way back to where the visitor is."""
        visitor: Visitor = getattr(request.state, "visitor", None) or Visitor()
        content = self._environment.get_template(template).render(
            request=request,
            visitor=visitor,
            status=int(status),
            service_name=self._config.name,
            language="en",
            **context,
        )
        return HTMLResponse(content, status)
