"""The hospital's own records of one patient: every resource or line that is theirs, and nobody else's.

1. Who a record is about is decided as ingest decides it (``belmont.ehr.fhir_persons``): by the identifier whose
   pseudonym the patient's row has. An id that two patients claim is nobody's.
2. A FHIR resource is the patient's own where it is their Patient, or its ``subject`` or ``patient`` names them.
3. One that names another patient anywhere, or contains a person of its own, is left out and counted: it may say
   something about somebody else. So is one that is about another person by its kind (``ABOUT_OTHERS``).
4. Staff, places and institutions that a record refers to are in it as references only; their own records are not here.
5. Lines that cannot be read are nobody's. Files are read line by line; nothing is kept but who is who.
"""

import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from belmont.ehr.consent_terms import TermsBook
from belmont.ehr.dictionary import Dictionary
from belmont.ehr.fhir_files import parse
from belmont.ehr.fhir_persons import Person, Persons
from belmont.ehr.fhir_values import BadValue
from belmont.ehr.lines import numbered_lines
from belmont.ehr.pseudonyms import pseudonym
from belmont.ehr.rows import Place
from belmont.lab.own_tables import CSV_FILE
from belmont.service.patient.hospital import told_without_content

ROW = "row"
"""What a line of a CSV file is called where FHIR has a type."""
ABOUT_OTHERS = frozenset({"RelatedPerson", "Person", "Group", "Practitioner", "PractitionerRole", "Organization"})
_PEOPLE = frozenset({"Patient", "RelatedPerson", "Person"})
_TYPE = re.compile(r"[A-Z][A-Za-z]{1,63}")
_ENDINGS = (".ndjson", ".ndjson.gz")
_PATIENT = re.compile(r"(^|[/|:])Patient([/?]|$)")


@dataclass(frozen=True)
class SourceRecord:
    """One record as the hospital keeps it."""

    kind: str
    """FHIR's type of resource, or ``row``."""
    content: Mapping[str, Any]

    def __repr__(self) -> str:
        return f"SourceRecord({self.kind}, not shown)"


@dataclass
class LeftOut:
    """Records that name the patient and are not handed out, by kind (3)."""

    by_kind: dict[str, int] = field(default_factory=dict)

    def add(self, kind: str) -> None:
        """One more."""
        self.by_kind[kind] = self.by_kind.get(kind, 0) + 1


class OwnRecords:
    """The records of the patient with one pseudonym. ``left_out`` is complete once ``read`` was gone through."""

    def __init__(self, folder: Path, dictionary: Dictionary, key: bytes | None, pseudonym_: int) -> None:
        self._folder, self._dictionary, self._key, self._pseudonym = folder, dictionary, key, pseudonym_
        self.left_out = LeftOut()

    @property
    def is_csv(self) -> bool:
        """Whether the hospital keeps one table, and no FHIR."""
        return (self._folder / CSV_FILE).is_file()

    def read(self) -> Iterator[SourceRecord]:
        """Each record once, in the order of the files. Raises FilesUnusable."""
        self.left_out = LeftOut()
        if self._key is None or not self._folder.is_dir():
            return
        with told_without_content():
            yield from self._rows() if self.is_csv else self._resources()

    # --- CSV ---

    def _rows(self) -> Iterator[SourceRecord]:
        about = self._dictionary.csv
        lines = (text + "\n" for _, text, _ in numbered_lines(self._folder / CSV_FILE))
        reader = csv.reader(lines, delimiter=about.delimiter, strict=True)
        header = [name.strip() for name in _next(reader) or []]
        if about.identifier not in header:
            return
        place = header.index(about.identifier)
        while (cells := _next(reader)) is not None:
            if len(cells) == len(header) and self._is_mine(cells[place].strip()):
                yield SourceRecord(ROW, dict(zip(header, cells, strict=True)))

    # --- FHIR ---

    def _resources(self) -> Iterator[SourceRecord]:
        persons, ids, systems = self._persons()
        me = next((each for each in persons if self._is_mine(each.identifier)), None)
        if me is None:
            return
        mine = [each for each in ids if _named(persons, f"Patient/{each}") is me]
        who = _Me(persons, me, mine, systems)
        for path in self._files():
            kind = path.name.split(".", 1)[0]
            for _, text, _ in numbered_lines(path):
                if not who.may_be_named(text):
                    continue
                try:
                    resource = parse(text, kind)
                except BadValue:
                    continue  # 5
                if not who.owns(resource):
                    continue
                if kind in ABOUT_OTHERS or who.names_others(resource):  # 3
                    self.left_out.add(kind)
                else:
                    yield SourceRecord(kind, resource)

    def _persons(self) -> tuple[Persons, list[str], set[str]]:
        """Everybody of the files, the ids of their Patients, as ingest takes them (1), and what systems of identifiers
        patients have."""
        persons = Persons(self._dictionary.identifier_system, TermsBook())
        ids: list[str] = []
        systems: set[str] = set()
        for path in self._files():
            if path.name.split(".", 1)[0] != "Patient":
                continue
            for number, text, _ in numbered_lines(path):
                try:
                    patient = parse(text, "Patient")
                    persons.admit(patient, Place(path, number))
                    ids.append(str(patient["id"]))
                    listed = (each for each in patient.get("identifier", []) if isinstance(each, dict))
                    systems.update(each["system"] for each in listed if isinstance(each.get("system"), str))
                except BadValue:
                    continue
        return persons, ids, systems

    def _files(self) -> list[Path]:
        """Those that are named by a type of resource."""
        named = (path for path in sorted(self._folder.iterdir()) if path.is_file() and path.name.endswith(_ENDINGS))
        return [path for path in named if _TYPE.fullmatch(path.name.split(".", 1)[0])]

    def _is_mine(self, identifier: str) -> bool:
        return bool(identifier) and self._key is not None and pseudonym(self._key, identifier) == self._pseudonym


