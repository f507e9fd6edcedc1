# pragma version 0.4.3
# pragma evm-version prague
"""
@title Totals
@license Apache-2.0
@notice Exact totals over all rows of the hospitals of one query, published by the data user and checked by the contract
        itself: docs/totals.md. A total stands here only if it is that of the registered columns.
@dev Rules, cited by number where they are kept:
  1. Only the permit's data user publishes, and only totals of permits that answer exactly and were not revoked. Where
     answers carry noise the exact total is nobody's to know.
  2. A total belongs to a query that was opened, and its question is the one that was opened: its hash is computed again
     from question, key and participants. Only questions without a filter are about whole registered columns.
  3. The participants are those of the opening, at least three, and the holder of each recorded its answer.
  4. Each participant's version is proven, and the one that its record of the answer names. All have one dictionary.
  5. The column is `present`, a column of the dictionary, or the `observed` of one. Its commitments, those of all of its
     chunks, belong to the version's commitments root.
  6. The total is at most rows times the column's highest code, over all participants.
  7. The sum of the commitments opens to the total at 0: the point evaluation precompile of EIP-4844 says so, and its
     answer is complete. A call to an address without code succeeds too, with nothing.
  8. A total is published once for each query and column. What does not hold reverts, and nothing is stored of it.
"""

import Identities
import Datasets
import Studies
import Permits
import Uses
import curve
import field

QUERY: constant(uint8) = 2
EXACT: constant(uint8) = 1
PROVEN: constant(uint8) = 2
LEAST_HOSPITALS: constant(uint256) = 3
CHUNK_ROWS: constant(uint256) = 4032
CHUNKS_MAX: constant(uint256) = 64
COLUMNS_MAX: constant(uint256) = 256
LAYOUT_BYTES: constant(uint256) = 3 + 3 * 248
BIT_KIND: constant(uint256) = 1
MAY_MISS_KIND: constant(uint256) = 3
QUESTION_BYTES: constant(uint256) = 1024
QUERY_LABEL: constant(Bytes[16]) = b"belmont/query/1\x00"
# How canonical JSON of a question without a filter ends: nothing else can, since keys are sorted and quotes escaped.
NO_FILTER: constant(Bytes[11]) = b'"where":[]}'

POINT_EVALUATION: constant(address) = 0x000000000000000000000000000000000000000A
# The precompile costs 50,000.
POINT_EVALUATION_GAS: constant(uint256) = 60_000
FIELD_ELEMENTS: constant(uint256) = 4096
# 1 / 4096 modulo r.
N_INVERSE: constant(uint256) = 52423073447788513186850219087163459498374710080483563692275874603576291491841
# (p - 1) / 2 of BLS12-381's base field, in two words: the larger of y and -y is above it.
HALF_HIGH: constant(uint256) = 17282741772707453034394598013407712875
HALF_LOW: constant(uint256) = 80617075055843030690312053732876818007934237714091801549733396136033114903893
COMPRESSED: constant(uint256) = 1 << 127
LARGER_Y: constant(uint256) = 1 << 125


# One participant's column: all of its chunks' commitments, and the hashes of all committed columns of its version.
struct Part:
    version: uint64
    columnHashes: DynArray[bytes32, COLUMNS_MAX]
    commitments: Bytes[128 * CHUNKS_MAX]


# What was asked. `textHash` completes the dictionary's hash, `contextHash` is SHA-256 of the researcher's key.
struct Question:
    text: Bytes[QUESTION_BYTES]
    contextHash: bytes32
    layout: Bytes[LAYOUT_BYTES]
    textHash: bytes32


event TotalProved:
    actor: indexed(address)
    permit: indexed(uint64)
    n: indexed(uint64)
    column: uint256
    total: uint256
    rows: uint256
    question: Bytes[QUESTION_BYTES]


IDENTITIES: immutable(Identities.__interface__)
DATASETS: immutable(Datasets.__interface__)
STUDIES: immutable(Studies.__interface__)
PERMITS: immutable(Permits.__interface__)
USES: immutable(Uses.__interface__)

isPublished: public(HashMap[uint64, HashMap[uint64, HashMap[uint256, bool]]])
totals: public(HashMap[uint64, HashMap[uint64, HashMap[uint256, uint256]]])


