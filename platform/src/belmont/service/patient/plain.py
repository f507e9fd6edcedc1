"""The patient's page in plain words: purposes, kinds of data, answers with their grounds, and what a change means."""

from typing import Final

from belmont.registry.consents.fhir import FOREVER
from belmont.registry.consents.scope import Category, Scope
from belmont.registry.duo.terms import Purpose
from belmont.service.patient.own_records import ROW
from belmont.service.patient.standing import Change, Source
from belmont.service.patient.uses import Touch, Why
from belmont.service.words import Day, Sentence

PURPOSES: Final = {
    Purpose.METHOD_DEVELOPMENT: Sentence("developing and testing research methods and software"),
    Purpose.POPULATION: Sentence("research about groups of people"),
    Purpose.ANCESTRY: Sentence("research about where people's ancestors came from"),
    Purpose.AGE_CATEGORY: Sentence("research about people of one age"),
    Purpose.GENDER_CATEGORY: Sentence("research about women or men in particular"),
    Purpose.RESEARCH_CONTROL: Sentence("comparing people with an illness to people without it"),
    Purpose.BIOMEDICAL: Sentence("research about health and illness in general"),
    Purpose.GENETIC: Sentence("research about genes and what is inherited"),
    Purpose.DRUG_DEVELOPMENT: Sentence("developing medicines"),
    Purpose.DISEASE_CATEGORY: Sentence("research about one particular disease"),
}
CATEGORIES: Final = {
    Category.DEMOGRAPHICS: Sentence("age, sex and similar facts"),
    Category.DIAGNOSES: Sentence("diagnoses"),
    Category.MEASUREMENTS: Sentence("measurements and laboratory results"),
    Category.MEDICATION: Sentence("medicines"),
    Category.PROCEDURES: Sentence("operations and other treatments"),
    Category.IMAGES: Sentence("images, such as X-rays"),
    Category.GENOMICS: Sentence("genetic data"),
    Category.DOCUMENTS: Sentence("letters and other documents"),
}
TOUCHES: Final = {
    Touch.USED: Sentence("Used"),
    Touch.MAYBE: Sentence("May have been used"),
    Touch.NOT_USED: Sentence("Not used"),
}
GROUNDS: Final = {
    Why.WHOLE_VERSION: Sentence("A query is answered over every row of the version, and yours is in it."),
    Why.OWN_STATEMENT: Sentence("Your own consent permitted it."),
    Why.ATTESTED: Sentence("The consent that the hospital has on file for you permitted it."),
    Why.NOT_IN_VERSION: Sentence("Your row is not in the version of the data that was used."),
    Why.REVOKED: Sentence("You had taken your consent back."),
    Why.OUTSIDE_STATEMENT: Sentence("Your own consent did not permit it."),
    Why.NOT_ATTESTED: Sentence("The hospital had no consent of yours on file."),
    Why.OUTSIDE_ATTESTED: Sentence("The consent that the hospital has on file for you did not permit it."),
    Why.VERSION_GONE: Sentence(
        "The rows that were used have been destroyed, or are too old to be looked into, so nobody can tell any more."
    ),
    Why.BATCH_FORGOTTEN: Sentence(
        "The hospital has changed what it has on file since then, and its register does not know what it said that day."
    ),
    Why.WITHHELD_AT_SOME_TIME: Sentence(
        "You had permitted it, but the hospital left you out for a while on your word; the register does not say when."
    ),
    Why.PERIOD_EDGE: Sentence("Your consent began or ended while it ran."),
    Why.ROOT_UNKNOWN: Sentence("This service has not read the part of the chain that would tell."),
}
SOURCES: Final = {
    Source.OWN: Sentence("your own newest statement"),
    Source.ATTESTED: Sentence("the consent that the hospital has on file for you"),
    Source.WITHHELD: Sentence("the hospital, which leaves you out until you state something yourself"),
    Source.NOBODY: Sentence("nobody: there is no consent"),
}
CHANGES: Final = {
    Change.STAYS_IN: Sentence("goes on with your row"),
    Change.LEAVES: Sentence("goes on without your row, from its next step on"),
    Change.JOINS: Sentence("may use your row, from its next step on"),
    Change.STAYS_OUT: Sentence("goes on without your row, as before"),
}
KINDS: Final = {
    "Patient": Sentence("who you are"),
    "Encounter": Sentence("visits"),
    "Condition": Sentence("diagnoses"),
    "Observation": Sentence("measurements and laboratory results"),
    "DiagnosticReport": Sentence("reports of examinations"),
    "MedicationRequest": Sentence("prescriptions"),
    "MedicationAdministration": Sentence("medicines that were given"),
    "MedicationStatement": Sentence("medicines that you take"),
    "Procedure": Sentence("operations and other treatments"),
    "ImagingStudy": Sentence("images, such as X-rays"),
    "DocumentReference": Sentence("letters and other documents"),
    "Immunization": Sentence("vaccinations"),
    "AllergyIntolerance": Sentence("allergies"),
    "Consent": Sentence("consents on file"),
    ROW: Sentence("lines of a table"),
}
_UNITS: Final[dict[str, Sentence | str]] = {
    "a": Sentence("years"),
    "mm[Hg]": "mmHg",
    "kg/m2": "kg/m²",
    "mL/min/{1.73_m2}": "mL/min/1.73 m²",
    "Cel": "°C",
    "1": "",
}


def purposes(mask: int) -> tuple[Sentence, ...]:
    """The purposes of a scope or a study."""
    return tuple(said for each, said in PURPOSES.items() if mask & each)


def categories(mask: int) -> tuple[Sentence, ...]:
    """The kinds of data of a scope or a dataset."""
    return tuple(said for each, said in CATEGORIES.items() if mask & each)


def record_kind(kind: str) -> Sentence | str:
    """What a kind of record is; FHIR's own name for one that is rare."""
    return KINDS.get(kind, kind)


def unit(code: str | None) -> Sentence | str:
    """A unit as people write it; UCUM's code for one that is not in the list."""
    return _UNITS.get(code or "", code or "")


def period(scope: Scope) -> Sentence:
    """From when until when."""
    if scope.valid_until >= FOREVER:
        if not scope.valid_from:
            return Sentence("without an end")
        return Sentence("from {start}, without an end", start=Day(scope.valid_from))
    end = Day(scope.valid_until - 1)
    if not scope.valid_from:
        return Sentence("until {end}", end=end)
    return Sentence("from {start} until {end}", start=Day(scope.valid_from), end=end)
