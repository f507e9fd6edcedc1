"""Writes ``service.toml`` to begin with: what has to be there, and in comments what can be.

An existing file is never overwritten: there may be somebody's work in it.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from belmont.service.config import DEFAULT_PORT, LocalHospital, ServiceConfig
from belmont.service.errors import ConfigRefused
from belmont.service.sign_in.oidc.fetching import LOOPBACK

_BEGINNING: Final = """\
# The service of one institution: an API, the ethics board's console, the patient's page.
# belmont service serve --config service.toml      Paths are relative to this file; docs/service.md explains each line.

# Shown to whoever signs in.
name = {name}

# The consortium's chain, and its Members contract: which consortium, where the chain has several.
chain = {chain}
{members}

# As browsers reach it: sign-in is bound to this address. Anything but this machine needs https, from a reverse proxy.
# An http:// address of this machine has the port that the service listens on, whatever is said here.
public_url = {public_url}

# The event index and the service's own tables: SQLite, or postgresql+psycopg://belmont@/belmont for many users.
database = {database}

# Where it listens; the proxy is in front of it.
host = "127.0.0.1"
port = {port}

# The first is the default.
languages = ["en", "zh-Hans"]

# Data dictionaries of the datasets, so that pages and the catalogue call columns by their labels.
# dictionaries = ["dictionary.yaml"]
"""
_ENDING: Final = """
# The proxies whose X-Forwarded-For is believed when requests are counted.
# [limits]
# proxies = ["127.0.0.1/32"]

# How long it is known who asked for what.
# [trail]
# keep_days = 365

# Who may vouch for members, and for whom (OpenID Connect, docs/sign_in.md). Whoever has a key signs in with that.
# [[oidc.providers]]
# name = "hospital"
# title = "University Hospital"
# issuer = "https://login.hospital.example"
# client_id = "belmont"
# client_secret_file = "oidc.secret"
# [[oidc.members]]
# issuer = "https://login.hospital.example"
# subject = "248289761001"
# address = "0x..."
"""
_CATALOGUE: Final = """
# What no chain knows of the datasets, for the catalogue (HealthDCAT-AP); docs/service.md has all of it.
# [catalogue]
# legislation = ["http://data.europa.eu/eli/reg/2025/327/oj"]
# contact = { email = "data@hospital.example" }
# [catalogue.access_body]
# name = "Health Data Access Body"
# email = "hdab@example.org"
# [catalogue.defaults]
# population = "Adults with type 2 diabetes"
"""
_HOSPITAL: Final = """
# A hospital whose patients can see their own records here: the directory that has members/<member>/.
"""
_EXAMPLE: Final = """\
# [[hospital]]
# home = "."
# member = "hospital-1"
"""


@dataclass(frozen=True)
class Beginning:
    """What a file has to say."""

    name: str
    chain: str
    public_url: str
    members: str | None = None
    database: str = "sqlite:///service.sqlite"
    port: int = DEFAULT_PORT
    hospitals: Sequence[LocalHospital] = ()

    def text(self) -> str:
        """The file. Raises ConfigRefused for what no TOML can hold."""
        head = _BEGINNING.format(
            name=_quoted(self.name),
            chain=_quoted(self.chain),
            members=f"members = {_quoted(self.members)}" if self.members else '# members = "0x..."',
            public_url=_quoted(self.public_url),
            database=_quoted(self.database),
            port=self.port,
        )
        tables = "".join(
            f"[[hospital]]\nhome = {_quoted(each.home)}\nmember = {_quoted(each.member)}\n" for each in self.hospitals
        )
        return head + _ENDING + _CATALOGUE + _HOSPITAL + (tables or _EXAMPLE)

    def write(self, path: Path) -> ServiceConfig:
        """Make the file, and read it. Raises ConfigRefused where there is one, or where it could not be served."""
        content = self.text()
        try:
            with path.open("x", encoding="utf-8", newline="") as file:
                file.write(content)
        except FileExistsError as error:
            raise ConfigRefused(f"{path} is there already: edit it, or name another") from error
        except OSError as error:
            raise ConfigRefused(f"{path} cannot be written: {error.strerror}") from error
        try:
            return ServiceConfig.read(path)
        except ConfigRefused:
            path.unlink()
            raise


def port_of(public_url: str, port: int | None = None) -> int:
    """Where a service with this address is to listen: as told, else the port of a plain address of this machine, which
    no proxy is in front of (``serving``, 1), else the default."""
    if port is not None:
        return port
    try:
        parts = urlsplit(public_url)
        at = parts.port if parts.scheme == "http" and parts.hostname in LOOPBACK else None
    except ValueError:
        at = None  # no address at all, which reading the file refuses
    return DEFAULT_PORT if at is None else at


def _quoted(value: object) -> str:
    """A basic string of TOML, which is one of JSON but for DEL (toml.io/en/v1.0.0#string)."""
    text = str(value)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ConfigRefused(f"{text!r} is not text: a configuration cannot name it") from error
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
