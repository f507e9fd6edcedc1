"""One event, with what the sentences about it ask for."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from belmont.registry.types import Address
from belmont.service.explain.naming import ZERO_ADDRESS, Names
from belmont.service.words import Hash, Plain, Sentence, Thing, Value


class Event(Protocol):
    """An event of a contract: ``registry.types.AuditEvent``, or one of the event index."""

    @property
    def contract(self) -> str:
        """Name of the contract."""

    @property
    def name(self) -> str:
        """Name of the event."""

    @property
    def actor(self) -> Address:
        """Who acted."""

    @property
    def timestamp(self) -> int:
        """Unix seconds of its block."""

    @property
    def details(self) -> dict[str, Any]:
        """The other fields, in snake_case."""


@dataclass(frozen=True)
class Told:
    """An event and what people call what it is about."""

    event: Event
    names: Names

    @property
    def who(self) -> Value:
        """Who acted."""
        return self.names.account(self.event.actor)

    @property
    def dataset(self) -> Thing:
        return self.names.dataset(self.event.details["dataset"])

    @property
    def study(self) -> Thing:
        return self.names.study(self.number("study"))

    @property
    def permit(self) -> Thing:
        return self.names.permit(self.number("permit"))

    @property
    def model(self) -> Hash:
        return self.hash("model_hash")

    def account(self, field: str) -> Value:
        """The account in a field."""
        return self.names.account(self.event.details[field])

    def hash(self, field: str) -> Hash:
        """The hash in a field."""
        return Hash(self.event.details[field])

    def label(self, field: str) -> Plain:
        """A number that is a label."""
        return Plain(self.event.details[field])

    def number(self, field: str) -> int:
        """An amount."""
        return int(self.event.details[field])

    def text(self, field: str) -> str:
        """A stranger's text."""
        return str(self.event.details[field])

    def has(self, field: str) -> bool:
        """Whether a field holds more than zeros or nothing."""
        value = self.event.details[field]
        return any(value) if isinstance(value, bytes) else bool(value) and value != ZERO_ADDRESS


Teller: TypeAlias = Callable[[Told], Sentence]
Tellers: TypeAlias = Mapping[tuple[str, str], Teller]
