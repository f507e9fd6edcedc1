"""What an institution says of its datasets that no chain knows: contact, access body, law, categories; all optional.

What is not given is left out of the catalogue. A catalogue with everything mandatory needs these for each holder
(``belmont.service.catalogue.profile.missing`` says what is lacking).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from belmont.registry.types import Address, DatasetId


@dataclass(frozen=True)
class Contact:
    """Of an agent: one of the two at least."""

    email: str = ""
    page: str = ""
    """IRI of a page with the means to make contact."""


@dataclass(frozen=True)
class AgentFacts:
    """A member as publisher, or a health data access body."""

    name: str = ""
    """Of a member the chain's name is used."""
    contact: Contact = Contact()
    type: str = ""
    """IRI of the authority list of health publisher types."""
    homepage: str = ""
    note: str = ""


@dataclass(frozen=True)
class DatasetFacts:
    """Of one dataset; IRIs are those of the authority lists that the specification names."""

    title: str = ""
    """The chain's name where it is empty."""
    description: str = ""
    keywords: tuple[str, ...] = ()
    health_categories: tuple[str, ...] = ()
    """EHDS, Article 51."""
    health_themes: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    legislation: tuple[str, ...] = ()
    """European Legislation Identifiers."""
    legal_bases: tuple[str, ...] = ()
    """In words."""
    purposes: tuple[str, ...] = ()
    """Why the data were collected, in words."""
    population: str = ""
    personal_data: tuple[str, ...] = ()
    """IRIs of the Data Privacy Vocabulary."""
    spatial: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    min_typical_age: int | None = None
    max_typical_age: int | None = None
    issued: str = ""
    """ISO 8601 date."""


@dataclass(frozen=True)
class CatalogueFacts:
    """Of the whole catalogue; what a dataset does not say itself is taken from ``defaults``."""

    title: str = ""
    description: str = ""
    legislation: tuple[str, ...] = ()
    access_body: AgentFacts | None = None
    """The health data access body that decides, or stands for the board."""
    contact: Contact = Contact()
    """Who answers questions about the datasets."""
    agents: Mapping[Address, AgentFacts] = field(default_factory=dict)
    datasets: Mapping[DatasetId, DatasetFacts] = field(default_factory=dict)
    defaults: DatasetFacts = DatasetFacts()

    def of(self, dataset_id: DatasetId) -> DatasetFacts:
        """A dataset's facts, filled up from the defaults."""
        own = self.datasets.get(dataset_id)
        if own is None:
            return self.defaults
        empty = DatasetFacts()
        said = {name: value for name, value in vars(own).items() if value != getattr(empty, name)}
        return replace(self.defaults, **said)
