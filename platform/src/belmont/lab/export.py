"""A fitted model as a file: ONNX, which any runtime reads, or skops, which gives this very estimator back.

    model.export("risk.onnx")             an input for each column, by its name, in the dictionary's unit
    model.export("risk.skops"); belmont.lab.models.load("risk.skops")

ONNX:

1. Inputs are columns of shape (n, 1): numbers and bits as float, NaN where missing; levels of a category as text, the
   empty text where missing. A level that the model does not know counts as missing; ``predict`` refuses it.
2. Standardisation and imputation are in the graph, by the rules of `belmont.federated.node.design`.
3. Outputs: ``probabilities`` of both classes, (n, 2), and ``label``, the place of the likelier one in ``classes_``; or
   ``prediction``, (n, 1). All double.
4. A family says how it predicts from standardised rows: ``StudyModel.to_onnx``.

Both hold the model's card, its SHA-256 and the model's hash, under which a release is on chain; neither holds a permit,
keys, or what a round was combined from. Needs the extra ``belmont[export]``.
"""

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from belmont.federated.hashes import model_hash
from belmont.federated.node.design import LEVEL_MARK, REFERENCES, column_of
from belmont.lab.errors import LabError

if TYPE_CHECKING:
    from belmont.lab.models import StudyModel

OPSET, ML_OPSET, IR_VERSION = 17, 3, 8
ONNX, SKOPS = ".onnx", ".skops"


def exported(model: "StudyModel", path: Path | str) -> Path:
    """Writes the file that the path's ending names. Raises LabError, and writes nothing, where it cannot."""
    where = Path(path)
    if where.suffix not in (ONNX, SKOPS):
        raise LabError(f"a model is exported as {ONNX} or {SKOPS}, and not as {where.suffix or 'nothing'}")
    _ = model.fitted_arrays  # raises where there is nothing to write
    if where.suffix == SKOPS:
        from belmont.lab.models.saved import to_bytes

        content = to_bytes(model)
    else:
        content = to_onnx(model)
    where.write_bytes(content)
    return where


def about(model: "StudyModel") -> dict[str, str]:
    """What a file says of its model."""
    card = model.card().to_bytes()
    return {
        "belmont-card": card.decode(),
        "belmont-card-sha256": hashlib.sha256(card).hexdigest(),
        "belmont-model-hash": model_hash(model.fitted_arrays).hex(),
    }


def to_onnx(model: "StudyModel") -> bytes:
    """The bytes of an ONNX model. Raises LabError."""
    try:
        from onnx import checker, helper
    except ImportError as error:
        raise LabError("ONNX files need the extra: pip install 'belmont[export]'") from error
    if not model.columns:
        raise LabError(f"{type(model).__name__} without features has no ONNX form, which takes rows")
    graph = Graph(model)
    prediction = model.to_onnx(graph)
    outputs = _outputs(model, graph, prediction)
    made = helper.make_model(
        helper.make_graph(graph.nodes, type(model).__name__, graph.inputs, outputs, graph.constants),
        producer_name="belmont",
        opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", ML_OPSET)],
        ir_version=IR_VERSION,
    )
    helper.set_model_props(made, about(model) | {"belmont-columns": json.dumps(graph.columns, sort_keys=True)})
    checker.check_model(made)
    return bytes(made.SerializeToString())


