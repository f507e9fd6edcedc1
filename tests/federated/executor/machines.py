"""Other machines than this one, made of this one: run a script as an ordinary user, or where the kernel gives less.

``root``            as it is
``ordinary user``   as nobody, in a view of the file system in which nobody can reach this interpreter
``root of one user`` as root in a user namespace that has only one user, as in an unprivileged container
``no namespaces``   no user namespace can be made any more
``no seccomp``, ``no landlock``, ``neither``  the kernel does not know the call
"""

import errno
import os
import subprocess
import sys
from pathlib import Path

import belmont
from belmont.federated.executor import kernel, seccomp

NOBODY = 65534
NAMES = ("root", "ordinary user", "root of one user", "no namespaces", "no seccomp", "no landlock", "neither")


def run_on(machine: str, script: str, *arguments: str, seconds: float = 120) -> str:
    """What a script prints there; its standard error is in the AssertionError if it fails."""
    folders = [str(Path(__file__).parent), *(str(Path(each).parent) for each in belmont.__path__)]
    preamble = (
        f"import sys\nsys.path[:0] = {folders!r}\nimport machines\ndel sys.path[0]\nmachines.become({machine!r})\n"
    )
    command = [sys.executable, "-c", preamble + script, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, cwd="/")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def become(machine: str) -> None:
    """Make this process's machine another one."""
    if machine == "ordinary user":
        _open_the_way()
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
        kernel._prctl(kernel._PR_SET_DUMPABLE, 1)  # as any process that was always this user's
    elif machine in ("root of one user", "no namespaces"):
        user, group = os.geteuid(), os.getegid()
        kernel.unshare(kernel.CLONE_NEWUSER)
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/gid_map").write_text(f"0 {group} 1")
        Path("/proc/self/uid_map").write_text(f"0 {user} 1")
        if machine == "no namespaces":
            Path("/proc/sys/user/max_user_namespaces").write_text("0")
    elif machine != "root":
        hidden = {"no seccomp": [_SECCOMP], "no landlock": [444], "neither": [_SECCOMP, 444]}[machine]
        _hide_calls(hidden)


_SECCOMP = kernel._NUMBERS[kernel.machine()]["seccomp"]


def _hide_calls(numbers: list[int]) -> None:
    """These calls do not exist any more."""
    step = seccomp._step
    steps = [step(0x20, 0)]
    for number in numbers:
        steps += [step(0x15, number, no=1), step(0x06, 0x00050000 | errno.ENOSYS)]
    steps.append(step(0x06, 0x7FFF0000))
    kernel.no_new_privileges()
    original, seccomp.program = seccomp.program, lambda machine: b"".join(steps)
    assert seccomp.restrict()
    seccomp.program = original


def _open_the_way() -> None:
    """Whatever folder on the way to interpreter and packages others may not enter is replaced by one they may."""
    needed = [Path(each).resolve() for each in (sys.base_prefix, sys.prefix, *sys.path) if each and Path(each).is_dir()]
    kernel.unshare(kernel.CLONE_NEWNS)
    kernel.mount("none", "/", "", kernel.MS_REC | kernel.MS_PRIVATE)
    for path in needed:
        closed = next((each for each in reversed(path.parents) if not each.stat().st_mode & 0o001), None)
        if closed is None:
            continue
        inside = sorted({each for each in needed if each.is_relative_to(closed)})
        inside = [each for each in inside if not any(each != other and each.is_relative_to(other) for other in inside)]
        held = [os.open(each, os.O_PATH) for each in inside]
        kernel.mount("tmpfs", str(closed), "tmpfs", 0, "mode=0755")
        for each, descriptor in zip(inside, held, strict=True):
            each.mkdir(parents=True)
            kernel.mount(f"/proc/self/fd/{descriptor}", str(each), "", kernel.MS_BIND)
