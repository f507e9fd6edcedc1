"""A profile: what a hospital published of one version of its dataset, as one signed document.

1. It has one encoding: JSON with sorted keys, no spaces, ASCII, and a line's end. What is not exactly that is refused,
   and so are unknown fields, fields given twice, and whatever is larger than `MAX_BYTES` or nested deeper than a
   profile is. (Libraries here raise Python's recursion limit, with which ``json`` ends the process.)
2. It says itself how much noise its cells have. The charge is computed again from that and from the number of tables:
   a profile cannot claim a smaller one. That the noise was drawn, nobody can see.
3. It is signed over EIP-712 typed data that name the consortium, the dataset, the version and the SHA-256 of all the
   rest. Whether the signer speaks for the dataset's holder, only the chain says (`belmont.lab.twin.checking`).
4. No cell is further outside of 0 ... rows of the version than noise gets: `refuse_impossible`.
"""

import hashlib
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from typing import Any, Final

import numpy as np

from belmont.federated.accounting.budget import MOST_CHARGE, rho_of
from belmont.federated.accounting.epsilon import DELTA, zcdp_epsilon
from belmont.federated.accounting.noise import LEAST_SIGMA, MOST_DENOMINATOR, MOST_SIGMA
from belmont.federated.errors import PrivacyError, ProfileError, ProfileRefused
from belmont.federated.hashes import canonical_json
from belmont.federated.profile.tables import Choices, Counts, Groups
from belmont.federated.typed_data import Signer, digest_of, sign
from belmont.registry.identities.recovery import signer_of
from belmont.registry.strict_json import loads
from belmont.registry.types import Address, DatasetId, MicroRho

FORMAT: Final = "belmont-profile/1"
MAX_BYTES: Final = 1 << 20
SIGNATURE_BYTES: Final = 65
MOST_COUNT: Final = 2**53
MOST_DEPTH: Final = 5
MOST_SIGMAS: Final = 40
"""Noise is beyond so many sigma with probability below e^-800."""
_DOMAIN: Final = "Belmont dataset profile"
_TYPES: Final = {
    "Profile": [
        {"name": "consortium", "type": "string"},
        {"name": "dataset", "type": "bytes32"},
        {"name": "version", "type": "uint256"},
        {"name": "content", "type": "bytes32"},
    ]
}
_FIELDS: Final = (
    {"format", "consortium", "dataset", "version", "dictionary", "sigma", "rho"}
    | {"spent", "rows", "outcome", "tables", "signature"}
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Profile:
    """Noisy counts of one version. ``counts[k]`` of ``choices.columns[k]`` has shape (groups, outcome groups).

    ``choices.rho`` is the charge. Raises ProfileError for one that is not what it says of itself (2).
    """

    consortium: str
    """The chain and members contract, as CAIP-10."""
    dataset_id: DatasetId
    version: int
    dictionary_hash: bytes
    choices: Choices
    sigma: Fraction
    spent: MicroRho
    """Micro-rho of all that was ever published of this dataset, this profile included."""
    rows: int
    """How many rows were counted, with noise."""
    counts: tuple[Counts, ...]

    def __post_init__(self) -> None:
        choices = self.choices
        if type(self.consortium) is not str or not self.consortium.isascii() or len(self.consortium) > 200:
            raise ProfileError("a consortium is named by its chain and contract")
        if any(type(each) is not bytes or len(each) != 32 for each in (self.dataset_id, self.dictionary_hash)):
            raise ProfileError("a dataset and a dictionary are named by 32 bytes")
        if type(self.version) is not int or not 1 <= self.version < 1 << 64:
            raise ProfileError("a version has a number")
        if not LEAST_SIGMA <= self.sigma < MOST_SIGMA or self.sigma.denominator > MOST_DENOMINATOR:
            raise ProfileError(f"noise of sigma {self.sigma} cannot have been drawn")
        if type(self.spent) is not int or not choices.rho <= self.spent <= MOST_CHARGE:
            raise ProfileError("what was spent on all publications includes this one")
        if rho_of(choices.tables, self.sigma**2, 1, choices.cells) != choices.rho:  # 2
            raise ProfileError("the charge is not that of such noise in so many tables")
        shapes = [(len(each), choices.outcomes) for each in choices.columns]
        if [each.shape for each in self.counts] != shapes or any(each.dtype != np.int64 for each in self.counts):
            raise ProfileError("the counts are not one for each cell")
        if type(self.rows) is not int or max(map(abs, self._cells())) > MOST_COUNT:
            raise ProfileError(f"a count has at most {MOST_COUNT:,}")

    def refuse_impossible(self, rows: int) -> None:
        """Raises ProfileRefused where a cell cannot be the noisy count of at most ``rows`` rows (4)."""
        slack = MOST_SIGMAS * self.sigma
        if not all(-slack <= each <= rows + slack for each in self._cells()):
            raise ProfileRefused(f"a count is none that {rows:,} rows can have, whatever the noise was")

    def epsilon(self, delta: float = DELTA) -> float:
        """Of this profile, for a patient who is there or not."""
        return zcdp_epsilon(self.choices.rho, delta)

    def epsilon_of_value(self, delta: float = DELTA) -> float:
        """Of this profile, for what the row of a patient says who is known to be there (rule 3 of `tables`)."""
        return zcdp_epsilon(MicroRho(2 * self.choices.rho), delta)

    def epsilon_spent(self, delta: float = DELTA) -> float:
        """Of all publications of the dataset so far."""
        return zcdp_epsilon(self.spent, delta)

    def _cells(self) -> list[int]:
        return [self.rows, *(int(value) for each in self.counts for value in each.ravel())]

    def fields(self) -> dict[str, Any]:
        """What is signed, as plain values."""
        outcome = self.choices.outcome
        return {
            "format": FORMAT,
            "consortium": self.consortium,
            "dataset": "0x" + self.dataset_id.hex(),
            "version": self.version,
            "dictionary": "0x" + self.dictionary_hash.hex(),
            "sigma": [self.sigma.numerator, self.sigma.denominator],
            "rho": self.choices.rho,
            "spent": self.spent,
            "rows": self.rows,
            "outcome": None if outcome is None else _spoken(outcome),
            "tables": [
                _spoken(groups) | {"counts": counts.tolist()}
                for groups, counts in zip(self.choices.columns, self.counts, strict=True)
            ],
        }

    @cached_property
    def digest(self) -> bytes:
        """The 32 bytes that are signed (3)."""
        values = {
            "consortium": self.consortium,
            "dataset": bytes(self.dataset_id),
            "version": self.version,
            "content": hashlib.sha256(canonical_json(self.fields())).digest(),
        }
        return digest_of(_DOMAIN, _TYPES, values)

    def signed(self, account: Signer) -> "SignedProfile":
        """With the signature of the account that speaks for the holder."""
        return SignedProfile(self, sign(account, self.digest))


@dataclass(frozen=True, eq=False)
class SignedProfile:
    """A profile and its signature of 65 bytes."""

    profile: Profile
    signature: bytes

    @property
    def signer(self) -> Address | None:
        """Whose key signed it; None if nobody's."""
        return signer_of(self.profile.digest, self.signature)

    def to_bytes(self) -> bytes:
        """The file (1)."""
        return canonical_json(self.profile.fields() | {"signature": "0x" + self.signature.hex()}) + b"\n"

    @cached_property
    def hash(self) -> bytes:
        """SHA-256 of the file, as ``sha256sum`` gives it."""
        return hashlib.sha256(self.to_bytes()).digest()

    @classmethod
    def from_bytes(cls, content: bytes) -> "SignedProfile":
        """Raises ProfileRefused for anything that `to_bytes` would not have written (1)."""
        if len(content) > MAX_BYTES:
            raise ProfileRefused(f"a profile has at most {MAX_BYTES >> 20} MiB")
        try:
            fields = loads(content.decode("ascii"), most_depth=MOST_DEPTH)
            if type(fields) is not dict or set(fields) != _FIELDS or fields["format"] != FORMAT:
                raise ValueError("its fields are not those of a profile")
            signed = cls(_profile(fields), _hex(fields["signature"], SIGNATURE_BYTES))
            same = signed.to_bytes() == content
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError, ZeroDivisionError) as error:
            raise ProfileRefused("this is no profile: give the file that the hospital published") from error
        except (ProfileError, PrivacyError) as error:
            raise ProfileRefused(f"this is no profile: {error}") from error
        if not same:
            raise ProfileRefused("the profile is not as it was written: give the hospital's own file, unchanged")
        return signed


