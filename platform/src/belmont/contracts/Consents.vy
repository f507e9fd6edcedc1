# pragma version 0.4.3
# pragma evm-version prague
"""
@title Consents
@license Apache-2.0
@notice Which consents a dataset's rows are used by: batches that its hospital attests, and statements that patients
        make with keys of their own. Only hashes and the scopes of those statements are here (docs/consents.md).
@dev Rules, cited by number where they are kept:
  1. Who acts says so first, and the contract Identities knows whether the sender may act for it. A hospital's delegate
     may publish batches. A patient's statement takes the patient: its own transaction, or its signature by Relay.
  2. A batch is the root over all consents in force that a hospital attests, and how many they are. Only the dataset's
     holder publishes one, while it is an active data holder and the dataset is not destroyed. Batches are numbered
     from 1, and the newest counts.
  3. Before its first batch a dataset stands at the empty batch, which proves everything absent. The empty batch has
     one root.
  4. A leaf's place is below the number of leaves and its path as long as the tree is high, so that what fills the
     tree up is nobody's leaf.
  5. A key is absent where two leaves side by side are around it, or where it is before the first or after the last.
     That takes sorted leaves: whoever holds all of them can see that they are.
  6. Anybody enrols an account by the path to its leaf in the current batch: once for each dataset, and for good.
  7. Only an enrolled account makes statements, each with a higher sequence than its last one about this dataset: what
     was signed before never comes after what was signed later. Unix seconds serve well, and none is more than a day
     ahead of them, so that nobody runs out.
  8. Nothing keeps a patient from stating: neither what became of the dataset or its holder, nor a pause.
  9. A grant has at least one purpose and one category, recipients in ascending order, and a period that is not empty.
 10. Every statement is chained to all before it. The consent root is the hash of the newest batch's root and of that
     chain; nobody sets it.
 11. Every statement makes the hospital read and register anew, so nobody states for its own sake: what is revoked is
     not revoked again, and a grant comes a day after the statement before it. A revocation comes at any time.
"""

DATA_HOLDER: constant(uint8) = 1
DESTROYED: constant(uint8) = 3
# DUO:0000031 to DUO:0000040 are bits 31 to 40.
PURPOSES: constant(uint64) = 2196875771904
CATEGORIES: constant(uint64) = 255
RECIPIENTS_MAX: constant(uint256) = 8
PATH_MAX: constant(uint256) = 32
GRANT_SECONDS: constant(uint64) = 24 * 3600
LEAVES_MAX: constant(uint64) = 2**32
# SHA-256(0x02, eight zero bytes, SHA-256(0x00))
EMPTY_BATCH: constant(bytes32) = 0xc0e50f0d90d6e2fea1e6f53d4f758ed5fc9035a399a8eb215c29c6ff3ea05425


interface Members:
    def isActive(account: address, role: uint8) -> bool: view


interface Datasets:
    def holder(dataset: bytes32) -> address: view
    def status(dataset: bytes32) -> uint8: view


interface Identities:
    def speaksFor(actor: address, sender: address) -> bool: view
    def worksFor(actor: address, sender: address) -> bool: view


struct Batch:
    root: bytes32
    count: uint64
    number: uint64
    publishedAt: uint64


struct Own:
    chain: bytes32
    count: uint64


struct Statement:
    enrolledAt: uint64
    sequence: uint64
    scopeHash: bytes32
    statedAt: uint64


# What a node compares its register with.
struct State:
    root: bytes32
    batchRoot: bytes32
    batchCount: uint64
    batches: uint64
    own: bytes32
    statements: uint64


struct Leaf:
    key: bytes32
    scopeHash: bytes32
    place: uint64
    path: DynArray[bytes32, PATH_MAX]


event BatchPublished:
    actor: indexed(address)
    dataset: indexed(bytes32)
    number: uint64
    batchRoot: bytes32
    count: uint64
    consentRoot: bytes32


event PatientEnrolled:
    actor: indexed(address)
    dataset: indexed(bytes32)
    batch: uint64


event ConsentGranted:
    actor: indexed(address)
    dataset: indexed(bytes32)
    number: uint64
    sequence: uint64
    purposes: uint64
    categories: uint64
    recipients: DynArray[address, RECIPIENTS_MAX]
    validFrom: uint64
    validUntil: uint64
    consentRoot: bytes32


event ConsentRevoked:
    actor: indexed(address)
    dataset: indexed(bytes32)
    number: uint64
    sequence: uint64
    consentRoot: bytes32


MEMBERS: immutable(Members)
DATASETS: immutable(Datasets)
IDENTITIES: immutable(Identities)

_batches: HashMap[bytes32, Batch]
_own: HashMap[bytes32, Own]
_statements: HashMap[bytes32, HashMap[address, Statement]]


@deploy
def __init__(members: address, datasets: address, identities: address):
    MEMBERS = Members(members)
    DATASETS = Datasets(datasets)
    IDENTITIES = Identities(identities)


