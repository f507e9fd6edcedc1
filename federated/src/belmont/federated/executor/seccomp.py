"""A filter over system calls (seccomp(2), BPF): what a study's computation never needs, and attacks on kernels do.

1. Calls of another architecture, x86_64's x32 calls among them, end the process: they would pass by the numbers below.
2. Calls newer than this list do not exist (ENOSYS).
3. No socket of any family; a pair of UNIX sockets with itself is allowed.
4. No process and no program, threads only; no namespace. ``clone3`` does not exist, as its flags cannot be looked at:
   libraries then use ``clone``.
5. The rest of the list is refused with EPERM: other processes, mounts, kernel modules, BPF, keys, tracing, io_uring
   (which does what it is asked past any filter), and memory that no limit counts.
"""

import ctypes
import errno
import struct

from belmont.federated.executor import kernel

_SET_MODE_FILTER = 1
_ALLOW, _KILL_PROCESS, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_LOAD, _JUMP_EQUAL, _JUMP_ABOVE, _JUMP_ANY_BIT, _RETURN = 0x20, 0x15, 0x25, 0x45, 0x06  # linux/bpf_common.h
_NUMBER, _ARCHITECTURE, _ARGUMENT_0 = 0, 4, 16  # offsets in struct seccomp_data, low half of an argument
_AF_UNIX = 1
_NEWEST = 462
"""mseal; calls have had one number on every architecture since 424."""
_NAMESPACES = (
    kernel.CLONE_NEWNS
    | kernel.CLONE_NEWCGROUP
    | kernel.CLONE_NEWUTS
    | kernel.CLONE_NEWIPC
    | kernel.CLONE_NEWUSER
    | kernel.CLONE_NEWPID
    | kernel.CLONE_NEWNET
)

CLONE = {"x86_64": 56, "aarch64": 220}
CLONE3 = 435
SOCKETPAIR = {"x86_64": 53, "aarch64": 199}
REFUSED: dict[str, tuple[int | None, int | None]] = {
    # name: number on x86_64, on aarch64
    "socket": (41, 198),
    "fork": (57, None),
    "vfork": (58, None),
    "execve": (59, 221),
    "execveat": (322, 281),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "process_mrelease": (448, 448),
    "kcmp": (312, 272),
    "pidfd_open": (434, 434),
    "pidfd_getfd": (438, 438),
    "pidfd_send_signal": (424, 424),
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "mount_setattr": (442, 442),
    "statmount": (457, 457),
    "listmount": (458, 458),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "fanotify_init": (300, 262),
    "fanotify_mark": (301, 263),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "acct": (163, 89),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "io_setup": (206, 0),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "syslog": (103, 116),
    "reboot": (169, 142),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "clock_adjtime": (305, 266),
    "adjtimex": (159, 171),
    "iopl": (172, None),
    "ioperm": (173, None),
    "modify_ldt": (154, None),
    "personality": (135, 92),
    "vhangup": (153, 58),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "lookup_dcookie": (212, 18),
    "uselib": (134, None),
    "ustat": (136, None),
    "sysfs": (139, None),
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "shmget": (29, 194),
    "shmat": (30, 196),
    "msgget": (68, 186),
    "semget": (64, 190),
    "mq_open": (240, 180),
    "mbind": (237, 235),
    "migrate_pages": (256, 238),
    "move_pages": (279, 239),
}


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def refused_numbers(machine: str) -> dict[str, int]:
    """The refused calls that exist on a machine."""
    place = 0 if machine == "x86_64" else 1
    return {name: number for name, numbers in REFUSED.items() if (number := numbers[place]) is not None}


def program(machine: str) -> bytes:
    """The filter's instructions, each 8 bytes: struct sock_filter."""
    out = [
        _step(_LOAD, _ARCHITECTURE),
        _step(_JUMP_EQUAL, kernel.ARCHITECTURES[machine], yes=1),
        _step(_RETURN, _KILL_PROCESS),  # 1
        _step(_LOAD, _NUMBER),
    ]
    if machine == "x86_64":
        out += [_step(_JUMP_ABOVE, 0x3FFFFFFF, no=1), _step(_RETURN, _KILL_PROCESS)]  # 1
    out += [_step(_JUMP_ABOVE, _NEWEST, no=1), _step(_RETURN, _ERRNO | errno.ENOSYS)]  # 2
    out += [_step(_JUMP_EQUAL, CLONE3, no=1), _step(_RETURN, _ERRNO | errno.ENOSYS)]  # 4
    for number in refused_numbers(machine).values():
        out += [_step(_JUMP_EQUAL, number, no=1), _step(_RETURN, _ERRNO | errno.EPERM)]
    out += [  # 3
        _step(_JUMP_EQUAL, SOCKETPAIR[machine], no=4),
        _step(_LOAD, _ARGUMENT_0),
        _step(_JUMP_EQUAL, _AF_UNIX, no=1),
        _step(_RETURN, _ALLOW),
        _step(_RETURN, _ERRNO | errno.EPERM),
    ]
    out += [  # 4
        _step(_JUMP_EQUAL, CLONE[machine], no=5),
        _step(_LOAD, _ARGUMENT_0),
        _step(_JUMP_ANY_BIT, _NAMESPACES, yes=2),
        _step(_JUMP_ANY_BIT, kernel.CLONE_THREAD, no=1),
        _step(_RETURN, _ALLOW),
        _step(_RETURN, _ERRNO | errno.EPERM),
    ]
    return b"".join([*out, _step(_RETURN, _ALLOW)])


def restrict() -> bool:
    """Put the filter over this process, for good. False where the kernel has none. Needs no_new_privileges."""
    instructions = program(kernel.machine())
    described = _Program(len(instructions) // 8, instructions)
    try:
        kernel.call("seccomp", _SET_MODE_FILTER, 0, ctypes.byref(described))  # type: ignore[arg-type]
    except OSError as error:
        if error.errno in (errno.ENOSYS, errno.EINVAL):
            return False
        raise
    return True


def _step(code: int, value: int, yes: int = 0, no: int = 0) -> bytes:
    return struct.pack("=HBBI", code, yes, no, value)
