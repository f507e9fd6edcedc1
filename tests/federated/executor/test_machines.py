"""On machines that give less, the runner refuses, and names what is missing; an ordinary user gets all but a user."""

import json
import os
from pathlib import Path

import pytest

from belmont.federated.executor.probe import WAIVABLE, Isolation, Property

from . import machines

EVERYTHING = {str(each) for each in Property}

SHOW = """
import json
from belmont.federated.errors import NotIsolated
from belmont.federated.executor.isolated import IsolatedRunner, isolation_here
from belmont.federated.executor.probe import WAIVABLE
try:
    isolation = isolation_here()
except NotIsolated as error:
    print(json.dumps({"refused": str(error)}))
else:
    said = {"missing": sorted(isolation.missing)}
    try:
        IsolatedRunner().close()
    except NotIsolated as error:
        said["refused"] = str(error)
    with_all = IsolatedRunner(allow_weaker=isolation.missing)
    said["allowed"] = sorted(with_all.isolation.missing)
    with_all.close()
    print(json.dumps(said))
"""

DAEMONS = """
import json, os, sys, time
from pathlib import Path
from belmont.federated.errors import NotIsolated
from belmont.federated.executor.isolated import FIRST_USER, IsolatedRunner
from belmont.federated.executor.limits import Limits
from belmont.federated.executor.parcel import ArrayTable
from belmont.federated.executor.probe import WAIVABLE
from belmont.federated.executor.protocol import Task
from belmont.federated.hashes import code_hash
bundle = Path(sys.argv[1]).read_bytes()
runner = IsolatedRunner(Limits(wall_seconds=4, threads=8, memory_bytes=1 << 30), allow_weaker=WAIVABLE)
mark = runner._warm.pid
def below(pid):
    # a keeper that has said its last word may need a moment to go
    for _ in range(200):
        found = list(children(pid))
        if not found:
            break
        time.sleep(0.02)
    return found
def children(pid):
    try:
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            yield int(child)
            yield from children(int(child))
    except OSError:
        pass
out = {}
for how in ("hold the pipe", "let it go", "bomb", "stop"):
    task = Task(bundle, code_hash(bundle), {"how": how}, {}, 1, 1, 1, ArrayTable(0, {}, {}), 1, 1)
    out[how] = str(runner.run(task))
    out[how + " left"] = below(mark)
runner.close()
out["warm process left"] = Path(f"/proc/{mark}").exists()
print(json.dumps(out))
"""

DAEMON_APP = """
import os, signal, time
from flwr.app import ArrayRecord, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
app = ClientApp()
@app.train()
def train(message, context):
    how, made = context.run_config["how"], 0
    for _ in range(1_000 if how == "bomb" else 3):
        try:
            child = os.fork()
        except OSError:
            break
        made += 1
        if child == 0:
            os.setsid()
            if how != "bomb" and os.fork():
                os._exit(0)
            signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
            if how != "hold the pipe":
                os.close(3)
            if how == "stop":
                os.kill(os.getpid(), signal.SIGSTOP)
            time.sleep(600)
    content = RecordDict({"arrays": ArrayRecord(), "metrics": MetricRecord({"made": made})})
    return Message(content, reply_to=message)
"""


@pytest.fixture(scope="module", autouse=True)
def can_make_machines():
    """Other machines are made by root."""
    if os.geteuid() != 0:
        pytest.skip("only root can make other machines of this one")


def on(machine):
    return json.loads(machines.run_on(machine, SHOW))


def test_as_root_everything_holds():
    assert on("root") == {"missing": [], "allowed": []}


@pytest.mark.parametrize(
    ("machine", "missing"),
    [
        ("ordinary user", {"other-user"}),
        ("root of one user", {"other-user"}),
        ("no seccomp", {"seccomp"}),
        ("no landlock", {"landlock"}),
        ("neither", {"landlock", "seccomp"}),
    ],
)
def test_what_a_machine_does_not_give_is_named_and_nothing_runs_unless_the_hospital_allows_it(machine, missing):
    said = on(machine)
    assert set(said["missing"]) == missing == set(said["allowed"])
    assert "does not hold" in said["refused"] and all(each in said["refused"] for each in missing)


def test_where_no_namespace_can_be_made_nothing_runs_whatever_is_allowed():
    said = on("no namespaces")
    assert set(said) == {"refused"} and "set apart" in said["refused"] and "unshare" in said["refused"]


def test_without_the_filter_of_calls_what_a_task_started_still_goes_with_it(app_builder, tmp_path):
    """Processes that left their session, ignore signals, are stopped or hold the pipe; and no more of them than may."""
    bundle = tmp_path / "daemons.fab"
    bundle.write_bytes(app_builder(DAEMON_APP))
    said = json.loads(machines.run_on("neither", DAEMONS, str(bundle)))
    assert all("'made': 3" in said[how] for how in ("hold the pipe", "let it go", "stop")), said
    assert "'made': 7" in said["bomb"], "8 threads and processes in all"
    assert all(said[f"{how} left"] == [] for how in ("hold the pipe", "let it go", "bomb", "stop"))
    assert said["warm process left"] is False


@pytest.mark.parametrize("suite", ["test_attacks.py", "test_runners.py", "test_warm_process.py"])
def test_an_ordinary_users_node_holds_against_the_same_attacks(suite):
    """The suites themselves, run by nobody."""
    script = """
import os, pytest
folder = sys.argv[1]
os.chdir(folder)
suite = f"{folder}/tests/federated/executor/{sys.argv[2]}"
sys.exit(pytest.main(["-q", "-n0", "-p", "no:cacheprovider", suite]))
"""
    said = machines.run_on("ordinary user", script, str(Path(__file__).parents[3]), suite, seconds=300)
    assert " passed" in said and "this machine" not in said, said[-3000:]


def test_only_layers_behind_others_can_be_done_without():
    assert {str(each) for each in WAIVABLE} == {"other-user", "landlock", "seccomp"}


def test_isolation_says_what_is_missing():
    isolation = Isolation(frozenset(Property) - {Property.NETWORK, Property.SECCOMP})
    assert str(isolation) == "without network, seccomp"
    with pytest.raises(Exception, match=r"back: network$"):
        isolation.require(frozenset({Property.SECCOMP}))
    isolation.require(frozenset({Property.SECCOMP, Property.NETWORK}))
    assert str(Isolation(frozenset(Property))) == "everything that was tried holds"