@deploy
def __init__(identities: address, datasets: address, studies: address, permits: address, uses: address):
    IDENTITIES = Identities.__interface__(identities)
    DATASETS = Datasets.__interface__(datasets)
    STUDIES = Studies.__interface__(studies)
    PERMITS = Permits.__interface__(permits)
    USES = Uses.__interface__(uses)


@external
def publish(
    actor: address,
    permit: uint64,
    n: uint64,
    participants: DynArray[bytes32, 16],
    question: Question,
    column: uint256,
    parts: DynArray[Part, 16],
    total: uint256,
    opening: Bytes[48],
):
    """
    @notice Publish the total of one column over the hospitals of a query; `opening` is the sum of their openings.
    """
    assert staticcall IDENTITIES.worksFor(actor, msg.sender), "NOT_THE_ACTOR"  # 1
    assert actor == staticcall STUDIES.dataUser(permit), "NOT_THE_APPLICANT"  # 1
    found: Permits.Permit = staticcall PERMITS.permit(permit)
    assert found.issuedAt != 0, "PERMIT_MISSING"  # 1
    assert not staticcall PERMITS.lineRevoked(permit), "PERMIT_REVOKED"  # 1
    terms: Studies.Terms = staticcall STUDIES.terms(permit)
    assert terms.answerMode == EXACT, "ANSWER_NOT_EXACT"  # 1
    assert not self.isPublished[permit][n][column], "TOTAL_EXISTS"  # 8
    self._checkQuestion(permit, n, participants, question)
    assert len(participants) >= LEAST_HOSPITALS, "TOO_FEW_HOSPITALS"  # 3
    assert len(parts) == len(participants), "PARTICIPANTS_MISMATCH"  # 3
    width: uint256 = self._widthOf(column, question.layout)
    dictionary: bytes32 = sha256(concat(sha256(question.layout), question.textHash))
    rows: uint256 = 0
    # Each participant's sum over its chunks.
    sums: DynArray[uint256[5], curve.ROWS] = []
    for place: uint256 in range(len(participants), bound=16):
        counted: uint256 = self._checkVersion(permit, n, participants[place], parts[place].version, dictionary)
        rows += counted
        sums.append(curve.row(self._sumOf(participants[place], column, counted, parts[place]), 1))
    assert total <= rows * width, "TOTAL_OUT_OF_RANGE"  # 6
    self._checkOpening(curve.sum(sums), total, opening)
    self.isPublished[permit][n][column] = True
    self.totals[permit][n][column] = total
    log TotalProved(
        actor=actor, permit=permit, n=n, column=column, total=total, rows=rows, question=question.text
    )


@internal
@view
def _checkQuestion(permit: uint64, n: uint64, participants: DynArray[bytes32, 16], question: Question):
    opened: Uses.Opened = staticcall USES.opened(permit, QUERY, n)
    assert opened.openedAt != 0, "QUERY_NOT_OPEN"  # 2
    assert opened.participantsHash == keccak256(abi_encode(participants)), "PARTICIPANTS_MISMATCH"  # 3
    length: uint256 = len(question.text)
    assert length >= 11, "QUERY_MISMATCH"  # 2
    assert slice(question.text, length - 11, 11) == NO_FILTER, "QUESTION_FILTERED"  # 2
    digest: bytes32 = sha256(
        concat(
            QUERY_LABEL,
            sha256(question.text),
            question.contextHash,
            convert(permit, bytes32),
            convert(n, bytes32),
            convert(convert(len(participants), uint32), bytes4),
            slice(abi_encode(participants), 64, 32 * len(participants)),
        )
    )
    assert digest == opened.subjectHash, "QUERY_MISMATCH"  # 2


@internal
@view
def _checkVersion(permit: uint64, n: uint64, dataset: bytes32, number: uint64, dictionary: bytes32) -> uint256:
    """
    @notice The rows of the version that a participant answered over; or revert where it did not.
    """
    answered: Uses.Use = staticcall USES.use(permit, QUERY, n, dataset)
    assert answered.recordedAt != 0, "ANSWER_MISSING"  # 3
    registered: Datasets.Registered = staticcall DATASETS.registered(dataset, number)
    assert registered.status == PROVEN, "DATASET_UNPROVEN"  # 4
    assert registered.dictionaryHash == dictionary, "DICTIONARY_MISMATCH"  # 4
    assert number == answered.version, "VERSION_STALE"  # 4
    return convert(registered.rows, uint256)


