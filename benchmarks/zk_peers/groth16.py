"""Groth16 over BN254 from a Circom circuit: the PyPI package `groth16py` (arkworks; compiler and witness in process).

`range.circom` is the circuit: per value its bits and a comparison with width - 1, which for 0..1999 is 17 constraints;
the total is the public output. The setup is one party's, as in every development setup, so it costs less than a
ceremony. The prover is single-threaded. Proving includes the witness, which `groth16py` computes in a WebAssembly
interpreter (about an eighth of the time at 1,024 values). A witness that breaks a constraint gets a proof that does not
verify.

`groth16py` is GPL-3.0: measured here, in a process of its own, and never imported by Belmont.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.zk_peers.figures import PeerFigures, measure

PACKAGE = "groth16py"
MODULUS = 21888242871839275222246405745257275088548364400416034343698204186575808495617
"""Order of BN254's scalar field: a negative value is written modulo this."""


def prove_range(values: Sequence[int], width: int, repetitions: int = 3) -> PeerFigures:
    """Measure the proof that each value is in 0..width - 1, with the total public."""
    return measure("groth16", PACKAGE, values, width, repetitions)


def load() -> Any:
    """The package, imported only in the child process."""
    import groth16py

    return groth16py


def setup(folder: Path, count: int, width: int) -> None:
    """Compile the circuit and make the keys."""
    source = (Path(__file__).parent / "range.circom").read_text()
    bits = (width - 1).bit_length()
    circuit = folder / "column.circom"
    circuit.write_text(f"{source}\ncomponent main = Column({count}, {bits}, {width});\n")
    proving, verifying = load().setup_circom(str(circuit))
    proving.save(str(folder / "proving.key"))
    verifying.save(str(folder / "verifying.key"))


def prover(folder: Path, values: list[int]) -> Callable[[], bytes]:
    """What makes one proof."""
    groth16py = load()
    key = groth16py.ProvingKey.load(str(folder / "proving.key"))
    column = [value % MODULUS for value in values]

    def make() -> bytes:
        proof: bytes = groth16py.prove(key, {"value": column})
        return proof

    return make


def verifier(folder: Path, proof: bytes) -> Callable[[int], bool]:
    """What says whether the proof shows this total."""
    groth16py = load()
    check = groth16py.Verifier(groth16py.VerifyingKey.load(str(folder / "verifying.key")))

    def accepts(total: int) -> bool:
        return bool(check.verify(proof, [total % MODULUS]))

    return accepts


def refuses(folder: Path, values: list[int]) -> bool:
    """Whether the proof of these values fails to verify."""
    return not verifier(folder, prover(folder, values)())(sum(values))
