"""What a study's code may call at a hospital to reach the rows it was approved for.

The code gets them through Flower's Context, so the same app runs in a notebook and in a hospital's own executor:
``context.node_config`` holds a ticket, and the ticket is good only while the node runs the code.

    from belmont.federated.node.data import training_data

    @app.train()
    def train(message, context):
        data = training_data(context, features=("age", "smoking=current"), outcome="event")

What is held back so that sums over the rows (a gradient, a Hessian) do not show one patient's row:

1. the rows with a known outcome, and among them those that have a value of each feature, are at least the permit's
   minimum cohort;
2. in a column of two values, the outcome or a feature, each value that occurs is that of at least ``SMALLEST_CELL``
   rows: a Hessian holds the sums over just those rows;
3. an indicator of missing values, or of one level of a category, is the same throughout where fewer than
   ``SMALLEST_CELL`` rows differ (`belmont.federated.node.design`).

Where 1 or 2 fails the code gets no rows, and whatever it answers then, the node refuses the round with
COHORT_TOO_SMALL.

Where a model only predicts for rows, nothing is summed over columns, and rows are given as they are (`rows_to_score`,
`codes_to_score`); of the predictions what `belmont.federated.evaluation` makes of them leaves.

Patients can be kept apart for evaluation: each has a fraction in [0, 1), drawn from the pseudonym under a secret of
this hospital and this permit (and of those that take its place), so that nobody else can say who is where, and a
patient stays on one side for good (`fractions_of`). In training, code is given the rows of the others (`given`).

What is not protected: sums over small groups that only a combination of columns picks out, the
difference between two rounds or studies over nearly the same rows, and anything that approved code computes from the
rows it was given; the code is approved for that by its hash, and sees every row.
"""

import hashlib
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from flwr.app import Context
from numpy.typing import NDArray

from belmont.federated.errors import FederatedError
from belmont.federated.evaluation.groups import GroupColumn
from belmont.federated.executor.protocol import Kind
from belmont.federated.node.design import (
    LEVEL_MARK,
    CodedData,
    TrainingData,
    coded,
    column_of,
    design,
    refuse_unknown,
    usable,
)
from belmont.federated.query.aggregate import SMALLEST_CELL
from belmont.federated.table import NodeTable, Selection

NODE_CONFIG_KEY = "belmont-data"
POSITION_KEY = "belmont-position"
"""Of the context's node configuration: this hospital's place among the round's participants, from 0."""
EVERYBODY = (0.0, 1.0)
_KEPT = 4
"""How much that was made of one table is kept for the next round."""


@dataclass
class Offer:
    """A table on offer to one run of a study's code."""

    table: NodeTable
    min_cohort: int
    smallest_cell: int = SMALLEST_CELL
    fractions: NDArray[np.float64] | None = None
    """Of each row's patient, in [0, 1)."""
    too_small: bool = False
    """Whether rows were asked for that are too few."""
    made: dict[object, Any] = field(default_factory=dict)
    """What was made of this table before, by what was asked; None where it was too small."""

    @property
    def split(self) -> bytes | None:
        """What stands for who is kept apart: permits over one table have a split each."""
        return None if self.fractions is None else hashlib.sha256(self.fractions.tobytes()).digest()

    def rows(self, keep: tuple[float, float]) -> NDArray[np.bool_] | None:
        """Which rows' patients are in a part; None for everybody. Raises FederatedError."""
        low, high = keep
        if not 0.0 <= low < high <= 1.0:
            raise FederatedError("keep is a part of [0, 1): a lower and a higher bound")
        if keep == EVERYBODY:
            return None
        if self.fractions is None:
            raise FederatedError("no patients are kept apart in this run")
        return (self.fractions >= low) & (self.fractions < high)


_Data = TypeVar("_Data")
_offers: dict[str, Offer] = {}


