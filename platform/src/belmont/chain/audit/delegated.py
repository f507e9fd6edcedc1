"""BLS12-381 and KZG precompiles for the specification, computed natively.

The specification runs them in pure Python, which takes seconds for one proof. Here its own functions run up to where
they have charged their gas, so lengths and prices are the specification's; then the result comes from arkworks and
c-kzg (`belmont.chain.precompiles`). With `--pure`, nothing is delegated.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any, Final

from eth.exceptions import VMError
from ethereum.forks.prague.vm import gas
from ethereum.forks.prague.vm.exceptions import InvalidParameter
from ethereum.forks.prague.vm.precompiled_contracts import mapping, point_evaluation
from ethereum.forks.prague.vm.precompiled_contracts.bls12_381 import (
    bls12_381_g1,
    bls12_381_g2,
    bls12_381_pairing,
)

from belmont.chain.limits import Unlimited
from belmont.chain.precompiles import NATIVE_PRECOMPILES

MODULES: Final = (bls12_381_g1, bls12_381_g2, bls12_381_pairing, point_evaluation)
NAMES: Final = tuple(f"0x{int.from_bytes(address, 'big'):02x}" for address in NATIVE_PRECOMPILES)


class _Charged(Exception):
    """The gas is paid; what follows would be the slow part."""


@contextlib.contextmanager
def native_precompiles() -> Iterator[None]:
    """While this is entered, the specification's precompiles of `NAMES` are delegated."""
    table = mapping.PRE_COMPILED_CONTRACTS
    own = {address: function for address, function in table.items() if bytes(address) in NATIVE_PRECOMPILES}
    try:
        for module in MODULES:
            module.charge_gas = _charge_and_stop
        for address, function in own.items():
            table[address] = _delegated(function, NATIVE_PRECOMPILES[bytes(address)])
        yield
    finally:
        table.update(own)
        for module in MODULES:
            module.charge_gas = gas.charge_gas


def _charge_and_stop(evm: Any, amount: Any) -> None:
    gas.charge_gas(evm, amount)
    raise _Charged


def _delegated(specified: Callable[[Any], None], native: Callable[[Any], None]) -> Callable[[Any], None]:
    def run(evm: Any) -> None:
        try:
            specified(evm)
        except _Charged:
            evm.output = _computed(native, bytes(evm.message.data))

    return run


def _computed(native: Callable[[Any], None], data: bytes) -> bytes:
    computation = SimpleNamespace(
        msg=SimpleNamespace(data_as_bytes=data),
        state=SimpleNamespace(limit=Unlimited()),
        consume_gas=lambda amount, reason: None,
        output=b"",
    )
    try:
        native(computation)
    except VMError as error:
        raise InvalidParameter(str(error)) from error
    output: bytes = computation.output
    return output
