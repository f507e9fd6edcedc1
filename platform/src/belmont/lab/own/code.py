"""What a study runs, for whoever decides on it: the files behind a code hash, and how they differ from what is known.

1. A bundle is kept in the consortium's directory under its SHA-256 (`belmont.lab.documents`), which is the code hash on
   chain, and compared with it whenever it is read. So is the configuration.
2. Nothing here runs any of it. It is a stranger's: escaped, with hidden characters written out.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

from belmont.federated.errors import BundleError
from belmont.federated.hashes import RunConfig, code_hash
from belmont.federated.models.bundles import shipped_bundle, shipped_names
from belmont.federated.node.bundle import client_app_of, run_config_of
from belmont.lab import cards, documents
from belmont.lab.errors import LabError
from belmont.lab.home import Home
from belmont.lab.own import templates
from belmont.lab.own.difference import MOST_CHARS, CodeDifference, compared, likeness
from belmont.lab.own.folder import files_of
from belmont.lab.own.visible import visible
from belmont.registry.types import StudyTerms

TEMPLATE = "template"


class Code(Mapping[str, str]):
    """The files of a bundle by name, as text with hidden characters written out; ``files`` has their bytes."""

    def __init__(self, bundle: bytes, config: RunConfig | None) -> None:
        self.bundle = bundle
        self.files = files_of(bundle)
        self.config = config
        """None where its text is not on this machine."""

    @property
    def hash(self) -> bytes:
        """The code hash, as the application names it."""
        return code_hash(self.bundle)

    @property
    def package(self) -> str:
        """The package of its ClientApp; empty for an app without one, or none at all."""
        try:
            return client_app_of(self.bundle)[0].partition(".")[0]
        except BundleError:
            return ""

    @property
    def nearest(self) -> str:
        """``"template"`` or the name of the shipped app that it is most like."""
        return max((TEMPLATE, *shipped_names()), key=lambda name: (self._like(name), name == TEMPLATE))

    def diff(self, against: str | None = None) -> CodeDifference:
        """Against ``"template"`` or the name of a shipped app; by default whichever is nearest. Raises LabError."""
        shipped = shipped_names()
        against = self.nearest if against is None else against
        if against != TEMPLATE and against not in shipped:
            known = ", ".join(map(repr, (TEMPLATE, *shipped)))
            raise LabError(f"there is no {against!r} to compare with: give {known}")
        label = "the template" if against == TEMPLATE else f"the shipped app {against}"
        settings = None if self.config is None else (self._declared(against), self.config)
        return compared(label, self._base(against), "this study", self.files, settings)

    def diff_from(self, other: "Code", label: str) -> CodeDifference:
        """Against other code, as it is."""
        known = self.config is not None and other.config is not None
        settings = (other.config or {}, self.config or {}) if known else None
        return compared(label, other.files, "this study", self.files, settings)

    def _base(self, name: str) -> dict[str, bytes]:
        """What it is compared with, under its own package's name."""
        if name == TEMPLATE:
            return templates.bundled_template(self.package or templates.NAME)
        files = templates.shipped_files(name)
        own = f"belmont_{name}"
        return templates.renamed(files, own, self.package or own)

    def _declared(self, name: str) -> RunConfig:
        return run_config_of(self.bundle) if name == TEMPLATE else run_config_of(shipped_bundle(name))

    def _like(self, name: str) -> float:
        return likeness(self._base(name), self.files)

    def __getitem__(self, name: str) -> str:
        return shown(self.files[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self.files)

    def __len__(self) -> int:
        return len(self.files)

    def __repr__(self) -> str:
        return f"Code(0x{self.hash.hex()[:16]}…: {', '.join(visible(name) for name in self)})"

    def _repr_html_(self) -> str:
        parts = [
            f"<details><summary>{cards.mono(visible(name))}</summary><pre>{cards.text(text)}</pre></details>"
            for name, text in self.items()
        ]
        facts: dict[str, object] = {"code": cards.mono(f"0x{self.hash.hex()}")}
        if self.config is not None:
            facts |= {visible(key): cards.mono(visible(repr(value))) for key, value in sorted(self.config.items())}
        return cards.card("What the hospitals run", cards.facts(facts), cards.Html("".join(parts)))


def shown(content: bytes) -> str:
    """A file as text, or what is to be said of one that is none."""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return f"({len(content):,} bytes that are no text)"
    return visible(text) if len(text) <= MOST_CHARS else f"({len(text):,} characters: too many to read)"


def code_of(home: Home | None, terms: StudyTerms, bundle: bytes | Path | str | None = None) -> Code:
    """The code behind an application's hash; ``bundle`` are bytes or a file to take it from. Raises LabError."""
    if bundle is not None:
        content = documents.read_document(bundle)
        if code_hash(content) != terms.code_hash:
            raise LabError("this is not the code of this study: its hash is another than the application names")
        files_of(content)
        documents.keep(home, content)
    else:
        found = documents.found(home, terms.code_hash)
        if found is None:
            raise LabError(
                "the code is not on this machine, or was changed here: ask who applied for the bundle (belmont model "
                "hash my_model --out my_model.fab), and give study.code(bundle='my_model.fab')"
            )
        content = found
    return Code(content, documents.configuration_for(home, terms.config_hash))
