"""An owner with code is asked by ERC-1271; whatever it does instead of answering, its signature does not hold."""

import pytest

from belmont.identity.messages import AddDelegate, ChangeOwner, short_bytes
from belmont.registry.errors import RegistryRefused

WORD = bytes.fromhex("1626ba7e")
RETURN_WORD = "5f5260205ff3"  # PUSH0 MSTORE, PUSH1 32 PUSH0 RETURN
ACCEPTS = "7f" + WORD.ljust(32, b"\0").hex() + RETURN_WORD

HOSTILE = {
    "answers nothing": "00",
    "reverts": "5f5ffd",
    "reverts with the word": "7f" + WORD.ljust(32, b"\0").hex() + "5f5260205ffd",
    "breaks off": "fe",
    "never ends": "5b5f56",
    "answers zero": "5f" + RETURN_WORD,
    "answers true": "6001" + RETURN_WORD,
    "answers the word on the wrong side": "63" + WORD.hex() + RETURN_WORD,
    "answers the word and more beside it": "7f" + WORD.ljust(32, b"\1").hex() + RETURN_WORD,
    "answers four bytes": "7f" + WORD.ljust(32, b"\0").hex() + "5f5260045ff3",
    "answers 31 bytes": "7f" + WORD.ljust(32, b"\0").hex() + "5f52601f5ff3",
    "answers 64 KiB of nothing": "620100005ff3",
    "answers its own input": "365f5f37365ff3",
    "writes before it answers": "60015f55" + ACCEPTS,
    "logs before it answers": "5f5fa0" + ACCEPTS,
}


def deploy(bench, runtime):
    """A contract with this code."""
    code = bytes.fromhex(runtime)
    creation = bytes.fromhex(f"61{len(code):04x}80600a5f395ff3")
    _, address = bench.evm.send(bench.deployer, None, creation.ljust(10, b"\0") + code)
    assert bench.evm.code(address) == code
    return address


@pytest.fixture
def add(bench, owner, machine):
    """What the owner would have to sign."""
    return AddDelegate(
        identity=owner.address,
        delegate_type=short_bytes("sigAuth"),
        delegate=machine.address,
        validity=60,
        deadline=bench.evm.now,
    )


def test_a_wallet_that_accepts_is_believed(bench, owner, machine, stranger, add):
    bench.write(owner, "changeOwner", owner.address, deploy(bench, ACCEPTS))
    bench.send(stranger, add, b"whatever it takes")
    assert bench.read("worksFor", owner.address, machine.address)


@pytest.mark.parametrize("runtime", HOSTILE.values(), ids=HOSTILE)
def test_a_wallet_that_does_anything_else_is_not(bench, refused, owner, stranger, add, runtime):
    bench.write(owner, "changeOwner", owner.address, deploy(bench, runtime))
    for signature in (b"", add.sign(owner, bench.domain).signature, bytes(2048)):
        with refused("SIGNATURE_INVALID"):
            bench.send(stranger, add, signature)


@pytest.mark.parametrize("runtime", HOSTILE.values(), ids=HOSTILE)
def test_such_a_wallet_does_not_become_owner_by_a_signed_change(bench, refused, owner, stranger, runtime):
    change = ChangeOwner(identity=owner.address, new_owner=deploy(bench, runtime), deadline=bench.evm.now)
    with refused("SIGNATURE_INVALID"):
        bench.send(stranger, change, change.sign(owner, bench.domain).signature, b"")


def test_a_wallet_gets_half_a_million_gas_at_most(bench, owner, stranger, add):
    """It accepts only if it finds less than that."""
    runtime = "5a6207a12111" + "7f" + WORD.ljust(32, b"\0").hex() + "02" + RETURN_WORD  # GAS < 500001, times the word
    bench.write(owner, "changeOwner", owner.address, deploy(bench, runtime))
    bench.send(stranger, add, b"")


def test_a_key_with_code_is_asked_as_a_wallet_is(bench, refused, owner, stranger, add):
    """EIP-7702: the account's own key has given it code, which decides from then on."""
    signature = add.sign(owner, bench.domain).signature
    bench.evm.state.set_code(bytes.fromhex(owner.address[2:]), bytes.fromhex(HOSTILE["answers zero"]))
    with refused("SIGNATURE_INVALID"):
        bench.send(stranger, add, signature)
    bench.evm.state.set_code(bytes.fromhex(owner.address[2:]), bytes.fromhex(ACCEPTS))
    bench.send(stranger, add, b"")


def test_a_signature_longer_than_a_message_holds_is_refused(bench, owner, stranger, add):
    bench.write(owner, "changeOwner", owner.address, deploy(bench, ACCEPTS))
    with pytest.raises(RegistryRefused):
        bench.send(stranger, add, bytes(2049))