def training_data(
    context: Context,
    features: Sequence[str],
    outcome: str,
    missing_indicators: Sequence[str] = (),
    *,
    keep: tuple[float, float] = EVERYBODY,
    required: Sequence[str] = (),
    references: NDArray[np.float64] | None = None,
) -> TrainingData:
    """The rows of this hospital whose outcome is known, standardised (`belmont.federated.node.design`).

    ``keep`` are the fractions of patients that are taken. Raises FederatedError outside a node's run, for a column that
    does not exist, and for too few rows (see above).
    """
    offer = offer_of(context)
    made = _training_data(offer, features, outcome, missing_indicators, keep, required, references)
    return _taken(offer, made)


def coded_data(
    context: Context, features: Sequence[str], outcome: str, *, keep: tuple[float, float] = EVERYBODY
) -> CodedData:
    """The codes of the rows whose outcome is known, under the same rules. Raises as `training_data` does."""
    offer = offer_of(context)
    return _taken(offer, _coded_data(offer, features, outcome, keep))


def rows_to_score(
    context: Context,
    features: Sequence[str],
    outcome: str,
    missing_indicators: Sequence[str] = (),
    *,
    keep: tuple[float, float],
    required: Sequence[str] = (),
    references: NDArray[np.float64] | None = None,
) -> TrainingData:
    """The rows whose outcome and required values are known, however few, and every level as it is: what a fitted model
    predicts for.

    Raises FederatedError outside a node's run, and for a column that does not exist.
    """
    offer = offer_of(context)
    given = None if references is None else np.array(references, np.float64)
    kinds = features, outcome, missing_indicators, 1
    return design(offer.table, *kinds, required=required, references=given, rows=offer.rows(keep))


def codes_to_score(context: Context, features: Sequence[str], outcome: str, *, keep: tuple[float, float]) -> CodedData:
    """The codes of the same rows. Raises as `rows_to_score` does."""
    offer = offer_of(context)
    return coded(offer.table, features, outcome, offer.rows(keep))


def group_column(
    context: Context, column: str, outcome: str, *, keep: tuple[float, float], required: Sequence[str] = ()
) -> GroupColumn:
    """One column of the same rows. Raises as `rows_to_score` does."""
    table, rows = offer_of(context).table, offer_of(context).rows(keep)
    refuse_unknown(table, (column, outcome))
    used = usable(table, outcome, required, rows)
    return GroupColumn(
        np.asarray(table.codes(column), np.int64)[used],
        np.asarray(table.observed(column), bool)[used],
        np.asarray(table.values(column), np.float64)[used],
        tuple(table.levels(column)),
        int(table.width(column)),
    )


def min_cohort(context: Context) -> int:
    """The fewest patients of a hospital that the permit allows. Raises FederatedError outside a node's run."""
    return offer_of(context).min_cohort


def smallest_cell(context: Context) -> int:
    """The fewest rows that a sum of this run may rest on. Raises FederatedError outside a node's run."""
    return offer_of(context).smallest_cell


@contextmanager
def offered(
    table: NodeTable,
    min_cohort: int = 1,
    smallest_cell: int = SMALLEST_CELL,
    made: dict[object, Any] | None = None,
    fractions: NDArray[np.float64] | None = None,
) -> Iterator[tuple[str, Offer]]:
    """Offer a table to the code that runs inside the block; yields the ticket for ``node_config``, and the offer.

    ``made`` is what was made of this very table before, where the caller keeps that.
    """
    ticket = secrets.token_hex(16)
    _offers[ticket] = Offer(table, min_cohort, smallest_cell, fractions, made={} if made is None else made)
    try:
        yield ticket, _offers[ticket]
    finally:
        del _offers[ticket]


