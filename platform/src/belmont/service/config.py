"""``service.toml``: what an institution's operator says of its service. Read strictly: an unknown key is an error.

    name = "University Hospital"             # shown to whoever signs in
    chain = "http://127.0.0.1:8545"
    members = "0x..."                        # which consortium, where the chain has several
    public_url = "https://belmont.example"   # as browsers reach it; sign-in is bound to it
    database = "sqlite:///service.sqlite"    # or postgresql+psycopg://user@host/name
    host = "127.0.0.1"
    port = 8600
    languages = ["en", "zh-Hans"]            # the first is the default
    streams = 500                            # of events, open at once
    streams_of_an_account = 20
    metrics_token_file = "metrics.token"     # for the machine that reads /metrics; without it, members alone can
    dictionaries = ["dictionary.yaml"]       # data dictionaries, so that pages call columns by their labels

    [limits]                                 # docs/sign_in.md; all of it may be left out
    proxies = ["10.0.0.0/8"]                 # whose X-Forwarded-For is believed
    account = { per_second = 50, burst = 200 }

    [trail]
    keep_days = 365                          # how long it is known who asked for what

    [[oidc.providers]]                       # who may vouch for members
    name = "hospital"                        # in addresses: /sign-in/oidc/hospital
    title = "University Hospital"
    issuer = "https://login.hospital.example"
    client_id = "belmont"
    client_secret_file = "oidc.secret"       # its first line; left out for a public client

    [[oidc.members]]                         # and for whom: nobody else gets in
    issuer = "https://login.hospital.example"
    subject = "248289761001"
    address = "0x..."

    [notices]                                # docs/console.md; left out: no notices are sent
    smtp_host = "mail.hospital.example"
    sender = "belmont@hospital.example"
    email_domains = ["hospital.example"]     # whom members may have mails sent to
    webhook_hosts = ["hooks.hospital.example"]

    [catalogue]                              # belmont.service.catalogue.settings; what no chain knows of the datasets
    contact = { email = "data@hospital.example" }

    [[hospital]]                             # whose patients can look at their own records here
    home = "."                               # the directory that has members/<member>/
    member = "hospital-1"

Paths are relative to the file. There is no default for anything secret.
"""

import re
import ssl
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import SplitResult, urlsplit

from eth_utils.address import is_checksum_address

from belmont.ehr.dictionary import Dictionary
from belmont.ehr.errors import DictionaryError
from belmont.registry.types import Address
from belmont.service.access.limits import DEFAULT_RATES, Network, Rate
from belmont.service.access.trail import KEEP_DAYS
from belmont.service.catalogue.facts import CatalogueFacts
from belmont.service.catalogue.settings import read as read_catalogue
from belmont.service.errors import ConfigRefused
from belmont.service.notices.settings import NoticesConfig
from belmont.service.notices.settings import read as read_notices
from belmont.service.sign_in.oidc.fetching import LOOPBACK, check_address
from belmont.service.sign_in.oidc.provider import ProviderConfig

T = TypeVar("T")
LANGUAGES = ("en", "zh-Hans")
DEFAULT_PORT = 8600


@dataclass(frozen=True)
class LocalHospital:
    """A hospital whose files this service may open for that hospital's own patients."""

    home: Path
    member: str


@dataclass(frozen=True)
class StreamLimits:
    """Of streams of events."""

    most: int = 500
    of_an_account: int = 20
    seconds: float = 3600
    """After so long a stream is ended: its listener comes back."""


@dataclass(frozen=True)
class OidcConfig:
    """Who vouches for members, and for whom."""

    providers: tuple[ProviderConfig, ...] = ()
    members: Mapping[tuple[str, str], Address] = field(default_factory=dict)
    """By issuer and subject."""


