"""The consortium's datasets as a catalogue: HealthDCAT-AP in JSON-LD, for health data access bodies and portals (EHDS).

1. A destroyed dataset, and one whose holder is no active member, is not in it: nobody can use them.
2. What is not known is left out (``describing``); facts that no chain knows come from the configuration (``facts``).
"""

from collections.abc import Mapping, Sequence

from belmont.ehr.dictionary import Dictionary
from belmont.registry.types import Address, Dataset, DatasetId, DatasetStatus, DatasetVersion, Member, MemberStatus
from belmont.service.catalogue.describing import Description
from belmont.service.catalogue.facts import AgentFacts, CatalogueFacts, Contact, DatasetFacts
from belmont.service.catalogue.profile import RELEASE, Property, missing
from belmont.service.catalogue.vocabulary import CONTEXT, Node, NotAnIri, english, filled, iri, iris, plain

MEDIA_TYPE = "application/ld+json"


def catalogue(
    name: str,
    datasets: Mapping[DatasetId, Dataset],
    members: Mapping[Address, Member],
    versions: Mapping[DatasetId, Sequence[DatasetVersion]],
    *,
    base: str,
    facts: CatalogueFacts | None = None,
    dictionaries: Mapping[bytes, Dictionary] | None = None,
) -> Node:
    """The whole catalogue as a JSON-LD document. ``name`` is the consortium's, ``base`` the address of the service,
    ``dictionaries`` are by hash. Raises NotAnIri for a fact that is no IRI where one belongs."""
    known = facts or CatalogueFacts()
    found = [
        described
        for each in datasets.values()
        if (described := describe(each, members, versions, base=base, facts=known, dictionaries=dictionaries))
    ]
    own = base.rstrip("/")
    record = filled(
        {
            "@id": f"{own}/catalogue",
            "@type": "dcat:Catalog",
            "dct:title": plain(known.title) if known.title else plain(name),
            "dct:description": plain(known.description)
            if known.description
            else english(f"Datasets that the members of {name} hold, for use under a data permit."),
            "dct:publisher": {"@id": f"{own}/", "@type": "foaf:Agent", "foaf:name": plain(name)},
            "dcatap:applicableLegislation": iris(known.legislation),
            "foaf:homepage": iri(f"{own}/"),
            "dcat:dataset": [{"@id": each.node} for each in found],
        }
    )
    graph = [record]
    for each in found:
        graph += [each.to_node(), *each.version_nodes()]
    return {"@context": dict(CONTEXT), "@graph": graph}


def dataset(described: Description) -> Node:
    """One dataset as a document of its own."""
    return {"@context": dict(CONTEXT), "@graph": [described.to_node(), *described.version_nodes()]}


def describe(
    record: Dataset,
    members: Mapping[Address, Member],
    versions: Mapping[DatasetId, Sequence[DatasetVersion]],
    *,
    base: str,
    facts: CatalogueFacts | None = None,
    dictionaries: Mapping[bytes, Dictionary] | None = None,
) -> Description | None:
    """What is known of one dataset; None for one that is not in the catalogue (1)."""
    holder = members.get(record.holder)
    if record.status is DatasetStatus.DESTROYED or holder is None or holder.status is not MemberStatus.ACTIVE:
        return None
    dictionary = (dictionaries or {}).get(record.dictionary_hash)
    return Description(
        record, holder, versions.get(record.id, ()), facts or CatalogueFacts(), base.rstrip("/"), dictionary
    )


__all__ = [
    "CONTEXT",
    "MEDIA_TYPE",
    "RELEASE",
    "AgentFacts",
    "CatalogueFacts",
    "Contact",
    "DatasetFacts",
    "Description",
    "NotAnIri",
    "Property",
    "catalogue",
    "dataset",
    "describe",
    "missing",
]
