"""What HealthDCAT-AP asks for of a non-public dataset (Release 8), and what of it is not known here.

The specification's "Usage guide, Dataset: non-public" (its sections are named by property); the cardinalities are those
of its SHACL shapes for non-public datasets. Release 5, which the EHDS pilot used, asks for the same but
``healthdcatap:hasStructuredData``.
"""

from dataclasses import dataclass
from typing import Final

from belmont.service.catalogue.vocabulary import Node

RELEASE: Final = "HealthDCAT-AP Release 8, non-public"


@dataclass(frozen=True)
class Property:
    """One property of a class: its section in the specification, and how often it stands."""

    name: str
    section: str
    least: int = 1
    most: int | None = None


DATASET: Final = (
    Property("dct:title", "Dataset: title"),
    Property("dct:description", "Dataset: description"),
    Property("dct:identifier", "Dataset: identifier"),
    Property("dct:accessRights", "Dataset: access rights", 1, 1),
    Property("dcatap:applicableLegislation", "Dataset: applicable legislation"),
    Property("dcat:contactPoint", "Dataset: contact point"),
    Property("dcat:distribution", "Dataset: dataset distribution"),
    Property("healthdcatap:hdab", "Dataset: health data access body", 1, 1),
    Property("healthdcatap:healthCategory", "Dataset: health category"),
    Property("healthdcatap:hasStructuredData", "Dataset: structured data", 1, 1),
    Property("healthdcatap:hasVariables", "Dataset: variables"),
    Property("dcat:keyword", "Dataset: keyword"),
    Property("dct:provenance", "Dataset: provenance"),
    Property("dcat:theme", "Dataset: theme"),
    Property("dct:type", "Dataset: type"),
    Property("dct:publisher", "Dataset: publisher", 0, 1),
    Property("geodcatap:custodian", "Dataset: custodian", 0, 1),
    Property("healthdcatap:numberOfRecords", "Dataset: number of records", 0, 1),
    Property("healthdcatap:numberOfUniqueIndividuals", "Dataset: number of unique individuals", 0, 1),
    Property("healthdcatap:minTypicalAge", "Dataset: min typical age", 0, 1),
    Property("healthdcatap:maxTypicalAge", "Dataset: max typical age", 0, 1),
    Property("healthdcatap:retentionPeriod", "Dataset: retention period", 0, 1),
)
DISTRIBUTION: Final = (
    Property("dcat:accessURL", "Distribution: access URL"),
    Property("dcatap:applicableLegislation", "Distribution: applicable legislation"),
)
AGENT: Final = (
    Property("foaf:name", "Agent: name"),
    Property("cv:contactPoint", "Health agent: contact point", 1, 1),
)
CATALOGUE: Final = (
    Property("dct:title", "Catalogue: title"),
    Property("dct:description", "Catalogue: description"),
    Property("dct:publisher", "Catalogue: publisher"),
    Property("dcatap:applicableLegislation", "Catalogue: applicable legislation"),
)


def missing(node: Node) -> tuple[Property, ...]:
    """What is mandatory and not there, of a dataset and of its distribution, publisher and access body."""
    found = [each for each in DATASET if each.least and each.name not in node]
    for name, properties in (
        ("dcat:distribution", DISTRIBUTION),
        ("dct:publisher", AGENT),
        ("healthdcatap:hdab", AGENT),
    ):
        part = node.get(name)
        if isinstance(part, dict):
            found += [each for each in properties if each.least and each.name not in part]
    return tuple(dict.fromkeys(found))
