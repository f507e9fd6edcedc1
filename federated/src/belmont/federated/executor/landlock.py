"""Landlock (landlock(7)): a process gives up rights by itself, for good, and for whatever it starts.

1. Files: reading everywhere in what the task still sees, everything but running programs and making devices, sockets
   or pipes in its home, writing to ``/dev/null``.
2. TCP: neither bind nor connect (version 4 on).
3. Signals and abstract UNIX sockets: nobody outside (version 6 on).
"""

import errno
import os
import struct

from belmont.federated.executor import kernel

_VERSION = 1  # LANDLOCK_CREATE_RULESET_VERSION
_PATH_BENEATH = 1
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1, 2, 4, 8
_MAKE_CHAR, _MAKE_SOCK, _MAKE_FIFO, _MAKE_BLOCK = 1 << 6, 1 << 9, 1 << 10, 1 << 11
_FILE_RIGHTS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1, 5: (1 << 16) - 1}
_BIND_AND_CONNECT_TCP = 3
_ABSTRACT_SOCKETS_AND_SIGNALS = 3
_UNSUPPORTED = (errno.ENOSYS, errno.EOPNOTSUPP)


def version() -> int:
    """Of the kernel's Landlock; 0 where it has none, or it is switched off."""
    try:
        return kernel.call("landlock_create_ruleset", None, 0, _VERSION)
    except OSError as error:
        if error.errno in _UNSUPPORTED:
            return 0
        raise


def restrict(home: str) -> bool:
    """Give up everything but the above. False where the kernel has no Landlock. Needs no_new_privileges."""
    found = version()
    if found == 0:
        return False
    rights = _FILE_RIGHTS[min(found, 5)]
    attributes = struct.pack("=Q", rights)
    if found >= 4:
        attributes += struct.pack("=Q", _BIND_AND_CONNECT_TCP)
    if found >= 6:
        attributes += struct.pack("=Q", _ABSTRACT_SOCKETS_AND_SIGNALS)
    ruleset = kernel.call("landlock_create_ruleset", attributes, len(attributes), 0)
    _allow(ruleset, "/", _READ_FILE | _READ_DIR)
    _allow(ruleset, home, rights & ~(_EXECUTE | _MAKE_CHAR | _MAKE_SOCK | _MAKE_FIFO | _MAKE_BLOCK))
    _allow(ruleset, "/dev/null", _READ_FILE | _WRITE_FILE)
    kernel.call("landlock_restrict_self", ruleset, 0)
    os.close(ruleset)
    return True


def _allow(ruleset: int, path: str, rights: int) -> None:
    parent = os.open(path, os.O_PATH | os.O_CLOEXEC)
    kernel.call("landlock_add_rule", ruleset, _PATH_BENEATH, struct.pack("=Qi", rights, parent), 0)
    os.close(parent)
