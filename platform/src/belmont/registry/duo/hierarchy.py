"""Which disease is a kind of which: a release of MONDO, as its OBO file says it.

No chain holds it. With it, Python can say of a disease that is not on a dataset's list whether it is a kind of one that
is; without it, as in the contract, that is left open.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from belmont.registry.errors import RegistryArgumentError

_ID = re.compile(r"^id: MONDO:(\d{7})$", re.MULTILINE)
_IS_A = re.compile(r"^is_a: MONDO:(\d{7})\b", re.MULTILINE)
_NAME = re.compile(r"^name: (.+)$", re.MULTILINE)
_RELEASE = re.compile(r"^data-version: (\S+)$", re.MULTILINE)


@dataclass(frozen=True)
class DiseaseHierarchy:
    """Diseases by number, with the broader ones directly above each. Obsolete terms are not in it."""

    release: str
    parents: Mapping[int, frozenset[int]]
    names: Mapping[int, str]

    @classmethod
    def from_obo(cls, text: str) -> "DiseaseHierarchy":
        """The text of ``mondo.obo``. Raises ``RegistryArgumentError`` where it is none."""
        header, *stanzas = text.split("\n[")
        parents: dict[int, frozenset[int]] = {}
        names: dict[int, str] = {}
        for stanza in stanzas:
            found = _ID.search(stanza)
            if not stanza.startswith("Term]") or found is None or "\nis_obsolete: true" in stanza:
                continue
            number = int(found[1])
            parents[number] = frozenset(int(each) for each in _IS_A.findall(stanza))
            name = _NAME.search(stanza)
            names[number] = name[1] if name else ""
        if not parents:
            raise RegistryArgumentError("This is no OBO file of MONDO: take mondo.obo from a release of MONDO.")
        release = _RELEASE.search(header)
        return cls(release[1] if release else "unknown release", parents, names)

    @classmethod
    def load(cls, path: Path) -> "DiseaseHierarchy":
        return cls.from_obo(path.read_text(encoding="utf-8"))

    def __contains__(self, disease: int) -> bool:
        return disease in self.parents

    def __repr__(self) -> str:
        return f"DiseaseHierarchy({self.release}, {len(self.parents):,} diseases)"

    def name(self, disease: int) -> str:
        return self.names.get(disease, "")

    def is_a(self, disease: int, broader: frozenset[int]) -> bool:
        """Whether ``disease`` is one of ``broader``, or a kind of one."""
        seen: set[int] = set()
        above = {disease}
        while above:
            if above & broader:
                return True
            seen |= above
            above = {each for found in above for each in self.parents.get(found, ())} - seen
        return False
