"""``hospital.toml`` is read strictly, and ``belmont node`` and ``coordinator`` say what is wrong."""

from pathlib import Path
from typing import Any

import pytest

from belmont.deployment.coordinator import prepare
from belmont.deployment.errors import ConfigError, DeploymentError
from belmont.deployment.hospital_config import HospitalConfig

GOOD = """
member = "hospital-1"
chain = "http://127.0.0.1:8545"
[coordinator]
address = "127.0.0.1:9443"
authority = "authority.pem"
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "hospital.toml"
    path.write_text(text)
    return path


def test_paths_are_relative_to_the_file_and_isolation_is_the_default(tmp_path: Path) -> None:
    config = HospitalConfig.read(written(tmp_path, GOOD))
    assert (config.home, config.authority) == (tmp_path.resolve() / ".", tmp_path.resolve() / "authority.pem")
    assert (config.isolation, config.allow_weaker) == ("isolated", ())


def test_a_configuration_reads_back_as_it_was_written(tmp_path: Path) -> None:
    config = HospitalConfig.read(written(tmp_path, GOOD + '[isolation]\nallow_weaker = ["network"]\n'))
    assert HospitalConfig.read(written(tmp_path, config.to_toml())) == config


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "member is missing"),
        (GOOD.replace(":9443", ""), "it has a port"),
        (GOOD.replace('authority = "authority.pem"', ""), r"\[coordinator\] authority is missing"),
        ("x", "no TOML"),
        (GOOD.replace("member", "members"), "knows no 'members'"),
        (GOOD.replace('"hospital-1"', "7"), "member is 7"),
        (GOOD.replace("address", "adress"), "knows no 'adress'"),
        ("coordinator = 7\n" + GOOD.split("[")[0], "has to be a section"),
        (GOOD + '[isolation]\nmode = "none"\n', "mode is 'none'"),
        (GOOD + '[isolation]\nallow_weaker = "all"\n', "list of names"),
        (GOOD + "[isolation]\nallow_weaker = [1]\n", "list of names"),
        (GOOD + '[isolation]\nallow = ["x"]\n', "knows no 'allow'"),
    ],
)
def test_anything_else_is_refused(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        HospitalConfig.read(written(tmp_path, text))


def test_a_file_that_is_not_there_is_told_in_one_line(tmp_path: Path, belmont: Any) -> None:
    done = belmont("node", "serve", "--config", str(tmp_path / "no.toml"))
    assert done.returncode == 2 and "cannot be read" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize("group", ["up", "status", "down", "node", "coordinator"])
def test_help_has_examples(belmont: Any, group: str) -> None:
    done = belmont(group, "--help")
    assert done.returncode == 0 and "examples" in done.stdout


def test_half_a_certificate_is_not_made_whole(tmp_path: Path) -> None:
    prepare(tmp_path / "coordinator", ["127.0.0.1"])
    prepare(tmp_path / "coordinator", ["127.0.0.1"])
    (tmp_path / "coordinator" / "server.key").unlink()
    with pytest.raises(DeploymentError, match="complete it"):
        prepare(tmp_path / "coordinator", ["127.0.0.1"])


def test_the_key_of_a_certificate_is_closed_to_others(tmp_path: Path) -> None:
    prepare(tmp_path, ["127.0.0.1"])
    assert (tmp_path / "server.key").stat().st_mode & 0o077 == 0
