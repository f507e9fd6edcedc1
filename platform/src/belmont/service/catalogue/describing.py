"""One dataset as a ``dcat:Dataset`` of HealthDCAT-AP (Release 8, non-public), from the chain's record and known facts.

1. What neither the chain nor the facts say is left out, also where the specification asks for it
   (``profile.missing`` names it).
2. A row is a patient. That no patient is in a version twice is proved: only of a proven one individuals are counted.
3. The retention date is what the contract keeps: ``dcat:endDate``, with no start, which nobody states.
4. Versions are ``prov:Entity``, specialisations of the dataset, and no datasets of their own: nobody can apply for one.
5. A dictionary describes the variables only if the dataset names its hash.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from belmont.ehr.dictionary import Dictionary
from belmont.identity.words import CATEGORIES
from belmont.registry.types import Dataset, DatasetStatus, DatasetVersion, Member, VersionStatus
from belmont.service.catalogue import policy, variables
from belmont.service.catalogue.facts import AgentFacts, CatalogueFacts, Contact, DatasetFacts
from belmont.service.catalogue.vocabulary import (
    AUTHORITY,
    HEALTH_AUTHORITY,
    HEALTH_THEME,
    NON_PUBLIC,
    Node,
    concept,
    count,
    date,
    english,
    filled,
    iri,
    iris,
    moment,
    plain,
)


@dataclass(frozen=True)
class Description:
    """What is known of one dataset. ``base`` is the address of the service, without a slash at its end."""

    dataset: Dataset
    holder: Member
    versions: Sequence[DatasetVersion]
    """In ascending order."""
    facts: CatalogueFacts
    base: str
    dictionary: Dictionary | None = None

    @property
    def node(self) -> str:
        """The dataset's IRI: its page."""
        return f"{self.base}/datasets/0x{self.dataset.id.hex()}"

    @property
    def own(self) -> DatasetFacts:
        return self.facts.of(self.dataset.id)

    @property
    def newest(self) -> DatasetVersion | None:
        return self.versions[-1] if self.versions else None

    def to_node(self) -> Node:
        """The ``dcat:Dataset``."""
        dataset, own, newest = self.dataset, self.own, self.newest
        is_proven = newest is not None and newest.status is VersionStatus.PROVEN
        publisher = agent(
            f"{self.base}/members/{self.holder.address}",
            self.holder.name,
            self.facts.agents.get(self.holder.address),
        ) | {"dct:identifier": plain(self.holder.did)}
        legislation = iris(own.legislation or self.facts.legislation)
        return filled(
            {
                "@id": self.node,
                "@type": "dcat:Dataset",
                "dct:title": plain(own.title or dataset.name),
                "dct:description": plain(own.description) if own.description else english(self._description()),
                "dct:identifier": plain(f"0x{dataset.id.hex()}"),
                "dct:accessRights": concept(NON_PUBLIC, AUTHORITY + "access-right"),
                "dct:publisher": publisher,
                "geodcatap:custodian": {"@id": publisher["@id"]},
                "dct:provenance": {
                    "@type": "dct:ProvenanceStatement",
                    "rdfs:label": english(self._provenance()),
                },
                "dct:rights": policy.rights(dataset.data_use),
                "odrl:hasPolicy": policy.offer(
                    dataset.data_use, f"{self.node}#policy", {"@id": self.node}, {"@id": publisher["@id"]}
                ),
                "dcat:theme": [concept(HEALTH_THEME, AUTHORITY + "data-theme")],
                "dcat:keyword": [*map(english, self._categories()), *map(plain, own.keywords)],
                "dcat:landingPage": iri(self.node),
                "dcat:contactPoint": contact_kind(self.facts.contact),
                "dcat:distribution": self._distribution(legislation),
                "dcat:version": plain(str(newest.number)) if newest else None,
                "dct:issued": {"@value": own.issued, "@type": "xsd:date"} if own.issued else None,
                "dct:modified": moment(newest.registered_at) if newest else None,
                "dct:language": iris(own.languages),
                "dct:spatial": iris(own.spatial),
                "dct:type": [concept(each, AUTHORITY + "dataset-type") for each in own.types],
                "dcatap:applicableLegislation": legislation,
                "healthdcatap:hdab": self._access_body(),
                "healthdcatap:healthCategory": [
                    concept(each, HEALTH_AUTHORITY + "healthcategories") for each in own.health_categories
                ],
                "healthdcatap:healthTheme": [
                    concept(each, HEALTH_AUTHORITY + "health-theme") for each in own.health_themes
                ],
                "healthdcatap:numberOfRecords": count(newest.rows) if newest else None,
                "healthdcatap:numberOfUniqueIndividuals": count(newest.rows) if newest and is_proven else None,  # 2
                "healthdcatap:populationCoverage": plain(own.population) if own.population else None,
                "healthdcatap:minTypicalAge": None if own.min_typical_age is None else count(own.min_typical_age),
                "healthdcatap:maxTypicalAge": None if own.max_typical_age is None else count(own.max_typical_age),
                "healthdcatap:retentionPeriod": self._retention(),
                "dpv:hasPersonalData": iris(own.personal_data),
                "dpv:hasLegalBasis": [
                    {"@type": "dpv:LegalBasis", "dct:description": plain(each)} for each in own.legal_bases
                ],
                "dpv:hasPurpose": [{"@type": "dpv:Purpose", "dct:description": plain(each)} for each in own.purposes],
                "dqv:hasQualityAnnotation": self._certificate() if is_proven else None,
                **self._variables(),
            }
        )

    def version_nodes(self) -> list[Node]:
        """Every version, with its proof status (4)."""
        return [
            {
                "@id": f"{self.node}/versions/{each.number}",
                "@type": "prov:Entity",
                "prov:specializationOf": {"@id": self.node},
                "dcat:version": plain(str(each.number)),
                "dct:issued": moment(each.registered_at),
                "healthdcatap:numberOfRecords": count(each.rows),
                "belmont:proofStatus": plain(each.status.name.lower()),
                "belmont:commitmentsRoot": plain(f"0x{each.commitments_root.hex()}"),
                "belmont:consentRoot": plain(f"0x{each.consent_root.hex()}"),
            }
            for each in self.versions
        ]

    def _categories(self) -> list[str]:
        mask = self.dataset.categories
        return [name for place, name in enumerate(CATEGORIES) if mask >> place & 1]

    def _description(self) -> str:
        held = ", ".join(self._categories()) or "records"
        rows = f" of {self.newest.rows} patients" if self.newest else ""
        frozen = " Its holder has frozen it." if self.dataset.status is DatasetStatus.FROZEN else ""
        return (
            f"Health records{rows} ({held}), held by {self.holder.name}. They stay there: models are trained and "
            f"questions answered on them under a data permit only.{frozen}"
        )

    def _provenance(self) -> str:
        proved = ""
        if self.newest is not None and self.newest.status is VersionStatus.PROVEN:
            proved = (
                f" Version {self.newest.number} is proven on chain to hold only what the data dictionary allows, for "
                "exactly the registered number of patients, none of them twice."
            )
        return (
            f"Coded from {self.holder.name}'s own records by the data dictionary with the hash "
            f"0x{self.dataset.dictionary_hash.hex()}, pseudonymised there, and committed to on chain.{proved}"
        )

    def _distribution(self, legislation: list[Node]) -> Node:
        """The way to use it: nothing can be downloaded."""
        return filled(
            {
                "@id": f"{self.node}#access",
                "@type": "dcat:Distribution",
                "dct:title": english("Use under a data permit"),
                "dct:description": english(
                    "Nothing is handed over. Apply for a data permit: approved models and questions are computed at "
                    "the holder's own node."
                ),
                "dcat:accessURL": iri(self.node),
                "dct:rights": {
                    "@type": "dct:RightsStatement",
                    "rdfs:label": english("Vote of the ethics board, and acceptance by the data holder."),
                },
                "dcatap:applicableLegislation": legislation,
            }
        )

    def _retention(self) -> Node | None:
        """Rule 3."""
        end = date(self.dataset.retention_until)
        return end and {"@type": "dct:PeriodOfTime", "dcat:endDate": end}

    def _access_body(self) -> Node | None:
        body = self.facts.access_body
        return None if body is None or not body.name else agent(f"{self.base}/#access-body", body.name, body)

    def _certificate(self) -> Node:
        """The proof of the newest version, as a statement on the dataset's quality."""
        number = 0 if self.newest is None else self.newest.number
        return {
            "@type": "dqv:QualityCertificate",
            "oa:hasTarget": {"@id": self.node},
            "oa:hasBody": {"@id": f"{self.node}/versions/{number}"},
            "oa:motivatedBy": {"@id": "dqv:qualityAssessment"},
        }

    def _variables(self) -> Node:
        """Rule 5."""
        if self.dictionary is None or self.dictionary.hash != self.dataset.dictionary_hash:
            return {}
        return {
            "healthdcatap:hasStructuredData": {"@value": True},
            "healthdcatap:hasVariables": variables.table_group(self.dictionary, f"{self.node}#variables"),
            "healthdcatap:hasCodingSystem": variables.coding_systems(self.dictionary),
            "healthdcatap:hasCodeValues": variables.code_values(self.dictionary),
        }


