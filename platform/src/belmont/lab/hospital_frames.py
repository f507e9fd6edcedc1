"""What hospitals have, as tables: the registered datasets, and what each found in its own records."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from belmont.lab.home import Home
from belmont.lab.people import Hospital
from belmont.registry.protocol import Registry

if TYPE_CHECKING:
    import pandas as pd


def datasets_frame(registry: Registry) -> "pd.DataFrame":
    """One row for each registered dataset, with its newest version, as the chain has it."""
    import pandas as pd

    rows = []
    for dataset in registry.datasets():
        version = registry.version(dataset.id, dataset.versions)
        proof = version.status.name.lower() if version else "no version"
        count, status = version.rows if version else 0, dataset.status.name.lower()
        rows.append((dataset.name, count, dataset.versions, proof, status, dataset.id.hex()))
    return pd.DataFrame(rows, columns=["dataset", "rows", "version", "proof", "status", "id"]).set_index("dataset")


def quality_frame(home: Home, hospitals: Sequence[Hospital]) -> "pd.DataFrame":
    """One row for each hospital that has its report: what it counts. It goes when the dataset is destroyed."""
    import pandas as pd

    rows = {}
    for hospital in hospitals:
        if not home.quality(hospital.slug).exists():
            continue
        report = json.loads(home.quality(hospital.slug).read_text(encoding="utf-8"))
        rows[hospital.name] = {
            "patients read": report["patients_read"],
            "rows": report["rows"],
            "without consent": report["consent_denied"],
            "duplicates": report["duplicates"],
            "missing values": sum(report["missing"].values()),
            "out of range": report["out_of_range"],
            "unit conversions": report["unit_conversions"],
            "refused lines": report["refused_lines"],
        }
    return pd.DataFrame.from_dict(rows, orient="index")
