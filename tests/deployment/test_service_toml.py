"""``belmont up`` and the configuration of the service that it starts."""

from dataclasses import replace
from pathlib import Path

import pytest

from belmont.deployment.errors import ConfigError
from belmont.deployment.service_toml import Serving
from belmont.service.config import ServiceConfig

OLD = Serving("Northgate Hospital", "http://127.0.0.1:1001", "0x" + "1a" * 20, ("hospital-1", "hospital-2"))
MOVED = replace(OLD, chain="http://127.0.0.1:2002")
ANEW = replace(MOVED, members="0x" + "2B" * 20, name="Lakeside Hospital", hospitals=("hospital-1",))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "service.toml"
    OLD.prepare(found, knows_addresses=False)
    return found


def edit(path: Path, before: str, after: str) -> str:
    content = path.read_text()
    assert before in content
    path.write_text(content.replace(before, after))
    return path.read_text()


def test_it_is_named_after_the_institution_and_left_alone_from_then_on(path: Path) -> None:
    config, content = ServiceConfig.read(path), path.read_text()
    assert (config.name, config.chain, config.members) == (OLD.name, OLD.chain, OLD.members)
    assert [each.member for each in config.hospitals] == list(OLD.hospitals)
    OLD.prepare(path, knows_addresses=True)
    OLD.prepare(path, knows_addresses=False)
    assert path.read_text() == content and list(path.parent.iterdir()) == [path]


def test_after_the_addresses_were_forgotten_it_has_the_new_chain_and_what_was_set_in_it(path: Path) -> None:
    edit(path, "Northgate Hospital", "The hospital of the north")
    MOVED.prepare(path, knows_addresses=False)
    config = ServiceConfig.read(path)
    assert (config.name, config.chain) == ("The hospital of the north", MOVED.chain)
    assert config.database.endswith("/service.sqlite")


@pytest.mark.parametrize("knows_addresses", [True, False])
def test_a_consortium_that_was_founded_anew_has_a_new_file_and_a_database_of_its_own(
    path: Path, knows_addresses: bool
) -> None:
    ANEW.prepare(path, knows_addresses=knows_addresses)
    config = ServiceConfig.read(path)
    assert (config.name, config.chain, config.members) == (ANEW.name, ANEW.chain, ANEW.members)
    assert config.database.endswith("/service-2b2b2b2b.sqlite")
    assert [each.member for each in config.hospitals] == ["hospital-1"]


def test_another_chain_that_an_operator_wants_stays_while_the_addresses_are_known(path: Path) -> None:
    content = edit(path, OLD.chain, "https://chain.hospital.example")
    OLD.prepare(path, knows_addresses=True)
    assert path.read_text() == content


@pytest.mark.parametrize("now", [MOVED, ANEW])
def test_what_somebody_edited_is_not_thrown_away_but_refused_with_what_to_do(path: Path, now: Serving) -> None:
    content = edit(path, "# [trail]\n# keep_days = 365", "[trail]\nkeep_days = 30")
    with pytest.raises(ConfigError, match="somebody edited it") as refused:
        now.prepare(path, knows_addresses=False)
    assert now.chain in str(refused.value) and now.members in str(refused.value)
    assert path.read_text() == content
    edit(path, OLD.chain, now.chain)
    edit(path, OLD.members, now.members)
    now.prepare(path, knows_addresses=False)


def test_a_file_that_is_no_toml_is_refused_before_anything_starts(path: Path) -> None:
    path.write_text("name = ")
    with pytest.raises(ConfigError, match="Mend it"):
        OLD.prepare(path, knows_addresses=True)
