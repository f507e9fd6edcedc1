# pragma version 0.4.3
# pragma evm-version prague
"""
@title Datasets
@license Apache-2.0
@notice The datasets that data holders keep at home, and their versions. Only hashes, codes and budgets are here.
@dev Rules, cited by number where they are kept:
  1. An active data holder registers a dataset under a name of its own, each name once, with the conditions of its use
     (Data Use Ontology), the hash of its dictionary, the categories of data in it, and a lifetime cap of rho.
  2. Only the dataset's holder changes it, and only while it is an active data holder. Who acts says so first, and the
     contract Identities knows whether the sender may act for it; a delegate may add versions and nothing else.
  3. Destroyed is final, and states the hash of a report on what was destroyed.
  4. A version is added at the dataset's current consent root, which the contract Consents keeps. Versions built at an
     older one are stale.
  5. Freezing stops every use, until the holder unfreezes.
  6. Only the contract Uses charges rho, and only for a use that is possible now: the dataset is active and within
     its retention date; the version is its newest, is usable, and has the rows of the permit's minimum cohort at
     least; the consent root that the node applied is the current one, and a query's version was built at it.
  7. What is charged never exceeds the lifetime cap, over all permits.
  8. Only the contract Proofs makes a registered version proven, once it accepted a proof of all of it. Proven is final,
     and only proven versions are usable.
  9. The retention date is one to five years after the registration. The holder may put it off, to five years from now
     at most.
"""

import Identities
import Members
import duo

DATA_HOLDER: constant(uint8) = 1
ACTIVE: constant(uint8) = 1
FROZEN: constant(uint8) = 2
DESTROYED: constant(uint8) = 3
REGISTERED: constant(uint8) = 1
PROVEN: constant(uint8) = 2
# The least status of a version that can be computed on; the same constant stands in registry/decide.py.
USABLE_FROM: constant(uint8) = PROVEN
CATEGORIES: constant(uint64) = 255  # docs/consents.md, "Scope"
RETENTION_MIN_SECONDS: constant(uint64) = 365 * 24 * 3600
RETENTION_MAX_SECONDS: constant(uint64) = 5 * 365 * 24 * 3600


interface Consents:
    def root(dataset: bytes32) -> bytes32: view


struct Dataset:
    holder: address
    name: String[64]
    duoTerms: uint64
    dictionaryHash: bytes32
    sensitivity: uint8
    categories: uint64
    retentionUntil: uint64
    rhoCap: uint64
    rhoSpent: uint64
    status: uint8
    versions: uint64
    destructionHash: bytes32


struct Version:
    cid: Bytes[64]
    rows: uint64
    commitmentsRoot: bytes32
    consentRoot: bytes32
    status: uint8
    registeredAt: uint64


# What a proof of a version is about.
struct Registered:
    holder: address
    dictionaryHash: bytes32
    rows: uint64
    commitmentsRoot: bytes32
    status: uint8


# What changes about a dataset and its newest version.
struct State:
    status: uint8
    holder: address
    retentionUntil: uint64
    rhoSpent: uint64
    consentRoot: bytes32
    versions: uint64
    versionStatus: uint8


event DatasetRegistered:
    actor: indexed(address)
    dataset: indexed(bytes32)
    name: String[64]
    duoTerms: uint64
    dictionaryHash: bytes32
    categories: uint64
    retentionUntil: uint64
    rhoCap: uint64


event VersionAdded:
    actor: indexed(address)
    dataset: indexed(bytes32)
    number: uint64
    cid: Bytes[64]
    rows: uint64
    commitmentsRoot: bytes32
    consentRoot: bytes32


event RetentionExtended:
    actor: indexed(address)
    dataset: indexed(bytes32)
    retentionUntil: uint64


event DatasetFrozen:
    actor: indexed(address)
    dataset: indexed(bytes32)


event DatasetUnfrozen:
    actor: indexed(address)
    dataset: indexed(bytes32)


event DatasetDestroyed:
    actor: indexed(address)
    dataset: indexed(bytes32)
    destructionHash: bytes32


IDENTITIES: immutable(Identities.__interface__)
MEMBERS: immutable(Members.__interface__)
CONSENTS: immutable(Consents)
USES: immutable(address)
PROOFS: immutable(address)

count: public(uint64)
idAt: public(HashMap[uint64, bytes32])
_datasets: HashMap[bytes32, Dataset]
_conditions: HashMap[bytes32, duo.Conditions]
_versions: HashMap[bytes32, HashMap[uint64, Version]]


@deploy
def __init__(identities: address, members: address, consents: address, uses: address, proofs: address):
    IDENTITIES = Identities.__interface__(identities)
    CONSENTS = Consents(consents)
    MEMBERS = Members.__interface__(members)
    USES = uses
    PROOFS = proofs


