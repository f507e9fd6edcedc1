# pragma version 0.4.3
# pragma evm-version prague
"""
@title transcript
@license Apache-2.0
@notice The Fiat-Shamir transcript of docs/protocol.md, over SHA-256: a state of 32 bytes that absorbs and draws.
"""

import field

# 2 ** 256 modulo r.
SHIFT: constant(uint256) = 10920338887063814464675503992315976177888879664585288394250266608035967270910


@internal
@view
def absorb(state: bytes32, name: Bytes[32], length: uint256, digest: bytes32) -> bytes32:
    """
    @notice Bind data under a name, by their length and SHA-256.
    """
    return sha256(abi_encode(state, convert(name, bytes32), length, digest))


@internal
@view
def draw(state: bytes32, name: Bytes[32]) -> (bytes32, uint256):
    """
    @notice The next state, and a challenge modulo r from 512 bits.
    """
    drawn: bytes32 = sha256(abi_encode(state, convert(name, bytes32)))
    high: uint256 = convert(sha256(concat(drawn, 0x00)), uint256)
    low: uint256 = convert(sha256(concat(drawn, 0x01)), uint256)
    return drawn, uint256_addmod(uint256_mulmod(high, SHIFT, field.R), low, field.R)
