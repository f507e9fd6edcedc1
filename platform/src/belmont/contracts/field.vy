# pragma version 0.4.3
# pragma evm-version prague
"""
@title field
@license Apache-2.0
@notice Numbers modulo r, the order of BLS12-381's groups. Where speed counts, `validity` has the same inline.
"""

R: constant(uint256) = 52435875175126190479447740508185965837690552500527637822603658699938581184513
POWER: constant(address) = 0x0000000000000000000000000000000000000005
# What the precompile may burn when it fails; it costs 1,360 (EIP-2565), or three times that (EIP-7883).
POWER_GAS: constant(uint256) = 10_000


@internal
@pure
def plus(a: uint256, b: uint256) -> uint256:
    return uint256_addmod(a, b, R)


@internal
@pure
def minus(a: uint256, b: uint256) -> uint256:
    """
    @notice a - b, for b below r.
    """
    return uint256_addmod(a, R - b, R)


@internal
@pure
def times(a: uint256, b: uint256) -> uint256:
    return uint256_mulmod(a, b, R)


@internal
@view
def inverse(number: uint256) -> uint256:
    """
    @notice 1 / number modulo r; the number is not 0.
    """
    success: bool = False
    answer: Bytes[32] = b""
    success, answer = raw_call(
        POWER,
        abi_encode(convert(32, uint256), convert(32, uint256), convert(32, uint256), number, R - 2, R),
        max_outsize=32,
        gas=POWER_GAS,
        is_static_call=True,
        revert_on_failure=False,
    )
    assert success and len(answer) == 32, "PRECOMPILE_MISSING"
    inverted: uint256 = abi_decode(answer, uint256)
    assert uint256_mulmod(number, inverted, R) == 1, "CHALLENGE_INVALID"
    return inverted


@internal
@pure
def power(base: uint256, exponent: uint256) -> uint256:
    """
    @notice base ** exponent modulo r, for exponents below 2 ** 16.
    """
    result: uint256 = 1
    square: uint256 = base
    rest: uint256 = exponent
    for _: uint256 in range(16):
        if rest == 0:
            break
        if rest & 1 == 1:
            result = uint256_mulmod(result, square, R)
        square = uint256_mulmod(square, square, R)
        rest = rest >> 1
    return result
