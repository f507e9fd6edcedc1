"""A consortium's directory on this machine: who is in it, and where each keeps keys, vault, ledger and records.

``consortium.json`` is written last, so a directory without it was never finished and is refused. Layout::

    consortium.json                     names, roles and addresses; nothing secret
    chain/                              the embedded chain
    members/<slug>/identity.json        keys of one member (mode 0600)
    members/<slug>/wrapping.key         a hospital's: opens its vault (mode 0600)
    members/<slug>/vault.sqlite         a hospital's: encrypted dataset versions
    members/<slug>/ledger.sqlite        a hospital's: rounds and queries it served
    members/<slug>/dictionary.yaml      a hospital's: what its columns mean
    members/<slug>/consents.sqlite      a hospital's: who consents to what
    members/<slug>/consent.key          a hospital's: salts what stands for its patients on chain (mode 0600)
    members/<slug>/publications-*.sqlite  a hospital's: what it published of a dataset for twins, and what that cost
    members/<slug>/openings.sqlite      a hospital's: how much of each commitment has been given away
    members/<slug>/proofs/              a hospital's: the proofs of its versions, nothing secret
    members/<slug>/quality.json         a hospital's: what was found wrong with its records when they were coded
    members/<slug>/records/             a hospital's own records
    profiles/                           what hospitals published of their datasets, one file each, nothing secret
"""

import json
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from belmont.lab.errors import HomeError
from belmont.registry.types import Address, DatasetId, Role

FORMAT = 1
MARKER = "consortium.json"


@dataclass(frozen=True)
class Person:
    """One member as this machine knows it."""

    slug: str
    name: str
    roles: Role
    address: str


@dataclass(frozen=True)
class SyntheticSource:
    """What the records were generated from; only a local consortium has one."""

    hospitals: int
    patients: int
    seed: int


@dataclass(frozen=True)
class Record:
    """What ``consortium.json`` says."""

    people: tuple[Person, ...]
    members_address: Address
    """Which consortium of the chain this is: its members contract."""
    synthetic: SyntheticSource | None


class Home:
    """Paths of one consortium's directory."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def chain(self) -> Path:
        return self.path / "chain"

    def member(self, slug: str) -> Path:
        return self.path / "members" / slug

    def identity(self, slug: str) -> Path:
        return self.member(slug) / "identity.json"

    def wrapping_key(self, slug: str) -> Path:
        return self.member(slug) / "wrapping.key"

    def vault(self, slug: str) -> Path:
        return self.member(slug) / "vault.sqlite"

    def ledger(self, slug: str) -> Path:
        return self.member(slug) / "ledger.sqlite"

    def dictionary(self, slug: str) -> Path:
        return self.member(slug) / "dictionary.yaml"

    def quality(self, slug: str) -> Path:
        return self.member(slug) / "quality.json"

    def consents(self, slug: str) -> Path:
        return self.member(slug) / "consents.sqlite"

    def consent_key(self, slug: str) -> Path:
        return self.member(slug) / "consent.key"

    def recipients(self, slug: str) -> Path:
        return self.member(slug) / "recipients.json"

    def openings(self, slug: str) -> Path:
        return self.member(slug) / "openings.sqlite"

    def proofs(self, slug: str) -> Path:
        return self.member(slug) / "proofs"

    def publications(self, slug: str, dataset_id: DatasetId) -> Path:
        return self.member(slug) / f"publications-{dataset_id.hex()[:16]}.sqlite"

    @property
    def profiles(self) -> Path:
        return self.path / "profiles"

    def profile(self, dataset_id: DatasetId) -> Path:
        return self.profiles / f"{dataset_id.hex()}.json"

    def records(self, slug: str) -> Path:
        return self.member(slug) / "records"

    @property
    def is_finished(self) -> bool:
        return (self.path / MARKER).exists()

    def begin(self) -> None:
        """Makes an empty directory for a new consortium. Refuses one that holds anything already."""
        if self.path.exists() and any(self.path.iterdir()):
            raise HomeError(
                f"{self.path} holds something that is not a finished consortium, perhaps one whose making was "
                "interrupted: name another directory, or empty this one"
            )
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)

    def finish(self, record: Record) -> None:
        """Writes the marker, whole or not at all."""
        content = {
            "format": FORMAT,
            "members_address": record.members_address,
            "members": [asdict(person) | {"roles": int(person.roles)} for person in record.people],
            "synthetic": asdict(record.synthetic) if record.synthetic else None,
        }
        draft = self.path / f".{MARKER}.{secrets.token_hex(4)}"
        draft.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        with draft.open("rb") as handle:
            os.fsync(handle.fileno())
        draft.replace(self.path / MARKER)

    def read(self) -> Record:
        """What ``finish`` wrote. Raises ``HomeError`` for anything else."""
        marker = self.path / MARKER
        if not marker.exists():
            raise HomeError(f"{self.path} is not a consortium's directory: it has no {MARKER}")
        try:
            content = json.loads(marker.read_text(encoding="utf-8"))
            if content["format"] != FORMAT:
                raise HomeError(f"{marker} has format {content['format']}; this release reads format {FORMAT}")
            people = tuple(
                Person(_slug(item["slug"]), str(item["name"]), Role(item["roles"]), str(item["address"]))
                for item in content["members"]
            )
            source = SyntheticSource(**content["synthetic"]) if content["synthetic"] else None
            address = Address(str(content["members_address"]))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise HomeError(f"{marker} is damaged ({error}): make the consortium again, or restore the file") from error
        return Record(people, address, source)


def _slug(value: object) -> str:
    """A slug becomes part of a path: only lower-case letters, digits and hyphens."""
    if not isinstance(value, str) or not value or not value.replace("-", "").isalnum() or value != value.lower():
        raise ValueError(f"member slug {value!r} is not made of lower-case letters, digits and hyphens")
    return value
