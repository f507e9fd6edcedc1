# pragma version 0.4.3
# pragma evm-version prague
"""
@title Verifier
@license Apache-2.0
@notice Verifies validity proofs: docs/protocol.md, "Validity: verification", cited by number. It keeps nothing, so
        anybody may ask it. Proofs sees to it that the statement is the expected one (V1) and that the tables are those
        of its layout.
@dev Lists are bytes: words of 32, points of 128 bytes, in the order in which the prover's transcript absorbs them.
     A plan says what each committed column of a layout is, a byte each, the first in the lowest byte of the first word:
     PRESENT, OBSERVED, BIT, SERIAL (the pseudonym `s`), LIMB, and for a range the class of its width in table 1, with
     MAY_MISS added where it may be missing.
"""

import curve
import field
import transcript

R: constant(uint256) = field.R
N: constant(uint256) = 4096
BLINDING: constant(uint256) = 64
# Rows of data in a chunk.
CHUNK_ROWS: constant(uint256) = N - BLINDING
# Powers of the root of unity w: w, w^-1, w^A (the first blinding row) and w^(A-1) (the last data row); and 1 / N.
OMEGA: constant(uint256) = 39033254847818212395286706435128746857159659164139250548781411570340225835782
OMEGA_INVERSE: constant(uint256) = 25829815649260311651249373569448671287036547786131478959351418120540316250978
OMEGA_A: constant(uint256) = 45254319123522011116259460062854627366454101350769349111320208945036885998124
OMEGA_LAST: constant(uint256) = 5150915220128510666907012040003671917640360733486062983474717328085267958840
N_INVERSE: constant(uint256) = 52423073447788513186850219087163459498374710080483563692275874603576291491841

# SHA-256 of the ceremony's file.
CEREMONY: constant(bytes32) = 0xd39b9f2d047cc9dca2de58f264b6a09448ccd34db967881a6713eacacf0f26b7
# [t_2]: (v, 0) for v below 2048.
LIMB_TABLE: constant(uint256[4]) = [
    5682666831016815214024456360278510919,
    61025219634310859924761934581988700838459202478198928405618071995670170175941,
    16300219918814996376757692277670309685,
    22300889267250290853699041926247593262283225155900879953829709465109110391327,
]

# SHA-256 of 128 zero bytes, a point at infinity.
INFINITY: constant(bytes32) = 0x38723a2e5e8a17aa7950dc008209944e898f69a7bd10a23c839d341e935fd5ca

# Kinds of committed columns. LIMB is looked up as class 0, so LIMB + c is a range that is never missing.
LIMB: constant(uint256) = 0
PRESENT: constant(uint256) = 96
OBSERVED: constant(uint256) = 97
BIT: constant(uint256) = 98
SERIAL: constant(uint256) = 99
MAY_MISS: constant(uint256) = 128
LIMB_BITS: constant(uint256) = 11
LIMBS: constant(uint256) = 6

# At most this many column chunks, so chunks, of one proof: a layout commits to nine columns at least.
COLUMNS_MAX: constant(uint256) = 256
CHUNKS_MAX: constant(uint256) = 28
COLUMNS_BYTES: constant(uint256) = 128 * COLUMNS_MAX
ROUND_2_BYTES: constant(uint256) = 128 * (COLUMNS_MAX + 1)
EVALUATION_BYTES: constant(uint256) = 32 * (COLUMNS_MAX + 4 + 2 * CHUNKS_MAX)


# The words that the transcript absorbs first, in this order.
struct Statement:
    ceremony: bytes32
    domain: uint256
    blinding: uint256
    chain: uint256
    registry: address
    holder: address
    dataset: bytes32
    layoutHash: bytes32
    version: uint256
    first: uint256
    chunks: uint256
    rows: uint256


# What follows from a layout.
struct Tables:
    columns: uint256
    lookups: uint256
    plan: uint256[8]
    values: uint256[4]
    classes: uint256[4]


struct Proof:
    columns: Bytes[COLUMNS_BYTES]
    previous: Bytes[128]
    round1: Bytes[384]
    round2: Bytes[ROUND_2_BYTES]
    round3: Bytes[256]
    evaluations: Bytes[EVALUATION_BYTES]
    openings: Bytes[640]


