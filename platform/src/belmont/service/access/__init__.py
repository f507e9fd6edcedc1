"""Who may call what: a gate on every route, the same-origin rule, and the trail of every access."""

from belmont.service.access.gates import allow
from belmont.service.access.visitor import SessionView, Visitor, Who

__all__ = ["SessionView", "Visitor", "Who", "allow"]
