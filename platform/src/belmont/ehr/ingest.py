"""Hospital files in, coded table and quality report out: the one import for readers of records.

    ingested = read_fhir("exports/hospital-1", dictionary, pseudonym_key)
    ingested = read_csv("registry.csv", dictionary, pseudonym_key)
    ingested.table, ingested.quality, ingested.consents

Either everything is read and all are returned, or an error names the file and the line and nothing is.
"""

from datetime import date
from pathlib import Path

from belmont.ehr.consent_terms import ConsentTerms
from belmont.ehr.csv_ingest import read_csv
from belmont.ehr.dictionary import Dictionary
from belmont.ehr.fhir_ingest import Ingested, Progress, read_consents, read_fhir
from belmont.ehr.quality import QualityReport

__all__ = [
    "ConsentTerms", "Ingested", "Progress", "QualityReport", "read_consents", "read_csv", "read_fhir", "read_records"
]  # fmt: skip


def read_records(
    path: Path | str,
    dictionary: Dictionary,
    pseudonym_key: bytes,
    *,
    as_of: date | None = None,
    strict: bool = False,
    progress: Progress | None = None,
) -> Ingested:
    """A folder is read as FHIR NDJSON, a file as CSV."""
    if Path(path).is_dir():
        return read_fhir(path, dictionary, pseudonym_key, as_of=as_of, strict=strict, progress=progress)
    return read_csv(path, dictionary, pseudonym_key, as_of=as_of, progress=progress)
