"""What of an approved run configuration asks for secure aggregation: one key, which the board reads.

    belmont-secure-sum = {"arrays":[["gradient",[14]],["hessian",[14,14]]],"sums":["loss"],"weighted":false}

1. The key is there, or updates of single hospitals are visible to the coordinator and the researcher. The permit binds
   it with the rest of the configuration.
2. It fixes everything that is summed: names and shapes of arrays, names of metrics. What the study's code answers
   beside that, or otherwise, is refused at the hospital, so that its choice of names tells nothing.
3. ``num-examples``, the number of rows, is always counted. A metric is summed over rows (times their number). Where
   ``weighted`` is true, arrays are too, so that their total is divided by all rows to give a mean over rows.
4. Read strictly: an unknown word is an error.
5. A second key of the same form, ``belmont-secure-evaluation``, is for rounds in which a model is evaluated: a
   configuration asks for both or for neither, or what one kind of round hides the other would show. They are not the
   same form: masks tell rounds of two kinds apart by it, and what one hospital answered to the one kind and all others
   to the other must not add up.
6. ``private`` is for rounds with noise (`belmont.federated.node.noise`), of arrays alone: a number of rows or a metric
   would have none. What has no noise is never encoded in this form.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from belmont.federated.errors import EncodingRefused, FederatedError
from belmont.federated.hashes import Arrays, RunConfig, canonical_json
from belmont.federated.secagg.encoding import FRACTION_BITS, Layout, Totals, decode, encode
from belmont.registry.strict_json import loads

SECURE_SUM_KEY = "belmont-secure-sum"
SECURE_EVALUATION_KEY = "belmont-secure-evaluation"
KEYS = {"train": SECURE_SUM_KEY, "evaluate": SECURE_EVALUATION_KEY}
"""By the kind of round."""
ROWS = "num-examples"
MAX_TEXT = 20_000
_WORDS = {"arrays", "sums", "weighted", "fraction_bits", "private"}


@dataclass(frozen=True)
class SecureSum:
    """What is summed (2)."""

    arrays: tuple[tuple[str, tuple[int, ...]], ...]
    sums: tuple[str, ...] = ()
    weighted: bool = False
    fraction_bits: int = FRACTION_BITS
    private: bool = False

    @cached_property
    def layout(self) -> Layout:
        """The vector's coordinates. Raises EncodingRefused for a layout that is none."""
        if self.private and (self.sums or self.weighted):
            raise EncodingRefused("a private sum is of arrays alone")  # 6
        return Layout(self.arrays, self.sums, () if self.private else (ROWS,), self.fraction_bits)

    def to_text(self) -> str:
        """The value of the configuration's key."""
        content = {
            "arrays": [[name, list(shape)] for name, shape in self.arrays],
            "fraction_bits": self.fraction_bits,
            "sums": list(self.sums),
            "weighted": self.weighted,
        }
        return canonical_json(content | ({"private": True} if self.private else {})).decode()

    def encode(self, arrays: Arrays, metrics: Mapping[str, float], hospitals: int) -> NDArray[np.int64]:
        """One hospital's vector (3). Raises EncodingRefused for an answer of another form, or a private sum (6)."""
        if self.private:
            raise EncodingRefused("a private sum is encoded with noise or not at all")
        rows = metrics.get(ROWS)
        if not isinstance(rows, int) and not (isinstance(rows, float) and rows.is_integer()):
            raise EncodingRefused(f"the study's code answered no whole number of {ROWS}")
        if set(metrics) != {ROWS, *self.sums}:
            raise EncodingRefused("the study's code answered other metrics than the configuration names")
        factor = float(rows)
        weighted = {name: array * factor for name, array in arrays.items()} if self.weighted else arrays
        sums = {name: metrics[name] * factor for name in self.sums}
        return encode(self.layout, weighted, hospitals, sums, {ROWS: int(rows)})

    def decode(self, total: NDArray[np.int64]) -> tuple[Arrays, dict[str, float]]:
        """Arrays and metrics over all rows, of a private sum arrays as they are and no metrics.

        Raises EncodingRefused for what is no total of such vectors.
        """
        totals: Totals = decode(self.layout, total)
        if self.private:
            return dict(totals.arrays), {}
        rows = totals.counts[ROWS]
        if rows == 0:
            raise EncodingRefused(
                "the total is over no rows: no hospital had enough patients to answer, which in an evaluation are "
                "those kept apart, with each outcome; apply for a permit that keeps more apart (another holdout "
                "cannot come by an amendment), or with an outcome that more of them have"
            )
        arrays: Arrays = {name: a / rows if self.weighted else a for name, a in totals.arrays.items()}
        return arrays, {ROWS: float(rows), **{name: value / rows for name, value in totals.sums.items()}}


def read_secure_sum(config: RunConfig, kind: str = "train") -> SecureSum | None:
    """What a configuration asks for in rounds of a kind; None if it asks for nothing (1).

    Raises FederatedError for what cannot be read (4), and for a kind that alone is not summed (5).
    """
    key = KEYS[kind]
    text = config.get(key)
    if text is None:
        if any(each in config for each in KEYS.values()) and kind == "evaluate":
            raise FederatedError(f"{SECURE_SUM_KEY} comes without {key}: this study's models are not evaluated")
        return None
    if SECURE_SUM_KEY not in config:
        raise FederatedError(f"{key} comes with {SECURE_SUM_KEY}, or not at all")
    found = _read(key, text)
    other = KEYS["train" if kind == "evaluate" else "evaluate"]
    if other in config and _read(other, config[other]).layout == found.layout:
        raise FederatedError(f"{key} and {other} are of the same form: name an array otherwise")  # 5
    return found


def threshold_of(participants: int, min_hospitals: int) -> int:
    """How many hospitals have to deliver: the permit's minimum, three at least and more than half.

    The more, the more may collude without seeing one hospital's part, and the fewer may drop out.
    """
    return min(participants, max(min_hospitals, 3, participants // 2 + 1))


def _read(key: str, text: object) -> SecureSum:
    """Rule 4. Raises FederatedError."""
    if not isinstance(text, str) or len(text) > MAX_TEXT:
        raise FederatedError(f"{key} is a text of at most {MAX_TEXT} characters")
    try:
        content = loads(text)
        if not isinstance(content, dict) or not set(content) <= _WORDS:
            raise ValueError
        found = SecureSum(
            tuple((_name(name), tuple(_size(each) for each in shape)) for name, shape in content["arrays"]),
            tuple(_name(name) for name in content.get("sums", [])),
            content.get("weighted", False),
            content.get("fraction_bits", FRACTION_BITS),
            content.get("private", False),
        )
        if type(found.weighted) is not bool or type(found.private) is not bool or ROWS in found.sums:
            raise ValueError
        if type(found.fraction_bits) is not int:
            raise ValueError
        _ = found.layout
    except (ValueError, TypeError, KeyError, RecursionError, EncodingRefused) as error:
        raise FederatedError(f"{key} does not say which arrays and metrics are summed") from error
    return found


def _name(value: object) -> str:
    if not isinstance(value, str) or not 1 <= len(value) <= 200:
        raise ValueError
    return value


def _size(value: object) -> int:
    if type(value) is not int or not 1 <= value <= 2**31:
        raise ValueError
    return value