def agent(node: str, name: str, facts: AgentFacts | None) -> Node:
    """A ``foaf:Agent``: a member, or an access body."""
    known = facts or AgentFacts()
    return filled(
        {
            **iri(node),
            "@type": "foaf:Agent",
            "foaf:name": plain(name),
            "dct:type": concept(known.type, HEALTH_AUTHORITY + "publisher-type") if known.type else None,
            "foaf:homepage": iri(known.homepage) if known.homepage else None,
            "dct:description": plain(known.note) if known.note else None,
            "cv:contactPoint": _contact_point(known.contact, f"{node}-contact" if "#" in node else f"{node}#contact"),
        }
    )


def contact_kind(contact: Contact) -> Node | None:
    """A dataset's contact, as vCard has it."""
    if not contact.email and not contact.page:
        return None
    return filled(
        {
            "@type": "vcard:Kind",
            "vcard:hasEmail": iri(f"mailto:{contact.email}") if contact.email else None,
            "vcard:hasURL": iri(contact.page) if contact.page else None,
        }
    )


def _contact_point(contact: Contact, node: str) -> Node | None:
    """An agent's contact, as the Core Public Service Vocabulary has it. It has an IRI, so that an agent of several
    datasets has one."""
    if not contact.email and not contact.page:
        return None
    return filled(
        {
            "@id": node,
            "@type": "cv:ContactPoint",
            "cv:email": plain(contact.email) if contact.email else None,
            "cv:contactPage": iri(contact.page) if contact.page else None,
        }
    )
