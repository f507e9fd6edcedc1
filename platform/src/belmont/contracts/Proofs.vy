# pragma version 0.4.3
# pragma evm-version prague
"""
@title Proofs
@license Apache-2.0
@notice Accepts proofs that a registered version of a dataset holds nothing but what its dictionary allows, in exactly
        the rows that it states. The contract verifies them itself: docs/protocol.md, in `validity`.
@dev Rules, cited by number where they are kept:
  1. Tables are what a verifier needs of a layout. Anybody registers them, once for each layout. They are computed from
     all its kinds and widths, and from points of the KZG ceremony that belong to a fixed Merkle root.
  2. A proof is about a registered version that is not proven yet, of this consortium's contract Datasets on this chain,
     of its holder, under the layout that the dataset's dictionary hash contains. Anybody relays it; who does makes no
     difference.
  3. A version is proven in parts, from its first chunk on. A part starts where an accepted part of the same version
     ended: after as many chunks and rows, with the same column hashes, and the same last commitment to pseudonyms.
     Parts of different origin may stand side by side, so nobody can stand in a holder's way with rows of their own.
  4. The part that ends with the version's last chunk proves it if all parts together have the version's rows, and if
     their commitments are those that the version was registered with.
  5. What does not hold reverts, whoever sends it, and nothing is stored of it.
"""

import Datasets
import Verifier
import curve
import field

REGISTERED: constant(uint8) = 1
CHUNK_ROWS: constant(uint256) = Verifier.CHUNK_ROWS
COLUMNS_MAX: constant(uint256) = Verifier.COLUMNS_MAX
# A layout commits to eight columns more than it has.
LAYOUT_BYTES: constant(uint256) = 3 + 3 * 248
# More distinct widths add up to more than 4032.
WIDTHS_MAX: constant(uint256) = 89
TREE_DEPTH: constant(uint256) = 12
# Leaves i = 0 to 4095: SHA-256 of word(i) and two points, the sums of [L_j] and of j [L_j] over j < i.
CEREMONY_ROOT: constant(bytes32) = 0xd6d770982e947b425a64c9aa66fd7972ffbb6a8d42c0dea5b25b4891ff9fb377
BIT_KIND: constant(uint256) = 1
RANGE_KIND: constant(uint256) = 2
MAY_MISS_KIND: constant(uint256) = 3


# Where a part starts: after so many chunks and rows of the version, whose commitments hash to these (docs/protocol.md,
# "Root"; none at the first chunk).
struct Start:
    chunks: uint256
    rows: uint256
    columnHashes: DynArray[bytes32, COLUMNS_MAX]


# Where the rows of one width end in table 1, and the sums over all rows up to there.
struct Boundary:
    width: uint256
    ones: uint256[4]
    counts: uint256[4]
    path: bytes32[TREE_DEPTH]


event TablesRegistered:
    actor: indexed(address)
    layoutHash: indexed(bytes32)
    columns: uint256


event PartAccepted:
    actor: indexed(address)
    dataset: indexed(bytes32)
    number: uint64
    first: uint256
    chunks: uint256
    rows: uint256
    reached: bytes32


event VersionProven:
    actor: indexed(address)
    dataset: indexed(bytes32)
    number: uint64


DATASETS: immutable(Datasets.__interface__)
VERIFIER: immutable(Verifier.__interface__)

_tables: HashMap[bytes32, Verifier.Tables]
# Where a part may start that is not the first: see `_mark`.
isReached: public(HashMap[bytes32, bool])


@deploy
def __init__(datasets: address, verifier: address):
    DATASETS = Datasets.__interface__(datasets)
    VERIFIER = Verifier.__interface__(verifier)


