"""The API for other software, under /api/v1: one module for each noun. Rules of all of them are in ``routing``."""
