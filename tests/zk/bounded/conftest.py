"""A round of three hospitals, its updates and proofs: each made once a session."""

from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from belmont.zk.bounded.proof import UpdateCommitment, UpdateProof, prove_update, verify_update
from belmont.zk.bounded.statement import UpdateStatement
from belmont.zk.bounded.update import CommittedUpdate, commit_update


class Rounds:
    """Statements, vectors, honest commitments and proofs of the round, by the hospital's number."""

    hospitals = tuple(bytes([number]) * 32 for number in (7, 3, 9))
    bound = 1_000
    long: dict[str, Any] = {"dimension": 25_000, "bound": (1 << 31) - 1}  # noqa: RUF012
    """Seven blocks in two chunks of four slots, four limbs each."""

    def statement(self, hospital: int = 0, **changes: Any) -> UpdateStatement:
        """20 coordinates from -1000 to 1000, in round 4 of permit 2; with whatever is to be different."""
        said = {
            "consortium": "31337/0xc0",
            "permit_id": 2,
            "round": 4,
            "dataset": self.hospitals[hospital],
            "participants": self.hospitals,
            "layout_hash": b"l" * 32,
            "dimension": 20,
            "bound": self.bound,
            "norm_squared": None,
        }
        return UpdateStatement(**{**said, **changes})

    def vector(self, of: UpdateStatement, seed: int = 1) -> NDArray[np.int64]:
        """Coordinates within the bound, both ends among them."""
        found = np.random.default_rng(seed).integers(-of.bound, of.bound + 1, of.dimension)
        found[:2] = (-of.bound, of.bound)[: of.dimension]
        return found

    def committed(self, hospital: int = 0, long: bool = False, norm_squared: int | None = None) -> CommittedUpdate:
        return _committed(hospital, long, norm_squared)

    def proven(self, hospital: int = 0, long: bool = False, norm_squared: int | None = None) -> UpdateProof:
        return _proven(hospital, long, norm_squared)

    def verified(self, hospital: int = 0, long: bool = False) -> UpdateCommitment:
        return verify_update(self.proven(hospital, long), self.committed(hospital, long).statement)


@cache
def _committed(hospital: int, long: bool, norm_squared: int | None) -> CommittedUpdate:
    said = ROUNDS.statement(hospital, norm_squared=norm_squared, **(ROUNDS.long if long else {}))
    return commit_update(said, ROUNDS.vector(said, hospital))


@cache
def _proven(hospital: int, long: bool, norm_squared: int | None) -> UpdateProof:
    return prove_update(_committed(hospital, long, norm_squared))


ROUNDS = Rounds()


@pytest.fixture(scope="session")
def rounds() -> Rounds:
    return ROUNDS