@external
def registerTables(layout: Bytes[LAYOUT_BYTES], boundaries: DynArray[Boundary, WIDTHS_MAX]):
    """
    @notice Compute a layout's tables; there is a boundary for each distinct width of its ranges, in ascending order.
    """
    layoutHash: bytes32 = sha256(layout)
    assert self._tables[layoutHash].columns == 0, "TABLES_EXIST"  # 1
    # Rows of class c are (i - start, c); their sums are differences of boundaries' sums, here regrouped by boundary.
    values: DynArray[uint256[5], curve.ROWS] = []
    classes: DynArray[uint256[5], curve.ROWS] = [curve.row(curve.GENERATOR, 1)]
    classOf: uint256[CHUNK_ROWS + 1] = empty(uint256[CHUNK_ROWS + 1])
    count: uint256 = len(boundaries)
    width: uint256 = 0
    start: uint256 = 0
    end: uint256 = 0
    place: uint256 = 0
    for boundary: Boundary in boundaries:
        assert boundary.width > width and boundary.width <= CHUNK_ROWS - end, "LAYOUT_INVALID"  # 1
        width = boundary.width
        start = end
        end += width
        place += 1
        classOf[width] = place
        self._checkSums(end, boundary)  # 1
        if place < count:
            values.append(curve.row(boundary.ones, width))
            classes.append(curve.row(boundary.ones, field.R - 1))
        else:
            values.append(curve.row(boundary.counts, 1))
            values.append(curve.row(boundary.ones, field.R - start))
            classes.append(curve.row(boundary.ones, count - 1))
    tables: Verifier.Tables = self._plan(layout, classOf, count)
    if count > 0:
        tables.values = curve.sum(values)
    tables.classes = curve.sum(classes)
    self._tables[layoutHash] = tables
    log TablesRegistered(actor=msg.sender, layoutHash=layoutHash, columns=tables.columns)


@external
def prove(
    dataset: bytes32,
    number: uint64,
    layoutHash: bytes32,
    textHash: bytes32,
    start: Start,
    chunks: uint256,
    rows: uint256,
    proof: Verifier.Proof,
):
    """
    @notice Accept a proof of the version's next chunks, which have so many rows.
    """
    version: Datasets.Registered = staticcall DATASETS.registered(dataset, number)
    assert version.status != 0, "VERSION_UNKNOWN"  # 2
    assert version.status == REGISTERED, "ALREADY_PROVEN"  # 2
    assert sha256(concat(layoutHash, textHash)) == version.dictionaryHash, "DICTIONARY_MISMATCH"  # 2
    tables: Verifier.Tables = self._tables[layoutHash]
    assert tables.columns > 0, "TABLES_MISSING"  # 1
    assert chunks > 0 and chunks <= COLUMNS_MAX // tables.columns, "CHUNKS_INVALID"  # 3
    total: uint256 = (convert(version.rows, uint256) + CHUNK_ROWS - 1) // CHUNK_ROWS
    assert start.chunks < total and chunks <= total - start.chunks, "CHUNKS_INVALID"  # 3
    hashes: DynArray[bytes32, COLUMNS_MAX] = start.columnHashes
    if start.chunks > 0:
        assert self.isReached[self._mark(dataset, number, start, proof.previous)], "PART_OUT_OF_PLACE"  # 3
    else:
        assert start.rows == 0 and len(hashes) == 0, "PART_OUT_OF_PLACE"  # 3
        for _: uint256 in range(tables.columns, bound=COLUMNS_MAX):
            hashes.append(empty(bytes32))
    assert len(proof.columns) == 128 * chunks * tables.columns, "PROOF_MALFORMED"
    place: uint256 = 0
    for _: uint256 in range(chunks, bound=COLUMNS_MAX):
        for j: uint256 in range(tables.columns, bound=COLUMNS_MAX):
            hashes[j] = sha256(concat(hashes[j], slice(proof.columns, place, 128)))
            place += 128
    reached: Start = Start(chunks=start.chunks + chunks, rows=start.rows + rows, columnHashes=hashes)
    isLast: bool = reached.chunks == total
    if isLast:
        assert reached.rows == convert(version.rows, uint256), "ROWS_MISMATCH"  # 4
        root: bytes32 = sha256(
            concat(
                convert(tables.columns, bytes32),
                convert(total, bytes32),
                slice(abi_encode(hashes), 64, 32 * tables.columns),
            )
        )
        assert root == version.commitmentsRoot, "COMMITMENTS_MISMATCH"  # 4
    statement: Verifier.Statement = Verifier.Statement(
        ceremony=Verifier.CEREMONY,
        domain=Verifier.N,
        blinding=Verifier.BLINDING,
        chain=chain.id,
        registry=DATASETS.address,
        holder=version.holder,
        dataset=dataset,
        layoutHash=layoutHash,
        version=convert(number, uint256),
        first=start.chunks,
        chunks=chunks,
        rows=rows,
    )
    assert staticcall VERIFIER.verify(statement, tables, proof), "PROOF_INVALID"  # 5
    mark: bytes32 = empty(bytes32)
    if not isLast:
        # The pseudonyms are followed by six limbs: theirs is the seventh column from the end.
        mark = self._mark(dataset, number, reached, slice(proof.columns, place - 7 * 128, 128))
        self.isReached[mark] = True  # 3
    log PartAccepted(
        actor=msg.sender,
        dataset=dataset,
        number=number,
        first=start.chunks,
        chunks=chunks,
        rows=rows,
        reached=mark,
    )
    if isLast:
        extcall DATASETS.markProven(dataset, number)  # 4
        log VersionProven(actor=msg.sender, dataset=dataset, number=number)


