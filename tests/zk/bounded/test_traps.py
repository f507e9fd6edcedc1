"""Three ways to lose soundness: each attack works where the order of the transcript is broken, and fails with ours."""

from dataclasses import replace

import pytest

from belmont.zk import verification
from belmont.zk.bounded import proof as bounded_proof
from belmont.zk.bounded.proof import UpdateProof, prove_update, verify_update
from belmont.zk.bounded.statement import LABEL, UpdateStatement
from belmont.zk.bounded.update import commit_vector
from belmont.zk.curve import GENERATOR, IDENTITY, multiply
from belmont.zk.errors import ProofRefused
from belmont.zk.field import OMEGA, ORDER, inverse
from belmont.zk.proof import wide_points
from belmont.zk.transcript import Transcript


class Forgetful(Transcript):
    """Leaves out what it is told under one name, and remembers the challenges it drew."""

    def __init__(self, label: str, forgets: str) -> None:
        super().__init__(label)
        self._forgets = forgets
        self.drawn: dict[str, int] = {}

    def absorb(self, name: str, data: bytes) -> None:
        if name != self._forgets:
            super().absorb(name, data)

    def draw(self, name: str) -> int:
        self.drawn[name] = super().draw(name)
        return self.drawn[name]

    def copy(self) -> "Forgetful":
        twin = Forgetful("", self._forgets)
        twin._state, twin.drawn = self._state, self.drawn
        return twin


@pytest.fixture
def forgets(monkeypatch):
    """Break the transcript for prover and verifier alike; what it last drew is in the returned list's last."""

    def make(name: str) -> list[Forgetful]:
        made = []

        def start(statement, columns):
            made.append(Forgetful(LABEL, name))
            made[-1].absorb("statement", statement.words())
            made[-1].absorb("columns", wide_points(tuple(columns)))
            return made[-1]

        monkeypatch.setattr(bounded_proof, "start_transcript", start)
        return made

    return make


def test_a_fold_drawn_before_the_openings_lets_anything_verify(rounds, forgets, monkeypatch):
    values = rounds.vector(rounds.statement())
    values[5] = 1 << 40
    update = commit_vector(rounds.statement(), values)
    made = forgets("openings")
    proof = prove_update(update, check=False)
    with pytest.raises(ProofRefused, match="V8"):
        verify_update(proof, update.statement)
    forged = fitted(proof, made, monkeypatch)
    verify_update(forged, update.statement)  # 2^40 where at most 1000 is allowed
    monkeypatch.undo()
    with pytest.raises(ProofRefused, match="V8"):
        verify_update(forged, update.statement)


def fitted(proof: UpdateProof, made: list[Forgetful], monkeypatch: pytest.MonkeyPatch) -> UpdateProof:
    """Openings p and q that satisfy V8 for a known fold d: p + d·q = 0 and E + zeta·p + d·w·zeta·q = 0."""
    seen = []
    with monkeypatch.context() as listening:
        listening.setattr(verification, "pairing_holds", lambda left, *rest: seen.append(left) or True)
        empty = replace(proof, argument=replace(proof.argument, openings=(IDENTITY, IDENTITY)))
        verify_update(empty, proof.statement)
    d, zeta = made[-1].drawn["fold"], made[-1].drawn["zeta"]
    q = multiply(seen[0], -inverse(d * zeta * (OMEGA - 1) % ORDER))
    return replace(proof, argument=replace(proof.argument, openings=(multiply(q, -d), q)))


def test_commitments_that_are_not_absorbed_can_be_exchanged_afterwards(rounds, forgets, monkeypatch):
    """v·D on one column and -D on the next change no sum by powers of v: the update behind them is any."""
    update = rounds.committed()
    made = forgets("columns")
    proof = prove_update(update)
    verify_update(proof, update.statement)
    v, step = made[-1].drawn["v"], multiply(GENERATOR, 12345)
    first, second = proof.columns
    forged = replace(proof, columns=(first + multiply(step, v), second + -step))
    assert verify_update(forged, update.statement).points != update.commitment
    monkeypatch.undo()
    with pytest.raises(ProofRefused, match="V8"):
        verify_update(forged, update.statement)


def test_a_statement_that_is_not_absorbed_lets_a_proof_be_sent_again_in_another_round(rounds, forgets, monkeypatch):
    forgets("statement")
    proof = prove_update(rounds.committed())
    later = rounds.statement(round=5)
    verify_update(replace(proof, statement=later), later)
    monkeypatch.undo()
    with pytest.raises(ProofRefused, match="V8"):
        verify_update(replace(proof, statement=later), later)


@pytest.mark.parametrize(
    "change",
    [
        {"round": 5},
        {"permit_id": 9},
        {"consortium": "31337/0xc1"},
        {"layout_hash": b"L" * 32},
        {"dataset": bytes([3]) * 32},
        {"participants": tuple(bytes([n]) * 32 for n in (7, 9, 3))},
        {"dimension": 19},
        {"bound": 999},
        {"norm_squared": 1 << 40},
    ],
)
def test_every_part_of_a_statement_is_in_its_words_and_so_in_its_digest(rounds, change):
    said, other = rounds.statement(), rounds.statement(**change)
    assert said.words() != other.words() and said.digest != other.digest
    assert isinstance(other, UpdateStatement)


def test_a_smaller_bound_is_not_shown_by_the_proof_of_a_larger_one(rounds):
    """999 and 1000 have limbs of other weights: what is opened differs, not only what is absorbed."""
    tight = rounds.statement(bound=999)
    with pytest.raises(ProofRefused):
        verify_update(replace(rounds.proven(), statement=tight), tight)
