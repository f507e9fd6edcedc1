"""Who the patients of FHIR files are, under which ids, and what they said about consent.

1. Patients with the same identifier are one person. The Patient updated last gives birth date and gender.
2. A Patient id that two persons claim names neither: whatever points at it has no patient.
3. A denial that names no known patient refuses the file, for anybody in it may be the one who denied. A permission that
   names none is a refused line.
4. `Patient.link`, and a further identifier of the main one's system (also an old one), say that two Patients are one
   human. A denial by either counts for both, a permission only for the one who gave it.
5. Of several permissions as of the newest day, all count: a use has to be permitted by each.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from belmont.ehr.consent import Statement
from belmont.ehr.consent_terms import TermsBook
from belmont.ehr.errors import DenialUnplaced
from belmont.ehr.fhir_files import Resource
from belmont.ehr.fhir_values import BadValue, patient_reference, resource_id, shown
from belmont.ehr.rows import Place

Identifier = tuple[str, str]
"""System and value."""


@dataclass(slots=True, eq=False)
class Person:
    """One person under one or more Patient resources, with the greatest statement of each kind about consent."""

    identifier: str
    place: Place
    updated: str
    patient_id: str
    birth: Any
    gender: Any
    row: int = -1
    baseline: int | None = None
    baseline_place: Place | None = None
    permission: Statement | None = None
    denial: Statement | None = None
    terms: tuple[int, ...] = ()
    """Of the permissions of the newest day, numbers in a ``TermsBook`` (5)."""

    def allows(self, required: bool) -> bool:
        """Whether the person may be used; `required` says what silence means."""
        if self.denial is None:
            return self.permission is not None or not required
        return self.permission is not None and self.permission > self.denial


class Persons:
    """Everybody of these files. `identifier_system` is the dictionary's, None where it has none; `book` takes down what
    permissions say in detail."""

    def __init__(self, identifier_system: str | None, book: TermsBook) -> None:
        self.duplicates = 0
        self._system = identifier_system
        self._book = book
        self._persons: dict[Identifier, Person] = {}
        self._by_id: dict[str, Person | None] = {}
        self._links: list[tuple[Person, str]] = []
        self._further: dict[Identifier, list[Person]] = {}

    def __len__(self) -> int:
        return len(self._persons)

    def __iter__(self) -> Iterator[Person]:
        return iter(self._persons.values())

    def admit(self, patient: Resource, place: Place) -> None:
        """Take in a Patient. Raises BadValue where it cannot be read, or where its id is already another's."""
        patient_id = resource_id(patient)
        main, *further = self._identifiers(patient, patient_id)
        person = self._persons.get(main)
        if patient_id in self._by_id and (person is None or self._by_id[patient_id] is not person):
            self._by_id[patient_id] = None
            raise BadValue("malformed line", f"Patient id {patient_id} is already another patient's")
        meta = patient.get("meta")
        updated = meta.get("lastUpdated", "") if isinstance(meta, dict) else ""
        if not isinstance(updated, str):
            raise BadValue("malformed line", f"meta.lastUpdated {shown(updated)} is no instant")
        links = _links(patient)
        birth, gender = patient.get("birthDate"), patient.get("gender")
        if person is None:
            person = self._persons[main] = Person(main[1], place, updated, patient_id, birth, gender)
        else:
            self.duplicates += 1
            if (updated, person.patient_id) > (person.updated, patient_id):
                person.updated, person.patient_id, person.place = updated, patient_id, place
                person.birth, person.gender = birth, gender
        self._by_id[patient_id] = person
        self._links += [(person, other) for other in links]
        for each in further:
            self._further.setdefault(each, []).append(person)

    def _identifiers(self, patient: Resource, patient_id: str) -> list[Identifier]:
        """The one that names the person (of the dictionary's system if it has one, else official, else the first, else
        the id), then the others of its system."""
        listed = patient.get("identifier", [])
        if not isinstance(listed, list):
            raise BadValue("malformed line", "identifier is no list")
        best: tuple[bool, Identifier] | None = None
        met: list[Identifier] = []
        for each in listed:
            if not isinstance(each, dict) or not isinstance(each.get("value"), str):
                continue
            found = str(each.get("system", "")), each["value"].strip()
            if not found[1] or (self._system is not None and found[0] != self._system):
                continue
            met.append(found)
            if each.get("use") in ("old", "temp"):
                continue
            if not found[1].isprintable():
                raise BadValue("no identifier", f"identifier {shown(found[1])} has characters that no identifier has")
            official = each.get("use") == "official"
            if best is None or (official and not best[0]):
                best = official, found
        if best is not None:
            main = best[1]
            return [main, *(each for each in met if len(met) > 1 and each != main and each[0] == main[0] != "")]
        if self._system is not None:
            raise BadValue("no identifier", f"the patient has no identifier of system {self._system}")
        return [("", patient_id), *(each for each in met if each[0])]

    def of(self, resource: Resource, element: str = "subject") -> Person:
        """Whom a resource is about. Raises BadValue where nobody known."""
        patient_id = patient_reference(resource, element)
        person = self._by_id.get(patient_id)
        if person is None:
            why = "two patients have the id" if patient_id in self._by_id else "there is no Patient"
            raise BadValue("unknown patient", f"{why} {shown(patient_id)} in these files")
        return person

    def say(self, consent: Resource, said: Statement | None, place: Place) -> None:
        """What a Consent states. Raises DenialUnplaced, or BadValue where a permission names nobody known."""
        try:
            person = self.of(consent, "patient")
        except BadValue as error:
            if said is not None and said.denies and error.category == "unknown patient":
                reason = f"{error.reason}, and this Consent denies; correct it or the Patient, and export both again"
                raise DenialUnplaced(place.path, place.line, reason) from error
            raise
        if said is None:
            return
        if said.denies:
            person.denial = _greater(person.denial, said)
        else:
            number = self._book.number(said.terms)
            if person.permission is None or said.day > person.permission.day:
                person.terms = (number,)
            elif said.day == person.permission.day and number not in person.terms:
                person.terms = tuple(sorted((*person.terms, number)))  # 5
            person.permission = _greater(person.permission, said._replace(terms=""))

    def share_denials(self) -> None:
        """Let each denial count for everybody who is the same human by a link or a further identifier."""
        leader: dict[Person, Person] = {}

        def lead(person: Person) -> Person:
            while (above := leader.setdefault(person, person)) is not person:
                leader[person] = person = leader[above]
            return person

        for person, patient_id in self._links:
            other = self._by_id.get(patient_id)
            if other is not None:
                leader[lead(person)] = lead(other)
        for identifier, persons in self._further.items():
            owner = self._persons.get(identifier, persons[0])
            for person in persons:
                leader[lead(person)] = lead(owner)
        for person in list(leader):
            if person.denial is not None:
                lead(person).denial = _greater(lead(person).denial, person.denial)
        for person in leader:
            person.denial = lead(person).denial


def _greater(before: Statement | None, said: Statement) -> Statement:
    return said if before is None or said > before else before


def _links(patient: Resource) -> list[str]:
    """The ids of the Patients this one is linked to. Raises BadValue where a link cannot be read."""
    listed = patient.get("link", [])
    if not isinstance(listed, list):
        raise BadValue("malformed line", "link is no list")
    found = []
    for each in listed:
        other = each.get("other") if isinstance(each, dict) else None
        reference = other.get("reference") if isinstance(other, dict) else None
        if not (isinstance(reference, str) and reference.rpartition("/")[0].endswith("RelatedPerson")):
            found.append(patient_reference(each if isinstance(each, dict) else {}, "other"))
    return found
