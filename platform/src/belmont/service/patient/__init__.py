"""The patient's page: what is held about me, who used it, and who may (docs/patient_page.md)."""
