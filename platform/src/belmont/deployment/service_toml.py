"""``deployment/service.toml`` of ``belmont up``: written once, and anew where what it is of is gone.

1. What is there is its operator's: it is left alone as long as a service of this consortium can be started with it.
2. It is of something that is gone where it names another consortium; or, where the addresses of this machine were
   forgotten with ``deployment.json``, another chain. While they are known, another chain is what the operator wants.
3. Then it is written anew if nobody changed more than the values ``up`` writes; those stay, but for what is of the
   consortium that is gone. What somebody did edit is never thrown away: it is refused, saying which lines to change.
4. Another consortium gets another database. That of the old one stays where it is: an index is of one consortium.
"""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from belmont.deployment.errors import ConfigError
from belmont.service.config import LocalHospital
from belmont.service.config_file import Beginning
from belmont.service.errors import ConfigRefused

PUBLIC_URL = "http://localhost:8600"
"""Its port follows the one that is free."""


@dataclass(frozen=True)
class Serving:
    """What the service of a home is to say and to serve."""

    name: str
    chain: str
    members: str
    hospitals: Sequence[str]
    """Slugs."""

    def prepare(self, path: Path, *, knows_addresses: bool) -> None:
        """See to it that there is a file for this consortium at ``path``. ``knows_addresses``: whether this machine's
        were written down before. Raises ConfigError for one that is of another and was edited (3), or is no TOML."""
        if not path.exists():
            self._write(self._beginning(), path)
            return
        said = _read(path)
        of_this = said.get("members", self.members) == self.members
        if of_this and (knows_addresses or said.get("chain") == self.chain):
            return  # 1, 2
        kept = _as_written(said)
        if kept is None or kept.text() != path.read_text(encoding="utf-8"):
            raise ConfigError(
                f"{path} is for the chain {said.get('chain')!r} and the consortium {said.get('members')!r}, which are "
                f'not both those of this directory, and somebody edited it. Set chain = "{self.chain}" and '
                f'members = "{self.members}" in it (with another database, if the consortium is another), or move it '
                "away: belmont up then writes it anew"
            )
        self._write(self._anew(kept, of_this), path)  # 3

    def _beginning(self) -> Beginning:
        hospitals = [LocalHospital(Path(".."), slug) for slug in self.hospitals]
        return Beginning(self.name, self.chain, PUBLIC_URL, self.members, port=0, hospitals=hospitals)

    def _anew(self, kept: Beginning, of_this: bool) -> Beginning:
        if of_this:
            return replace(kept, chain=self.chain)
        database = f"sqlite:///service-{self.members[2:10].lower()}.sqlite"  # 4
        return replace(self._beginning(), public_url=kept.public_url, port=kept.port, database=database)

    def _write(self, beginning: Beginning, path: Path) -> None:
        """Whole or not at all."""
        draft = path.with_name(f"{path.name}.new")
        draft.unlink(missing_ok=True)
        try:
            beginning.write(draft)
        except ConfigRefused as error:
            raise ConfigError(f"{path} cannot be written: {error}") from error
        draft.replace(path)


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(
            f"{path} cannot be read: {error}. Mend it, or move it away: belmont up writes it anew"
        ) from error


def _as_written(said: dict[str, Any]) -> Beginning | None:
    """What ``up`` would have written to say this; None for what it never writes."""
    try:
        return Beginning(
            said["name"],
            said["chain"],
            said["public_url"],
            said["members"],
            said["database"],
            said["port"],
            [LocalHospital(Path(each["home"]), each["member"]) for each in said.get("hospital", [])],
        )
    except (KeyError, TypeError):
        return None
