"""What a study's code may call at a hospital to reach the rows it was approved for.

The code gets them through Flower's Context, so the same app runs in a notebook and in a hospital's own executor:
``context.node_config`` holds a ticket, and the ticket is good only while the node runs the code.

    from belmont.federated.node.data import training_data

    @app.train()
    def train(message, context):
        data = training_data(context, features=("age", "hba1c"), outcome="event")

What is held back so that sums over the rows (a gradient, a Hessian) do not show one patient's row:

1. the rows with a known outcome, and among them those that have a value of each feature, are at least the permit's
   minimum cohort;
2. in a column of two values, the outcome or a feature, each value that occurs is that of at least ``SMALLEST_CELL``
   rows: a Hessian holds the sums over just those rows;
3. an indicator of missing values is 0 throughout where fewer than ``SMALLEST_CELL`` rows lack the value.

Where 1 or 2 fails the code gets no rows, and whatever it answers then, the node refuses the round with
COHORT_TOO_SMALL. What is not protected: sums over small groups that only a combination of columns picks out, the
difference between two rounds or studies over nearly the same rows, and anything that approved code computes from the
rows it was given; the code is approved for that by its hash, and sees every row.
"""

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
from flwr.app import Context
from numpy.typing import NDArray

from belmont.federated.errors import FederatedError
from belmont.federated.query.aggregate import SMALLEST_CELL
from belmont.federated.table import NodeTable

NODE_CONFIG_KEY = "belmont-data"


@dataclass
class Offer:
    """A table on offer to one run of a study's code."""

    table: NodeTable
    min_cohort: int
    smallest_cell: int = SMALLEST_CELL
    too_small: bool = False
    """Whether rows were asked for that are too few."""
    made: dict[object, "TrainingData | None"] = field(default_factory=dict)
    """What was made of this table before, by what was asked; None where it was too small."""


_offers: dict[str, Offer] = {}


@dataclass(frozen=True)
class TrainingData:
    """Standardised rows: ``design`` of shape (rows, columns), ``outcome`` of shape (rows,); read-only."""

    design: NDArray[np.float64]
    outcome: NDArray[np.float64]
    columns: tuple[str, ...]
    """One name for each column of the design: ``intercept``, the features, then ``<feature> missing``."""


def training_data(
    context: Context, features: Sequence[str], outcome: str, missing_indicators: Sequence[str] = ()
) -> TrainingData:
    """The rows of this hospital whose outcome is known.

    Raises FederatedError outside a node's run, for a column that does not exist, and for too few rows (see above).
    """
    offer = _offers.get(str(context.node_config.get(NODE_CONFIG_KEY, "")))
    if offer is None:
        raise FederatedError("no data are offered to this run: only a hospital's node can offer them")
    asked = tuple(features), outcome, tuple(missing_indicators), offer.min_cohort, offer.smallest_cell
    if asked not in offer.made:
        _refuse_unknown(offer.table, (*features, *missing_indicators, outcome))
        is_refused = _too_small(offer, features, outcome)
        offer.made.clear()
        offer.made[asked] = (
            None if is_refused else design(offer.table, features, outcome, missing_indicators, offer.smallest_cell)
        )
    made = offer.made[asked]
    if made is None:
        offer.too_small = True
        raise FederatedError("too few rows for the permit's safeguards")
    return made


def design(
    table: NodeTable,
    features: Sequence[str],
    outcome: str,
    missing_indicators: Sequence[str] = (),
    smallest_cell: int = SMALLEST_CELL,
) -> TrainingData:
    """Standardise a table by the dictionary's reference values, which are the same at every hospital.

    A missing value becomes the reference value (0 after standardising); a column named in ``missing_indicators`` also
    gets a column that is 1 where it is missing, or 0 throughout if fewer than ``smallest_cell`` rows lack the value.
    Rows without an outcome are left out.
    """
    _refuse_unknown(table, (*features, *missing_indicators, outcome))
    has_outcome = np.asarray(table.observed(outcome), bool)
    parts = [np.ones(int(has_outcome.sum()))]
    for name in features:
        values = (np.asarray(table.values(name), np.float64)[has_outcome] - table.center(name)) / table.scale(name)
        parts.append(np.nan_to_num(values, nan=0.0))
    for name in missing_indicators:
        missing = ~np.asarray(table.observed(name), bool)[has_outcome]
        parts.append(missing.astype(np.float64) if missing.sum() >= smallest_cell else np.zeros(len(missing)))
    names = ("intercept", *features, *(f"{name} missing" for name in missing_indicators))
    labels = np.asarray(table.values(outcome), np.float64)[has_outcome]
    made = TrainingData(np.column_stack(parts), labels, names)
    for array in (made.design, made.outcome):
        array.setflags(write=False)
    return made


@contextmanager
def offered(
    table: NodeTable,
    min_cohort: int = 1,
    smallest_cell: int = SMALLEST_CELL,
    made: dict[object, TrainingData | None] | None = None,
) -> Iterator[tuple[str, Offer]]:
    """Offer a table to the code that runs inside the block; yields the ticket for ``node_config``, and the offer.

    ``made`` is what was made of this very table before, where the caller keeps that.
    """
    ticket = secrets.token_hex(16)
    _offers[ticket] = Offer(table, min_cohort, smallest_cell, made={} if made is None else made)
    try:
        yield ticket, _offers[ticket]
    finally:
        del _offers[ticket]


def _refuse_unknown(table: NodeTable, names: Sequence[str]) -> None:
    known = set(table.columns)
    unknown = [name for name in names if name not in known]
    if unknown:
        raise FederatedError(f"the table has no column {unknown[0]!r}")


def _too_small(offer: Offer, features: Sequence[str], outcome: str) -> bool:
    """Points 1 and 2 of the module's list."""
    has_outcome = np.asarray(offer.table.observed(outcome), bool)
    for name in (outcome, *features):
        rows = has_outcome & np.asarray(offer.table.observed(name), bool)
        _, counts = np.unique(np.asarray(offer.table.codes(name))[rows], return_counts=True)
        if counts.sum() < offer.min_cohort or (len(counts) == 2 and counts.min() < offer.smallest_cell):
            return True
    return False