class _Me:
    """The patient among all the persons of the files."""

    def __init__(self, persons: Persons, me: Person, ids: list[str], systems: set[str]) -> None:
        self._persons, self._me, self._ids, self._systems = persons, me, ids, systems

    def may_be_named(self, text: str) -> bool:
        """Cheaply: whether a line can name the patient at all."""
        return any(each in text for each in self._ids) or "\\u" in text

    def owns(self, resource: Mapping[str, Any]) -> bool:
        """Whether a resource is the patient's (2)."""
        if resource.get("resourceType") == "Patient":
            return isinstance(resource.get("id"), str) and self._is_me(f"Patient/{resource['id']}")
        named = [resource[name] for name in ("subject", "patient") if name in resource]
        return bool(named) and all(isinstance(each, dict) and self._is_me(each.get("reference")) for each in named)

    def names_others(self, element: Any, *, within: bool = False) -> bool:
        """Whether another patient is named anywhere, or a person is contained (3)."""
        if isinstance(element, list):
            return any(self.names_others(each, within=True) for each in element)
        if not isinstance(element, dict):
            return False
        if within and element.get("resourceType") in _PEOPLE:
            return True
        if self._refers_to_others(element):
            return True
        return any(self.names_others(each, within=True) for each in element.values())

    def _refers_to_others(self, element: Mapping[str, Any]) -> bool:
        """Whether a Reference may be to another patient: what cannot be told is taken for one."""
        reference, identifier = element.get("reference"), element.get("identifier")
        if isinstance(reference, str):
            is_patient = element.get("type") == "Patient" or _PATIENT.search(reference)
            return (bool(is_patient) or reference.startswith("urn:")) and not self._is_me(reference)
        if not isinstance(identifier, dict):
            return False
        is_patient = element.get("type") == "Patient" or identifier.get("system") in self._systems
        return is_patient and identifier.get("value") != self._me.identifier

    def _is_me(self, reference: Any) -> bool:
        return isinstance(reference, str) and _named(self._persons, reference) is self._me


def _named(persons: Persons, reference: str) -> Person | None:
    """The person whom a reference names, as ingest reads it."""
    try:
        return persons.of({"subject": {"reference": reference}})
    except BadValue:
        return None


def _next(reader: Iterator[list[str]]) -> list[str] | None:
    """The next record; None at the end. What the CSV rules refuse is nobody's (5)."""
    while True:
        try:
            return next(reader)
        except StopIteration:
            return None
        except csv.Error as error:
            if "end of data" in str(error):
                return None
