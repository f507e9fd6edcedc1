"""A dataset's publications: drawn once, charged for good, never past the cap, whatever happens in between."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.federated.profile.scenes import AGE, CONSORTIUM, DATASET, SMOKING, rows_of, seeded

from belmont.federated.accounting.epsilon import zcdp_epsilon
from belmont.federated.errors import ProfileError, PublicationsSpent
from belmont.federated.profile.ledger import CAP, PublicationLedger
from belmont.federated.profile.tables import Choices
from belmont.registry.types import DatasetId, MicroRho

CHOICES = b"c" * 32


def opened(path: Path, cap: int | None = None) -> PublicationLedger:
    return PublicationLedger(path, CONSORTIUM, DATASET, None if cap is None else MicroRho(cap))


def fresh(spent: int) -> bytes:
    return os.urandom(16)


def test_the_same_version_and_choices_give_the_same_bytes_and_cost_nothing_more(tmp_path):
    with opened(tmp_path / "p") as ledger:
        first = ledger.publish(1, CHOICES, MicroRho(100), 9, fresh)
        assert ledger.publish(1, CHOICES, MicroRho(100), 9, fresh) == first and ledger.spent == 100
    with opened(tmp_path / "p") as again:
        assert again.publish(1, CHOICES, MicroRho(100), 9, fresh) == first
        assert again.publish(2, CHOICES, MicroRho(100), 9, fresh).document != first.document
        assert again.publish(1, b"d" * 32, MicroRho(7), 9, fresh).document != first.document
        assert again.spent == 207 and [each.rho for each in again.all()] == [100, 100, 7]


def test_whatever_would_pass_the_cap_is_not_drawn(tmp_path):
    drawn: list[int] = []
    with opened(tmp_path / "p", cap=250) as ledger:
        for version in (1, 2):
            ledger.publish(version, CHOICES, MicroRho(100), 9, lambda spent: drawn.append(spent) or b"x")
        with pytest.raises(PublicationsSpent, match=r"51 micro-rho, and 50 of 250 are left"):
            ledger.publish(3, CHOICES, MicroRho(51), 9, lambda spent: drawn.append(spent) or b"x")
        ledger.publish(3, CHOICES, MicroRho(50), 9, lambda spent: drawn.append(spent) or b"x")
        assert drawn == [100, 200, 250] and ledger.spent == 250


def test_asking_with_ever_another_epsilon_for_fresh_noise_ends_at_the_cap(tmp_path):
    table, seen = rows_of(*[(1, 2, 0)] * 40), []
    with opened(tmp_path / "p") as ledger:
        for extra in range(1000):
            choices = Choices((SMOKING, AGE), None, MicroRho(10_000 + 200 * extra))
            released = choices.release(table, seeded(extra))
            try:
                ledger.publish(1, choices.hash, choices.plan.rho, 9, lambda spent: b"x")
            except PublicationsSpent:
                break
            seen.append((np.concatenate([each.ravel() for each in released]), float(choices.plan.sigma)))
        assert ledger.spent <= CAP and zcdp_epsilon(ledger.spent, 1e-6) < 3.2
    assert len(seen) < 20  # of a thousand
    assert np.sqrt(1 / sum(1 / sigma**2 for _, sigma in seen)) > 2.5  # what the best average still has, in rows


def test_a_draw_that_fails_leaves_nothing_charged(tmp_path):
    def failing(spent: int) -> bytes:
        raise RuntimeError("no entropy")

    with opened(tmp_path / "p") as ledger:
        with pytest.raises(RuntimeError):
            ledger.publish(1, CHOICES, MicroRho(100), 9, failing)
        assert ledger.spent == 0 and ledger.all() == []


KILLED = """
import os, signal, sys
from pathlib import Path
from tests.federated.profile.test_ledger import CHOICES, opened
from belmont.registry.types import MicroRho
def draw(spent):
    if sys.argv[2] == "in":
        os.kill(os.getpid(), signal.SIGKILL)
    return b"drawn before the end"
