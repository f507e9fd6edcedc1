"""What the light client knows about contracts: their events, and where they keep what."""

from typing import Protocol

from belmont.light.storage import Layout, layout_of
from belmont.registry.abi import Interface


class Release(Protocol):
    """Contracts by name. Never taken from a bundle: what a proof means is decided on this side."""

    def interface(self, name: str) -> Interface:
        """Functions and events."""

    def layout(self, name: str) -> Layout:
        """Variables in storage."""


class ThisRelease:
    """The contracts that are installed with this package."""

    def interface(self, name: str) -> Interface:
        from belmont.registry.contract_set import contract

        return contract(name).interface

    def layout(self, name: str) -> Layout:
        return layout_of(name)
