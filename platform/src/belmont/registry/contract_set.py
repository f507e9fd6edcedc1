"""The contracts as compiled by this release, how they are wired to one another, and the proxies before them.

Wherever an address of a contract is meant, it is that of its proxy.
"""

from dataclasses import dataclass
from functools import cache

from eth_utils.address import to_canonical_address
from eth_utils.crypto import keccak

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
    "Releases",
    "Members",
)
"""In order of deployment. Members is last: it announces the consortium."""
OTHERS = NAMES[:-1]
"""Those that Members announces, in this order."""

WIRING = {
    "Members": ("Identities", "Rules"),
    "Datasets": ("Identities", "Members", "Consents", "Uses", "Proofs"),
    "Studies": ("Identities", "Members", "Datasets", "Permits", "Rules"),
    "Permits": ("Identities", "Members", "Datasets", "Studies", "Rules"),
    "Uses": ("Identities", "Members", "Datasets", "Studies", "Permits", "Rules", "Credits"),
    "Verifier": (),
    "Proofs": ("Datasets", "Verifier"),
    "Totals": ("Identities", "Datasets", "Studies", "Permits", "Uses"),
    "Identities": ("Relay",),
    "Relay": ("Identities", "Studies", "Permits", "Members", "Rules", "Consents", "Releases"),
    "Rules": ("Identities", "Members", "Credits"),
    "Consents": ("Members", "Datasets", "Identities"),
    "Credits": ("Uses", "Rules"),
    "Releases": ("Identities", "Members", "Datasets", "Studies", "Permits", "Uses", "Rules"),
}
"""Which addresses each contract holds as immutables, in the order of its constructor."""

IMPLEMENTATION_SLOT = int.from_bytes(keccak(b"eip1967.proxy.implementation"), "big") - 1
"""Where a proxy keeps the address of the code that it runs (ERC-1967)."""


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
    """The addresses a contract is constructed with."""
    return tuple(addresses[other] for other in WIRING[name])


def deployed_code(name: str, addresses: dict[str, Address]) -> bytes:
    """The code behind the proxy of ``name``, as this release compiles it, wired to ``addresses``."""
    return contract(name).compiled.runtime + b"".join(_word(each) for each in wired_to(name, addresses))


def creation_code(name: str, addresses: dict[str, Address]) -> bytes:
    """What leaves that code on a chain."""
    its = contract(name)
    return its.compiled.bytecode + its.interface.encode_constructor(*wired_to(name, addresses))


def proxy_code(addresses: dict[str, Address]) -> bytes:
    """The code at every one of ``addresses``."""
    return contract("Proxy").compiled.runtime + _word(addresses["Rules"])


def proxy_creation(implementation: Address, addresses: dict[str, Address], data: bytes = b"") -> bytes:
    """What leaves that code on a chain, pointed to an implementation and with ``data`` run by it once."""
    its = contract("Proxy")
    return its.compiled.bytecode + its.interface.encode_constructor(implementation, addresses["Rules"], data)


def _word(address: Address) -> bytes:
    return to_canonical_address(address).rjust(32, b"\0")
