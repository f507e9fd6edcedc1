"""A table that a notebook shows whole: pandas cuts what is longer than fifty characters."""

from typing import Any

import pandas as pd

WIDEST = 400


class Wide(pd.DataFrame):  # type: ignore[misc]
    """A ``DataFrame`` in every other respect."""

    @property
    def _constructor(self) -> type["Wide"]:
        return Wide

    def _repr_html_(self) -> Any:
        with pd.option_context("display.max_colwidth", WIDEST):
            return super()._repr_html_()
