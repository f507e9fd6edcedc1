"""Namespaces of HealthDCAT-AP, and how values are written in JSON-LD.

1. The context is inline: whoever reads a document fetches nothing.
2. Text has a language or a type; an IRI is one that has a scheme and no space, or it is refused (``NotAnIri``): a fact
   of the configuration is never written as a broken one.
"""

import re
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias

from belmont.service.errors import ServiceError

Node: TypeAlias = dict[str, Any]

CONTEXT: Final[Node] = {
    "adms": "http://www.w3.org/ns/adms#",
    "belmont": "urn:belmont:vocabulary:",
    "csvw": "http://www.w3.org/ns/csvw#",
    "cv": "http://data.europa.eu/m8g/",
    "dcat": "http://www.w3.org/ns/dcat#",
    "dcatap": "http://data.europa.eu/r5r/",
    "dct": "http://purl.org/dc/terms/",
    "dpv": "https://w3id.org/dpv#",
    "dqv": "http://www.w3.org/ns/dqv#",
    "duo": {"@id": "http://purl.obolibrary.org/obo/DUO_", "@prefix": True},
    "foaf": "http://xmlns.com/foaf/0.1/",
    "geodcatap": "http://data.europa.eu/930/",
    "healthdcatap": "http://healthdataportal.eu/ns/health#",
    "mondo": {"@id": "http://purl.obolibrary.org/obo/MONDO_", "@prefix": True},
    "oa": "http://www.w3.org/ns/oa#",
    "odrl": "http://www.w3.org/ns/odrl/2/",
    "prov": "http://www.w3.org/ns/prov#",
    "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
    "skos": "http://www.w3.org/2004/02/skos/core#",
    "vcard": "http://www.w3.org/2006/vcard/ns#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
}
AUTHORITY: Final = "http://publications.europa.eu/resource/authority/"
HEALTH_AUTHORITY: Final = "https://hdeu-dcat.data.health.europa.eu/resource/authority/"
NON_PUBLIC: Final = AUTHORITY + "access-right/NON_PUBLIC"
HEALTH_THEME: Final = AUTHORITY + "data-theme/HEAL"
_YEAR_9999: Final = 253_370_764_800
_IRI: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s<>\"{}|\\^`]+")


class NotAnIri(ServiceError):
    """Where an IRI belongs there is other text."""


def iri(text: str) -> Node:
    """A reference. Raises NotAnIri."""
    if not _IRI.fullmatch(text):
        raise NotAnIri(f"{text[:80]!r} is no IRI")
    return {"@id": text}


def iris(texts: tuple[str, ...]) -> list[Node]:
    return [iri(each) for each in texts]


def english(text: str) -> Node:
    """Our own words."""
    return {"@value": text, "@language": "en"}


def spoken(text: str, language: str) -> Node:
    """A stranger's words in a language that is stated, as a BCP 47 tag."""
    return {"@value": text, "@language": language}


def plain(text: str) -> Node:
    """A stranger's words, whose language nobody states."""
    return {"@value": text}


def count(number: int) -> Node:
    return {"@value": str(number), "@type": "xsd:nonNegativeInteger"}


def date(seconds: int) -> Node | None:
    """The day, in UTC, of a Unix second; None beyond what a calendar holds."""
    if not 0 <= seconds < _YEAR_9999:
        return None
    return {"@value": datetime.fromtimestamp(seconds, UTC).date().isoformat(), "@type": "xsd:date"}


def moment(seconds: int) -> Node:
    stamp = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"@value": stamp, "@type": "xsd:dateTime"}


def concept(text: str, scheme: str) -> Node:
    """An IRI of an authority list, with the list that it is in: validators ask for that."""
    return iri(text) | {"@type": "skos:Concept", "skos:inScheme": iri(scheme)}


def filled(node: Node) -> Node:
    """Without what is not known: empty lists, empty texts and None."""
    return {key: value for key, value in node.items() if value not in (None, "", [], {})}
