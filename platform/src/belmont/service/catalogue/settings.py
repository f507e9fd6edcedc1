"""What an operator says of the catalogue: ``[catalogue]`` of ``service.toml``. All of it may be left out.

    [catalogue]
    title = "Health data of University Hospital"
    description = "..."
    legislation = ["http://data.europa.eu/eli/reg/2025/327/oj"]
    contact = { email = "data@hospital.example", page = "https://hospital.example/data" }

    [catalogue.access_body]                  # the health data access body
    name = "Health Data Access Body"
    email = "hdab@example.org"               # one of email and page at least

    [catalogue.defaults]                     # of every dataset that does not say otherwise
    health_categories = ["https://..."]      # IRIs of the authority lists that HealthDCAT-AP names
    population = "Adults with type 2 diabetes"
    min_typical_age = 18

    [[catalogue.datasets]]                   # of one
    id = "0x..."                             # and what [catalogue.defaults] can have

    [[catalogue.agents]]                     # of a member as publisher
    address = "0x..."
    type = "https://..."                     # and what [catalogue.access_body] can have

IRIs, addresses and dates are checked when the file is read, so that no catalogue is broken by them later.
"""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING

from eth_utils.address import is_checksum_address

from belmont.registry.types import Address, DatasetId
from belmont.service.catalogue.facts import AgentFacts, CatalogueFacts, Contact, DatasetFacts
from belmont.service.catalogue.vocabulary import NotAnIri, iri

if TYPE_CHECKING:
    from belmont.service.config import Section

AGE_MOST = 150


def read(section: Section) -> CatalogueFacts:
    """Raises ConfigRefused."""
    agents = section.sections("agents", _member)
    datasets = section.sections("datasets", _one)
    for key, entries in (("agents", agents), ("datasets", datasets)):
        if len(dict(entries)) != len(entries):
            raise section.wrong(key, "names one of them twice")
    return CatalogueFacts(
        title=section.optional("title") or "",
        description=section.optional("description") or "",
        legislation=_iris(section, "legislation"),
        access_body=section.table("access_body", _access_body),
        contact=section.table("contact", _contact) or Contact(),
        agents=dict(agents),
        datasets=dict(datasets),
        defaults=section.table("defaults", _dataset) or DatasetFacts(),
    )


def _access_body(section: Section) -> AgentFacts:
    name = section.text("name")
    return _agent(section, name)


def _member(section: Section) -> tuple[Address, AgentFacts]:
    address = section.text("address")
    if not is_checksum_address(address):
        raise section.wrong("address", f"is {address!r}: it is an account with its checksum (EIP-55)")
    return Address(address), _agent(section, "")


def _agent(section: Section, name: str) -> AgentFacts:
    return AgentFacts(
        name=name,
        contact=_contact(section),
        type=_iri(section, "type"),
        homepage=_iri(section, "homepage"),
        note=section.optional("note") or "",
    )


def _contact(section: Section) -> Contact:
    email = section.optional("email") or ""
    if email and not re.fullmatch(r"[^@\s]+@[^@\s]+", email):
        raise section.wrong("email", f"is {email!r}: it is an e-mail address")
    return Contact(email, _iri(section, "page"))


def _one(section: Section) -> tuple[DatasetId, DatasetFacts]:
    text = section.text("id")
    if not re.fullmatch(r"0x[0-9a-f]{64}", text):
        raise section.wrong("id", f"is {text!r}: it is a dataset's identifier, 0x and 64 hex digits")
    return DatasetId(bytes.fromhex(text[2:])), _dataset(section)


def _dataset(section: Section) -> DatasetFacts:
    youngest, oldest = _age(section, "min_typical_age"), _age(section, "max_typical_age")
    if youngest is not None and oldest is not None and youngest > oldest:
        raise section.wrong("min_typical_age", "is above max_typical_age")
    return DatasetFacts(
        title=section.optional("title") or "",
        description=section.optional("description") or "",
        keywords=section.texts("keywords"),
        health_categories=_iris(section, "health_categories"),
        health_themes=_iris(section, "health_themes"),
        types=_iris(section, "types"),
        legislation=_iris(section, "legislation"),
        legal_bases=section.texts("legal_bases"),
        purposes=section.texts("purposes"),
        population=section.optional("population") or "",
        personal_data=_iris(section, "personal_data"),
        spatial=_iris(section, "spatial"),
        languages=_iris(section, "languages"),
        min_typical_age=youngest,
        max_typical_age=oldest,
        issued=_day(section, "issued"),
    )


def _iris(section: Section, key: str) -> tuple[str, ...]:
    found = section.texts(key)
    for each in found:
        _check(section, key, each)
    return found


def _iri(section: Section, key: str) -> str:
    found = section.optional(key) or ""
    if found:
        _check(section, key, found)
    return found


def _check(section: Section, key: str, text: str) -> None:
    try:
        iri(text)
    except NotAnIri as error:
        raise section.wrong(key, f"has what is no IRI: {text[:80]!r}") from error


def _age(section: Section, key: str) -> int | None:
    return section.number(key, 0, AGE_MOST, 0) if section.has(key) else None


def _day(section: Section, key: str) -> str:
    found = section.optional(key) or ""
    try:
        return found and date.fromisoformat(found).isoformat()
    except ValueError as error:
        raise section.wrong(key, f'is {found!r}: it is a day, as "2026-03-01"') from error