@internal
@view
def _sumOf(dataset: bytes32, column: uint256, rows: uint256, part: Part) -> uint256[4]:
    """
    @notice The sum of a column's commitments; or revert where they are not those of the version.
    """
    chunks: uint256 = (rows + CHUNK_ROWS - 1) // CHUNK_ROWS
    assert chunks <= CHUNKS_MAX and len(part.commitments) == 128 * chunks, "CHUNKS_INVALID"  # 5
    columns: uint256 = len(part.columnHashes)
    assert column < columns, "COLUMN_INVALID"  # 5
    points: DynArray[uint256[5], curve.ROWS] = []
    columnHash: bytes32 = empty(bytes32)
    for c: uint256 in range(chunks, bound=CHUNKS_MAX):
        point: Bytes[128] = slice(part.commitments, 128 * c, 128)
        columnHash = sha256(concat(columnHash, point))
        points.append(curve.row(abi_decode(point, uint256[4]), 1))
    assert columnHash == part.columnHashes[column], "COMMITMENTS_MISMATCH"  # 5
    registered: Datasets.Registered = staticcall DATASETS.registered(dataset, part.version)
    root: bytes32 = sha256(
        concat(
            convert(columns, bytes32),
            convert(chunks, bytes32),
            slice(abi_encode(part.columnHashes), 64, 32 * columns),
        )
    )
    assert root == registered.commitmentsRoot, "COMMITMENTS_MISMATCH"  # 5
    return curve.sum(points)


@internal
@pure
def _widthOf(column: uint256, layout: Bytes[LAYOUT_BYTES]) -> uint256:
    """
    @notice The highest code of a committed column; or revert for pseudonyms, limbs, and what does not exist.
    """
    if column == 0:
        return 1  # `present`
    assert len(layout) > 3, "LAYOUT_INVALID"  # 5
    count: uint256 = convert(slice(layout, 1, 2), uint256)
    assert len(layout) == 3 + 3 * count, "LAYOUT_INVALID"  # 5
    place: uint256 = 1
    for each: uint256 in range(count, bound=248):
        if convert(slice(layout, 3 + 3 * each, 1), uint256) == MAY_MISS_KIND:
            if place == column:
                return 1  # `observed`
            place += 1
        if place == column:
            return convert(slice(layout, 4 + 3 * each, 2), uint256)
        place += 1
    raise "COLUMN_INVALID"  # 5


@internal
@view
def _checkOpening(commitment: uint256[4], total: uint256, opening: Bytes[48]):
    assert len(opening) == 48, "PROOF_MALFORMED"  # 7
    compressed: Bytes[48] = self._compressed(commitment)
    versionedHash: bytes32 = convert((convert(sha256(compressed), uint256) << 8 >> 8) | (1 << 248), bytes32)
    value: uint256 = uint256_mulmod(total, N_INVERSE, field.R)
    success: bool = False
    answer: Bytes[64] = b""
    success, answer = raw_call(
        POINT_EVALUATION,
        concat(versionedHash, empty(bytes32), convert(value, bytes32), compressed, opening),
        max_outsize=64,
        gas=POINT_EVALUATION_GAS,
        is_static_call=True,
        revert_on_failure=False,
    )
    assert success, "TOTAL_REFUTED"  # 7
    assert len(answer) == 64, "PRECOMPILE_MISSING"  # 7
    elements: uint256 = 0
    modulus: uint256 = 0
    elements, modulus = abi_decode(answer, (uint256, uint256))
    assert elements == FIELD_ELEMENTS and modulus == field.R, "PRECOMPILE_MISSING"  # 7


@internal
@pure
def _compressed(point: uint256[4]) -> Bytes[48]:
    """
    @notice A point of 128 bytes in the 48 bytes that EIP-4844 has it in. Revert for the point at infinity.
    """
    assert point[0] | point[1] | point[2] | point[3] != 0, "COMMITMENT_AT_INFINITY"  # 7
    high: uint256 = point[0] | COMPRESSED
    if point[2] > HALF_HIGH or (point[2] == HALF_HIGH and point[3] > HALF_LOW):
        high = high | LARGER_Y
    return concat(slice(convert(high, bytes32), 16, 16), convert(point[1], bytes32))
