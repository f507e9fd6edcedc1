"""Calls of the Linux kernel that Python has no function for, and their numbers on x86_64 and aarch64.

Each function names its manual page. All raise OSError with the call's name; on another machine or system, NotIsolated.
"""

import ctypes
import errno
import os
import platform
import struct
import sys
from functools import cache

from belmont.federated.errors import NotIsolated

CLONE_THREAD = 0x00010000  # clone(2)
CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT = 1, 2, 4, 8, 32  # mount(2)
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18
MNT_DETACH = 2  # umount2(2)
_MOUNT_ATTR_READ_ONLY_NOSUID = 0x1 | 0x2  # mount_setattr(2)
_AT_FDCWD, _AT_RECURSIVE = -100, 0x8000

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_CAPBSET_DROP, _PR_SET_SECUREBITS = 1, 4, 24, 28  # prctl(2)
_PR_SET_NO_NEW_PRIVS, _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL = 38, 47, 4
_ALL_SECUREBITS_LOCKED = 0b1110_1111  # capabilities(7): all but SECBIT_KEEP_CAPS, and its lock
_KEYCTL_JOIN_SESSION_KEYRING = 1  # keyctl(2)
_CAPABILITY_VERSION_3 = 0x20080522  # capset(2)
_LAST_POSSIBLE_CAPABILITY = 63

ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
"""AUDIT_ARCH of seccomp(2)."""
_NUMBERS = {
    "x86_64": {"keyctl": 250, "capset": 126, "pivot_root": 155, "seccomp": 317},
    "aarch64": {"keyctl": 219, "capset": 91, "pivot_root": 41, "seccomp": 277},
}
_SAME_EVERYWHERE = {
    "close_range": 436,
    "mount_setattr": 442,
    "landlock_create_ruleset": 444,
    "landlock_add_rule": 445,
    "landlock_restrict_self": 446,
}


def machine() -> str:
    """``x86_64`` or ``aarch64``. Raises NotIsolated for any other, where no call's number is known."""
    name = platform.machine()
    if sys.platform != "linux" or name not in ARCHITECTURES or struct.calcsize("P") != 8:
        raise NotIsolated(f"a study's code is confined on 64-bit Linux on x86_64 or aarch64 only, and not on {name}")
    return name


def call(name: str, *arguments: "int | bytes | ctypes.Array[ctypes.c_char] | ctypes.Structure | None") -> int:
    """One system call by its name."""
    number = _SAME_EVERYWHERE.get(name) or _NUMBERS[machine()][name]
    converted = [ctypes.c_long(each) if isinstance(each, int) else each for each in arguments]
    result = int(_libc().syscall(ctypes.c_long(number), *converted))
    if result < 0:
        raise _error(name)
    return result


def unshare(flags: int) -> None:
    """unshare(2)."""
    if _libc().unshare(flags) < 0:
        raise _error("unshare")


def mount(source: str, target: str, kind: str, flags: int, options: str = "") -> None:
    """mount(2)."""
    arguments = source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags), options.encode()
    if _libc().mount(*arguments) < 0:
        raise _error(f"mount on {target}")


def unmount(target: str) -> None:
    """umount2(2), whatever still uses it."""
    if _libc().umount2(target.encode(), MNT_DETACH) < 0:
        raise _error("umount2")


def make_read_only(target: str) -> None:
    """mount_setattr(2) of a mount and all below it: read-only, and no set-user-ID."""
    attributes = struct.pack("=QQQQ", _MOUNT_ATTR_READ_ONLY_NOSUID, 0, 0, 0)
    call("mount_setattr", _AT_FDCWD, target.encode(), _AT_RECURSIVE, attributes, len(attributes))


def die_with_parent(signal_number: int) -> None:
    """prctl(2), PR_SET_PDEATHSIG. The parent is the thread that forked; a change of user undoes it."""
    _prctl(_PR_SET_PDEATHSIG, signal_number)


def hide_memory() -> None:
    """prctl(2), PR_SET_DUMPABLE 0: no process of the same user may trace this one, and it leaves no core."""
    _prctl(_PR_SET_DUMPABLE, 0)


def leave_keyring() -> None:
    """keyctl(2), KEYCTL_JOIN_SESSION_KEYRING: an empty session keyring instead of the node's, where there are any."""
    try:
        call("keyctl", _KEYCTL_JOIN_SESSION_KEYRING, None)
    except OSError as error:
        if error.errno != errno.ENOSYS:
            raise


def no_new_privileges() -> None:
    """prctl(2), PR_SET_NO_NEW_PRIVS."""
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)


def keep_no_capability() -> None:
    """No capability, and no way back: capabilities(7), bounding and ambient sets, securebits, capset(2)."""
    _prctl(_PR_SET_SECUREBITS, _ALL_SECUREBITS_LOCKED)
    _prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL)
    for capability in range(_LAST_POSSIBLE_CAPABILITY + 1):
        if _libc().prctl(_PR_CAPBSET_DROP, ctypes.c_ulong(capability), 0, 0, 0) < 0:
            break  # one more than this kernel has


def drop_capabilities() -> None:
    """capset(2): the effective, permitted and inheritable sets become empty."""
    call("capset", struct.pack("=Ii", _CAPABILITY_VERSION_3, 0), bytes(24))


def close_from(first: int) -> None:
    """close_range(2) from a descriptor on."""
    call("close_range", first, 0xFFFFFFFF, 0)


def _prctl(*arguments: int) -> None:
    padded = [*arguments, 0, 0, 0, 0][:5]
    if _libc().prctl(padded[0], *(ctypes.c_ulong(each) for each in padded[1:])) < 0:
        raise _error(f"prctl {arguments[0]}")


def _error(name: str) -> OSError:
    number = ctypes.get_errno()
    return OSError(number, f"{name}: {os.strerror(number)}")


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
