"""Which code a release knows: what it compiles to itself, and what it takes over from.

A consortium's state was written by all the code that its proxies ever pointed to. A release that changes a contract
therefore lists the code that stood there before, once its makers made sure that the new code reads what the old wrote.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from eth_utils.address import to_canonical_address
from eth_utils.crypto import keccak

from belmont.registry.contract_set import WIRING, contract
from belmont.registry.types import Address


@dataclass(frozen=True)
class Code:
    """Code of one contract: the hash of what is the same in every consortium, and whose addresses follow it."""

    hash: bytes
    wiring: tuple[str, ...]

    def is_at(self, deployed: bytes, addresses: Mapping[str, Address]) -> bool:
        """Whether this is the code that was deployed, wired to these contracts."""
        tail = b"".join(to_canonical_address(addresses[each]).rjust(32, b"\0") for each in self.wiring)
        return deployed.endswith(tail) and keccak(deployed[: len(deployed) - len(tail)]) == self.hash


def compiled_code(name: str) -> Code:
    """What this release compiles a contract to."""
    return Code(keccak(contract(name).compiled.runtime), WIRING[name])


@dataclass(frozen=True)
class Release:
    """``earlier`` has, by the contract's name, code that a proxy may have pointed to before."""

    current: Callable[[str], Code] = compiled_code
    earlier: Mapping[str, tuple[Code, ...]] = field(default_factory=dict)

    def is_current(self, name: str, deployed: bytes, addresses: Mapping[str, Address]) -> bool:
        return self.current(name).is_at(deployed, addresses)

    def knows(self, name: str, deployed: bytes, addresses: Mapping[str, Address]) -> bool:
        known = (self.current(name), *self.earlier.get(name, ()))
        return any(code.is_at(deployed, addresses) for code in known)


THIS_RELEASE = Release()
"""The first with proxies: it takes over from none."""
