# pragma version 0.4.3
# pragma evm-version prague
"""
@title Uses
@license Apache-2.0
@notice What is computed under a permit: rounds and queries as they are opened, each data holder's record of its
        answer, written before the answer leaves, and rounds as they are closed over the holders that answered.
@dev Rules, cited by number where they are kept:
  1. Only the permit's data user opens a round or a query, while an active data user, while the permit is usable, and
     of a kind that the permit allows.
  2. Rounds and queries are numbered from 1, each opened once, in order, up to the approved number.
  3. An opening binds the model or the query by its hash, and the participants: datasets that the permit covers, each
     once, at least the approved minimum of hospitals.
  4. A query's participants are all datasets that the permit covers then, in the order of the study's terms: two exact
     totals over different hospitals would give away one hospital's answer as their difference.
  5. Only the active holder of a participating dataset records a use, once for each opened round or query that is not
     closed, while the permit is usable, its data user active, and every participating dataset still covered.
  6. Recording charges rho to the permit's budget for the dataset, and to the dataset's lifetime cap; Datasets keeps
     the rules on the dataset itself, the permit's minimum cohort among them, and the version and consent root that the
     node names. What is charged never exceeds either.
  7. Permits of one line are counted together: an amendment neither renews a budget nor a number. What was opened under
     a superseded permit is not recorded under the next one.
  8. Recording credits the holder and the dataset's patients (contract Credits).
  9. Who acts says so first, and the contract Identities knows whether the sender may act for it; a delegate may.
 10. Only the permit's data user closes a round, once and for good, while an active data user and while the permit is
     usable. Data holders unmask the sum of a round once it is closed, over those that recorded: a permit that is
     stopped stops this as well, and a round that it leaves open has no sum.
 11. A round is closed over at least the approved minimum of hospitals: as many recorded, and every dataset that did is
     still covered. With fewer it stays open, and has no sum. Who took part, recorded nothing and left is in no sum, and
     does not stand in its way.
 12. Queries are not closed: each is over all datasets that the permit covers (4).
"""

import Identities
import Members
import Datasets
import Studies
import Permits
import Rules

DATA_HOLDER: constant(uint8) = 1
DATA_USER: constant(uint8) = 2
TRAINING: constant(uint8) = 1
QUERY_COMPUTATION: constant(uint8) = 2
ROUND: constant(uint8) = 1
QUERY: constant(uint8) = 2


interface Credits:
    def credit(dataset: bytes32, holder: address, rows: uint64): nonpayable


struct Opened:
    permit: uint64
    subjectHash: bytes32
    participantsHash: bytes32
    participants: uint256  # bit i stands for the dataset at place i of the study's terms
    openedAt: uint64
    recorded: uint256  # those of the participants whose use is recorded
    closedAt: uint64  # 0 while it is not closed


struct Use:
    resultHash: bytes32
    rho: uint64
    recordedAt: uint64
    version: uint64


# Over whom the sum of a round is, in the order of the study's terms: final once it is closed.
struct RoundState:
    opened: Opened
    recorded: DynArray[bytes32, 16]


# What can change between two requests. Terms of a study, registrations and versions never change; they have their own
# view functions.
struct NodeView:
    permit: Permits.Permit
    uncovered: DynArray[bytes32, 16]
    roundsOpened: uint64
    queriesOpened: uint64
    dataset: Datasets.State
    opened: Opened
    rhoSpent: uint64
    recorded: bool
    holderActive: bool
    dataUserActive: bool
    pausedUntil: uint64


event RoundOpened:
    actor: indexed(address)
    permit: indexed(uint64)
    n: indexed(uint64)
    modelHash: bytes32
    participantsHash: bytes32


event QueryOpened:
    actor: indexed(address)
    permit: indexed(uint64)
    n: indexed(uint64)
    queryHash: bytes32
    participantsHash: bytes32


event RoundClosed:
    actor: indexed(address)
    permit: indexed(uint64)
    n: indexed(uint64)
    recorded: DynArray[bytes32, 16]


