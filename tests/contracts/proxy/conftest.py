"""A proxy of its own before code of the consortium's, and Permits as a later release could have it."""

import shutil
from types import SimpleNamespace
from typing import Any

import pytest
from eth_utils.crypto import keccak

from belmont.chain.compiler import Compiled, compile_contract, contracts_directory
from belmont.registry.contract_set import WIRING, contract, wired_to
from belmont.registry.release import Code, Release, compiled_code
from belmont.registry.types import Address

ADDITION = '''

@external
@view
def isStopped(id: uint64) -> bool:
    """
    @notice A later release's view: whether a permit was revoked or superseded.
    """
    return self._permits[id].revoked or self._permits[id].supersededBy != 0
'''


@pytest.fixture(scope="session")
def later_permits(tmp_path_factory: pytest.TempPathFactory) -> Compiled:
    """Permits with one more view function, compiled from a changed copy of the sources."""
    directory = tmp_path_factory.mktemp("later") / "contracts"
    shutil.copytree(contracts_directory(), directory)
    source = directory / "Permits.vy"
    source.write_text(source.read_text() + ADDITION)
    return compile_contract("Permits", directory)


@pytest.fixture(scope="session")
def later_release(later_permits: Compiled) -> Release:
    """The release that has this code, and takes over from the one that is installed."""
    later = Code(keccak(later_permits.runtime), WIRING["Permits"])
    return Release(
        current=lambda name: later if name == "Permits" else compiled_code(name),
        earlier={"Permits": (compiled_code("Permits"),)},
    )


@pytest.fixture
def later_code(consortium: Any, later_permits: Compiled) -> Address:
    """The later code of Permits on the consortium's chain, wired to it."""
    wiring = contract("Permits").interface.encode_constructor(*wired_to("Permits", consortium.registry.addresses))
    _, address = consortium.evm.send(consortium.non_member, None, later_permits.bytecode + wiring)
    return address


@pytest.fixture
def rules() -> Any:
    """Who may point a proxy to other code, in tests of a proxy alone."""
    return SimpleNamespace(address="0x" + "52" * 20)