def drawn(
    choices: Choices,
    released: tuple[Counts, ...],
    *,
    consortium: str,
    dataset_id: DatasetId,
    version: int,
    dictionary_hash: bytes,
    spent: MicroRho,
) -> Profile:
    """The profile of what ``choices.release`` gave."""
    about = consortium, dataset_id, version, dictionary_hash
    plan, (rows, *counts) = choices.plan, released
    return Profile(*about, replace(choices, rho=plan.rho), plan.sigma, spent, int(rows[0]), tuple(counts))


def _spoken(groups: Groups) -> dict[str, Any]:
    return {"column": groups.column, "starts": list(groups.starts), "width": groups.width}


def _groups(fields: Any, *more: str) -> Groups:
    if type(fields) is not dict or set(fields) != {"column", "starts", "width", *more}:
        raise ValueError("its fields are not those of a table")
    return Groups(fields["column"], tuple(fields["starts"]), fields["width"])


def _counts(rows: Any) -> Counts:
    if type(rows) is not list or not all(type(row) is list and all(type(each) is int for each in row) for row in rows):
        raise ValueError("counts are whole numbers")
    return np.array(rows, np.int64)


def _profile(fields: dict[str, Any]) -> Profile:
    tables, (numerator, denominator) = fields["tables"], fields["sigma"]
    if type(tables) is not list or any(type(each) is not int for each in (numerator, denominator)):
        raise ValueError("a value of the wrong type")
    outcome = None if fields["outcome"] is None else _groups(fields["outcome"])
    return Profile(
        consortium=fields["consortium"],
        dataset_id=DatasetId(_hex(fields["dataset"], 32)),
        version=fields["version"],
        dictionary_hash=_hex(fields["dictionary"], 32),
        choices=Choices(tuple(_groups(each, "counts") for each in tables), outcome, fields["rho"]),
        sigma=Fraction(numerator, denominator),
        spent=fields["spent"],
        rows=fields["rows"],
        counts=tuple(_counts(each["counts"]) for each in sorted(tables, key=lambda each: str(each["column"]))),
    )


def _hex(text: Any, size: int) -> bytes:
    if type(text) is not str or len(text) != 2 + 2 * size:
        raise ValueError("not so many bytes")
    return bytes.fromhex(text[2:])