@internal
@pure
def _mark(dataset: bytes32, number: uint64, start: Start, previous: Bytes[128]) -> bytes32:
    """
    @notice What a part starts from, or ends with, in one word.
    """
    return keccak256(abi_encode(dataset, number, start, previous))


@internal
@view
def _checkSums(end: uint256, boundary: Boundary):
    """
    @notice Revert unless a boundary's points are the ceremony's.
    """
    node: bytes32 = sha256(abi_encode(end, boundary.ones, boundary.counts))
    rest: uint256 = end
    for sibling: bytes32 in boundary.path:
        if rest & 1 == 1:
            node = sha256(concat(sibling, node))
        else:
            node = sha256(concat(node, sibling))
        rest = rest >> 1
    assert node == CEREMONY_ROOT, "CEREMONY_MISMATCH"  # 1


@internal
@pure
def _plan(layout: Bytes[LAYOUT_BYTES], classOf: uint256[CHUNK_ROWS + 1], classes: uint256) -> Verifier.Tables:
    """
    @notice What each committed column is; the widths in the layout must be those that have a class.
    """
    assert len(layout) > 3 and slice(layout, 0, 1) == b"\x01", "LAYOUT_INVALID"  # 1
    count: uint256 = convert(slice(layout, 1, 2), uint256)
    assert count > 0 and len(layout) == 3 + 3 * count, "LAYOUT_INVALID"  # 1
    tables: Verifier.Tables = empty(Verifier.Tables)
    kinds: DynArray[uint256, 512] = [Verifier.PRESENT]
    used: uint256 = 0
    for column: uint256 in range(count, bound=248):
        kind: uint256 = convert(slice(layout, 3 + 3 * column, 1), uint256)
        width: uint256 = convert(slice(layout, 4 + 3 * column, 2), uint256)
        if kind == BIT_KIND:
            assert width == 1, "LAYOUT_INVALID"  # 1
            kinds.append(Verifier.BIT)
            continue
        assert kind == RANGE_KIND or kind == MAY_MISS_KIND, "LAYOUT_INVALID"  # 1
        assert width <= CHUNK_ROWS and classOf[width] != 0, "LAYOUT_INVALID"  # 1
        used = used | (1 << classOf[width])
        tables.lookups += 1
        if kind == RANGE_KIND:
            kinds.append(classOf[width])
        else:
            kinds.append(Verifier.OBSERVED)
            kinds.append(Verifier.MAY_MISS + classOf[width])
    assert used == (1 << (classes + 1)) - 2, "LAYOUT_INVALID"  # 1
    kinds.append(Verifier.SERIAL)
    for _: uint256 in range(Verifier.LIMBS):
        kinds.append(Verifier.LIMB)
        tables.lookups += 1
    tables.columns = len(kinds)
    assert tables.columns <= COLUMNS_MAX, "LAYOUT_TOO_WIDE"
    place: uint256 = 0
    for kind: uint256 in kinds:
        tables.plan[place >> 5] = tables.plan[place >> 5] | (kind << ((place & 31) << 3))
        place += 1
    return tables


@external
@view
def tables(layoutHash: bytes32) -> Verifier.Tables:
    """
    @notice What a verifier needs of a layout; nothing but zeros where its tables are not registered.
    """
    return self._tables[layoutHash]
