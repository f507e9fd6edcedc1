"""Health records in, coded tables out: the data dictionary, ingest from FHIR and CSV, and synthetic cohorts."""