ledger = opened(Path(sys.argv[1]))
ledger.publish(1, CHOICES, MicroRho(100), 9, draw)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize(("where", "spent"), [("in", 0), ("after", 100)])
def test_killed_while_drawing_nothing_is_charged_and_killed_after_the_same_bytes_come_back(tmp_path, where, spent):
    words = [sys.executable, "-c", KILLED, str(tmp_path / "p"), where]
    path = os.pathsep.join([*sys.path, str(Path(__file__).parents[3])])
    process = subprocess.run(words, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True, check=False)
    assert process.returncode == -signal.SIGKILL, process.stderr
    with opened(tmp_path / "p") as ledger:
        assert ledger.spent == spent
        found = ledger.publish(1, CHOICES, MicroRho(100), 9, lambda spent: b"drawn anew")
        assert found.document == (b"drawn before the end" if spent else b"drawn anew")


def test_of_many_that_ask_at_once_one_draws_and_all_get_its_bytes(tmp_path):
    opened(tmp_path / "p").close()
    got: list[bytes] = []

    def ask() -> None:
        with opened(tmp_path / "p") as ledger:
            got.append(ledger.publish(1, CHOICES, MicroRho(100), 9, fresh).document)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(got) == 8 and len(set(got)) == 1
    with opened(tmp_path / "p") as ledger:
        assert ledger.spent == 100


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(1, 3), st.integers(0, 2), st.integers(1, 60), st.booleans()), max_size=25))
def test_the_ledger_does_what_a_dictionary_with_a_sum_does(tmp_path_factory, asked):
    path, model = tmp_path_factory.mktemp("ledger") / "p", {}
    ledger = opened(path, cap=200)
    for version, which, charge, reopen in asked:
        key, new = (version, bytes([which]) * 32), os.urandom(8)
        if key in model:
            assert ledger.publish(*key, MicroRho(charge), 9, lambda spent: b"never").document == model[key][1]
        elif sum(rho for rho, _ in model.values()) + charge > 200:
            with pytest.raises(PublicationsSpent):
                ledger.publish(*key, MicroRho(charge), 9, lambda spent: b"never")
        else:
            model[key] = charge, new
            found = ledger.publish(*key, MicroRho(charge), 9, lambda spent, new=new: new)
            assert found.document == new
        if reopen:
            ledger.close()
            ledger = opened(path)
        assert ledger.spent == sum(rho for rho, _ in model.values()) <= ledger.cap == 200
    ledger.close()


def test_the_cap_can_be_lowered_and_never_raised(tmp_path):
    with opened(tmp_path / "p", cap=100) as ledger:
        ledger.publish(1, CHOICES, MicroRho(60), 9, fresh)
    with pytest.raises(ProfileError, match="never raised"):
        opened(tmp_path / "p", cap=101)
    with opened(tmp_path / "p", cap=50) as ledger:
        with pytest.raises(PublicationsSpent, match="0 of 50 are left"):
            ledger.publish(2, CHOICES, MicroRho(1), 9, fresh)
        assert ledger.publish(1, CHOICES, MicroRho(60), 9, fresh).document  # what is published stays so
    for cap in (-1, True, 1.5, 2**63):
        with pytest.raises(ProfileError, match="whole number"):
            opened(tmp_path / "q", cap=cap)


def test_another_datasets_file_another_kind_of_file_and_one_that_others_read_are_refused(tmp_path):
    opened(tmp_path / "p").close()
    for consortium, dataset in ((CONSORTIUM, b"\1" * 32), ("eip155:1:0x00", DATASET)):
        with pytest.raises(ProfileError, match="another dataset"):
            PublicationLedger(tmp_path / "p", consortium, DatasetId(dataset))
    (tmp_path / "p").chmod(0o644)
    with pytest.raises(ProfileError, match="chmod 600"):
        opened(tmp_path / "p")
    with sqlite3.connect(tmp_path / "other") as other:
        other.execute("CREATE TABLE t (x)")
    (tmp_path / "other").chmod(0o600)
    with pytest.raises(ProfileError, match="something else"):
        opened(tmp_path / "other")
    (tmp_path / "text").write_text("no database at all, but long enough to be looked at" * 10)
    (tmp_path / "text").chmod(0o600)
    with pytest.raises(ProfileError, match="cannot be used"):
        opened(tmp_path / "text")
    (tmp_path / "link").symlink_to(tmp_path / "p")
    with pytest.raises(ProfileError):
        opened(tmp_path / "link")
