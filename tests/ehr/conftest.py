"""A small hospital written as FHIR, and a folder of hand-made resources that tests break one at a time."""

import json
from collections.abc import Callable
from datetime import date
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from belmont.ehr.dictionary import Dictionary
from belmont.ehr.ingest import Ingested, read_fhir
from belmont.ehr.synthetic import HospitalCohort, generate_population, write_fhir

Resource = dict[str, Any]

KEY = bytes(range(32))
AS_OF = date(2026, 1, 1)
LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"


@pytest.fixture(scope="session")
def dictionary() -> Dictionary:
    return Dictionary.builtin()


@pytest.fixture(scope="session")
def cohorts() -> list[HospitalCohort]:
    return generate_population(hospitals=4, patients=600, seed=11)


@pytest.fixture(scope="session")
def fhir_folders(cohorts: list[HospitalCohort], tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("fhir")
    for cohort in cohorts:
        write_fhir(cohort, folder / cohort.name)
    return [folder / cohort.name for cohort in cohorts]


def concept(system: str, code: str) -> Resource:
    return {"coding": [{"system": system, "code": code}]}


def permission(name: str, day: str = "2018-02-01") -> Resource:
    """The content of a Consent that permits research."""
    return {
        "status": "active",
        "scope": concept("http://terminology.hl7.org/CodeSystem/consentscope", "research"),
        "category": [concept(LOINC, "59284-0")],
        "patient": {"reference": f"Patient/{name}"},
        "dateTime": day,
        "provision": {
            "type": "deny",
            "provision": [
                {
                    "type": "permit",
                    "purpose": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "HRESCH"}],
                }
            ],
        },
    }


class Ward:
    """Two patients with a complete record each, as resources that a test may change before it writes them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.resources: dict[str, list[Resource]] = {
            "Patient": [], "Encounter": [], "Condition": [], "Observation": [], "MedicationRequest": [], "Consent": []
        }  # fmt: skip
        self.raw: dict[str, Callable[[bytes], bytes]] = {}
        for name in ("ada", "ben"):
            self.admit(name)

    def admit(self, name: str) -> None:
        subject = {"reference": f"Patient/{name}"}
        self.add("Patient", id=name, identifier=[{"system": "urn:mrn", "value": f"MRN-{name}"}],
                 gender="female" if name == "ada" else "male", birthDate="1950-06-15")  # fmt: skip
        self.add("Encounter", id=f"{name}-visit", status="finished", subject=subject, period={"start": "2018-03-01"},
                 type=[concept(SNOMED, "170777000")], **{"class": {"code": "AMB"}})  # fmt: skip
        self.measure(name, "59261-8", 58, "mmol/mol")
        self.measure(name, "8480-6", 140, "mm[Hg]")
        self.measure(name, "8462-4", 80, "mm[Hg]")
        self.add("Consent", id=f"{name}-consent", **permission(name))

    def add(self, kind: str, **content: Any) -> Resource:
        resource = {"resourceType": kind, **content}
        self.resources[kind].append(resource)
        return resource

    def measure(
        self, name: str, code: str, value: Any, unit: str | None, day: str = "2018-02-20", **extra: Any
    ) -> Resource:
        number = len(self.resources["Observation"])
        return self.add("Observation", id=f"o{number}", status="final", code=concept(LOINC, code),
                        subject={"reference": f"Patient/{name}"}, effectiveDateTime=day,
                        valueQuantity={"value": value, "code": unit}, **extra)  # fmt: skip

    permission = staticmethod(permission)

    def find(self, kind: str, index: int = 0) -> Resource:
        return self.resources[kind][index]

    def write(self) -> Path:
        self.folder.mkdir(parents=True, exist_ok=True)
        for kind, listed in self.resources.items():
            data = "".join(json.dumps(resource) + "\n" for resource in listed).encode()
            (self.folder / f"{kind}.ndjson").write_bytes(self.raw.get(kind, bytes)(data))
        return self.folder

    def read(self, dictionary: Dictionary) -> Ingested:
        return read_fhir(self.write(), dictionary, KEY, as_of=AS_OF)

    def value(self, dictionary: Dictionary, column: str, name: str = "ada") -> float:
        """The decoded value of one patient; fails if the patient is not in the table."""
        from belmont.ehr.pseudonyms import pseudonym

        table = self.read(dictionary).table
        row = table.pseudonyms.tolist().index(pseudonym(KEY, f"MRN-{name}"))
        return float(table.values(column)[row])


@pytest.fixture
def ward(tmp_path: Path) -> Ward:
    return Ward(tmp_path / "ward")


@pytest.fixture
def amended(dictionary: Dictionary) -> Callable[[str, str], Dictionary]:
    """The demonstration dictionary with one piece of its YAML replaced."""
    yaml = (resources.files("belmont.ehr") / "dictionaries" / "diabetes_cvd.yaml").read_text(encoding="utf-8")

    def amend(before: str, after: str) -> Dictionary:
        assert before in yaml
        return Dictionary.loads(yaml.replace(before, after, 1))

    return amend
