"""The module `duo` in a contract that opens it, on an EVM of its own."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.contracts.conftest import EvmInMemory, account

from belmont.chain.compiler import compile_contract, contracts_directory
from belmont.registry.abi import Interface
from belmont.registry.duo import Conditions, IntendedUse, Term, Verdict

PROBE = "DuoProbe"


class Probe:
    """What the contract says of conditions and uses."""

    def __init__(self, directory: Path) -> None:
        shutil.copy(Path(__file__).with_name(f"{PROBE}.vy"), directory)
        shutil.copy(contracts_directory() / "duo.vy", directory)
        compiled = compile_contract(PROBE, directory)
        self.interface = Interface(PROBE, compiled.abi)
        self.evm = EvmInMemory()
        _, self.address = self.evm.send(account(1), None, compiled.bytecode)

    def call(self, function: str, *args: Any) -> Any:
        (answer,) = self.evm.calls([(self.address, self.interface.encode_call(function, *args))])
        return self.interface.decode_answer(function, answer)

    def match(self, conditions: Conditions, use: IntendedUse, now: int) -> tuple[Verdict, Term, Term]:
        """Verdict, denied and abstained terms."""
        found = self.call("matched", conditions.struct(), use.struct(), now)
        return Verdict(found["verdict"]), Term(found["denied"]), Term(found["abstained"])


@pytest.fixture(scope="session")
def probe(tmp_path_factory: pytest.TempPathFactory) -> Probe:
    return Probe(tmp_path_factory.mktemp("duo"))


@pytest.fixture
def changed() -> Callable[..., tuple[Any, ...]]:
    """A struct with one field replaced by place, as no Python object would make it."""
    return lambda struct, place, value: (*struct[:place], value, *struct[place + 1 :])