@external
def register(
    actor: address,
    name: String[64],
    conditions: duo.Conditions,
    dictionaryHash: bytes32,
    sensitivity: uint8,
    categories: uint64,
    retentionUntil: uint64,
    rhoCap: uint64,
) -> bytes32:
    assert staticcall IDENTITIES.speaksFor(actor, msg.sender), "NOT_THE_ACTOR"  # 2
    assert staticcall MEMBERS.isActive(actor, DATA_HOLDER), "NOT_DATA_HOLDER"  # 1
    assert len(name) > 0, "NAME_MISSING"  # 1
    dataset: bytes32 = keccak256(abi_encode(actor, name))
    assert self._datasets[dataset].status == 0, "NAME_TAKEN"  # 1
    duo.checkConditions(conditions)  # 1
    assert dictionaryHash != empty(bytes32), "HASH_MISSING"  # 1
    assert categories != 0 and categories <= CATEGORIES, "CATEGORIES_INVALID"  # 1
    assert retentionUntil >= self._now() + RETENTION_MIN_SECONDS, "RETENTION_INVALID"  # 9
    assert retentionUntil <= self._now() + RETENTION_MAX_SECONDS, "RETENTION_INVALID"  # 9
    self._datasets[dataset] = Dataset(
        holder=actor,
        name=name,
        duoTerms=conditions.terms,
        dictionaryHash=dictionaryHash,
        sensitivity=sensitivity,
        categories=categories,
        retentionUntil=retentionUntil,
        rhoCap=rhoCap,
        rhoSpent=0,
        status=ACTIVE,
        versions=0,
        destructionHash=empty(bytes32),
    )
    self._conditions[dataset] = conditions
    self.idAt[self.count] = dataset
    self.count += 1
    log DatasetRegistered(
        actor=actor,
        dataset=dataset,
        name=name,
        duoTerms=conditions.terms,
        dictionaryHash=dictionaryHash,
        categories=categories,
        retentionUntil=retentionUntil,
        rhoCap=rhoCap,
    )
    return dataset


@external
def addVersion(
    actor: address, dataset: bytes32, cid: Bytes[64], rows: uint64, commitmentsRoot: bytes32, consentRoot: bytes32
) -> uint64:
    assert staticcall IDENTITIES.worksFor(actor, msg.sender), "NOT_THE_ACTOR"  # 2
    self._checkOwn(actor, dataset)
    assert len(cid) > 0, "CID_MISSING"
    assert rows > 0, "ROWS_MISSING"
    assert consentRoot == staticcall CONSENTS.root(dataset), "CONSENT_STALE"  # 4
    number: uint64 = self._datasets[dataset].versions + 1
    self._datasets[dataset].versions = number
    self._versions[dataset][number] = Version(
        cid=cid,
        rows=rows,
        commitmentsRoot=commitmentsRoot,
        consentRoot=consentRoot,
        status=REGISTERED,
        registeredAt=self._now(),
    )
    log VersionAdded(
        actor=actor,
        dataset=dataset,
        number=number,
        cid=cid,
        rows=rows,
        commitmentsRoot=commitmentsRoot,
        consentRoot=consentRoot,
    )
    return number


@external
def extendRetention(actor: address, dataset: bytes32, retentionUntil: uint64):
    assert staticcall IDENTITIES.speaksFor(actor, msg.sender), "NOT_THE_ACTOR"  # 2
    self._checkOwn(actor, dataset)
    assert retentionUntil > self._datasets[dataset].retentionUntil, "RETENTION_INVALID"  # 9
    assert retentionUntil <= self._now() + RETENTION_MAX_SECONDS, "RETENTION_INVALID"  # 9
    self._datasets[dataset].retentionUntil = retentionUntil
    log RetentionExtended(actor=actor, dataset=dataset, retentionUntil=retentionUntil)


@external
def freeze(actor: address, dataset: bytes32):
    assert staticcall IDENTITIES.speaksFor(actor, msg.sender), "NOT_THE_ACTOR"  # 2
    self._checkOwn(actor, dataset)
    assert self._datasets[dataset].status == ACTIVE, "DATASET_FROZEN"
    self._datasets[dataset].status = FROZEN  # 5
    log DatasetFrozen(actor=actor, dataset=dataset)


@external
def unfreeze(actor: address, dataset: bytes32):
    assert staticcall IDENTITIES.speaksFor(actor, msg.sender), "NOT_THE_ACTOR"  # 2
    self._checkOwn(actor, dataset)
    assert self._datasets[dataset].status == FROZEN, "DATASET_NOT_FROZEN"
    self._datasets[dataset].status = ACTIVE  # 5
    log DatasetUnfrozen(actor=actor, dataset=dataset)