event UseRecorded:
    actor: indexed(address)
    permit: indexed(uint64)
    dataset: indexed(bytes32)
    kind: uint8
    n: uint64
    resultHash: bytes32
    rho: uint64
    version: uint64
    consentRoot: bytes32


IDENTITIES: immutable(Identities.__interface__)
MEMBERS: immutable(Members.__interface__)
DATASETS: immutable(Datasets.__interface__)
STUDIES: immutable(Studies.__interface__)
PERMITS: immutable(Permits.__interface__)
RULES: immutable(Rules.__interface__)
CREDITS: immutable(Credits)

# By line of permits (7).
_openedCount: HashMap[uint64, HashMap[uint8, uint64]]
_rhoSpent: HashMap[uint64, HashMap[bytes32, uint64]]
_opened: HashMap[uint64, HashMap[uint8, HashMap[uint64, Opened]]]
_uses: HashMap[uint64, HashMap[uint8, HashMap[uint64, HashMap[bytes32, Use]]]]


@deploy
def __init__(
    identities: address,
    members: address,
    datasets: address,
    studies: address,
    permits: address,
    rules: address,
    credits: address,
):
    IDENTITIES = Identities.__interface__(identities)
    RULES = Rules.__interface__(rules)
    CREDITS = Credits(credits)
    MEMBERS = Members.__interface__(members)
    DATASETS = Datasets.__interface__(datasets)
    STUDIES = Studies.__interface__(studies)
    PERMITS = Permits.__interface__(permits)


@external
def openRound(actor: address, permit: uint64, n: uint64, modelHash: bytes32, participants: DynArray[bytes32, 16]):
    digest: bytes32 = self._open(actor, permit, ROUND, n, modelHash, participants)
    log RoundOpened(actor=actor, permit=permit, n=n, modelHash=modelHash, participantsHash=digest)


@external
def openQuery(actor: address, permit: uint64, n: uint64, queryHash: bytes32, participants: DynArray[bytes32, 16]):
    digest: bytes32 = self._open(actor, permit, QUERY, n, queryHash, participants)
    log QueryOpened(actor=actor, permit=permit, n=n, queryHash=queryHash, participantsHash=digest)


@external
def recordUse(
    actor: address,
    permit: uint64,
    kind: uint8,
    n: uint64,
    dataset: bytes32,
    resultHash: bytes32,
    rho: uint64,
    version: uint64,
    consentRoot: bytes32,
):
    """
    @param version The dataset's version that was computed on.
    @param consentRoot The consents that were applied.
    """
    assert staticcall IDENTITIES.worksFor(actor, msg.sender), "NOT_THE_ACTOR"  # 9
    assert staticcall PERMITS.checkUsable(permit)  # 5
    assert kind == ROUND or kind == QUERY, "KIND_INVALID"
    limits: Studies.Limits = staticcall STUDIES.limits(permit)
    assert staticcall MEMBERS.isActive(limits.dataUser, DATA_USER), "DATA_USER_INACTIVE"  # 5
    assert actor == staticcall DATASETS.holder(dataset), "NOT_THE_HOLDER"  # 5
    assert staticcall MEMBERS.isActive(actor, DATA_HOLDER), "DATA_HOLDER_INACTIVE"  # 5
    covered: uint256 = 0
    place: uint256 = 0
    covered, place = staticcall PERMITS.coverage(permit, dataset)  # 5
    line: uint64 = staticcall PERMITS.line(permit)  # 7
    opened: Opened = self._opened[line][kind][n]
    if opened.openedAt == 0 or opened.permit != permit:  # 7
        assert kind != ROUND, "ROUND_NOT_OPEN"  # 5
        assert kind != QUERY, "QUERY_NOT_OPEN"  # 5
    assert opened.closedAt == 0, "ROUND_CLOSED"  # 5
    assert opened.participants & place != 0, "PARTICIPANTS_MISMATCH"  # 5
    assert opened.participants & ~covered == 0, "DATASET_NOT_COVERED"  # 5
    assert self._uses[line][kind][n][dataset].recordedAt == 0, "ALREADY_SERVED"  # 5
    assert resultHash != empty(bytes32), "HASH_MISSING"
    spent: uint64 = self._rhoSpent[line][dataset]
    # An amendment may allow less than what was spent before it.
    assert spent <= limits.rhoPerDataset, "BUDGET_EXHAUSTED"  # 6
    assert rho <= limits.rhoPerDataset - spent, "BUDGET_EXHAUSTED"  # 6
    self._rhoSpent[line][dataset] = spent + rho
    self._opened[line][kind][n].recorded = opened.recorded | place  # 11
    self._uses[line][kind][n][dataset] = Use(
        resultHash=resultHash, rho=rho, recordedAt=self._now(), version=version
    )
    rows: uint64 = extcall DATASETS.charge(
        dataset, rho, limits.minCohort, version, consentRoot, kind == QUERY
    )  # 6
    extcall CREDITS.credit(dataset, actor, rows)  # 8
    log UseRecorded(
        actor=actor,
        permit=permit,
        dataset=dataset,
        kind=kind,
        n=n,
        resultHash=resultHash,
        rho=rho,
        version=version,
        consentRoot=consentRoot,
    )