def fractions_of(pseudonyms: NDArray[np.uint64], secret: bytes) -> NDArray[np.float64]:
    """A number in [0, 1) for each patient: a block cipher's image of the pseudonym, under a key from ``secret``."""
    key = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"belmont/split/1").derive(secret)
    blocks = np.zeros((len(pseudonyms), 2), "<u8")
    blocks[:, 0] = pseudonyms
    cipher = Cipher(algorithms.AES(key), modes.ECB()).encryptor()  # noqa: S305 - one block a patient, each once
    images = np.frombuffer(cipher.update(blocks.tobytes()) + cipher.finalize(), "<u8")[::2]
    return (images >> np.uint64(11)).astype(np.float64) / 2.0**53


def given(
    kind: Kind, holdout: float, table: NodeTable, fractions: NDArray[np.float64], trained_on: Selection
) -> tuple[NodeTable, NDArray[np.float64]]:
    """The rows that a round's code gets, with their fractions: in training those of the others alone, so that who is
    kept apart is not there, whatever the code asks for."""
    if kind == "evaluate":
        return table, fractions
    is_trained_on = fractions >= holdout
    return trained_on.of(table, is_trained_on), fractions[is_trained_on]


def offer_of(context: Context) -> Offer:
    """What is on offer to this run, for further rules of the node's. Raises FederatedError outside one."""
    offer = _offers.get(str(context.node_config.get(NODE_CONFIG_KEY, "")))
    if offer is None:
        raise FederatedError("no data are offered to this run: only a hospital's node can offer them")
    return offer


def _training_data(
    offer: Offer,
    features: Sequence[str],
    outcome: str,
    missing_indicators: Sequence[str],
    keep: tuple[float, float],
    required: Sequence[str],
    references: NDArray[np.float64] | None,
) -> TrainingData | None:
    given = None if references is None else np.array(references, np.float64)
    words = tuple(features), outcome, tuple(missing_indicators), keep, tuple(required)
    asked = words, None if given is None else given.tobytes()

    def make() -> TrainingData:
        table, rows = offer.table, offer.rows(keep)
        kinds = features, outcome, missing_indicators, offer.smallest_cell
        return design(table, *kinds, required=required, references=given, rows=rows)

    refuse_unknown(offer.table, (*features, *missing_indicators, outcome, *required))
    made: TrainingData | None = _made(offer, asked, features, outcome, required, keep, make)
    return made


def _coded_data(offer: Offer, features: Sequence[str], outcome: str, keep: tuple[float, float]) -> CodedData | None:
    refuse_unknown(offer.table, (*features, outcome))
    asked = "coded", tuple(features), outcome, keep

    def make() -> CodedData:
        return coded(offer.table, features, outcome, offer.rows(keep))

    made: CodedData | None = _made(offer, asked, features, outcome, (), keep, make)
    return made


def _made(
    offer: Offer,
    asked: object,
    features: Sequence[str],
    outcome: str,
    required: Sequence[str],
    keep: tuple[float, float],
    make: Callable[[], object],
) -> Any:
    asked = asked, offer.min_cohort, offer.smallest_cell, None if keep == EVERYBODY else offer.split
    if asked not in offer.made:
        is_refused = _too_small(offer, features, usable(offer.table, outcome, required, offer.rows(keep)), outcome)
        found = None if is_refused else make()
        if len(offer.made) >= _KEPT:
            offer.made.clear()
        offer.made[asked] = found
    return offer.made[asked]


def _taken(offer: Offer, made: _Data | None) -> _Data:
    if made is None:
        offer.too_small = True
        raise FederatedError("too few rows for the permit's safeguards")
    return made


def _too_small(offer: Offer, features: Sequence[str], used: NDArray[np.bool_], outcome: str) -> bool:
    """Points 1 and 2 of the module's list; what a level's indicator shows is for rule 3."""
    for name in (outcome, *features):
        column = column_of(name)
        rows = used & np.asarray(offer.table.observed(column), bool)
        _, counts = np.unique(np.asarray(offer.table.codes(column))[rows], return_counts=True)
        if counts.sum() < offer.min_cohort:
            return True
        if LEVEL_MARK not in name and len(counts) == 2 and counts.min() < offer.smallest_cell:
            return True
    return False
