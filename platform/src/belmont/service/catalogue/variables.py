"""A data dictionary as CSVW (Tabular Data on the Web) variables, with the codes that its columns are read from.

HealthDCAT-AP, ``healthdcatap:hasVariables``: a ``csvw:TableGroup`` with one table, and one ``csvw:Column`` a column.
Columns are a plain repeated property, as the specification's examples have them.
"""

from urllib.parse import quote

from belmont.ehr.codebook import CategoryBook, NumericBook
from belmont.ehr.dictionary import Coding, Column, Dictionary
from belmont.service.catalogue.vocabulary import HEALTH_AUTHORITY, Node, concept, filled, iri, plain, spoken

_SYSTEMS = {
    "http://snomed.info/sct": ("SNOMED-CT", "SNOMED CT", "http://snomed.info/id/"),
    "http://loinc.org": ("LOINC", "LOINC", "http://loinc.org/rdf/"),
    "http://www.nlm.nih.gov/research/umls/rxnorm": ("RXNORM", "RxNorm", "http://purl.bioontology.org/ontology/RXNORM/"),
    "http://www.whocc.no/atc": ("ATC", "ATC", "http://purl.bioontology.org/ontology/ATC/"),
    "http://hl7.org/fhir/sid/icd-10": ("ICD-10", "ICD-10", "http://purl.bioontology.org/ontology/ICD10/"),
    "http://unitsofmeasure.org": ("UCUM", "UCUM", ""),
}
"""By FHIR's name of a code system: its concept in the authority list, what people call it, and where its terms are."""


def table_group(dictionary: Dictionary, node: str) -> Node:
    """The variables below the IRI ``node``."""
    table = {
        "@id": f"{node}/table",
        "@type": "csvw:Table",
        "dct:title": plain(dictionary.title),
        "csvw:column": [_column(each, f"{node}/column/{quote(each.name, safe='')}") for each in dictionary],
    }
    return {
        "@id": node,
        "@type": "csvw:TableGroup",
        "dct:title": plain(dictionary.title),
        "dct:identifier": plain(f"{dictionary.name} {dictionary.version}, SHA-256 {dictionary.hash.hex()}"),
        "csvw:table": table,
    }


def coding_systems(dictionary: Dictionary) -> list[Node]:
    """The code systems that columns are read from, as far as the authority list is known here to have them."""
    found = {_SYSTEMS[each.system][0] for each in _codings(dictionary) if each.system in _SYSTEMS}
    scheme = HEALTH_AUTHORITY + "coding-system"
    standards = [concept(f"{scheme}/{each}", scheme) for each in sorted(found)]
    return [each | {"@type": ["skos:Concept", "dct:Standard"]} for each in standards]


def code_values(dictionary: Dictionary) -> list[Node]:
    """Each code with its system, such as ``LOINC 4548-4``."""
    said = {f"{_SYSTEMS.get(each.system, ('', each.system, ''))[1]} {each.code}" for each in _codings(dictionary)}
    return [plain(each) for each in sorted(said)]


def _codings(dictionary: Dictionary) -> list[Coding]:
    return [code for column in dictionary if column.source for code in column.source.codes]


def _column(column: Column, node: str) -> Node:
    return filled(
        {
            "@id": node,
            "@type": "csvw:Column",
            "csvw:name": plain(column.name),
            "csvw:title": _titles(column),
            "csvw:datatype": plain(_datatype(column)),
            "csvw:required": {"@value": not column.allows_missing},
            "dct:description": plain(_description(column)),
            "csvw:propertyUrl": _property(column),
        }
    )


def _titles(column: Column) -> Node | list[Node]:
    """The label, and those in languages that the dictionary names, as language-tagged values."""
    tagged = [spoken(label, tag) for tag, label in column.labels]
    if column.label in dict(column.labels).values():
        return tagged
    return [plain(column.label), *tagged] if tagged else plain(column.label)


def _datatype(column: Column) -> str:
    book = column.codebook
    if isinstance(book, NumericBook):
        return "decimal" if book.decimals else "integer"
    return "string" if isinstance(book, CategoryBook) else "boolean"


def _description(column: Column) -> str:
    """The label, with what the column may hold."""
    book = column.codebook
    if isinstance(book, NumericBook):
        unit = f" {column.unit}" if column.unit else ""
        return f"{column.label}: {book.minimum:g} to {book.maximum:g}{unit}, in steps of {book.step:g}"
    if isinstance(book, CategoryBook):
        return f"{column.label}: {', '.join(each.name for each in book.categories)}"
    return f"{column.label}: whether it is on record"


def _property(column: Column) -> Node | None:
    """The term that a column is read from; none where there are several, or its system has no such IRIs."""
    codes = () if column.source is None else column.source.codes
    if len(codes) != 1 or codes[0].system not in _SYSTEMS:
        return None
    base = _SYSTEMS[codes[0].system][2]
    return iri(base + codes[0].code) if base else None
