"""Landlock and the filter of system calls, each alone, in a process that gives up nothing else."""

import json
import platform
import re
import subprocess
import sys
from pathlib import Path

import pytest

import belmont
from belmont.federated.executor import kernel, landlock, seccomp

HEADERS = {
    "x86_64": Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
    "aarch64": Path("/usr/include/asm-generic/unistd.h"),
}

TRIES = """
import ctypes, errno, json, os, socket, sys, threading
from pathlib import Path
from belmont.federated.executor import kernel, landlock, seccomp

libc = ctypes.CDLL(None, use_errno=True)
home = sys.argv[2]

def call(number, *arguments):
    if libc.syscall(ctypes.c_long(number), *(ctypes.c_long(each) for each in arguments)) < 0:
        raise OSError(ctypes.get_errno(), "")

def thread():
    done = []
    each = threading.Thread(target=done.append, args=(1,))
    each.start()
    each.join()
    assert done

def fork():
    if os.fork() == 0:
        os._exit(0)
    os.wait()

def execute():
    if (child := os.fork()) == 0:
        try:
            os.execv("/bin/true", ["true"])
        except OSError as error:
            os._exit(error.errno)
    if code := os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
        raise OSError(code, "")

def connect(port):
    with socket.socket() as sock:
        sock.connect(("127.0.0.1", port))

def serve():
    socket.create_server(("127.0.0.1", 0)).close()

numbers = seccomp.refused_numbers(kernel.machine())
listener = socket.create_server(("127.0.0.1", 0))
port = listener.getsockname()[1]
TRIES = {
    "tcp socket": lambda: socket.socket().close(),
    "udp socket": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).close(),
    "raw socket": lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1).close(),
    "unix socket": lambda: socket.socket(socket.AF_UNIX).close(),
    "netlink socket": lambda: socket.socket(16, socket.SOCK_RAW).close(),
    "vsock socket": lambda: socket.socket(40, socket.SOCK_STREAM).close(),
    "pair of sockets": lambda: [each.close() for each in socket.socketpair()],
    "connect": lambda: connect(port),
    "serve": serve,
    "fork": fork,
    "execute": execute,
    "thread": thread,
    "memfd": lambda: os.close(os.memfd_create("x")),
    "read a file": lambda: Path("/etc/passwd").read_bytes(),
    "write in the home": lambda: Path(home, "x").write_text("x"),
    "make a folder in the home": lambda: Path(home, "f").mkdir(),
    "write beside the home": lambda: Path(home).with_name("y").write_text("y"),
    "write to nothing": lambda: Path("/dev/null").write_text("x"),
    "pipe in the home": lambda: os.mkfifo(Path(home, "p")),
}
RAW = {
    "clone3": lambda: call(435, 0, 0),
    "clone with namespace": lambda: call(seccomp.CLONE[kernel.machine()], kernel.CLONE_NEWUSER | 17, 0, 0, 0, 0),
    "thread with namespace": lambda: call(seccomp.CLONE[kernel.machine()], 0x10000 | kernel.CLONE_NEWNET, 0, 0, 0, 0),
    "unshare": lambda: kernel.unshare(kernel.CLONE_NEWUSER),
    "call that is too new": lambda: call(463, 0),
} | {f"call {name}": lambda number=number: call(number, -1, 0, 0, 0, 0, 0) for name, number in numbers.items()}
kernel.no_new_privileges()
if sys.argv[1] == "landlock":
    assert landlock.restrict(home)
if sys.argv[1] == "seccomp":  # nothing stops these otherwise
    assert seccomp.restrict()
    TRIES |= RAW
out = {}
for name, attempt in TRIES.items():
    try:
        attempt()
        out[name] = ""
    except OSError as error:
        out[name] = errno.errorcode[error.errno]
print(json.dumps(out))
"""


