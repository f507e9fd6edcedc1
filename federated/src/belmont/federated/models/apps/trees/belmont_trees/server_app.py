"""Flower asks every app for a ServerApp. This one only says where the rounds are driven from."""

from belmont.federated.models.driven import app

__all__ = ["app"]