@external
@view
def verify(statement: Statement, tables: Tables, proof: Proof) -> bool:
    """
    @notice True, or revert with the reason why the proof does not show what the statement says.
    """
    width: uint256 = tables.columns
    chunks: uint256 = statement.chunks
    total: uint256 = chunks * width
    lookups: uint256 = chunks * tables.lookups
    continued: uint256 = 0  # 1 where a chunk comes before the first of these
    if statement.first > 0:
        continued = 1
    assert chunks > 0 and chunks <= CHUNKS_MAX and total <= COLUMNS_MAX, "CHUNKS_INVALID"  # V1
    assert statement.rows <= CHUNK_ROWS * chunks, "ROWS_MISMATCH"  # V1
    links: uint256 = chunks - 1 + continued

    # V2: exact lengths.
    assert len(proof.columns) == 128 * total, "PROOF_MALFORMED"
    assert len(proof.previous) == 128 * continued, "PROOF_MALFORMED"
    assert len(proof.round1) == 128 * 3, "PROOF_MALFORMED"
    assert len(proof.round2) == 128 * (lookups + 3), "PROOF_MALFORMED"
    assert len(proof.round3) == 128 * 2, "PROOF_MALFORMED"
    assert len(proof.evaluations) == 32 * (total + 4 + chunks + links), "PROOF_MALFORMED"
    openings: uint256 = 4
    if links > 0:
        openings = 5
    assert len(proof.openings) == 128 * openings, "PROOF_MALFORMED"
    if continued == 1:
        assert sha256(proof.previous) != INFINITY, "COMMITMENT_AT_INFINITY"  # V3

    # V4: the challenges.
    rho: uint256 = 0
    gamma: uint256 = 0
    alpha: uint256 = 0
    beta: uint256 = 0
    zeta: uint256 = 0
    v: uint256 = 0
    fold: uint256 = 0
    state: bytes32 = sha256(b"belmont/validity/v1")
    state = transcript.absorb(state, b"statement", 12 * 32, sha256(abi_encode(statement)))
    state = transcript.absorb(state, b"columns", len(proof.columns), sha256(proof.columns))
    state = transcript.absorb(state, b"previous", len(proof.previous), sha256(proof.previous))
    state, rho = transcript.draw(state, b"rho")
    state = transcript.absorb(state, b"round 1", len(proof.round1), sha256(proof.round1))
    state, gamma = transcript.draw(state, b"gamma")
    state, alpha = transcript.draw(state, b"alpha")
    state = transcript.absorb(state, b"round 2", len(proof.round2), sha256(proof.round2))
    state, beta = transcript.draw(state, b"beta")
    state = transcript.absorb(state, b"round 3", len(proof.round3), sha256(proof.round3))
    state, zeta = transcript.draw(state, b"zeta")
    state = transcript.absorb(state, b"evaluations", len(proof.evaluations), sha256(proof.evaluations))
    state, v = transcript.draw(state, b"v")
    state = transcript.absorb(state, b"openings", len(proof.openings), sha256(proof.openings))
    state, fold = transcript.draw(state, b"fold")
    fold2: uint256 = field.times(fold, fold)
    fold3: uint256 = field.times(fold2, fold)
    fold4: uint256 = field.times(fold3, fold)

    # V5: vanishing and Lagrange polynomials at zeta.
    below: uint256 = field.power(zeta, N - 1)
    vanishing: uint256 = field.minus(field.times(below, zeta), 1)
    assert zeta != 0 and vanishing != 0, "CHALLENGE_INVALID"  # V4
    onBlinding: uint256 = 1
    root: uint256 = OMEGA_A
    for _: uint256 in range(BLINDING):
        onBlinding = uint256_mulmod(onBlinding, uint256_addmod(zeta, unsafe_sub(R, root), R), R)
        root = uint256_mulmod(root, OMEGA, R)
    onData: uint256 = field.times(vanishing, field.inverse(onBlinding))
    scaled: uint256 = field.times(vanishing, N_INVERSE)
    less1: uint256 = field.minus(zeta, 1)
    lessA: uint256 = field.minus(zeta, OMEGA_A)
    lagrange0: uint256 = field.times(scaled, field.inverse(less1))
    lagrangeA: uint256 = field.times(scaled, field.inverse(lessA))
    lagrangeA = field.times(lagrangeA, OMEGA_A)

    # V6 and V7, columns: identities V-a, and what F_0, F_2, F_3 and F_4 multiply each column with.
    rows: DynArray[uint256[5], curve.ROWS] = []  # points and scalars of the left side of V8
    helpers: DynArray[uint256, COLUMNS_MAX] = []  # what V-a multiplies each h with
    rises: DynArray[uint256, CHUNKS_MAX] = []  # s - present - l_0 - 2^11 l_1 - ... of each chunk
    fixed: uint256 = 0  # the linearisation without its polynomials
    claimed: uint256 = 0  # y_0
    combined: uint256 = 0  # the sum of rho^k f_k
    betaPower: uint256 = 1
    rhoPower: uint256 = 1
    vPower: uint256 = 1
    chunkPower: uint256 = 1  # v^c
    linkPower: uint256 = 1  # v^i of the link that this chunk's s is opened for
    if continued == 1:
        linkPower = v
    place: uint256 = 0
    for c: uint256 in range(chunks, bound=CHUNKS_MAX):
        present: uint256 = 0
        observed: uint256 = 0
        rise: uint256 = 0
        limbs: uint256 = 0
        for j: uint256 in range(width, bound=COLUMNS_MAX):
            kind: uint256 = (tables.plan[j >> 5] >> ((j & 31) << 3)) & 255
            value: uint256 = extract32(proof.evaluations, place << 5, output_type=uint256)
            assert value < R, "SCALAR_INVALID"  # V3
            scalar: uint256 = vPower  # F_0
            flaw: uint256 = 0
            if kind == PRESENT:
                present = value
                rise = unsafe_sub(R, value)
                scalar = uint256_addmod(scalar, fold3, R)  # F_3
            elif kind == OBSERVED:
                observed = value
            elif kind == SERIAL:
                rise = uint256_addmod(rise, value, R)
                scalar = uint256_addmod(scalar, uint256_mulmod(fold2, chunkPower, R), R)  # F_2
                if c + 1 < chunks:
                    scalar = uint256_addmod(scalar, uint256_mulmod(fold4, linkPower, R), R)  # F_4
            elif kind == LIMB:
                rise = uint256_addmod(rise, unsafe_sub(R, uint256_mulmod(value, 1 << limbs, R)), R)
                limbs += LIMB_BITS
            if kind == PRESENT or kind == OBSERVED or kind == BIT:  # V-a 1
                flaw = uint256_addmod(uint256_mulmod(value, value, R), unsafe_sub(R, value), R)
                fixed = uint256_addmod(fixed, uint256_mulmod(betaPower, flaw, R), R)
                betaPower = uint256_mulmod(betaPower, beta, R)
            if kind != PRESENT and kind != SERIAL and kind != LIMB:  # V-a 2
                flaw = uint256_mulmod(unsafe_sub(R + 1, present), value, R)
                fixed = uint256_addmod(fixed, uint256_mulmod(betaPower, flaw, R), R)
                betaPower = uint256_mulmod(betaPower, beta, R)
            if kind > MAY_MISS:  # V-a 3
                flaw = uint256_mulmod(unsafe_sub(R + 1, observed), value, R)
                fixed = uint256_addmod(fixed, uint256_mulmod(betaPower, flaw, R), R)
                betaPower = uint256_mulmod(betaPower, beta, R)
            if kind < PRESENT or kind > MAY_MISS:  # V-a 4
                looked: uint256 = uint256_mulmod(gamma, kind & (MAY_MISS - 1), R)
                looked = uint256_addmod(looked, value, R)
                if kind > MAY_MISS:
                    looked = uint256_addmod(looked, unsafe_sub(R, observed), R)
                elif kind != LIMB:
                    looked = uint256_addmod(looked, unsafe_sub(R, present), R)
                looked = uint256_addmod(alpha, unsafe_sub(R, looked), R)
                helpers.append(uint256_mulmod(betaPower, looked, R))
                fixed = uint256_addmod(fixed, unsafe_sub(R, betaPower), R)
                betaPower = uint256_mulmod(betaPower, beta, R)
            claimed = uint256_addmod(claimed, uint256_mulmod(vPower, value, R), R)
            combined = uint256_addmod(combined, uint256_mulmod(rhoPower, value, R), R)
            vPower = uint256_mulmod(vPower, v, R)
            rhoPower = uint256_mulmod(rhoPower, rho, R)
            at: uint256 = place << 7
            row: uint256[5] = [
                extract32(proof.columns, at, output_type=uint256),
                extract32(proof.columns, unsafe_add(at, 32), output_type=uint256),
                extract32(proof.columns, unsafe_add(at, 64), output_type=uint256),
                extract32(proof.columns, unsafe_add(at, 96), output_type=uint256),
                scalar,
            ]
            assert row[0] | row[1] | row[2] | row[3] != 0, "COMMITMENT_AT_INFINITY"  # V3
            rows.append(row)
            if len(rows) == curve.ROWS:
                rows = [curve.row(curve.sum(rows), 1)]
            place = unsafe_add(place, 1)
        before: uint256 = extract32(proof.evaluations, (total + 4 + c) << 5, output_type=uint256)
        assert before < R, "SCALAR_INVALID"  # V3
        step: uint256 = field.times(less1, field.minus(rise, before))  # V-a 5
        fixed = field.plus(fixed, field.times(betaPower, step))
        betaPower = field.times(betaPower, beta)
        rises.append(rise)
        chunkPower = field.times(chunkPower, v)
        linkPower = field.times(linkPower, v)

    # The other evaluations.
    table1: uint256 = extract32(proof.evaluations, total << 5, output_type=uint256)
    table2: uint256 = extract32(proof.evaluations, (total + 1) << 5, output_type=uint256)
    phi: uint256 = extract32(proof.evaluations, (total + 2) << 5, output_type=uint256)
    u: uint256 = extract32(proof.evaluations, (total + 3) << 5, output_type=uint256)
    assert table1 < R and table2 < R and phi < R and u < R, "SCALAR_INVALID"  # V3

    # V6: V-b to V-f, and what the linearisation multiplies each polynomial with; it is v^(KM+2) of F_0.
    beta1: uint256 = betaPower
    beta2: uint256 = field.times(beta1, beta)
    betaPhi: uint256 = field.times(beta2, beta)
    betaU: uint256 = field.times(betaPhi, beta)
    fixed = field.plus(fixed, field.times(betaPhi, phi))  # V-c
    fixed = field.times(fixed, onBlinding)
    fresh: uint256 = field.times(betaU, field.minus(u, combined))  # V-d
    fixed = field.plus(fixed, field.times(fresh, onData))
    ofPhi: uint256 = field.minus(0, field.times(betaPhi, onBlinding))
    ofU: uint256 = field.minus(0, field.times(betaU, onData))
    betaPower = field.times(betaU, beta)
    ofPhi = field.plus(ofPhi, field.times(betaPower, lagrange0))  # V-e
    betaPower = field.times(betaPower, beta)
    ofPhi = field.plus(ofPhi, field.times(betaPower, lagrangeA))
    betaPower = field.times(betaPower, beta)
    ofU = field.plus(ofU, field.times(betaPower, lagrange0))
    betaPower = field.times(betaPower, beta)
    ofU = field.plus(ofU, field.times(betaPower, lagrangeA))

    claimed2: uint256 = 0  # y_2
    claimed4: uint256 = 0  # y_4
    chunkPower = 1
    linkPower = 1
    for c: uint256 in range(chunks, bound=CHUNKS_MAX):
        rise: uint256 = rises[c]
        betaPower = field.times(betaPower, beta)
        if c + continued > 0:
            link: uint256 = extract32(
                proof.evaluations, (total + 3 + chunks + c + continued) << 5, output_type=uint256
            )
            assert link < R, "SCALAR_INVALID"  # V3
            rise = field.minus(rise, link)
            claimed4 = field.plus(claimed4, field.times(linkPower, link))
            linkPower = field.times(linkPower, v)
        rise = field.times(rise, lagrange0)
        fixed = field.plus(fixed, field.times(betaPower, rise))  # V-f
        before: uint256 = extract32(proof.evaluations, (total + 4 + c) << 5, output_type=uint256)
        claimed2 = field.plus(claimed2, field.times(chunkPower, before))
        chunkPower = field.times(chunkPower, v)

    # V7: what each of the other points is multiplied with; all of F_0 to F_4 in one sum, F_i times fold^i.
    table2Power: uint256 = field.times(vPower, v)
    linear: uint256 = field.times(table2Power, v)  # v^(KM+2)
    linearOnBlinding: uint256 = field.times(linear, onBlinding)
    for k: uint256 in range(lookups, bound=COLUMNS_MAX):
        at: uint256 = k << 7
        row: uint256[5] = [
            extract32(proof.round2, at, output_type=uint256),
            extract32(proof.round2, unsafe_add(at, 32), output_type=uint256),
            extract32(proof.round2, unsafe_add(at, 64), output_type=uint256),
            extract32(proof.round2, unsafe_add(at, 96), output_type=uint256),
            uint256_mulmod(linearOnBlinding, uint256_addmod(helpers[k], unsafe_sub(R, betaPhi), R), R),  # V-a 4, V-c
        ]
        rows.append(row)
        if len(rows) == curve.ROWS:
            rows = [curve.row(curve.sum(rows), 1)]
    scalars: DynArray[uint256, 18] = []
    share: uint256 = field.plus(field.times(beta1, field.minus(alpha, table1)), betaPhi)  # V-b, V-c
    scalars.append(field.times(linearOnBlinding, share))  # g_1
    share = field.plus(field.times(beta2, field.minus(alpha, table2)), betaPhi)
    scalars.append(field.times(linearOnBlinding, share))  # g_2
    scalars.append(field.plus(field.times(linear, ofPhi), fold))  # phi, also in F_1
    scalars.append(field.minus(0, field.times(linearOnBlinding, beta1)))  # m_1
    scalars.append(field.minus(0, field.times(linearOnBlinding, beta2)))  # m_2
    scalars.append(field.plus(field.times(linear, ofU), field.times(fold, v)))  # u, also in F_1
    share = field.minus(0, field.times(linear, vanishing))
    scalars.append(share)  # q_1
    scalars.append(field.times(share, below))  # q_2
    scalars.append(vPower)  # t_1v
    scalars.append(field.times(vPower, gamma))  # t_1c
    scalars.append(table2Power)  # t_2
    claimed = field.plus(claimed, field.times(vPower, table1))
    claimed = field.plus(claimed, field.times(table2Power, table2))
    claimed = field.plus(claimed, field.times(fold, field.plus(phi, field.times(v, u))))
    claimed = field.plus(claimed, field.times(fold2, claimed2))
    claimed = field.plus(claimed, field.times(fold3, field.times(statement.rows, N_INVERSE)))
    claimed = field.plus(claimed, field.times(fold4, claimed4))
    scalars.append(field.minus(field.times(linear, fixed), claimed))  # G1
    # V8: the openings at zeta, w zeta, zeta / w, 0 and w^(A-1) zeta, each times its point.
    scalars.append(zeta)
    scalars.append(field.times(fold, field.times(zeta, OMEGA)))
    scalars.append(field.times(fold2, field.times(zeta, OMEGA_INVERSE)))
    scalars.append(0)
    folds: DynArray[uint256, 5] = [1, fold, fold2, fold3]
    if links > 0:
        scalars.append(field.times(fold4, field.times(zeta, OMEGA_LAST)))
        folds.append(fold4)
    if continued == 1:
        scalars.append(fold4)  # the chunk before, in F_4
    # The points, in the same order.
    points: Bytes[18 * 128] = concat(
        slice(proof.round2, lookups << 7, 3 * 128),
        proof.round1,
        proof.round3,
        abi_encode(tables.values, tables.classes, LIMB_TABLE, curve.GENERATOR),
        proof.openings,
        proof.previous,
    )
    if len(rows) + len(scalars) > curve.ROWS:
        rows = [curve.row(curve.sum(rows), 1)]
    place = 0
    for scalar: uint256 in scalars:
        rows.append(curve.rowAt(points, place, scalar))
        place += 1
    right: DynArray[uint256[5], curve.ROWS] = []
    place = 0
    for scalar: uint256 in folds:
        right.append(curve.rowAt(proof.openings, place, scalar))
        place += 1
    assert curve.pairsCancel(curve.sum(rows), curve.sum(right)), "PROOF_INVALID"
    return True
