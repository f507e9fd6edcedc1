"""FHIR R4 bulk data in, coded table out.

Files are named by resource type as bulk data is: `Patient.ndjson`, `Observation.0001.ndjson.gz`. The order of work is

1. Patient: who there is (`fhir_persons`). Two Patients with the same identifier are one person.
2. Consent: who may be used. The others are counted, and nothing more of them is read.
3. Encounter: each patient's baseline day.
4. Condition, MedicationRequest, Observation: values, each inside its window around the baseline.

The steps stand in one file because they share what was read so far; people, files and consents have their own.

A line that cannot be read is refused by the dictionary's `on_malformed_line`, except a Consent's, which always refuses
the file, as does a denial that names no known patient, and a file that seems to hold Consents but is not named so that
it is read. A mistyped code (its check digit is wrong) follows the same policy, but costs only its value. A file with
more unreadable lines than readable ones is refused whatever the dictionary says. Nothing is returned unless everything
was read.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, NoReturn

from belmont.ehr.check_digits import mistyped
from belmont.ehr.codebook import CategoryBook
from belmont.ehr.coded import CodedTable
from belmont.ehr.consent import statement
from belmont.ehr.consent_terms import BROAD_PURPOSE, ConsentTerms, TermsBook, without_limits
from belmont.ehr.dictionary import Column, Dictionary
from belmont.ehr.errors import (
    ConsentUnreadable,
    DictionaryError,
    InputNotText,
    InputTruncated,
    WrongDictionary,
)
from belmont.ehr.fhir_files import Resource, files_by_type, is_json, model_validator, parse
from belmont.ehr.fhir_persons import Person, Persons
from belmont.ehr.fhir_values import (
    BadValue,
    Moment,
    age_at,
    birth_date,
    codings,
    moment,
    quantity,
    resource_id,
    shown,
    word,
)
from belmont.ehr.lines import numbered_lines
from belmont.ehr.quality import QualityCounts, QualityReport
from belmont.ehr.rows import Place, Rows, refuse_file

Progress = Callable[[int, int], None]
"""Called with (bytes read, bytes in all) now and then."""

_ENCOUNTERS_THAT_TOOK_PLACE = frozenset({"arrived", "triaged", "in-progress", "onleave", "finished"})
_FINAL = frozenset({"final", "amended", "corrected"})
_NOT_PRESCRIBED = frozenset({"entered-in-error", "cancelled", "draft"})
_NOT_ORDERED = frozenset({"proposal", "plan", "option"})
_RULED_OUT = frozenset({"refuted", "entered-in-error"})
_MIN_BAD_LINES = 10


@dataclass(frozen=True, slots=True)
class Ingested:
    """A coded table and how it came about."""

    table: CodedTable
    quality: QualityReport
    consents: ConsentTerms
    """What the patients permit in detail."""


def read_fhir(
    source: Path | str | Iterable[Path | str],
    dictionary: Dictionary,
    pseudonym_key: bytes,
    *,
    as_of: date | None = None,
    strict: bool = False,
    progress: Progress | None = None,
    scoped: bool = False,
) -> Ingested:
    """Code a folder (or a list) of NDJSON files.

    With `scoped` the caller promises to hold every use of a row to its patient's `Ingested.consents`: then patients who
    permit some classes of data or some recipients are among them. Otherwise they stay out. `as_of` is the day on which
    consents have to be valid (today in UTC by default). `strict` also parses every resource with the models of
    fhir.resources (about 0.1 ms each), and a resource they refuse is a malformed line. Raises an InputRefused that
    names file and line, WrongDictionary, DictionaryError or PseudonymCollision.
    """
    for column in dictionary:
        if column.source is None:
            raise DictionaryError(f"column {column.name} has no FHIR source; give it one, or code a CSV instead")
    reader, unused = _reader(source, dictionary, as_of, strict, progress, scoped)
    return reader.read(pseudonym_key, unused)


def read_consents(
    source: Path | str | Iterable[Path | str],
    dictionary: Dictionary,
    pseudonym_key: bytes,
    *,
    as_of: date | None = None,
) -> ConsentTerms:
    """Only what patients permit, in detail, of a folder (or a list) of NDJSON files: as `read_fhir` with `scoped`."""
    reader, _ = _reader(source, dictionary, as_of, False, None, True)
    reader.read_persons()
    return reader.consents(pseudonym_key)


def _reader(
    source: Path | str | Iterable[Path | str],
    dictionary: Dictionary,
    as_of: date | None,
    strict: bool,
    progress: Progress | None,
    scoped: bool,
) -> tuple["_Reader", list[str]]:
    """A reader, and the names of files that it does not read."""
    files, unused, name = files_by_type(source)
    if dictionary.consent is not None:
        _refuse_hidden_consents(unused)
    day = as_of or datetime.now(UTC).date()
    return _Reader(dictionary, QualityCounts(name), day, strict, files, progress, scoped), unused


class _Reader:
    def __init__(
        self,
        dictionary: Dictionary,
        counts: QualityCounts,
        as_of: date,
        strict: bool,
        files: dict[str, list[Path]],
        progress: Progress | None,
        scoped: bool,
    ) -> None:
        self._dictionary = dictionary
        self._counts = counts
        self._as_of = as_of
        self._strict = strict
        self._scoped = scoped
        self._files = files
        self._rows = Rows(dictionary, counts)
        self._book = TermsBook()
        self._persons = Persons(dictionary.identifier_system, self._book)
        self._columns = _columns_by_code(dictionary)
        self._words = {column.name: _words(column) for column in dictionary}
        self._mistyped: dict[tuple[str, str], bool] = {}
        self._codes_met = False
        total = sum(path.stat().st_size for paths in files.values() for path in paths)
        done = 0

        def told(count: int) -> None:
            nonlocal done
            done += count
            if progress is not None:
                progress(done, total)

        self._progress = told

    def read_persons(self) -> None:
        self._each("Patient", self._persons.admit)
        self._counts.duplicate_patients = self._persons.duplicates
        if self._dictionary.consent is not None:
            self._each("Consent", self._consent)
            self._persons.share_denials()

    def consents(self, key: bytes) -> ConsentTerms:
        """What everybody who may be used permits; without a Consent, what the dictionary takes silence for."""
        rule = self._dictionary.consent
        silent = (self._book.number(without_limits(BROAD_PURPOSE if rule is None else rule.purpose)),)
        allowed = (each for each in self._persons if self._allows(each))
        return self._book.terms(key, ((each.identifier, each.terms or silent) for each in allowed))

    def _allows(self, person: Person) -> bool:
        rule = self._dictionary.consent
        return rule is None or person.allows(rule.required)

    def read(self, key: bytes, unused: list[str]) -> Ingested:
        self.read_persons()
        self._begin_rows()
        if self._dictionary.baseline is not None:
            self._each("Encounter", self._encounter)
            self._settle_baselines()
        self._each("Condition", self._condition)
        self._each("MedicationRequest", self._medication)
        self._each("Observation", self._observation)
        observed = any(source.resource == "Observation" for source in self._sources())
        if observed and self._rows.identifiers and self._counts.resources["Observation"] and not self._codes_met:
            raise WrongDictionary(
                f"{self._files['Observation'][0]}: no Observation has a code of dictionary {self._dictionary.name}"
            )
        table = self._rows.finish(key)
        return Ingested(table, self._counts.report(table, len(self._persons), unused), self.consents(key))

    def _sources(self) -> Iterator[Any]:
        return (column.source for column in self._dictionary if column.source is not None)

    # Lines

    def _each(self, kind: str, use: Callable[[Resource, Place], None]) -> None:
        validate = model_validator(kind) if self._strict else None
        for path in self._files[kind]:
            bad = good = 0
            for number, text, ended in numbered_lines(path, self._progress):
                self._counts.lines_read += 1
                place = Place(path, number)
                try:
                    resource = parse(text, kind)
                    if validate is not None:
                        validate(text)
                    use(resource, place)
                except BadValue as error:
                    if not ended and error.category == "malformed line" and not is_json(text):
                        raise InputTruncated(path, number, "the last line is cut off; export the file again") from error
                    self._bad_line(kind, place, error)
                    bad += error.category == "malformed line"
                else:
                    good += 1
                    self._counts.resources[kind] += 1
            if bad >= _MIN_BAD_LINES and bad > good:
                raise InputNotText(path, None, f"{bad} of {bad + good} lines cannot be read; this is no {kind} NDJSON")

    def _bad_line(self, kind: str, place: Place, error: BadValue) -> None:
        if kind == "Consent":
            _refuse_consent(place, error)
        if self._dictionary.on_malformed_line == "refuse_file":
            refuse_file(place, error.reason)
        self._counts.refuse("line", str(place), None, error.category, error.reason)

    # Who may be used

    def _consent(self, resource: Resource, place: Place) -> None:
        rule = self._dictionary.consent
        if rule is None:
            return
        said = statement(resource, rule.purpose, self._as_of, self._scoped)
        try:
            self._persons.say(resource, said, place)
        except BadValue as error:
            if error.category != "unknown patient":
                raise
            self._counts.refuse("line", str(place), None, error.category, error.reason)

    def _begin_rows(self) -> None:
        for person in self._persons:
            if not self._allows(person):
                self._counts.consent_denied += 1
                continue
            person.row = self._rows.begin(person.identifier, person.place)
            for column in self._dictionary:
                if column.source is not None and column.source.field == "gender":
                    self._gender(person, column)

    def _gender(self, person: Person, column: Column) -> None:
        if person.gender is None or person.gender == "unknown":
            return
        code = self._words[column.name].get(person.gender) if isinstance(person.gender, str) else None
        if code is None:
            error = BadValue("unknown code", f"gender {shown(person.gender)} has no category")
            self._rows.bad(person.row, column, person.place, error)
        else:
            self._rows.set(person.row, column, code, person.place)

    # Since when

    def _encounter(self, resource: Resource, place: Place) -> None:
        rule = self._dictionary.baseline
        person = self._persons.of(resource)
        if rule is None or person.row < 0 or word(resource, "status") not in _ENCOUNTERS_THAT_TOOK_PLACE:
            return
        wanted = {(coding.system, coding.code) for coding in rule.codes}
        types = resource.get("type", [])
        if not isinstance(types, list):
            raise BadValue("malformed line", "type is no list")
        if not any(coding in wanted for concept in types for coding in codings(concept, "type")):
            return
        period = resource.get("period")
        day = moment(period.get("start") if isinstance(period, dict) else None).day
        earlier = person.baseline is None or (day < person.baseline) == (rule.pick == "earliest")
        if earlier:
            person.baseline, person.baseline_place = day, place

    def _settle_baselines(self) -> None:
        begun = [person for person in self._persons if person.row >= 0]
        if begun and all(person.baseline is None for person in begun):
            where = (self._files["Encounter"] or self._files["Patient"])[0]
            raise WrongDictionary(
                f"{where}: no patient has a baseline Encounter of dictionary {self._dictionary.name}; "
                "is this the dictionary of these files?"
            )
        ages = [column for column in self._dictionary if column.source is not None and column.source.field == "age"]
        for person in begun:
            if person.baseline is None:
                self._rows.drop(person.row, person.place, None, "no baseline", "the patient has no baseline Encounter")
                continue
            for column in ages:
                self._age(person, column, date.fromordinal(person.baseline))

    def _age(self, person: Person, column: Column, baseline: date) -> None:
        if person.birth is None:
            return
        try:
            code = self._rows.number_code(column, float(age_at(birth_date(person.birth), baseline)), column.unit)
        except BadValue as error:
            self._rows.bad(person.row, column, person.place, error)
        else:
            self._rows.set(person.row, column, code, person.place)

    # What

    def _condition(self, resource: Resource, place: Place) -> None:
        person = self._persons.of(resource)
        status = codings(resource.get("verificationStatus", {}), "verificationStatus")
        if person.row < 0 or any(code in _RULED_OUT for _, code in status):
            return
        columns = self._matching("Condition", codings(resource.get("code"), "code"), place)
        if not columns:
            return
        onset = resource.get("onsetDateTime")
        period = resource.get("onsetPeriod")
        if onset is None and isinstance(period, dict):
            onset = period.get("start")
        self._event(person, columns, resource.get("recordedDate") if onset is None else onset, place)

    def _medication(self, resource: Resource, place: Place) -> None:
        person = self._persons.of(resource)
        if (
            person.row < 0
            or word(resource, "status") in _NOT_PRESCRIBED
            or word(resource, "intent") in _NOT_ORDERED
            or resource.get("doNotPerform") is True
        ):
            return
        concept = resource.get("medicationCodeableConcept")
        if concept is None:
            raise BadValue("not coded", "only medicationCodeableConcept is read; put the RxNorm code there")
        columns = self._matching("MedicationRequest", codings(concept, "medicationCodeableConcept"), place)
        if columns:
            self._event(person, columns, resource.get("authoredOn"), place)

    def _event(self, person: Person, columns: list[Column], when: Any, place: Place) -> None:
        for column in columns:
            try:
                if self._in_window(person, column, moment(when)):
                    self._rows.set(person.row, column, 1, place)
            except BadValue as error:
                self._rows.bad(person.row, column, place, error)

    def _observation(self, resource: Resource, place: Place) -> None:
        person = self._persons.of(resource)
        if person.row < 0 or word(resource, "status") not in _FINAL:
            return
        issued = resource.get("issued", "")
        tie_break = (issued if isinstance(issued, str) else "", resource_id(resource))
        components = resource.get("component", [])
        if not isinstance(components, list) or not all(isinstance(each, dict) for each in components):
            raise BadValue("malformed line", "component is no list of components")
        when = next((resource[each] for each in ("effectiveDateTime", "effectiveInstant") if each in resource), None)
        if when is None and isinstance(resource.get("effectivePeriod"), dict):
            when = resource["effectivePeriod"].get("start")
        own = self._matching("Observation", codings(resource.get("code"), "code"), place, quiet=bool(components))
        parts = [(resource, own)]
        for each in components:
            parts.append((each, self._matching("Observation", codings(each.get("code"), "code"), place)))
        for part, columns in parts:
            for column in columns:
                self._codes_met = True
                try:
                    found = moment(when)
                    if self._in_window(person, column, found):
                        code = self._value(part, column)
                        if code:
                            self._rows.put(person.row, column, code, found.seconds, tie_break, place)
                except BadValue as error:
                    self._rows.bad(person.row, column, place, error)

    def _value(self, part: Resource, column: Column) -> int:
        """The code of an Observation's value, 0 where it has none. Raises BadValue."""
        if "valueQuantity" in part:
            return self._rows.number_code(column, *quantity(part["valueQuantity"]))
        if "valueCodeableConcept" in part:
            words = [code for _, code in codings(part["valueCodeableConcept"], "valueCodeableConcept")]
            for each in words:
                if each in self._words[column.name]:
                    return self._words[column.name][each]
            raise BadValue("unknown code", f"{shown(words)} is no category")
        given = next((name for name in part if name.startswith("value")), None)
        if given is not None:
            raise BadValue("unknown code", f"{given} is not read; use valueQuantity or valueCodeableConcept")
        return 0

    def _in_window(self, person: Person, column: Column, when: Moment) -> bool:
        if column.source is None or person.baseline is None:
            return column.source is not None and self._dictionary.baseline is None
        return column.source.window.holds(when.day - person.baseline)

    def _matching(self, kind: str, found: list[tuple[str, str]], place: Place, quiet: bool = False) -> list[Column]:
        """The columns that read one of these codes. A mistyped code is refused, one that is not wanted is counted."""
        columns: list[Column] = []
        for system, code in found:
            for column in self._columns.get((kind, system, code), ()):
                if column not in columns:
                    columns.append(column)
        if not columns and not quiet:
            for system, code in found:
                if self._is_mistyped(system, code):
                    reason = f"{shown(code)} is no code of {system}"
                    if self._dictionary.on_malformed_line == "refuse_file":
                        refuse_file(place, reason)
                    self._counts.refuse("value", str(place), None, "unknown code", reason)
                else:
                    self._counts.unused_codes[f"{system}|{code}"] += 1
        return columns

    def _is_mistyped(self, system: str, code: str) -> bool:
        known = self._mistyped.get((system, code))
        if known is None:
            known = self._mistyped[system, code] = mistyped(system, code)
        return known


def _columns_by_code(dictionary: Dictionary) -> dict[tuple[str, str, str], list[Column]]:
    found: dict[tuple[str, str, str], list[Column]] = {}
    for column in dictionary:
        if column.source is not None:
            for coding in column.source.codes:
                found.setdefault((column.source.resource, coding.system, coding.code), []).append(column)
    return found


def _words(column: Column) -> dict[str, int]:
    if not isinstance(column.codebook, CategoryBook):
        return {}
    return {
        word: code
        for code, category in enumerate(column.codebook.categories, start=1)
        for word in (category.name, *category.matches)
    }


def _refuse_consent(place: Place, error: BadValue) -> NoReturn:
    raise ConsentUnreadable(place.path, place.line, f"{error.reason}; a Consent is never guessed, so correct it first")


def _refuse_hidden_consents(unused: list[str]) -> None:
    """Raise ConsentUnreadable where the name of a file that is not read says it holds Consents."""
    for name in unused:
        folded = name.casefold()
        if "consent" in folded and any(each in folded for each in (".ndjson", ".json", ".jsonl")):
            reason = "looks like Consents and would not be read; name it Consent.ndjson, or Consent.0002.ndjson"
            raise ConsentUnreadable(name, None, reason)
