"""Registering a dataset from a hospital's records: whole, or not at all, and a repaired attempt goes through."""

from collections.abc import Callable
from importlib import resources
from pathlib import Path

import pytest

from belmont.ehr.errors import EhrError
from belmont.ehr.synthetic import generate_population, write_fhir
from belmont.identity.errors import KeyFileMissing, KeyFileUnsafe
from belmont.identity.keys import Identity
from belmont.lab import hospital_files
from belmont.lab.errors import HomeError
from belmont.lab.home import Home
from belmont.registry.errors import RegistryError
from belmont.registry.simulated import SimulatedRegistry
from belmont.registry.types import Address, MemberProfile, Role
from belmont.vault.errors import VaultMissing
from belmont.vault.wrapping_key import WrappingKey

SLUG = "hospital-1"


@pytest.fixture
def place(tmp_path: Path) -> tuple[Home, SimulatedRegistry, Path]:
    """A hospital with records of 60 patients, as a member of a consortium."""
    holder, boards = Identity.create(), [Identity.create() for _ in range(2)]
    founders = [MemberProfile(Address(holder.address), "Hospital", holder.did, Role.DATA_HOLDER)]
    founders += [MemberProfile(Address(b.address), "Board", b.did, Role.ETHICS_BOARD) for b in boards]
    home = Home(tmp_path)
    home.member(SLUG).mkdir(parents=True)
    write_fhir(generate_population(1, 60, 5)[0], home.records(SLUG))
    dictionary = Path(str(resources.files("belmont.ehr") / "dictionaries" / "diabetes_cvd.yaml"))
    return home, SimulatedRegistry.found("Test", founders).as_(holder.account), dictionary


def observations(home: Home) -> Path:
    return home.records(SLUG) / "Observation.ndjson"


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "truncated": lambda content: content[:-40],
    "binary": lambda content: content + b"\x00\x01",
    "not text": lambda content: content + b"\xff\xfe{}\n",
    "one endless line": lambda content: content + b'{"a":"' + b"x" * 2_000_000 + b'"}\n',
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_damaged_records_register_nothing_and_the_repaired_ones_everything(
    kind: str, place: tuple[Home, SimulatedRegistry, Path]
) -> None:
    home, registry, dictionary = place
    whole = observations(home).read_bytes()
    observations(home).write_bytes(DAMAGE[kind](whole))
    with pytest.raises(EhrError, match=r"Observation\.ndjson"):
        hospital_files.register(home, SLUG, "Diabetes", dictionary, registry)
    assert registry.datasets() == []
    observations(home).write_bytes(whole)
    hospital_files.register(home, SLUG, "Diabetes", dictionary, registry)
    (dataset,) = registry.datasets()
    assert dataset.versions == 1
    table = hospital_files.stored_rows(home, SLUG, registry, dataset.id).table
    version = registry.version(dataset.id, 1)
    assert version is not None and table.rows == version.rows > 40


def test_a_chain_that_fails_between_the_two_writes_leaves_nothing_usable_and_the_next_attempt_completes_it(
    place: tuple[Home, SimulatedRegistry, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    home, registry, dictionary = place
    add_version = SimulatedRegistry.add_version

    def unreachable(self: SimulatedRegistry, *arguments: object) -> int:
        self.set_reachable(False)
        return add_version(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(SimulatedRegistry, "add_version", unreachable)
    with pytest.raises(RegistryError):
        hospital_files.register(home, SLUG, "Diabetes", dictionary, registry)
    registry.set_reachable(True)
    (half,) = registry.datasets()
    assert half.versions == 0
    with pytest.raises(HomeError, match="no version"):
        hospital_files.stored_rows(home, SLUG, registry, half.id)
    monkeypatch.undo()
    hospital_files.register(home, SLUG, "Diabetes", dictionary, registry)
    (complete,) = registry.datasets()
    assert (complete.id, complete.versions) == (half.id, 1)
    with pytest.raises(HomeError, match="registered already"):
        hospital_files.register(home, SLUG, "Diabetes", dictionary, registry)


def test_a_dictionary_that_does_not_fit_the_records_registers_nothing(
    place: tuple[Home, SimulatedRegistry, Path], tmp_path: Path
) -> None:
    home, registry, dictionary = place
    broken = tmp_path / "broken.yaml"
    broken.write_text(dictionary.read_text().replace("kind: range", "kind: guess", 1))
    with pytest.raises(EhrError, match="kind"):
        hospital_files.register(home, SLUG, "Diabetes", broken, registry)
    assert registry.datasets() == []


def test_a_version_with_another_number_of_rows_than_the_vaults_is_refused(
    place: tuple[Home, SimulatedRegistry, Path],
) -> None:
    home, registry, dictionary = place
    hospital_files.register(home, SLUG, "Diabetes", dictionary, registry)
    (dataset,) = registry.datasets()
    version = registry.version(dataset.id, 1)
    assert version is not None
    registry.add_version(dataset.id, version.cid, version.rows + 1, version.commitments_root, version.consent_root)
    with pytest.raises(HomeError, match="where the chain says"):
        hospital_files.stored_rows(home, SLUG, registry, dataset.id)


def test_a_wrapping_key_that_is_gone_or_open_to_others_opens_no_vault_and_is_not_made_anew(
    place: tuple[Home, SimulatedRegistry, Path],
) -> None:
    home, registry, dictionary = place
    hospital_files.register(home, SLUG, "Diabetes", dictionary, registry)
    (dataset,) = registry.datasets()
    key = home.wrapping_key(SLUG)
    assert key.stat().st_mode & 0o777 == 0o600
    key.chmod(0o640)
    with pytest.raises(KeyFileUnsafe, match="chmod 600"):
        hospital_files.stored_rows(home, SLUG, registry, dataset.id)
    key.unlink()
    with pytest.raises(KeyFileMissing):
        hospital_files.stored_rows(home, SLUG, registry, dataset.id)
    assert not key.exists()
    home.vault(SLUG).unlink()
    key.write_bytes(WrappingKey.generate().to_bytes())
    key.chmod(0o600)
    with pytest.raises(VaultMissing):
        hospital_files.stored_rows(home, SLUG, registry, dataset.id)
    assert not home.vault(SLUG).exists()