class Graph:
    """An ONNX graph that grows. ``design`` is the standardised rows, (n, columns), double, intercept first; ``ones`` is
    its first column."""

    def __init__(self, model: "StudyModel") -> None:
        self.nodes: list[Any] = []
        self.inputs: list[Any] = []
        self.constants: list[Any] = []
        self.columns: dict[str, dict[str, object]] = {}
        """What each input is: its kind, and the levels of a category."""
        self._references = model.references_
        self._given = model.fitted_arrays.get(REFERENCES)
        self._numbers: dict[str, str] = {}
        features = tuple(model.columns)
        for name in dict.fromkeys([*map(column_of, features), *model.missing_indicators]):
            self._input(name)
        parts = [self._feature(name, k) for k, name in enumerate(features)]
        parts += [self._double(self.node("IsNaN", [self._numbers[name]])) for name in model.missing_indicators]
        self.ones = self._ones()
        self.design = self.node("Concat", [self.ones, *parts], axis=1)

    def node(self, operator: str, inputs: list[str], domain: str = "", **attributes: Any) -> str:
        """Adds a node; the name of its value."""
        from onnx import helper

        name = f"{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [name], name, domain=domain, **attributes))
        return name

    def constant(self, values: NDArray[Any]) -> str:
        """Adds a constant; its name."""
        from onnx import numpy_helper

        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def _input(self, name: str) -> None:
        """Rule 1: the column as double, NaN where missing."""
        from onnx import TensorProto, helper

        reference = self._references[name]
        kind = TensorProto.STRING if reference.levels else TensorProto.FLOAT
        self.inputs.append(helper.make_tensor_value_info(name, kind, ["n", 1]))
        self.columns[name] = {"kind": "category" if reference.levels else "bit" if reference.is_bit else "number"}
        if reference.levels:
            self.columns[name]["levels"] = list(reference.levels)
            self._numbers[name] = self._by_level(
                name, dict(zip(reference.levels, reference.values, strict=True)), np.nan
            )
        else:
            self._numbers[name] = self._double(name)

    def _feature(self, feature: str, k: int) -> str:
        """Rule 2: one standardised column."""
        column, is_level, level = feature.partition(LEVEL_MARK)
        reference = self._references[column]
        fill, center, scale = (0.0, 0.0, 1.0) if is_level else (reference.center, reference.center, reference.scale)
        if self._given is not None:
            fill, center, scale = (float(each) for each in self._given[k])
        values = self._by_level(column, {level: 1.0}, 0.0) if is_level else self._numbers[column]
        if not is_level:
            values = self.node("Where", [self.node("IsNaN", [values]), self.constant(np.array([fill])), values])
        centered = self.node("Sub", [values, self.constant(np.array([center]))])
        return self.node("Div", [centered, self.constant(np.array([scale]))])

    def _by_level(self, name: str, values: dict[str, float], default: float) -> str:
        keys, floats = list(values), [float(each) for each in values.values()]
        found = self.node(
            "LabelEncoder",
            [name],
            "ai.onnx.ml",
            keys_strings=keys,
            values_floats=floats,
            default_float=float(default),
        )
        return self._double(found)

    def _ones(self) -> str:
        """A column of ones, as many as there are rows."""
        some = self._double(self.node("IsNaN", [next(iter(self._numbers.values()))]))
        return self.node("Add", [self.node("Mul", [some, self.constant(np.zeros(1))]), self.constant(np.ones(1))])

    def _double(self, name: str) -> str:
        from onnx import TensorProto

        return self.node("Cast", [name], to=TensorProto.DOUBLE)


def _outputs(model: "StudyModel", graph: Graph, prediction: str) -> list[Any]:
    """Rule 3."""
    from onnx import TensorProto, helper

    column = graph.node("Unsqueeze", [prediction, graph.constant(np.array([1], np.int64))])
    if not hasattr(model, "classes_"):
        graph.nodes.append(helper.make_node("Identity", [column], ["prediction"]))
        return [helper.make_tensor_value_info("prediction", TensorProto.DOUBLE, ["n", 1])]
    other = graph.node("Sub", [graph.constant(np.ones(1)), column])
    graph.nodes.append(helper.make_node("Concat", [other, column], ["probabilities"], axis=1))
    above = graph.node("Greater", [prediction, graph.constant(np.array([0.5]))])
    graph.nodes.append(helper.make_node("Cast", [above], ["label"], to=TensorProto.INT64))
    return [
        helper.make_tensor_value_info("label", TensorProto.INT64, ["n"]),
        helper.make_tensor_value_info("probabilities", TensorProto.DOUBLE, ["n", 2]),
    ]
