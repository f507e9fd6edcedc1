"""What the patient's endpoints take and give. Bytes are 0x and hex, accounts EIP-55, times RFC 3339 in UTC."""

from __future__ import annotations

import json
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from belmont.identity.signed_message import SIGNATURE_BYTES_MAX, SIGNATURES_MAX
from belmont.registry.limits import RECIPIENTS_MAX
from belmont.service.sign_in.schemas import AccountText

PURPOSES_MOST, CATEGORIES_MOST = 10, 8
Word = Annotated[str, Field(pattern="^[a-z_]{1,40}$")]
DatasetText = Annotated[str, Field(pattern="^0x[0-9a-f]{64}$")]
Hex = Annotated[str, Field(pattern="^0x([0-9a-f]{2})+$", max_length=2 + 2 * SIGNATURE_BYTES_MAX)]


class Taken(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Given(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ScopeGiven(Given):
    """What a consent permits."""

    purposes: list[str]
    categories: list[str]
    recipients: list[str]
    """None named: any member."""
    valid_from: str
    valid_until: str | None
    """Exclusive; none: without an end."""


class StatementGiven(Given):
    """One own statement on the chain."""

    sequence: int
    stated_at: str
    block: int
    permits: ScopeGiven | None
    """None: it revoked."""


class EffectGiven(Given):
    """One study that runs, and what is or would be of the row in it."""

    permit: int
    study: str
    data_user: str
    data_user_name: str
    change: Literal["stays_in", "leaves", "joins", "stays_out"]


class StandingGiven(Given):
    """The consent in force and its history."""

    dataset: str
    account: str
    decided_by: Literal["own", "attested", "withheld", "nobody"]
    in_force: ScopeGiven | None
    attested: ScopeGiven | None
    enrolled_at: str | None
    statements: list[StatementGiven]


class Overview(Given):
    """Whose records these are, and at which hospital."""

    hospital: str
    dataset: str
    dataset_name: str
    datasets: list[str]
    """All for which the account is enrolled here; ``dataset`` in a query chooses one."""
    standing: StandingGiven
    running: list[EffectGiven]
    grant_from: str | None
    """When a grant is taken at the earliest; none: at once."""


class ValueGiven(Given):
    """One column of the row, decoded."""

    column: str
    meaning: str
    kind: Literal["number", "category", "yes or no"]
    unit: str | None
    value: float | str | bool | None
    observed: bool


class VersionGiven(Given):
    """One version of the dataset."""

    number: int
    registered_at: str
    has_the_row: bool | None
    """None: nobody can tell any more."""


class RowGiven(Given):
    """The row as research uses it."""

    dataset: str
    dataset_name: str
    version: int | None
    """The newest version that has the row."""
    values: list[ValueGiven]
    versions: list[VersionGiven]


class RecordGiven(Given):
    """One of the hospital's own records."""

    kind: str
    content: dict[str, Any]


class RecordsPage(Given):
    """Some of the hospital's own records."""

    records: list[RecordGiven]
    next: int | None
    """The cursor of the next page."""
    left_out: dict[str, int] | None
    """By kind, how many name the patient and other people too; on the last page."""


class UseGiven(Given):
    """One use, and whether the row was among the rows used."""

    permit: int
    study: str | None
    data_user: str | None
    data_user_name: str | None
    purposes: list[str]
    kind: Literal["round", "query"]
    number: int
    version: int
    block: int
    recorded_at: str
    answer: Literal["used", "maybe", "not_used"]
    why: str


class UsesPage(Given):
    """Some of the uses, newest first."""

    uses: list[UseGiven]
    total: int
    next: int | None
    """The cursor of the next page."""


class GrantAsked(Taken):
    """A consent to be drafted."""

    kind: Literal["grant"]
    purposes: Annotated[list[Word], Field(min_length=1, max_length=PURPOSES_MOST)]
    categories: Annotated[list[Word], Field(min_length=1, max_length=CATEGORIES_MOST)]
    recipients: Annotated[list[AccountText], Field(max_length=RECIPIENTS_MAX)] = []
    """Data users; none: any member."""
    first_day: date
    last_day: date
    """In UTC, both within."""


class RevocationAsked(Taken):
    """A revocation to be drafted."""

    kind: Literal["revocation"]


DraftAsked = Annotated[GrantAsked | RevocationAsked, Field(discriminator="kind")]


class DraftGiven(Given):
    """The message to sign, and what it would mean."""

    says: str
    message: dict[str, Any]
    """As ``belmont sign`` takes it; ``typed_data`` is for ``eth_signTypedData_v4``."""
    effects: list[EffectGiven]


class SignedFile(Taken):
    """A signed message, as its file has it."""

    format: Annotated[str, Field(max_length=40)]
    version: int
    says: Annotated[str, Field(max_length=4000)]
    typed_data: dict[str, Any]
    signatures: Annotated[list[Hex], Field(min_length=1, max_length=SIGNATURES_MAX)]
    reason: Annotated[str, Field(max_length=4000)] | None = None

    def to_bytes(self) -> bytes:
        """The file."""
        return json.dumps(self.model_dump(exclude_none=True)).encode("ascii")


class StatementTaken(Given):
    """A statement that the chain took."""

    says: str
    sequence: int
    overview: Overview