@external
def publishBatch(actor: address, dataset: bytes32, root: bytes32, count: uint64) -> uint64:
    """
    @return The batch's number.
    """
    assert staticcall IDENTITIES.worksFor(actor, msg.sender), "NOT_THE_ACTOR"  # 1
    status: uint8 = staticcall DATASETS.status(dataset)
    assert status != 0, "DATASET_UNKNOWN"
    assert actor == staticcall DATASETS.holder(dataset), "NOT_THE_HOLDER"  # 2
    assert staticcall MEMBERS.isActive(actor, DATA_HOLDER), "NOT_DATA_HOLDER"  # 2
    assert status != DESTROYED, "DATASET_DESTROYED"  # 2
    assert root != empty(bytes32), "HASH_MISSING"
    assert count <= LEAVES_MAX, "BATCH_INVALID"  # 4
    assert (count == 0) == (root == EMPTY_BATCH), "BATCH_INVALID"  # 3
    number: uint64 = self._batches[dataset].number + 1  # 2
    self._batches[dataset] = Batch(root=root, count=count, number=number, publishedAt=self._now())
    log BatchPublished(
        actor=actor, dataset=dataset, number=number, batchRoot=root, count=count, consentRoot=self._root(dataset)
    )
    return number


@external
def enrol(
    dataset: bytes32, account: address, scopeHash: bytes32, place: uint64, path: DynArray[bytes32, PATH_MAX]
):
    """
    @notice Let an account make statements about this dataset from now on.
    """
    assert self._statements[dataset][account].enrolledAt == 0, "ALREADY_ENROLLED"  # 6
    leaf: Leaf = Leaf(key=self._accountKey(account), scopeHash=scopeHash, place=place, path=path)
    assert self._isMember(dataset, leaf), "PATH_INVALID"  # 6
    self._statements[dataset][account].enrolledAt = self._now()
    log PatientEnrolled(actor=account, dataset=dataset, batch=self._batches[dataset].number)


@external
def grant(
    actor: address,
    dataset: bytes32,
    purposes: uint64,
    categories: uint64,
    recipients: DynArray[address, RECIPIENTS_MAX],
    validFrom: uint64,
    validUntil: uint64,
    sequence: uint64,
):
    self._checkStatement(actor, dataset, sequence)
    assert purposes != 0 and purposes | PURPOSES == PURPOSES, "PURPOSE_INVALID"  # 9
    assert categories != 0 and categories <= CATEGORIES, "CATEGORIES_INVALID"  # 9
    before: uint256 = 0
    for recipient: address in recipients:
        assert convert(recipient, uint256) > before, "RECIPIENTS_INVALID"  # 9
        before = convert(recipient, uint256)
    assert validFrom < validUntil, "PERIOD_INVALID"  # 9
    last: Statement = self._statements[dataset][actor]
    assert last.sequence == 0 or self._now() >= last.statedAt + GRANT_SECONDS, "GRANT_TOO_SOON"  # 11
    scopeHash: bytes32 = self._scopeHash(purposes, categories, recipients, validFrom, validUntil)
    number: uint64 = self._state(actor, dataset, sequence, scopeHash)
    log ConsentGranted(
        actor=actor,
        dataset=dataset,
        number=number,
        sequence=sequence,
        purposes=purposes,
        categories=categories,
        recipients=recipients,
        validFrom=validFrom,
        validUntil=validUntil,
        consentRoot=self._root(dataset),
    )


@external
def revoke(actor: address, dataset: bytes32, sequence: uint64):
    """
    @notice Also what the hospital attested for this patient before is revoked.
    """
    self._checkStatement(actor, dataset, sequence)
    last: Statement = self._statements[dataset][actor]
    assert last.sequence == 0 or last.scopeHash != empty(bytes32), "ALREADY_REVOKED"  # 11
    number: uint64 = self._state(actor, dataset, sequence, empty(bytes32))
    log ConsentRevoked(
        actor=actor, dataset=dataset, number=number, sequence=sequence, consentRoot=self._root(dataset)
    )


@internal
@view
def _checkStatement(actor: address, dataset: bytes32, sequence: uint64):
    assert staticcall IDENTITIES.speaksFor(actor, msg.sender), "NOT_THE_ACTOR"  # 1
    assert self._statements[dataset][actor].enrolledAt != 0, "NOT_ENROLLED"  # 7
    assert sequence > self._statements[dataset][actor].sequence, "SEQUENCE_NOT_NEWER"  # 7
    assert sequence <= self._now() + GRANT_SECONDS, "SEQUENCE_TOO_HIGH"  # 7


@internal
def _state(actor: address, dataset: bytes32, sequence: uint64, scopeHash: bytes32) -> uint64:
    # No other contract is asked for more than who acts.  # 8
    self._statements[dataset][actor].sequence = sequence
    self._statements[dataset][actor].scopeHash = scopeHash
    self._statements[dataset][actor].statedAt = self._now()
    count: uint64 = self._own[dataset].count + 1
    text: Bytes[92] = concat(
        self._own[dataset].chain, convert(actor, bytes20), convert(sequence, bytes8), scopeHash
    )
    self._own[dataset] = Own(chain=sha256(text), count=count)  # 10
    return count


