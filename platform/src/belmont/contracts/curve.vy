# pragma version 0.4.3
# pragma evm-version prague
"""
@title curve
@license Apache-2.0
@notice BLS12-381 over the precompiles of EIP-2537.
@dev A point is four words, as EIP-2537 has it: x and y, each 16 zero bytes and 48 bytes. Every point that comes from
     outside goes through `sum`: its precompile checks that a point is on the curve and in the subgroup, whatever the
     scalar; the one for addition does not check the subgroup, so nothing here uses it. A call that fails, for want of
     gas too, and an answer of another length (a chain without these precompiles answers with nothing) revert.
"""

MULTIPLY: constant(address) = 0x000000000000000000000000000000000000000C
PAIRING: constant(address) = 0x000000000000000000000000000000000000000F
# What a call may burn when it fails: the precompiles cost at most this (EIP-2537 without its discount).
MULTIPLY_GAS: constant(uint256) = 12_000
PAIRING_GAS: constant(uint256) = 110_000

# Points and scalars of one call; longer sums are made of several.
ROWS: constant(uint256) = 128

GENERATOR: constant(uint256[4]) = [
    31827880280837800241567138048534752271,
    88385725958748408079899006800036250932223001591707578097800747617502997169851,
    11568204302792691131076548377920244452,
    114417265404584670498511149331300188430316142484413708742216858159411894806497,
]
# The generator of G2, and the ceremony's [tau] in G2, negated: imaginary parts come second, as in EIP-2537.
GENERATOR_2: constant(uint256[8]) = [
    3045985886519456750490515843806728273,
    89961632905173714226157479458612185649920463576279427516307505038263245192632,
    26419286191256893424348605754143887205,
    40446337346877272185227670183527379362551741423616556919902061939448715946878,
    17144095208600308495026432580569150746,
    78698209480990513415779284580404715789311803115477290401294577488850054555649,
    8010509799087472606393075511737879449,
    91929332261301883145239454754739358796115486554644188311284324629555800144318,
]
MINUS_TAU: constant(uint256[8]) = [
    32383056032135852905016527803482769634,
    25850360288623730545159955992210518030654433177743593292096773684352981786354,
    28909894882549205682797441393143509897,
    17231068747105440314693291718627530005204678724099931570750891240243864379250,
    32886673188603791762358225469691244597,
    36810286309993754770322946577659537145198835745113242507982814759322214236178,
    4788851778616410125850764357210968459,
    52916058348539113093170235817744107012125266185790041820813943927667061790044,
]


@internal
@view
def sum(rows: DynArray[uint256[5], ROWS]) -> uint256[4]:
    """
    @notice The sum of points times scalars; a row is a point's four words and a scalar.
    """
    success: bool = False
    answer: Bytes[128] = b""
    success, answer = raw_call(
        MULTIPLY,
        slice(abi_encode(rows), 64, 160 * len(rows)),
        max_outsize=128,
        gas=MULTIPLY_GAS * len(rows),
        is_static_call=True,
        revert_on_failure=False,
    )
    assert success, "POINT_INVALID"
    assert len(answer) == 128, "PRECOMPILE_MISSING"
    return abi_decode(answer, uint256[4])


@internal
@view
def pairsCancel(first: uint256[4], second: uint256[4]) -> bool:
    """
    @notice Whether e(first, G2) = e(second, [tau]G2).
    """
    success: bool = False
    answer: Bytes[32] = b""
    success, answer = raw_call(
        PAIRING,
        abi_encode(first, GENERATOR_2, second, MINUS_TAU),
        max_outsize=32,
        gas=PAIRING_GAS,
        is_static_call=True,
        revert_on_failure=False,
    )
    assert success, "POINT_INVALID"
    assert len(answer) == 32, "PRECOMPILE_MISSING"
    return abi_decode(answer, uint256) == 1


@internal
@pure
def row(point: uint256[4], scalar: uint256) -> uint256[5]:
    """
    @notice A point and a scalar for `sum`.
    """
    return [point[0], point[1], point[2], point[3], scalar]


@internal
@pure
def rowAt(points: Bytes[18 * 128], place: uint256, scalar: uint256) -> uint256[5]:
    """
    @notice The same for one of a few points in bytes.
    """
    at: uint256 = place << 7
    return [
        extract32(points, at, output_type=uint256),
        extract32(points, at + 32, output_type=uint256),
        extract32(points, at + 64, output_type=uint256),
        extract32(points, at + 96, output_type=uint256),
        scalar,
    ]
