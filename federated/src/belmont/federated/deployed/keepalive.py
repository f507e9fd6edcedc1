"""How TCP notices that the other side is gone without a word: a cut line, a machine without power.

Silent for five seconds, a connection is asked for a sign of life every three, and given up after the third; what was
sent and not acknowledged is given up after fifteen. Nothing of that reaches the programs that talk.
"""

import socket

_WANTED = (
    (socket.SOL_SOCKET, "SO_KEEPALIVE", 1),
    (socket.IPPROTO_TCP, "TCP_KEEPIDLE", 5),
    (socket.IPPROTO_TCP, "TCP_KEEPINTVL", 3),
    (socket.IPPROTO_TCP, "TCP_KEEPCNT", 3),
    (socket.IPPROTO_TCP, "TCP_USER_TIMEOUT", 15_000),
)

KEEPALIVE_OPTIONS = [
    (level, getattr(socket, name), value) for level, name, value in _WANTED if getattr(socket, name, None) is not None
]
"""For ``setsockopt``; those that this system has."""
