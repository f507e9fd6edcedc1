"""The probe is honest: where nothing is held it says so, and where a layer is missing it names that one."""

import contextlib
import os

import pytest

from belmont.federated.errors import NotIsolated
from belmont.federated.executor.probe import Property, baits, probe, probe_task
from belmont.federated.executor.protocol import Answer, Failed

from .conftest import LIMITS


def test_in_the_nodes_own_process_nothing_is_held(in_process, tmp_path, monkeypatch):
    """Every attempt of the probe works where nothing stops it, so that it shows something where it fails."""
    monkeypatch.setenv("HOSPITAL_KEY", "secret")
    few = type(LIMITS)(**(vars(LIMITS) | {"threads": 2}))

    def run(task):
        own = os.open(tmp_path, os.O_RDONLY)  # a file of the node's, as the task's parcel is
        try:
            return in_process.run(type(task)(**(vars(task) | {"config": {**task.config, "parcel": own}})))
        finally:
            os.close(own)

    isolation = probe(run, few)
    # chroot("/") is root's to call; an ordinary node has no capability either
    assert isolation.held <= ({Property.PRIVILEGES} if os.geteuid() else set())


def test_in_a_process_of_its_own_everything_is(isolated):
    assert isolated.isolation.missing <= {Property.OTHER_USER}


def test_a_probe_that_does_not_come_back_is_no_isolation():
    with pytest.raises(NotIsolated, match="did not come to its end"):
        probe(lambda task: Failed("nowhere"), LIMITS)


@pytest.mark.parametrize("value", [0.0, 0.5, 2.0, None])
def test_only_what_the_probe_says_is_held_counts(value):
    said = {str(each): 1.0 for each in Property}
    if value is None:
        del said["network"]
    else:
        said["network"] = value
    isolation = probe(lambda task: Answer({}, said), LIMITS)
    assert isolation.missing == {Property.NETWORK}


def test_the_probe_leaves_nothing_behind(in_process, tmp_path):
    before = set(os.listdir("/tmp")) | set(os.listdir("/dev/shm"))  # noqa: S108, PTH208
    with contextlib.suppress(NotIsolated):
        probe(in_process.run, LIMITS)
    after = set(os.listdir("/tmp")) | set(os.listdir("/dev/shm"))  # noqa: S108, PTH208
    assert not {each for each in after - before if each.startswith("belmont-probe")}


def test_the_baits_are_there_to_be_taken():
    with baits(LIMITS) as config:
        first_line = str(config["secret_paths"]).split("\n")[0]
        with open(first_line) as file:  # noqa: PTH123
            assert file.read() == "a secret of the node's"
        assert os.stat(first_line).st_mode & 0o077 == 0  # noqa: PTH116
        assert probe_task(config).code_hash
