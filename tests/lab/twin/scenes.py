"""Profiles of tables that are made up, held against no chain: for what is computed from them."""

import json
from typing import Any

import numpy as np

from belmont.ehr.coded import CodedTable
from belmont.ehr.dictionary import Dictionary
from belmont.federated.hashes import canonical_json
from belmont.federated.profile.document import Profile, SignedProfile, drawn
from belmont.lab.twin.grouping import reference
from belmont.lab.twin.profile import DatasetProfile
from belmont.lab.twin.publishing import Wanted
from belmont.registry.types import Address, Dataset, DatasetId, DatasetStatus, DatasetVersion, MicroRho, VersionStatus

BOOK = Dictionary.builtin()


def seeded(seed: int) -> Any:
    """Random bytes that are the same in every run: for tests alone."""
    return np.random.default_rng(seed).bytes


def random_table(rows: int, seed: int = 0, book: Dictionary = BOOK, **given: Any) -> CodedTable:
    """Rows as the dictionary leads one to expect; ``given`` are codes of some columns."""
    generator = np.random.default_rng(seed)
    codes = {
        column.name: generator.choice(column.width + 1, rows, p=reference(column)).astype(np.uint16) for column in book
    }
    codes |= {name: np.asarray(each, np.uint16) for name, each in given.items()}
    return CodedTable(book, codes, np.arange(1, rows + 1, dtype=np.uint64))


def profile_of(
    table: CodedTable, wanted: Wanted, seed: int = 0, *, number: int = 1, exact: bool = False
) -> DatasetProfile:
    """What a hospital would publish of it. ``exact``: with the noise left out, which no hospital does."""
    choices, book = wanted.choices(table.dictionary), table.dictionary
    dataset_id = DatasetId(bytes([number]) * 32)
    about: dict[str, Any] = {"consortium": "eip155:1:0x00", "dataset_id": dataset_id, "version": 1}
    released = choices.count(table) if exact else choices.release(table, seeded(seed))
    profile: Profile = drawn(choices, released, dictionary_hash=book.hash, spent=choices.plan.rho, **about)
    holder = Address("0x" + "00" * 20)
    cap, none = MicroRho(2_000_000), bytes(32)
    dataset = Dataset(
        dataset_id, holder, f"Dataset {number}", 0, book.hash, 2, 1, 0, cap, MicroRho(0), none, DatasetStatus.ACTIVE, 1
    )
    version = DatasetVersion(dataset_id, 1, b"", table.rows, none, none, VersionStatus.PROVEN, 0)
    return DatasetProfile(SignedProfile(profile, bytes(65)), dataset, version, f"Hospital {number}", book)


def rewritten(content: bytes, account: Any, **changed: Any) -> bytes:
    """A profile with other fields, signed anew."""
    fields = json.loads(content) | changed | {"signature": "0x" + "00" * 65}
    return SignedProfile.from_bytes(canonical_json(fields) + b"\n").profile.signed(account).to_bytes()
