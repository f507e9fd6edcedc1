"""Halo2 over BN254: the PyPI package `ezkl`, which proves that an ONNX model was computed, with KZG commitments.

ezkl has no range check to ask for, so the model is one whose proof implies it. A nonlinear function is a lookup in a
table that begins at the bottom of ``lookup_range`` and that ezkl lengthens until the column is full: exact below, not
above. So both v and width - 1 - v are looked up, each must be 0 or more, and the range is exact. The function is
HardSwish, which at scale 0 rounds to its argument for every integer from 0 on; the public outputs are the total and
count * (width - 1) - total. ReLU with one digit in base `width` says the same in more cells and costs about three times
as much.

The rows are as few as the table allows (2^11 for a width up to 2,032) and one inner column; what does not fit goes into
further columns. Of the settings tried this takes the least processor time; more rows give a shorter proof. The
reference string is made here (``gen_srs``); nothing is downloaded. Proving includes the witness, and both proving and
verifying read their keys each time, since ezkl takes files.

Out of range: the witness must fail ezkl's own check of the constraints (``mock``), which names the lookup. ``prove`` on
such a witness does not return at all in version 23.0.5, so it is not tried.

The wheel states no licence: `ezkl` is measured here, in a process of its own, and never imported by Belmont. `onnx`
(Apache-2.0) writes the model.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.zk_peers.figures import PeerFigures, PeerUnavailable, measure

PACKAGE = "ezkl"
LEAST_LOG_ROWS = 11
RESERVED_ROWS = 16
"""Rows that a table cannot use: blinding, and ezkl's own margin."""


def prove_range(values: Sequence[int], width: int, repetitions: int = 3) -> PeerFigures:
    """Measure the proof that each value is in 0..width - 1, with the total public."""
    from importlib.util import find_spec

    if find_spec("onnx") is None:
        raise PeerUnavailable("onnx is not installed: it is in the extra 'bench'")
    return measure("halo2", PACKAGE, values, width, repetitions)


def load() -> Any:
    """The package, imported only in the child process."""
    import ezkl

    return ezkl


def model(count: int, width: int) -> Any:
    """Both sides of the range looked up, and their totals."""
    from onnx import TensorProto, checker, helper

    nodes = [
        helper.make_node("Sub", ["greatest", "value"], ["gap"]),
        helper.make_node("HardSwish", ["value"], ["low"]),
        helper.make_node("HardSwish", ["gap"], ["high"]),
        helper.make_node("ReduceSum", ["low", "axes"], ["total"], keepdims=1),
        helper.make_node("ReduceSum", ["high", "axes"], ["rest"], keepdims=1),
    ]
    constants = [
        helper.make_tensor("axes", TensorProto.INT64, [1], [1]),
        helper.make_tensor("greatest", TensorProto.FLOAT, [1], [float(width - 1)]),
    ]
    column = helper.make_tensor_value_info("value", TensorProto.FLOAT, [1, count])
    totals = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 1]) for name in ("total", "rest")]
    graph = helper.make_graph(nodes, "column", [column], totals, constants)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)
    checker.check_model(made)
    return made


def setup(folder: Path, count: int, width: int) -> None:
    """Model, circuit, reference string and keys."""
    ezkl = load()
    (folder / "model.onnx").write_bytes(model(count, width).SerializeToString())
    asked = ezkl.PyRunArgs()
    asked.input_visibility, asked.output_visibility, asked.param_visibility = "private", "public", "fixed"
    asked.input_scale = asked.param_scale = 0  # integers as they are
    asked.lookup_range = (0, width - 1)
    asked.logrows = max(LEAST_LOG_ROWS, (width + RESERVED_ROWS - 1).bit_length())
    asked.num_inner_cols = 1
    asked.ignore_range_check_inputs_outputs = True  # those are symmetric about 0: the lookups are the range
    files = paths(folder)
    ezkl.gen_settings(files["model"], files["settings"], py_run_args=asked)
    ezkl.compile_circuit(files["model"], files["circuit"], files["settings"])
    ezkl.gen_srs(files["srs"], asked.logrows)
    ezkl.setup(files["circuit"], files["vk"], files["pk"], files["srs"])
    (folder / "statement.json").write_text(json.dumps({"count": count, "width": width}))


def paths(folder: Path) -> dict[str, str]:
    """ezkl passes everything from step to step in files."""
    names = {"model": "model.onnx", "settings": "settings.json", "circuit": "circuit.ezkl", "srs": "kzg.srs"}
    names |= {"vk": "vk", "pk": "pk", "input": "input.json", "witness": "witness.json", "proof": "proof.json"}
    return {name: str(folder / file) for name, file in names.items()}


def witness(folder: Path, values: list[int]) -> None:
    """From values to a witness file."""
    files = paths(folder)
    Path(files["input"]).write_text(json.dumps({"input_data": [values]}))
    load().gen_witness(files["input"], files["circuit"], files["witness"])


def prover(folder: Path, values: list[int]) -> Callable[[], bytes]:
    """What makes one proof."""
    ezkl, files = load(), paths(folder)

    def make() -> bytes:
        witness(folder, values)
        ezkl.prove(files["witness"], files["circuit"], files["pk"], files["proof"], files["srs"])
        return bytes(json.loads(Path(files["proof"]).read_text())["proof"])

    return make


def verifier(folder: Path, proof: bytes) -> Callable[[int], bool]:
    """What says whether the proof shows this total; the public outputs are written by the verifier, not the prover."""
    ezkl, files = load(), paths(folder)
    statement = json.loads((folder / "statement.json").read_text())
    sent = json.loads(Path(files["proof"]).read_text())
    if bytes(sent["proof"]) != proof:
        raise ValueError("the proof in ezkl's file is another one")

    def accepts(total: int) -> bool:
        rest = statement["count"] * (statement["width"] - 1) - total
        public = [[number.to_bytes(32, "little").hex() for number in (total, rest)]]
        claimed = folder / "claimed.json"
        claimed.write_text(json.dumps(sent | {"instances": public}))
        try:
            return bool(ezkl.verify(str(claimed), files["settings"], files["vk"], files["srs"]))
        except RuntimeError as error:
            if "constraint system is not satisfied" not in str(error):
                raise
            return False

    return accepts


def refuses(folder: Path, values: list[int]) -> bool:
    """Whether the constraints do not hold for these values; a column of zeros must pass the same check."""
    ezkl, files = load(), paths(folder)
    witness(folder, [0] * len(values))
    if not ezkl.mock(files["witness"], files["circuit"]):
        return False
    witness(folder, values)
    try:
        ezkl.mock(files["witness"], files["circuit"])
    except RuntimeError as error:
        if "is not satisfied" not in str(error):
            raise
        return True
    return False
