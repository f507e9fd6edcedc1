"""The contracts as compiled by this release, and how they are wired to one another."""

from dataclasses import dataclass
from functools import cache

from eth_utils.address import to_canonical_address

from belmont.chain.compiler import Compiled, compile_contract
from belmont.registry.abi import Interface
from belmont.registry.types import Address

NAMES = (
    "Datasets",
    "Studies",
    "Permits",
    "Uses",
    "Verifier",
    "Proofs",
    "Totals",
    "Identities",
    "Relay",
    "Rules",
    "Consents",
    "Credits",
    "Members",
)
"""In order of deployment. Members is last: it announces the consortium."""
OTHERS = NAMES[:-1]
"""Those that Members announces, in the order of its constructor."""

_WIRING = {
    "Members": ("Identities", "Rules"),
    "Datasets": ("Identities", "Members", "Consents", "Uses", "Proofs"),
    "Studies": ("Identities", "Members", "Datasets", "Permits", "Rules"),
    "Permits": ("Identities", "Members", "Datasets", "Studies", "Rules"),
    "Uses": ("Identities", "Members", "Datasets", "Studies", "Permits", "Rules", "Credits"),
    "Verifier": (),
    "Proofs": ("Datasets", "Verifier"),
    "Totals": ("Identities", "Datasets", "Studies", "Permits", "Uses"),
    "Identities": ("Relay",),
    "Relay": ("Identities", "Studies", "Permits", "Members", "Rules", "Consents"),
    "Rules": ("Identities", "Members", "Credits"),
    "Consents": ("Members", "Datasets", "Identities"),
    "Credits": ("Uses", "Rules"),
}
"""Which addresses each contract holds as immutables, in the order of its constructor."""


@dataclass(frozen=True)
class Contract:
    """One compiled contract."""

    compiled: Compiled
    interface: Interface

    @property
    def name(self) -> str:
        return self.compiled.name


@cache
def contract(name: str) -> Contract:
    """A contract of this release by name."""
    compiled = compile_contract(name)
    return Contract(compiled, Interface(name, compiled.abi))


def wired_to(name: str, addresses: dict[str, Address]) -> tuple[Address, ...]:
    """The addresses a contract is constructed with, apart from the founding arguments of Members."""
    return tuple(addresses[other] for other in _WIRING[name])


def deployed_code(name: str, addresses: dict[str, Address]) -> bytes:
    """The code that stands on chain when ``name`` is deployed by this release and wired to ``addresses``."""
    immutables = (to_canonical_address(each).rjust(32, b"\0") for each in wired_to(name, addresses))
    return contract(name).compiled.runtime + b"".join(immutables)
