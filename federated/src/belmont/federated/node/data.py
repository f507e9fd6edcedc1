"""What a study's code may call at a hospital to reach the rows it was approved for.

The code gets them through Flower's Context, so the same app runs in a notebook and in a hospital's own executor:
``context.node_config`` holds a ticket, and the ticket is good only while the node runs the code.

    from belmont.federated.node.data import training_data

    @app.train()
    def train(message, context):
        data = training_data(context, features=("age", "hba1c"), outcome="event")
"""

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from flwr.app import Context
from numpy.typing import NDArray

from belmont.federated.errors import FederatedError
from belmont.federated.table import NodeTable

NODE_CONFIG_KEY = "belmont-data"

_offered: dict[str, NodeTable] = {}


@dataclass(frozen=True)
class TrainingData:
    """Standardised rows: ``design`` of shape (rows, columns), ``outcome`` of shape (rows,)."""

    design: NDArray[np.float64]
    outcome: NDArray[np.float64]
    columns: tuple[str, ...]
    """One name for each column of the design: ``intercept``, the features, then ``<feature> missing``."""


def training_data(
    context: Context, features: Sequence[str], outcome: str, missing_indicators: Sequence[str] = ()
) -> TrainingData:
    """The rows of this hospital whose outcome is known. Raises FederatedError outside a node's run."""
    table = _offered.get(str(context.node_config.get(NODE_CONFIG_KEY, "")))
    if table is None:
        raise FederatedError("no data are offered to this run: only a hospital's node can offer them")
    return design(table, features, outcome, missing_indicators)


def design(
    table: NodeTable, features: Sequence[str], outcome: str, missing_indicators: Sequence[str] = ()
) -> TrainingData:
    """Standardise a table by the dictionary's reference values, which are the same at every hospital.

    A missing value becomes the reference value (0 after standardising); a column named in ``missing_indicators`` also
    gets a column that is 1 where it is missing. Rows without an outcome are left out.
    """
    known = set(table.columns)
    unknown = [name for name in (*features, *missing_indicators, outcome) if name not in known]
    if unknown:
        raise FederatedError(f"the table has no column {unknown[0]!r}")
    has_outcome = np.asarray(table.observed(outcome), bool)
    parts = [np.ones(int(has_outcome.sum()))]
    for name in features:
        values = (np.asarray(table.values(name), np.float64)[has_outcome] - table.center(name)) / table.scale(name)
        parts.append(np.nan_to_num(values, nan=0.0))
    for name in missing_indicators:
        parts.append((~np.asarray(table.observed(name), bool)[has_outcome]).astype(np.float64))
    names = ("intercept", *features, *(f"{name} missing" for name in missing_indicators))
    labels = np.asarray(table.values(outcome), np.float64)[has_outcome]
    return TrainingData(np.column_stack(parts), labels, names)


@contextmanager
def offered(table: NodeTable) -> Iterator[str]:
    """Offer a table to the code that runs inside the block; yields the ticket for ``node_config``."""
    ticket = secrets.token_hex(16)
    _offered[ticket] = table
    try:
        yield ticket
    finally:
        del _offered[ticket]
