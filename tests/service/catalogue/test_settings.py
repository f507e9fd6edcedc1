"""``[catalogue]`` and ``dictionaries`` of ``service.toml`` are read strictly, and are what the catalogue says."""

from dataclasses import replace
from importlib import resources
from pathlib import Path

import pytest
from tests.service.conftest import World
from tests.service.running import body_of, running

from belmont.ehr.dictionary import Dictionary
from belmont.service.catalogue import AgentFacts, CatalogueFacts, Contact, DatasetFacts
from belmont.service.config import ServiceConfig
from belmont.service.errors import ConfigRefused

ADDRESS = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
EHDS = "http://data.europa.eu/eli/reg/2025/327/oj"
HEAD = """
name = "Northgate"
chain = "http://127.0.0.1:8545"
public_url = "https://belmont.example"
database = "sqlite:///service.sqlite"
dictionaries = ["dictionary.yaml"]
"""
CATALOGUE = f"""
[catalogue]
title = "Health data"
legislation = ["{EHDS}"]
contact = {{ email = "data@hospital.example" }}
[catalogue.access_body]
name = "Access Body"
page = "https://hdab.example"
[catalogue.defaults]
population = "Adults"
min_typical_age = 18
issued = "2026-03-01"
[[catalogue.datasets]]
id = "0x{"ab" * 32}"
keywords = ["diabetes"]
[[catalogue.agents]]
address = "{ADDRESS}"
type = "https://example.org/hospital"
"""


def read(folder: Path, catalogue: str = CATALOGUE, head: str = HEAD) -> ServiceConfig:
    shipped = resources.files("belmont.ehr") / "dictionaries" / "diabetes_cvd.yaml"
    (folder / "dictionary.yaml").write_text(shipped.read_text(encoding="utf-8"), encoding="utf-8")
    (folder / "service.toml").write_text(head + catalogue, encoding="utf-8")
    return ServiceConfig.read(folder / "service.toml")


def test_facts_and_dictionaries_are_what_the_file_says(tmp_path: Path) -> None:
    config = read(tmp_path)
    assert config.catalogue == CatalogueFacts(
        title="Health data",
        legislation=(EHDS,),
        access_body=AgentFacts("Access Body", Contact(page="https://hdab.example")),
        contact=Contact("data@hospital.example"),
        agents={ADDRESS: AgentFacts(type="https://example.org/hospital")},  # type: ignore[dict-item]
        datasets={b"\xab" * 32: DatasetFacts(keywords=("diabetes",))},  # type: ignore[dict-item]
        defaults=DatasetFacts(population="Adults", min_typical_age=18, issued="2026-03-01"),
    )
    assert config.dictionaries == (Dictionary.builtin(),)
    assert read(tmp_path, "").catalogue == CatalogueFacts()


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        ('title = "Health data"', 'titel = "x"', "titel is no key"),
        (EHDS, "no iri", "legislation has what is no IRI"),
        ("data@hospital.example", "nobody", "it is an e-mail address"),
        ('name = "Access Body"', "", "name is missing"),
        ("https://hdab.example", "hdab", "page has what is no IRI"),
        ("min_typical_age = 18", "min_typical_age = 180", "a whole number from 0 to 150"),
        ("min_typical_age = 18", "min_typical_age = 18\nmax_typical_age = 17", "is above max_typical_age"),
        ("2026-03-01", "2026-02-30", "it is a day"),
        ("ab" * 32, "ab", "a dataset's identifier"),
        (ADDRESS, ADDRESS.lower(), "with its checksum"),
        ("[[catalogue.agents]]", f'[[catalogue.datasets]]\nid = "0x{"ab" * 32}"\n[[catalogue.agents]]', "twice"),
        ('keywords = ["diabetes"]', 'keywords = "diabetes"', "a list of texts"),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path: Path, before: str, after: str, why: str) -> None:
    assert before in CATALOGUE
    with pytest.raises(ConfigRefused, match=why):
        read(tmp_path, CATALOGUE.replace(before, after))


@pytest.mark.parametrize("name", ["nowhere.yaml", "service.toml"])
def test_what_is_no_dictionary_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigRefused, match="dictionaries names what is no data dictionary"):
        read(tmp_path, "", HEAD.replace("dictionary.yaml", name))


def test_the_catalogue_that_is_served_has_them(tmp_path: Path, world: World, config: ServiceConfig) -> None:
    database = f"sqlite:///{tmp_path / 'service.sqlite'}"
    facts = CatalogueFacts(title="Health data", contact=Contact("data@hospital.example"))
    with running(world, replace(config, catalogue=facts, database=database)) as service:
        graph = body_of(service.client("auditor").get("/api/v1/catalogue"))["@graph"]
    assert graph[0]["dct:title"] == {"@value": "Health data"}
    contacts = [each["dcat:contactPoint"] for each in graph if each["@type"] == "dcat:Dataset"]
    assert len(contacts) >= 3 and all(
        each["vcard:hasEmail"]["@id"] == "mailto:data@hospital.example" for each in contacts
    )
