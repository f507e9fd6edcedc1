"""Every generated resource is valid FHIR R4 by the models of fhir.resources, slips and all."""

from collections.abc import Iterable
from pathlib import Path

from fhir.resources.R4B import get_fhir_model_class

from belmont.ehr.synthetic_fhir import RESOURCE_TYPES

SAMPLE = Path(__file__).parents[2] / "datasets" / "synthetic" / "sample"


def parsed(folders: Iterable[Path]) -> dict[str, int]:
    counts = dict.fromkeys(RESOURCE_TYPES, 0)
    for folder in folders:
        for kind in RESOURCE_TYPES:
            model = get_fhir_model_class(kind)
            for line in (folder / f"{kind}.ndjson").read_text(encoding="ascii").splitlines():
                model.model_validate_json(line)
                counts[kind] += 1
    return counts


def test_every_resource_of_a_generated_cohort_parses(fhir_folders: list[Path]) -> None:
    counts = parsed(fhir_folders)
    assert min(counts.values()) >= 500
    assert counts["Observation"] > 3000


def test_every_resource_of_the_committed_sample_parses() -> None:
    counts = parsed(path for path in sorted(SAMPLE.iterdir()) if path.is_dir())
    assert min(counts.values()) >= 100
