"""Killed at any moment, restarted, or one of several: in the end the index holds what the chain says, once."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from tests.audit.conftest import contents, everything, trail

from belmont.audit import EventIndex

READER = Path(__file__).with_name("reader.py")


@pytest.fixture
def start(url, world):
    """Starts a reader on this test's database."""
    started: list[subprocess.Popen[str]] = []

    def make(rounds: int = 1, **environment: str) -> Any:
        members = world.registry.addresses["Members"]
        words = [sys.executable, str(READER), url, world.registry.chain._client.url, members, str(rounds)]
        process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env={**os.environ, **environment})
        started.append(process)
        return process

    yield make
    for each in started:
        each.kill()
        each.wait()
        each.stdout.close()


def ready(process):
    assert process.stdout.readline() == "ready\n"


def ends(process):
    return process.wait(120)


def whole(index: EventIndex, world) -> None:
    """What is there is a beginning of the trail, up to a whole block, and the cursor says so."""
    found, events = trail(index), world.registry.audit_events()
    assert found == events[: len(found)]
    head, stored = index.head, contents(index)
    last = -1 if head is None else head.number
    assert len(found) == sum(each.block <= last for each in events)
    assert sum(row.events for row in stored["index_blocks"]) == len(found)
    assert {row.number for row in stored["index_blocks"]} == {each.position.block for each in everything(index)}


def test_killed_inside_and_between_transactions_nothing_is_half_there(opened, world, start):
    index = opened(world.registry)
    for where, count in (("inside", 1), ("after", 1), ("inside", 4), ("after", 7), ("inside", 12), ("inside", 9)):
        process = start(KILL_AT=f"{where},{count}")
        assert ends(process) == -signal.SIGKILL
        whole(index, world)
    assert index.head is not None
    process = start()
    assert ends(process) == 0
    whole(index, world)
    index.catch_up()
    assert trail(index) == world.registry.audit_events()


def test_killed_at_any_moment_again_and_again(opened, world, start):
    index, choice = opened(world.registry), random.Random()
    for _ in range(6):
        process = start()
        ready(process)
        time.sleep(choice.random() * 0.5)
        process.kill()
        process.wait()
        whole(index, world)
    index.catch_up()
    assert trail(index) == world.registry.audit_events()


def test_three_processes_at_once_of_which_one_is_killed(opened, world, start):
    index = opened(world.registry)
    processes = [start(KILL_AT="inside,3"), start(rounds=1), start(rounds=1)]
    killed, *others = [ends(each) for each in processes]
    assert others == [0, 0]
    assert killed in (-signal.SIGKILL, 0)  # 0: the others were quicker, and left it nothing to write
    index.catch_up()
    whole(index, world)
    assert trail(index) == world.registry.audit_events()