@external
def closeRound(actor: address, permit: uint64, n: uint64):
    """
    @notice No further use of the round is recorded, so that everybody knows over whom its sum is.
    """
    assert staticcall IDENTITIES.worksFor(actor, msg.sender), "NOT_THE_ACTOR"  # 9
    assert staticcall PERMITS.checkUsable(permit)  # 10
    limits: Studies.Limits = staticcall STUDIES.limits(permit)
    assert actor == limits.dataUser, "NOT_THE_APPLICANT"  # 10
    assert staticcall MEMBERS.isActive(actor, DATA_USER), "DATA_USER_INACTIVE"  # 10
    line: uint64 = staticcall PERMITS.line(permit)  # 7
    opened: Opened = self._openedUnder(permit, line, ROUND, n)  # 12
    assert opened.openedAt != 0, "ROUND_NOT_OPEN"  # 10
    assert opened.closedAt == 0, "ROUND_CLOSED"  # 10
    recorded: DynArray[bytes32, 16] = self._datasets(permit, opened.recorded)
    assert convert(len(recorded), uint64) >= limits.minHospitals, "TOO_FEW_HOSPITALS"  # 11
    uncovered: DynArray[bytes32, 16] = staticcall PERMITS.uncovered(permit)
    for dataset: bytes32 in recorded:
        assert dataset not in uncovered, "DATASET_NOT_COVERED"  # 11
    self._opened[line][ROUND][n].closedAt = self._now()
    log RoundClosed(actor=actor, permit=permit, n=n, recorded=recorded)


@internal
def _open(
    actor: address, permit: uint64, kind: uint8, n: uint64, subjectHash: bytes32, participants: DynArray[bytes32, 16]
) -> bytes32:
    assert staticcall IDENTITIES.worksFor(actor, msg.sender), "NOT_THE_ACTOR"  # 9
    assert staticcall PERMITS.checkUsable(permit)  # 1
    limits: Studies.Limits = staticcall STUDIES.limits(permit)
    assert actor == limits.dataUser, "NOT_THE_APPLICANT"  # 1
    assert staticcall MEMBERS.isActive(actor, DATA_USER), "DATA_USER_INACTIVE"  # 1
    line: uint64 = staticcall PERMITS.line(permit)  # 7
    count: uint64 = self._openedCount[line][kind]
    if kind == ROUND:
        assert limits.computations & TRAINING != 0, "COMPUTATION_NOT_PERMITTED"  # 1
        assert subjectHash != empty(bytes32), "HASH_MISSING"  # 3
        assert count < limits.rounds, "ROUNDS_EXHAUSTED"  # 2
    else:
        assert limits.computations & QUERY_COMPUTATION != 0, "COMPUTATION_NOT_PERMITTED"  # 1
        assert subjectHash != empty(bytes32), "HASH_MISSING"  # 3
        assert count < limits.queries, "QUERIES_EXHAUSTED"  # 2
    assert n == count + 1, "NOT_NEXT"  # 2
    places: uint256 = staticcall PERMITS.places(permit, participants)  # 3
    assert convert(len(participants), uint64) >= limits.minHospitals, "TOO_FEW_HOSPITALS"  # 3
    digest: bytes32 = keccak256(abi_encode(participants))
    if kind == QUERY:
        covered: DynArray[bytes32, 16] = staticcall PERMITS.covered(permit)
        assert digest == keccak256(abi_encode(covered)), "PARTICIPANTS_MISMATCH"  # 4
    self._openedCount[line][kind] = n
    self._opened[line][kind][n] = Opened(
        permit=permit,
        subjectHash=subjectHash,
        participantsHash=digest,
        participants=places,
        openedAt=self._now(),
        recorded=0,
        closedAt=0,
    )
    return digest


