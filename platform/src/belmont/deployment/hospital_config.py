"""``hospital.toml``: what a hospital's operator says of its node. Read strictly: an unknown key is an error.

    home = "."                         # the directory that has members/<member>/ (keys, vault, ledger)
    member = "hospital-1"
    chain = "http://127.0.0.1:8545"

    [coordinator]
    address = "127.0.0.1:9443"         # as its certificate names it
    authority = "authority.pem"        # the certificate authority to trust, and no other

    [isolation]
    mode = "isolated"                  # "in-process" runs foreign code inside the node: synthetic data only
    allow_weaker = []                  # what may be missing where this machine cannot give it

Paths are relative to the file.
"""

import json
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from belmont.deployment.errors import ConfigError

MODES = ("isolated", "in-process")
_KEYS = {
    "": {"home", "member", "chain", "coordinator", "isolation"},
    "coordinator": {"address", "authority"},
    "isolation": {"mode", "allow_weaker"},
}


@dataclass(frozen=True)
class HospitalConfig:
    """One hospital's node."""

    home: Path
    member: str
    chain: str
    coordinator: str
    authority: Path
    isolation: str
    allow_weaker: tuple[str, ...]

    @classmethod
    def read(cls, path: Path) -> "HospitalConfig":
        """Read a file. Raises ConfigError saying what is wrong with it."""
        try:
            content = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path} is no TOML: {error}") from error
        for section, known in _KEYS.items():
            found = content.get(section, {}) if section else content
            if not isinstance(found, dict):
                raise ConfigError(f"{path}: {section} has to be a section")
            unknown = sorted(set(found) - known)
            if unknown:
                where = f"[{section}] " if section else ""
                raise ConfigError(f"{path}: {where}knows no {unknown[0]!r}; it has {', '.join(sorted(known))}")
        coordinator, isolation = content.get("coordinator", {}), content.get("isolation", {})
        mode = _text(path, isolation, "mode", "isolated")
        if mode not in MODES:
            raise ConfigError(f"{path}: isolation mode is {mode!r}; it is one of {', '.join(MODES)}")
        weaker = isolation.get("allow_weaker", [])
        if not isinstance(weaker, list) or not all(isinstance(each, str) for each in weaker):
            raise ConfigError(f"{path}: allow_weaker has to be a list of names")
        folder = path.resolve().parent
        member, chain = _text(path, content, "member"), _text(path, content, "chain")
        address = _text(path, coordinator, "address", where="coordinator")
        if not address.rpartition(":")[2].isdecimal() or not address.rpartition(":")[0]:
            raise ConfigError(
                f"{path}: [coordinator] address is {address!r}; it has a port, as coordinator.example:9443"
            )
        return cls(
            folder / _text(path, content, "home", "."),
            member,
            chain,
            address,
            folder / _text(path, coordinator, "authority", where="coordinator"),
            mode,
            tuple(weaker),
        )

    def to_toml(self) -> str:
        """The same as a file. Raises ConfigError for a path that no TOML can hold."""
        weaker = ", ".join(_quoted(each) for each in self.allow_weaker)
        return (
            f"home = {_quoted(self.home)}\nmember = {_quoted(self.member)}\nchain = {_quoted(self.chain)}\n\n"
            f"[coordinator]\naddress = {_quoted(self.coordinator)}\nauthority = {_quoted(self.authority)}\n\n"
            f"[isolation]\nmode = {_quoted(self.isolation)}\nallow_weaker = [{weaker}]\n"
        )


def _quoted(value: object) -> str:
    """A basic string of TOML, which is one of JSON but for DEL (toml.io/en/v1.0.0#string)."""
    text = str(value)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ConfigError(f"{text!r} is not text: a configuration cannot name it") from error
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _text(path: Path, section: dict[str, Any], name: str, default: str | None = None, where: str = "") -> str:
    value = section.get(name, default)
    if not isinstance(value, str) or not value:
        full = f"[{where}] {name}" if where else name
        wrong = "is missing" if value is None else f"is {value!r}"
        raise ConfigError(f"{path}: {full} {wrong}: it has to be a text that is not empty")
    return value