@internal
@view
def _batch(dataset: bytes32) -> Batch:
    batch: Batch = self._batches[dataset]
    if batch.number == 0:
        batch.root = EMPTY_BATCH  # 3
    return batch


@internal
@view
def _root(dataset: bytes32) -> bytes32:
    return sha256(concat(b"\x03", self._batch(dataset).root, self._own[dataset].chain))  # 10


@internal
@view
def _isMember(dataset: bytes32, leaf: Leaf) -> bool:
    batch: Batch = self._batch(dataset)
    if leaf.place >= batch.count or len(leaf.path) != self._height(batch.count):
        return False  # 4
    node: bytes32 = sha256(concat(b"\x00", leaf.key, leaf.scopeHash))
    place: uint64 = leaf.place
    for sibling: bytes32 in leaf.path:
        if place % 2 == 0:
            node = sha256(concat(b"\x01", node, sibling))
        else:
            node = sha256(concat(b"\x01", sibling, node))
        place //= 2
    return sha256(concat(b"\x02", convert(batch.count, bytes8), node)) == batch.root


@internal
@pure
def _height(count: uint64) -> uint256:
    height: uint256 = 0
    for each: uint256 in range(PATH_MAX):
        if 1 << each < convert(count, uint256):
            height += 1
    return height


@internal
@pure
def _accountKey(account: address) -> bytes32:
    return sha256(concat(b"belmont/consent/account/1", convert(account, bytes20)))


@internal
@pure
def _scopeHash(
    purposes: uint64,
    categories: uint64,
    recipients: DynArray[address, RECIPIENTS_MAX],
    validFrom: uint64,
    validUntil: uint64,
) -> bytes32:
    all: address[RECIPIENTS_MAX] = empty(address[RECIPIENTS_MAX])
    count: uint256 = 0
    for recipient: address in recipients:
        all[count] = recipient
        count += 1
    packed: Bytes[160] = concat(
        convert(all[0], bytes20),
        convert(all[1], bytes20),
        convert(all[2], bytes20),
        convert(all[3], bytes20),
        convert(all[4], bytes20),
        convert(all[5], bytes20),
        convert(all[6], bytes20),
        convert(all[7], bytes20),
    )
    return sha256(
        concat(
            b"belmont/consent/scope/1",
            convert(purposes, bytes8),
            convert(categories, bytes8),
            convert(validFrom, bytes8),
            convert(validUntil, bytes8),
            convert(convert(count, uint8), bytes1),
            slice(packed, 0, 20 * count),
        )
    )


@internal
@view
def _now() -> uint64:
    return convert(block.timestamp, uint64)


@external
@view
def root(dataset: bytes32) -> bytes32:
    """
    @notice The dataset's consent root.
    """
    return self._root(dataset)


@external
@view
def state(dataset: bytes32) -> State:
    batch: Batch = self._batch(dataset)
    return State(
        root=self._root(dataset),
        batchRoot=batch.root,
        batchCount=batch.count,
        batches=batch.number,
        own=self._own[dataset].chain,
        statements=self._own[dataset].count,
    )


@external
@view
def batch(dataset: bytes32) -> Batch:
    return self._batch(dataset)


@external
@view
def statement(dataset: bytes32, account: address) -> Statement:
    """
    @notice The newest statement of an account; sequence 0 where it has made none.
    """
    return self._statements[dataset][account]


@external
@view
def isMember(dataset: bytes32, leaf: Leaf) -> bool:
    """
    @notice Whether the newest batch holds this leaf, there.
    """
    return self._isMember(dataset, leaf)


@external
@view
def isAbsent(dataset: bytes32, key: bytes32, neighbours: DynArray[Leaf, 2]) -> bool:
    """
    @notice Whether these leaves show that the newest batch has none for this key.
    """
    count: uint64 = self._batch(dataset).count
    if len(neighbours) == 0:
        return count == 0  # 3
    for leaf: Leaf in neighbours:
        if not self._isMember(dataset, leaf):
            return False  # 5
    first: Leaf = neighbours[0]
    if len(neighbours) == 2:
        second: Leaf = neighbours[1]
        sideBySide: bool = second.place == first.place + 1
        return sideBySide and self._isBefore(first.key, key) and self._isBefore(key, second.key)  # 5
    isBeforeAll: bool = first.place == 0 and self._isBefore(key, first.key)
    isAfterAll: bool = first.place == count - 1 and self._isBefore(first.key, key)
    return isBeforeAll or isAfterAll  # 5


@internal
@pure
def _isBefore(key: bytes32, other: bytes32) -> bool:
    return convert(key, uint256) < convert(other, uint256)
