"""Flower asks every app for a ServerApp; Belmont's rounds are driven from the researcher's own process."""

from belmont.federated.models.driven import app as app
