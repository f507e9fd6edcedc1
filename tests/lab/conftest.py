"""One small consortium for the whole area: a real chain process, three hospitals, real nodes."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from belmont.chain.process import ChainProcess
from belmont.identity.secret_file import create_secret_file
from belmont.lab import Consortium, local
from belmont.lab.home import Home, Person, Record
from belmont.lab.hospital_files import PSEUDONYM_KEY_FILE
from belmont.lab.models import LogisticRegression
from belmont.lab.permit import Permit
from belmont.lab.retention_date import retention_until
from belmont.registry.chain_registry import ChainRegistry
from belmont.registry.founding import found
from belmont.registry.types import MicroRho
from belmont.vault.vault import Vault
from belmont.vault.wrapping_key import WrappingKey


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("lab") / "consortium"


@pytest.fixture(scope="session")
def consortium(home: Path) -> Iterator[Consortium]:
    with Consortium.local(hospitals=3, patients=450, seed=3, home=home) as made:
        yield made


@pytest.fixture
def permit(consortium: Consortium) -> Permit:
    """A fresh permit: 3 rounds of visible updates, 3 queries, at least 3 hospitals with 10 patients each."""
    visible = LogisticRegression.default(secure=False)
    study = consortium.propose("A small study", model=visible, rounds=3, queries=3, min_cohort=10)
    study.vote(*consortium.board[:2], approve=True, reason="small enough")
    study.accept(*consortium.hospitals)
    return study.permit()


Bare = Callable[..., Consortium]


@pytest.fixture(scope="session")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChainProcess]:
    """One chain for all bare consortia."""
    with ChainProcess.start(tmp_path_factory.mktemp("bare") / "chain") as process:
        yield process


@pytest.fixture
def bare(chain: ChainProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bare]:
    """Makes consortia without patients, in a second each: real chain, keys and vaults, and versions nobody proved."""
    opened: list[Consortium] = []

    def make(hospitals: int = 3, url: str = chain.url, years: float = 5) -> Consortium:
        home = Home(tmp_path_factory.mktemp("bare") / "home")
        home.begin()
        people, identities = local._people(home, local.HOSPITAL_NAMES[:hospitals])
        registry = found(url, "Bare", [local._profile(each, identities[each.slug]) for each in people])
        for person in people[:hospitals]:
            fill(home, person, registry.as_(identities[person.slug].account), years)
        home.finish(Record(tuple(people), registry.addresses["Members"], None))
        opened.append(Consortium.connect(url, home.path))
        return opened[-1]

    yield make
    for each in opened:
        each.close()


AHEAD = """
import sys, time
real, seconds = time.time, float(sys.argv.pop(1))
time.time = lambda: real() + seconds
from {module} import main
sys.exit(main())
"""


def ahead(module: str, days: float) -> list[str]:
    """The command of a program of ours on a machine whose clock is so many days ahead."""
    return [sys.executable, "-P", "-c", AHEAD.format(module=module), str(days * 86400)]


class MovableChain:
    """A chain of its own, in a process whose clock can be moved; its address changes with that."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._process: subprocess.Popen[str] | None = None
        self.url = ""
        self.move(0)

    def move(self, days: float) -> str:
        """Starts it again, so many days ahead of this machine."""
        self.stop()
        words = [*ahead("belmont.chain.server", days), str(self._directory), "0", "--heartbeat-seconds", "0.2"]
        self._process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.url = json.loads(self._process.stdout.readline())["url"]
        time.sleep(0.5)  # a heartbeat has the new time
        return self.url

    def stop(self) -> None:
        if self._process is not None and self._process.stdout is not None:
            self._process.terminate()
            self._process.wait(20)
            self._process.stdout.close()


@pytest.fixture
def movable(tmp_path: Path) -> Iterator[MovableChain]:
    chain = MovableChain(tmp_path / "chain")
    yield chain
    chain.stop()


def fill(home: Home, person: Person, registry: ChainRegistry, years: float) -> None:
    """What a registered dataset leaves in a hospital's directory, with bytes in place of rows."""
    name, wrapping_key = local.dataset_name(person), WrappingKey.generate()
    create_secret_file(home.wrapping_key(person.slug), wrapping_key.to_bytes())
    create_secret_file(home.member(person.slug) / PSEUDONYM_KEY_FILE, b"k" * 32)
    home.quality(person.slug).write_text("{}")
    home.ledger(person.slug).with_name("ledger.sqlite-disclosures").write_bytes(b"totals of this hospital")
    with Vault.open(home.vault(person.slug), wrapping_key) as vault:
        cid = vault.put(name, b"rows of patients " * 40_000)
    until = retention_until(years, registry.head().timestamp)
    dataset_id = registry.register_dataset(name, 1 << 6, b"\x11" * 32, 2, 1, until, MicroRho(1000))
    registry.add_version(dataset_id, cid.binary, 150, b"\x22" * 32, registry.consents.root(dataset_id))