@internal
@view
def _now() -> uint64:
    return convert(block.timestamp, uint64)


@internal
@view
def _openedUnder(permit: uint64, line: uint64, kind: uint8, n: uint64) -> Opened:
    found: Opened = self._opened[line][kind][n]
    return found if found.permit == permit else empty(Opened)  # 7


@internal
@view
def _datasets(permit: uint64, places: uint256) -> DynArray[bytes32, 16]:
    """
    @notice The datasets at these places of the study's terms, in their order.
    """
    found: DynArray[bytes32, 16] = []
    bit: uint256 = 1
    for dataset: bytes32 in staticcall STUDIES.datasets(permit):
        if places & bit != 0:
            found.append(dataset)
        bit <<= 1
    return found


@external
@view
def openedCount(permit: uint64, kind: uint8) -> uint64:
    return self._openedCount[staticcall PERMITS.line(permit)][kind]


@external
@view
def rhoSpent(permit: uint64, dataset: bytes32) -> uint64:
    return self._rhoSpent[staticcall PERMITS.line(permit)][dataset]


@external
@view
def opened(permit: uint64, kind: uint8, n: uint64) -> Opened:
    return self._openedUnder(permit, staticcall PERMITS.line(permit), kind, n)


@external
@view
def isClosed(permit: uint64, n: uint64) -> bool:
    return self._openedUnder(permit, staticcall PERMITS.line(permit), ROUND, n).closedAt != 0


@external
@view
def roundState(permit: uint64, n: uint64) -> RoundState:
    """
    @notice Whether a round is opened, who recorded a use of it, and whether it is closed.
    """
    found: Opened = self._openedUnder(permit, staticcall PERMITS.line(permit), ROUND, n)
    return RoundState(opened=found, recorded=self._datasets(permit, found.recorded))


@external
@view
def use(permit: uint64, kind: uint8, n: uint64, dataset: bytes32) -> Use:
    return self._uses[staticcall PERMITS.line(permit)][kind][n][dataset]


@external
@view
def nodeView(permit: uint64, dataset: bytes32, kind: uint8, n: uint64) -> NodeView:
    """
    @notice Everything that a node needs to decide on one request and that can change, in one call.
    """
    found: Datasets.State = staticcall DATASETS.state(dataset)
    its: Permits.Permit = staticcall PERMITS.permit(permit)
    return NodeView(
        permit=its,
        uncovered=staticcall PERMITS.uncovered(permit),
        roundsOpened=self._openedCount[its.line][ROUND],
        queriesOpened=self._openedCount[its.line][QUERY],
        dataset=found,
        opened=self._openedUnder(permit, its.line, kind, n),
        rhoSpent=self._rhoSpent[its.line][dataset],
        recorded=self._uses[its.line][kind][n][dataset].recordedAt != 0,
        holderActive=staticcall MEMBERS.isActive(found.holder, DATA_HOLDER),
        dataUserActive=staticcall MEMBERS.isActive(staticcall STUDIES.dataUser(permit), DATA_USER),
        pausedUntil=staticcall RULES.pausedUntil(),
    )