@dataclass(frozen=True)
class ServiceConfig:
    """One institution's service."""

    name: str
    chain: str
    public_url: str
    database: str
    members: str | None = None
    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    languages: tuple[str, ...] = LANGUAGES
    hospitals: tuple[LocalHospital, ...] = ()
    streams: StreamLimits = StreamLimits()
    metrics_token: str | None = field(default=None, repr=False)
    oidc: OidcConfig = field(default_factory=OidcConfig)
    rates: Mapping[str, Rate] = field(default_factory=dict)
    """Those that differ from ``belmont.service.access.limits.DEFAULT_RATES``."""
    proxies: tuple[Network, ...] = ()
    trail_days: int = KEEP_DAYS
    """How long an entry of the access trail is kept."""
    notices: NoticesConfig = field(default_factory=NoticesConfig)
    catalogue: CatalogueFacts = field(default_factory=CatalogueFacts)
    dictionaries: tuple[Dictionary, ...] = field(default=(), repr=False)
    """Beside the one that is shipped."""

    @property
    def origin(self) -> str:
        """Scheme and authority of the public address (RFC 6454)."""
        parts = urlsplit(self.public_url)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def is_secure(self) -> bool:
        """Whether browsers reach it over TLS: cookies are then kept to that."""
        return self.public_url.startswith("https://")

    @classmethod
    def read(cls, path: Path) -> "ServiceConfig":
        """Read a file. Raises ConfigRefused saying what is wrong with it."""
        try:
            content = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise ConfigRefused(f"{path} cannot be read: {error.strerror}") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigRefused(f"{path} is no TOML: {error}") from error
        section = Section(path, "", content)
        hospitals = section.sections("hospital", _hospital)
        rates, proxies = section.table("limits", _limits) or ({}, ())
        config = cls(
            name=section.text("name"),
            chain=section.text("chain"),
            public_url=section.text("public_url").rstrip("/"),
            database=_beside(path, section.text("database")),
            members=section.optional("members"),
            host=section.text("host", "127.0.0.1"),
            port=section.number("port", 0, 65_535, DEFAULT_PORT),
            languages=section.texts("languages", LANGUAGES),
            hospitals=hospitals,
            streams=StreamLimits(
                section.number("streams", 1, 100_000, StreamLimits.most),
                section.number("streams_of_an_account", 1, 100_000, StreamLimits.of_an_account),
            ),
            metrics_token=section.optional_secret("metrics_token_file"),
            oidc=section.table("oidc", _oidc) or OidcConfig(),
            notices=section.table("notices", read_notices) or NoticesConfig(),
            catalogue=section.table("catalogue", read_catalogue) or CatalogueFacts(),
            dictionaries=_dictionaries(section),
            rates=rates,
            proxies=proxies,
            trail_days=section.table("trail", _trail) or KEEP_DAYS,
        )
        section.refuse_others()
        return config.checked(str(path))

    def checked(self, where: str) -> "ServiceConfig":
        """The same. Raises ConfigRefused for what cannot be served."""
        parts = urlsplit(check_address(self.public_url, f"{where}: public_url"))
        if ":" in (parts.hostname or ""):
            raise ConfigRefused(f"{where}: public_url is {self.public_url!r}, {_instead(parts)}")
        if parts.path or parts.query:
            raise ConfigRefused(
                f"{where}: public_url is {self.public_url!r}; it is as https://belmont.example, without a path"
            )
        unknown = [each for each in self.languages if each not in LANGUAGES]
        if unknown or not self.languages:
            raise ConfigRefused(f"{where}: languages are {list(self.languages)}; there are {', '.join(LANGUAGES)}")
        return self


class Section:
    """One table of the file, whose keys are taken one by one."""

    def __init__(self, path: Path, name: str, content: Mapping[str, Any]) -> None:
        self.path = path
        self._name = name
        self._left = dict(content)

    def text(self, key: str, default: str | None = None) -> str:
        """A text that is not empty."""
        found = self._left.pop(key, default)
        if not isinstance(found, str) or not found or "\0" in found:
            raise self.wrong(key, "is missing" if found is None else f"is {found!r}: it has to be a text")
        return found

    def optional(self, key: str) -> str | None:
        """A text, or None where there is none."""
        return self.text(key) if key in self._left else None

    def number(self, key: str, least: int, most: int, default: int) -> int:
        """A whole number within bounds."""
        found = self._left.pop(key, default)
        if not isinstance(found, int) or isinstance(found, bool) or not least <= found <= most:
            raise self.wrong(key, f"is {found!r}: it is a whole number from {least} to {most}")
        return found

    def texts(self, key: str, default: tuple[str, ...] = ()) -> tuple[str, ...]:
        """A list of texts."""
        found = self._left.pop(key, list(default))
        if not isinstance(found, list) or not all(isinstance(each, str) and each for each in found):
            raise self.wrong(key, "has to be a list of texts")
        return tuple(found)

    def sections(self, key: str, read: "Callable[[Section], T]") -> tuple[T, ...]:
        """A list of tables, each as ``read`` takes it."""
        found = self._left.pop(key, [])
        if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
            raise self.wrong(key, f"has to be a list of tables: [[{key}]]")
        taken = []
        for content in found:
            section = Section(self.path, key, content)
            taken.append(read(section))
            section.refuse_others()
        return tuple(taken)

    def table(self, key: str, read: "Callable[[Section], T]") -> T | None:
        """A table within this one, as ``read`` takes it; None where there is none."""
        if key not in self._left:
            return None
        found = self._left.pop(key)
        if not isinstance(found, dict):
            raise self.wrong(key, f"has to be a table: [{key}]")
        section = Section(self.path, key, found)
        taken = read(section)
        section.refuse_others()
        return taken

    def has(self, key: str) -> bool:
        """Whether a key is there and was not taken."""
        return key in self._left

    def secret(self, key: str, least: int = 16) -> str:
        """The first line, of so many characters at least, of the file that a key names, which ends in ``_file``."""
        path, content = self._content(key)
        found = content.splitlines()
        if not found or len(found[0]) < least:
            raise self.wrong(key, f"names {path}, whose first line is shorter than {least} characters")
        return found[0]

    def authorities(self, key: str) -> str | None:
        """Certificates of authorities in the file that a key names, as PEM; None where there is none."""
        if key not in self._left:
            return None
        path, content = self._content(key)
        try:
            ssl.create_default_context().load_verify_locations(cadata=content)
        except (ssl.SSLError, ValueError) as error:
            raise self.wrong(key, f"names {path}, which holds no certificates in PEM") from error
        return content

    def _content(self, key: str) -> tuple[Path, str]:
        path = self.path.resolve().parent / self.text(key)
        try:
            return path, path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise self.wrong(key, f"names {path}, which cannot be read") from error

    def optional_secret(self, key: str) -> str | None:
        """A secret, or None where there is none."""
        return self.secret(key) if key in self._left else None

    def refuse_others(self) -> None:
        """Raises ConfigRefused for keys that nobody took."""
        if self._left:
            raise self.wrong(sorted(self._left)[0], "is no key of this file")

    def wrong(self, key: str, why: str) -> ConfigRefused:
        """The error that a key is wrong."""
        return ConfigRefused(f"{self.path}: {f'[{self._name}] ' if self._name else ''}{key} {why}")


