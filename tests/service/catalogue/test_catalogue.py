"""The catalogue is RDF that a portal can take: what is mandatory, what is known, and nothing else."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rdflib import Graph, Literal, Namespace, URIRef
from rdflib.namespace import DCAT, DCTERMS, FOAF, RDF, XSD
from rdflib.term import Node
from tests.registry.duo import cases
from tests.service.explain.records import DATASETS, DICTIONARY, HOLDERS, IDS, MEMBERS, NOW, VERSIONS, dataset, version

from belmont.registry.duo import Conditions, Term, countries, diseases
from belmont.registry.types import DatasetStatus, MemberStatus, VersionStatus
from belmont.service import catalogue as service
from belmont.service.catalogue import profile
from belmont.service.catalogue.vocabulary import CONTEXT, HEALTH_AUTHORITY

BASE = "https://belmont.example.org"
HEALTH = Namespace(CONTEXT["healthdcatap"])
DCATAP, CV, CSVW = Namespace(CONTEXT["dcatap"]), Namespace(CONTEXT["cv"]), Namespace(CONTEXT["csvw"])
ODRL, PROV, DUO = Namespace(CONTEXT["odrl"]), Namespace(CONTEXT["prov"]), Namespace(CONTEXT["duo"]["@id"])
EHDS = "http://data.europa.eu/eli/reg/2025/327/oj"
CONTACT = service.Contact(email="data@example.org", page="https://example.org/contact")
HOSPITAL = f"{HEALTH_AUTHORITY}publisher-type/hospital"
FACTS = service.CatalogueFacts(
    legislation=(EHDS,),
    access_body=service.AgentFacts("Health Data Access Body", CONTACT),
    contact=CONTACT,
    agents={
        each: service.AgentFacts(contact=CONTACT, type=f"{HEALTH_AUTHORITY}publisher-type/hospital") for each in HOLDERS
    },
    defaults=service.DatasetFacts(
        health_categories=(f"{HEALTH_AUTHORITY}healthcategories/EHRS",),
        health_themes=(f"{HEALTH_AUTHORITY}health-theme/DIABETES",),
        types=("http://publications.europa.eu/resource/authority/dataset-type/STATISTICAL",),
        legal_bases=("Consent, GDPR Article 9(2)(a)",),
        purposes=("Care",),
        population="Adults with type 2 diabetes",
        personal_data=("https://w3id.org/dpv/pd#HealthRecord",),
        min_typical_age=18,
        keywords=("diabetes",),
    ),
)


def document(**changed: Any) -> dict[str, Any]:
    arguments = {"facts": FACTS, "dictionaries": {DICTIONARY.hash: DICTIONARY}, "versions": VERSIONS} | changed
    datasets, members = arguments.pop("datasets", DATASETS), arguments.pop("members", MEMBERS)
    versions = arguments.pop("versions")
    return service.catalogue("Demo <consortium>", datasets, members, versions, base=BASE, **arguments)


@pytest.fixture(scope="module")
def found() -> Graph:
    return graph()


def graph(**changed: Any) -> Graph:
    """Read as JSON, as whoever fetches it does."""
    return Graph().parse(data=json.dumps(document(**changed)), format="json-ld")


def node_of(k: int) -> URIRef:
    return URIRef(f"{BASE}/datasets/0x{IDS[k].hex()}")


def named(name: str) -> URIRef:
    prefix, _, local = name.partition(":")
    return URIRef(CONTEXT[prefix] + local)


def nodes(found: Graph, kind: Node) -> list[Node]:
    return list(found.subjects(RDF.type, kind))


@pytest.mark.parametrize("each", profile.DATASET, ids=lambda each: each.section)
def test_every_dataset_has_what_the_profile_asks_for_as_often_as_it_says(found: Graph, each: profile.Property) -> None:
    assert len(nodes(found, DCAT.Dataset)) == 4
    for node in nodes(found, DCAT.Dataset):
        values = list(found.objects(node, named(each.name)))
        assert len(values) >= each.least and len(values) <= (each.most or len(values)), (node, values)


@pytest.mark.parametrize(
    ("kind", "properties"),
    [(DCAT.Distribution, profile.DISTRIBUTION), (DCAT.Catalog, profile.CATALOGUE)],
    ids=["distribution", "catalogue"],
)
def test_so_do_distributions_and_the_catalogue(
    found: Graph, kind: Node, properties: tuple[profile.Property, ...]
) -> None:
    assert nodes(found, kind)
    for node in nodes(found, kind):
        for each in properties:
            assert list(found.objects(node, named(each.name))), (node, each)


def test_publishers_and_the_access_body_have_one_contact_point_with_an_address(found: Graph) -> None:
    agents = {agent for role in (DCTERMS.publisher, HEALTH.hdab) for agent in found.objects(None, role)}
    catalogues = {found.value(each, DCTERMS.publisher) for each in nodes(found, DCAT.Catalog)}
    for agent in agents - catalogues:
        points = list(found.objects(agent, CV.contactPoint))
        assert len(points) == 1 and (agent, RDF.type, FOAF.Agent) in found
        assert found.value(points[0], CV.email) == Literal("data@example.org")


def test_the_round_trip_over_turtle_loses_nothing(found: Graph) -> None:
    again = Graph().parse(data=found.serialize(format="turtle"), format="turtle")
    assert found.isomorphic(again) and len(found) > 300


def test_numbers_are_those_of_the_newest_version_and_individuals_only_of_a_proven_one() -> None:
    versions = dict(VERSIONS) | {IDS[0]: (version(0), version(0, number=2, rows=7, status=VersionStatus.REGISTERED))}
    found = graph(versions=versions)
    assert found.value(node_of(0), HEALTH.numberOfRecords) == Literal("7", datatype=XSD.nonNegativeInteger)
    assert found.value(node_of(0), HEALTH.numberOfUniqueIndividuals) is None
    assert found.value(node_of(1), HEALTH.numberOfUniqueIndividuals).toPython() == 1001
    assert found.value(node_of(0), named("dqv:hasQualityAnnotation")) is None
    status = {str(found.value(each, named("dcat:version"))): str(found.value(each, named("belmont:proofStatus")))
              for each in found.subjects(PROV.specializationOf, node_of(0))}  # fmt: skip
    assert status == {"1": "proven", "2": "registered"}


def test_the_retention_ends_when_the_contract_says_and_its_beginning_is_not_invented(found: Graph) -> None:
    period = found.value(node_of(0), HEALTH.retentionPeriod)
    assert str(found.value(period, DCAT.endDate)) == "2027-03-09"
    assert found.value(period, DCAT.startDate) is None


def test_without_facts_nothing_is_invented_and_what_lacks_is_named() -> None:
    described = service.describe(DATASETS[IDS[0]], MEMBERS, VERSIONS, base=BASE)
    assert described is not None
    node = described.to_node()
    assert {each.name for each in service.missing(node)} == {
        "dcatap:applicableLegislation", "dcat:contactPoint", "healthdcatap:hdab", "healthdcatap:healthCategory",
        "healthdcatap:hasStructuredData", "healthdcatap:hasVariables", "dct:type", "cv:contactPoint",
    }  # fmt: skip
    invented = {"healthdcatap:populationCoverage", "dpv:hasLegalBasis", "dpv:hasPurpose", "dct:spatial", "dct:language"}
    assert not invented & set(node)


def test_with_facts_nothing_lacks() -> None:
    described = service.describe(DATASETS[IDS[0]], MEMBERS, VERSIONS, base=BASE, facts=FACTS,
                                 dictionaries={DICTIONARY.hash: DICTIONARY})  # fmt: skip
    assert described is not None and service.missing(described.to_node()) == ()


def test_a_dictionary_that_the_dataset_does_not_name_describes_nothing() -> None:
    other = {b"\0" * 32: DICTIONARY, dataset(0).dictionary_hash: replace(DICTIONARY, version=2)}
    found = graph(dictionaries=other)
    assert not nodes(found, CSVW.TableGroup) and found.value(node_of(0), HEALTH.hasStructuredData) is None


def test_columns_are_variables_with_type_title_and_description() -> None:
    found = graph(datasets={IDS[0]: DATASETS[IDS[0]]})
    columns = nodes(found, CSVW.Column)
    assert len(columns) == len(DICTIONARY.columns)
    for each in columns:
        for name in (CSVW.name, CSVW.title, CSVW.datatype, DCTERMS.description):
            assert len(list(found.objects(each, name))) == 1
    values = {str(each) for each in found.objects(node_of(0), HEALTH.hasCodeValues)}
    assert "LOINC 4548-4" in values and any(each.startswith("SNOMED CT ") for each in values)


def test_labels_in_several_languages_are_titles_with_language_tags() -> None:
    first, *rest = DICTIONARY.columns
    tagged = replace(first, labels=(("zh-Hans", "年龄"),))
    both = replace(first, labels=(("en", first.label), ("zh-Hans", "年龄")))
    for column, titles in (
        (tagged, {Literal(first.label), Literal("年龄", lang="zh-Hans")}),
        (both, {Literal(first.label, lang="en"), Literal("年龄", lang="zh-Hans")}),
    ):
        spoken = replace(DICTIONARY, columns=(column, *rest))
        described = replace(DATASETS[IDS[0]], dictionary_hash=spoken.hash)
        found = graph(datasets={IDS[0]: described}, dictionaries={spoken.hash: spoken})
        node = next(each for each in nodes(found, CSVW.Column) if str(found.value(each, CSVW.name)) == first.name)
        assert set(found.objects(node, CSVW.title)) == titles


def test_each_duo_term_is_a_right_and_permissions_and_restrictions_are_a_policy() -> None:
    conditions = Conditions(
        Term.DS | Term.GS | Term.NCU | Term.PUB | Term.TS | Term.NMDS,
        diseases=diseases("MONDO:0005148"), countries=countries("DE", "AT"), months=12,
    )  # fmt: skip
    found = graph(datasets={IDS[0]: dataset(0, conditions=conditions, duo_terms=int(conditions.terms))})
    stated = {found.value(each, DCTERMS.source) for each in found.objects(node_of(0), DCTERMS.rights)}
    assert stated == {DUO[f"{each.code:07d}"] for each in conditions.terms}
    policy = found.value(node_of(0), ODRL.hasPolicy)
    permission = found.value(policy, ODRL.permission)
    operands = {found.value(each, ODRL.leftOperand) for each in found.objects(permission, ODRL.constraint)}
    assert operands == {ODRL.purpose, ODRL.spatial, ODRL.elapsedTime}
    assert URIRef(CONTEXT["mondo"]["@id"] + "0005148") in set(found.objects(None, ODRL.rightOperand))
    actions = {found.value(each, ODRL.action) for each in found.objects(policy, ODRL.prohibition)}
    assert actions == {ODRL.use, ODRL.commercialize}
    assert found.value(found.value(permission, ODRL.duty), ODRL.action) == DUO["0000019"]


@settings(max_examples=40, deadline=None)
@given(st.sampled_from([each.conditions for each in cases.load()]))
def test_no_term_of_any_dataset_is_lost(conditions: Conditions) -> None:
    held = dataset(0, conditions=conditions, duo_terms=int(conditions.terms))
    described = service.describe(held, MEMBERS, VERSIONS, base=BASE)
    assert described is not None
    node = described.to_node()
    stated = {each["dct:source"]["@id"] for each in node["dct:rights"]}
    assert stated == {f"duo:{each.code:07d}" for each in conditions.terms}
    json.dumps(node, allow_nan=False)


def test_what_nobody_can_use_is_not_in_it() -> None:
    left = dict(MEMBERS) | {HOLDERS[1]: replace(MEMBERS[HOLDERS[1]], status=MemberStatus.REMOVED)}
    gone = dict(DATASETS) | {IDS[0]: dataset(0, status=DatasetStatus.DESTROYED)}
    assert set(nodes(graph(members=left, datasets=gone), DCAT.Dataset)) == {node_of(2), node_of(3)}


def test_a_strangers_text_stays_text() -> None:
    evil = 'x" }, {"@id": "urn:evil", "@type": "dcat:Dataset" <script>'
    members = dict(MEMBERS) | {HOLDERS[0]: replace(MEMBERS[HOLDERS[0]], name=evil, did="no iri at all <>")}
    found = graph(datasets={IDS[0]: dataset(0, name=evil)}, members=members)
    assert nodes(found, DCAT.Dataset) == [node_of(0)]
    assert found.value(node_of(0), DCTERMS.title) == Literal(evil)


@pytest.mark.parametrize("text", ["no iri", "", "javascript", "http://a b", "http://a<b>"])
def test_a_fact_that_is_no_iri_is_refused(text: str) -> None:
    facts = replace(FACTS, legislation=(text,))
    with pytest.raises(service.NotAnIri):
        document(facts=facts)


def test_a_datasets_own_facts_come_before_the_defaults() -> None:
    facts = replace(
        FACTS, datasets={IDS[0]: service.DatasetFacts(title="Own", population="Children", min_typical_age=0)}
    )
    found = graph(facts=facts)
    assert found.value(node_of(0), DCTERMS.title) == Literal("Own")
    assert found.value(node_of(0), HEALTH.minTypicalAge).toPython() == 0
    assert found.value(node_of(0), HEALTH.healthCategory) == found.value(node_of(1), HEALTH.healthCategory)
    assert str(found.value(node_of(1), HEALTH.populationCoverage)) == "Adults with type 2 diabetes"


def test_a_date_beyond_the_calendar_is_left_out() -> None:
    conditions = Conditions(Term.HMB | Term.MOR, moratorium_until=2**63)
    found = graph(datasets={IDS[0]: dataset(0, conditions=conditions, retention_until=2**63)})
    assert found.value(node_of(0), HEALTH.retentionPeriod) is None and NOW


def test_one_dataset_is_a_document_of_its_own() -> None:
    described = service.describe(DATASETS[IDS[0]], MEMBERS, VERSIONS, base=f"{BASE}/", facts=FACTS)
    assert described is not None
    found = Graph().parse(data=json.dumps(service.dataset(described)), format="json-ld")
    assert nodes(found, DCAT.Dataset) == [node_of(0)] and not nodes(found, DCAT.Catalog)