def tries(layer, folder):
    home = folder / "home"
    home.mkdir()
    path = ":".join(str(Path(each).parent) for each in belmont.__path__)
    done = subprocess.run(
        [sys.executable, "-c", TRIES, layer, str(home)], capture_output=True, text=True, env={"PYTHONPATH": path}
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


@pytest.fixture
def unprotected(tmp_path):
    (tmp_path / "free").mkdir()
    return tries("nothing", tmp_path / "free")


def test_the_filter_of_calls_refuses_sockets_processes_programs_and_what_attacks_kernels(tmp_path, unprotected):
    found = tries("seccomp", tmp_path)
    refused = {"tcp socket", "udp socket", "raw socket", "unix socket", "netlink socket", "vsock socket", "connect"}
    refused |= {"serve", "fork", "execute", "clone with namespace", "thread with namespace", "unshare", "memfd"}
    refused |= {name for name in found if name.startswith("call ")} - {"call that is too new"}
    assert {name for name, error in found.items() if error == "EPERM"} == refused
    assert found["clone3"] == found["call that is too new"] == "ENOSYS"
    allowed = {"pair of sockets", "thread", "read a file", "write in the home"}
    assert all(found[name] == "" for name in allowed)
    assert all(unprotected[name] == "" for name in ("tcp socket", "connect", "fork", "execute", "memfd", "unix socket"))


def test_landlock_refuses_programs_tcp_and_writing_outside_the_home(tmp_path, unprotected):
    if landlock.version() < 4:
        pytest.skip("this kernel's Landlock does not know TCP")
    found = tries("landlock", tmp_path)
    for name in ("connect", "serve", "execute", "write beside the home", "pipe in the home"):
        assert found[name] == "EACCES" and unprotected[name] == ""
    for name in ("read a file", "write in the home", "make a folder in the home", "write to nothing", "fork"):
        assert found[name] == ""


def test_a_call_of_another_architecture_ends_the_process():
    if platform.machine() != "x86_64":
        pytest.skip("x32 calls exist on x86_64 only")
    script = (
        "import ctypes\nfrom belmont.federated.executor import kernel, seccomp\nkernel.no_new_privileges()\n"
        "assert seccomp.restrict()\nctypes.CDLL(None).syscall(ctypes.c_long(0x40000000 + 39))\nprint('alive')"
    )
    path = ":".join(str(Path(each).parent) for each in belmont.__path__)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env={"PYTHONPATH": path})
    assert done.returncode == -31 and "alive" not in done.stdout  # SIGSYS


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_the_numbers_of_calls_are_those_of_the_kernels_headers(machine):
    header = HEADERS[machine]
    if not header.exists():
        pytest.skip(f"{header} is not here")
    numbers = dict(re.findall(r"#define\s+__NR(?:3264)?_(\w+)\s+(\d+)", header.read_text()))
    ours = seccomp.refused_numbers(machine) | kernel._NUMBERS[machine] | kernel._SAME_EVERYWHERE
    ours |= {"clone": seccomp.CLONE[machine], "clone3": seccomp.CLONE3, "socketpair": seccomp.SOCKETPAIR[machine]}
    checked = {name: number for name, number in ours.items() if name in numbers}
    assert len(checked) > 60
    assert checked == {name: int(numbers[name]) for name in checked}
    missing = {name for name in numbers if name in seccomp.REFUSED} - set(seccomp.refused_numbers(machine))
    assert missing == set(), "a refused call that exists on this machine"


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_every_jump_of_the_filter_stays_within_it_and_it_ends_by_returning(machine):
    code = seccomp.program(machine)
    steps = [code[i : i + 8] for i in range(0, len(code), 8)]
    assert len(steps) < 4096
    for place, step in enumerate(steps):
        if step[0] & 7 == 5:
            assert place + 1 + max(step[2], step[3]) < len(steps)
    assert steps[-1][0] == 6


@pytest.mark.parametrize("name", ["riscv64", "i686", "ppc64le"])
def test_on_any_other_machine_nothing_is_confined_and_so_nothing_runs(name, monkeypatch):
    monkeypatch.setattr(platform, "machine", lambda: name)
    with pytest.raises(Exception, match="x86_64 or aarch64 only"):
        kernel.machine()