@external
def destroy(actor: address, dataset: bytes32, destructionHash: bytes32):
    """
    @param destructionHash SHA-256 of the holder's report on the keys and blocks that are gone.
    """
    assert staticcall IDENTITIES.speaksFor(actor, msg.sender), "NOT_THE_ACTOR"  # 2
    self._checkOwn(actor, dataset)
    assert destructionHash != empty(bytes32), "HASH_MISSING"  # 3
    self._datasets[dataset].status = DESTROYED  # 3
    self._datasets[dataset].destructionHash = destructionHash  # 3
    log DatasetDestroyed(actor=actor, dataset=dataset, destructionHash=destructionHash)


@external
def charge(dataset: bytes32, rho: uint64, minCohort: uint64, number: uint64, consentRoot: bytes32, isQuery: bool) -> uint64:
    """
    @notice Charge a use that is recorded in the same transaction.
    @return Rows of the version that was used.
    """
    assert msg.sender == USES, "NOT_USES_CONTRACT"  # 6
    self._checkOpen(dataset)  # 6
    newest: uint64 = self._datasets[dataset].versions
    assert self._versions[dataset][newest].status >= USABLE_FROM, "DATASET_UNPROVEN"  # 8
    assert number == newest, "VERSION_STALE"  # 6
    assert consentRoot == staticcall CONSENTS.root(dataset), "CONSENT_STALE"  # 6
    if isQuery:
        assert self._versions[dataset][number].consentRoot == consentRoot, "CONSENT_STALE"  # 6
    rows: uint64 = self._versions[dataset][number].rows
    assert rows >= minCohort, "COHORT_TOO_SMALL"  # 6
    spent: uint64 = self._datasets[dataset].rhoSpent
    assert rho <= self._datasets[dataset].rhoCap - spent, "BUDGET_EXHAUSTED"  # 7
    self._datasets[dataset].rhoSpent = spent + rho
    return rows


@external
def markProven(dataset: bytes32, number: uint64):
    """
    @notice Record that a proof of all of a registered version was accepted in the same transaction.
    """
    assert msg.sender == PROOFS, "NOT_PROOFS_CONTRACT"  # 8
    self._versions[dataset][number].status = PROVEN


@internal
@view
def _checkOwn(actor: address, dataset: bytes32):
    assert self._datasets[dataset].status != 0, "DATASET_UNKNOWN"
    assert actor == self._datasets[dataset].holder, "NOT_THE_HOLDER"  # 2
    assert staticcall MEMBERS.isActive(actor, DATA_HOLDER), "NOT_DATA_HOLDER"  # 2
    assert self._datasets[dataset].status != DESTROYED, "DATASET_DESTROYED"  # 3


@internal
@view
def _checkOpen(dataset: bytes32):
    status: uint8 = self._datasets[dataset].status
    assert status != FROZEN, "DATASET_FROZEN"  # 5
    assert status == ACTIVE, "DATASET_DESTROYED"  # 3
    assert self._now() < self._datasets[dataset].retentionUntil, "RETENTION_OVER"  # 6


@internal
@view
def _now() -> uint64:
    return convert(block.timestamp, uint64)


@external
@view
def checkOpen(dataset: bytes32) -> bool:
    """
    @notice True, or revert with the reason why the dataset is not active or not within its retention date.
    """
    self._checkOpen(dataset)
    return True


@external
@view
def holder(dataset: bytes32) -> address:
    return self._datasets[dataset].holder


@external
@view
def liveHolders(datasets: DynArray[bytes32, 16]) -> DynArray[address, 16]:
    """
    @notice The holder of each dataset, zero for one that is destroyed.
    """
    found: DynArray[address, 16] = []
    for dataset: bytes32 in datasets:
        destroyed: bool = self._datasets[dataset].status == DESTROYED
        found.append(empty(address) if destroyed else self._datasets[dataset].holder)
    return found


@external
@view
def status(dataset: bytes32) -> uint8:
    return self._datasets[dataset].status


@external
@view
def dataset(id: bytes32) -> Dataset:
    return self._datasets[id]


@external
@view
def conditions(id: bytes32) -> duo.Conditions:
    return self._conditions[id]


@external
@view
def state(id: bytes32) -> State:
    number: uint64 = self._datasets[id].versions
    return State(
        status=self._datasets[id].status,
        holder=self._datasets[id].holder,
        retentionUntil=self._datasets[id].retentionUntil,
        rhoSpent=self._datasets[id].rhoSpent,
        consentRoot=staticcall CONSENTS.root(id),
        versions=number,
        versionStatus=self._versions[id][number].status,
    )


@external
@view
def version(id: bytes32, number: uint64) -> Version:
    return self._versions[id][number]


@external
@view
def registered(id: bytes32, number: uint64) -> Registered:
    return Registered(
        holder=self._datasets[id].holder,
        dictionaryHash=self._datasets[id].dictionaryHash,
        rows=self._versions[id][number].rows,
        commitmentsRoot=self._versions[id][number].commitmentsRoot,
        status=self._versions[id][number].status,
    )