def _hospital(section: Section) -> LocalHospital:
    return LocalHospital(section.path.resolve().parent / section.text("home"), section.text("member"))


def _dictionaries(section: Section) -> tuple[Dictionary, ...]:
    folder = section.path.resolve().parent
    try:
        return tuple(Dictionary.load(folder / each) for each in section.texts("dictionaries"))
    except DictionaryError as error:
        raise section.wrong("dictionaries", f"names what is no data dictionary: {error}") from error


def _limits(section: Section) -> tuple[dict[str, Rate], tuple[Network, ...]]:
    rates = {kind: rate for kind in DEFAULT_RATES if (rate := section.table(kind, _rate)) is not None}
    try:
        return rates, tuple(ip_network(each) for each in section.texts("proxies"))
    except ValueError as error:
        raise section.wrong("proxies", f"names what is no network: {error}") from error


def _trail(section: Section) -> int:
    return section.number("keep_days", 1, 36_500, KEEP_DAYS)


def _rate(section: Section) -> Rate:
    return Rate(section.number("per_second", 1, 100_000, 50), section.number("burst", 1, 100_000, 200))


def _oidc(section: Section) -> OidcConfig:
    providers = section.sections("providers", _provider)
    issuers = [each.issuer for each in providers]
    names = [each.name for each in providers]
    if len(set(issuers)) != len(issuers) or len(set(names)) != len(names):
        raise section.wrong("providers", "has a name or an issuer twice")
    entries = section.sections("members", _vouched)
    members = {(issuer, subject): address for issuer, subject, address in entries}
    if len(members) != len(entries):
        raise section.wrong("members", "has one subject of an issuer twice")
    unknown = {issuer for issuer, _ in members} - set(issuers)
    if unknown:
        raise section.wrong("members", f"names an issuer that is no provider here: {sorted(unknown)[0]}")
    return OidcConfig(providers, members)


def _provider(section: Section) -> ProviderConfig:
    name = section.text("name")
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,30}", name):
        raise section.wrong("name", f"is {name!r}: it has lower-case letters, digits and hyphens")
    return ProviderConfig(
        name=name,
        title=section.text("title", name),
        issuer=check_address(section.text("issuer"), f"the issuer of {name}"),
        client_id=section.text("client_id"),
        client_secret=section.secret("client_secret_file") if section.has("client_secret_file") else None,
    )


def _vouched(section: Section) -> tuple[str, str, Address]:
    address = section.text("address")
    if not is_checksum_address(address):
        raise section.wrong("address", f"is {address!r}: it is an account with its checksum (EIP-55)")
    return section.text("issuer"), section.text("subject"), Address(address)


def _instead(parts: SplitResult) -> str:
    """What to write for an address of IPv6. The service is one host to browsers (``http.OneHost``), and a passkey of
    this machine is ``localhost``'s (Web Authentication Level 2, section 5.1.3: only a domain is allowed there)."""
    if parts.hostname in LOOPBACK:
        port = f":{parts.port}" if parts.port is not None else ""
        return f"an address of IPv6. For this machine write {parts.scheme}://localhost{port}"
    return "an address of IPv6. Write the name that browsers know it by, as https://belmont.example"


def _beside(path: Path, url: str) -> str:
    """A database's address; a relative file of SQLite is beside the configuration."""
    prefix = "sqlite:///"
    if url.startswith(prefix) and not url.startswith(prefix + "/"):
        return f"{prefix}{path.resolve().parent / url.removeprefix(prefix)}"
    return url
