"""One hospital's bounded update: committed to, proved, and as the scalars that secure aggregation masks.

1. Commitment and proof are of the vector that is masked: its scalars open the commitment.
2. Blinding comes from a secret of the hospital, its statement and its vector, so a round that is taken up again after a
   crash commits to the same, and another vector has unrelated blinding.
3. A proof is read and verified against the statement that whoever checks makes from the chain.
"""

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from numpy.typing import NDArray

from belmont.federated.bounded.settings import UpdateBounds
from belmont.federated.errors import EncodingRefused, FederatedError, UpdateUnproved
from belmont.federated.secagg.context import Context
from belmont.federated.secagg.encoding import Layout
from belmont.federated.secagg.groups import scalars
from belmont.registry.types import DatasetId
from belmont.zk.bounded.proof import UpdateCommitment, UpdateProof, prove_update, verify_update
from belmont.zk.bounded.shape import Shape
from belmont.zk.bounded.statement import UpdateStatement
from belmont.zk.bounded.update import commit_update
from belmont.zk.errors import ProofMalformed, ProofRefused, UpdateError, WitnessError

_LABEL = b"belmont/bounded-blinding/1"


@dataclass(frozen=True)
class ProvedUpdate:
    """What a hospital has after proving: ``scalars`` are secret until they are masked."""

    scalars: NDArray[Any]
    proof: bytes

    def __repr__(self) -> str:
        return "ProvedUpdate(not shown)"


def check_bounds(bounds: UpdateBounds, layout: Layout, participants: int) -> None:
    """Raises FederatedError for a sum of which nothing can be proved, as of too many coordinates."""
    try:
        Shape(layout.size, bounds.bound, participants, bounds.squares)
    except UpdateError as error:
        raise FederatedError(f"no update of this form can be proved: {error}") from error


def statement_of(bounds: UpdateBounds, context: Context, layout: Layout, dataset_id: DatasetId) -> UpdateStatement:
    """What one participant proves in this round."""
    return UpdateStatement(
        context.consortium,
        context.permit_id,
        context.n,
        dataset_id,
        context.participants,
        layout.hash,
        layout.size,
        bounds.bound,
        bounds.squares,
    )


def prove(statement: UpdateStatement, vector: NDArray[np.int64], root: bytes) -> ProvedUpdate:
    """Commit to a vector and prove its bounds. Raises EncodingRefused where it is not within them.

    ``root`` is the hospital's secret of this permit, 32 bytes (2).
    """
    processes = os.cpu_count() or 1
    own = HKDF(hashes.SHA256(), 32, salt=None, info=_LABEL).derive(root)
    try:
        committed = commit_update(statement, vector, processes, own)
    except WitnessError as error:
        raise EncodingRefused("the update is larger than the approved bound") from error
    proof = prove_update(committed, processes=processes).to_bytes()
    return ProvedUpdate(scalars(committed.opening.elements(statement.shape)), proof)  # 1


def check_update(statement: UpdateStatement, proof: bytes) -> UpdateCommitment:
    """What a hospital is bound to (3). Raises UpdateUnproved, which names it."""
    try:
        return verify_update(UpdateProof.from_bytes(proof, statement), statement)
    except (ProofMalformed, ProofRefused) as error:
        raise UpdateUnproved(DatasetId(statement.dataset), str(error)) from error
