"""Patients' consents: a hospital's register of them, its batches, patients' own statements (docs/consents.md)."""
