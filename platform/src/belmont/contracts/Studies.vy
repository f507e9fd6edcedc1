# pragma version 0.4.3
# pragma evm-version prague
"""
@title Studies
@license Apache-2.0
@notice Applications for a data permit, the ethics board's votes on them, and the data holders' acceptance.
@dev Rules, cited by number where they are kept:
  1. An active data user proposes a study; its terms and what it declares of its use of data are complete, within
     bounds, and never change.
  2. A study names datasets that exist and are not destroyed, each once, and at most one of each holder, so that
     datasets count as hospitals.
  3. Every active member of the ethics board votes once, and nobody on their own study.
  4. A vote counts while its voter is an active member of the board: votes are counted anew at every vote, against
     the quorum of the board at that time.
  5. The study is approved when votes for it reach the quorum, as many of them by lay members as the consortium's rules
     ask for, and refused as soon as the quorum is out of reach: when votes against and recusals together exceed the
     number of members beyond the quorum. Both are final. Lay members who are missing refuse nothing: another may be
     admitted.
  6. Anyone may ask for a count (tally), which only matters when the board has changed since the last vote.
  7. The holder of each dataset accepts or not, once, while the study is proposed or approved, the holder is an
     active data holder, and the dataset is active and within its retention date.
  8. The data user may cancel, and agree to conditions (14), while the study is proposed or approved and has no permit.
  9. An amendment is a study of its own that names the permit it amends: of the same data user, and not superseded.
     It is voted on and accepted like any other; its rounds, queries and rho count what was used before it.
 10. Who acts says so first, and the contract Identities knows whether the sender may act for it; no delegate may.
 11. The conditions of every dataset are held against the use (docs/duo.md). Where a term of one denies it, nothing is
     proposed, whatever else is open. What a dataset's terms leave to the board is recorded with the study.
 12. Instead of voting, an active member of the board may take no part in a study's vote: recuse themselves, once and for
     good. The quorum stays that of the whole board, so that no recusal makes an approval easier. It counts as votes do:
     while who made it is an active member of the board (4).
 13. A vote for a study may set conditions, by the hash of their text; a vote against sets none. Each goes into one
     running hash with its voter, in the order of the votes. A condition stays, whatever becomes of its voter.
 14. The data user agrees to the conditions by their running hash, which says that it is to all that there are and no
     others. Conditions that come later open the agreement again, and with open conditions no permit is issued.
"""

import Identities
import Members
import Datasets
import Rules
import duo

DATA_HOLDER: constant(uint8) = 1
DATA_USER: constant(uint8) = 2
ETHICS_BOARD: constant(uint8) = 4
LAY: constant(uint8) = 16
DATASET_DESTROYED: constant(uint8) = 3
PROPOSED: constant(uint8) = 1
APPROVED: constant(uint8) = 2
REFUSED: constant(uint8) = 3
CANCELLED: constant(uint8) = 4
TRAINING: constant(uint8) = 1
QUERY: constant(uint8) = 2
EXACT: constant(uint8) = 1
PRIVATE: constant(uint8) = 2
PURPOSES: constant(uint64) = 1023 * 2**31  # DUO:0000031 to DUO:0000040, as bits 31 to 40
ROUNDS_MAX: constant(uint64) = 10_000
QUERIES_MAX: constant(uint64) = 10_000
DURATION_MAX_SECONDS: constant(uint64) = 10 * 365 * 24 * 3600
APPROVAL_CONDITIONS: constant(bytes32) = keccak256("belmont/approval-conditions/1")


# 1 KB at most: 32 words.
struct Terms:
    title: String[64]
    protocolHash: bytes32
    purpose: uint64
    codeHash: bytes32
    configHash: bytes32
    datasets: DynArray[bytes32, 16]
    computations: uint8
    rounds: uint64
    queries: uint64
    rhoPerDataset: uint64
    minHospitals: uint64
    minCohort: uint64
    answerMode: uint8
    durationSeconds: uint64


struct Study:
    dataUser: address
    status: uint8
    proposedAt: uint64
    amends: uint64  # a permit, 0 for none


# What an opening or a record of a use is held against.
struct Limits:
    dataUser: address
    computations: uint8
    rounds: uint64
    queries: uint64
    rhoPerDataset: uint64
    minHospitals: uint64
    minCohort: uint64


struct Ballot:
    voter: address
    approve: bool


# All that votes set of a study: their running hash, how many set some, and the hash that the data user agreed to.
struct Conditions:
    running: bytes32  # 0 for none
    count: uint64
    agreed: bytes32


# Of those who sit on the board now (4).
struct Count:
    votesFor: uint64
    votesAgainst: uint64
    layFor: uint64
    recused: uint64


interface Permits:
    def isIssued(permit: uint64) -> bool: view
    def supersededBy(permit: uint64) -> uint64: view


event StudyProposed:
    actor: indexed(address)
    study: indexed(uint64)
    amends: uint64
    title: String[64]
    protocolHash: bytes32
    purpose: uint64
    codeHash: bytes32
    configHash: bytes32


event DataUseLeftOpen:
    actor: indexed(address)
    study: indexed(uint64)
    dataset: indexed(bytes32)
    abstained: uint64


event VoteCast:
    actor: indexed(address)
    study: indexed(uint64)
    approve: bool
    conditionsHash: bytes32
    reasonHash: bytes32


event Recused:
    actor: indexed(address)
    study: indexed(uint64)
    reasonHash: bytes32


event ConditionsAgreed:
    actor: indexed(address)
    study: indexed(uint64)
    conditions: bytes32


event StudyApproved:
    actor: indexed(address)
    study: indexed(uint64)
    votesFor: uint64
    quorum: uint64


event StudyRefused:
    actor: indexed(address)
    study: indexed(uint64)
    votesAgainst: uint64
    recused: uint64
    quorum: uint64


event DatasetAccepted:
    actor: indexed(address)
    study: indexed(uint64)
    dataset: indexed(bytes32)


event StudyCancelled:
    actor: indexed(address)
    study: indexed(uint64)


IDENTITIES: immutable(Identities.__interface__)
MEMBERS: immutable(Members.__interface__)
DATASETS: immutable(Datasets.__interface__)
PERMITS: immutable(Permits)
RULES: immutable(Rules.__interface__)

count: public(uint64)
_terms: HashMap[uint64, Terms]
_declared: HashMap[uint64, duo.Declaration]
_abstained: HashMap[uint64, HashMap[bytes32, uint64]]
_studies: HashMap[uint64, Study]
_ballots: HashMap[uint64, DynArray[Ballot, 256]]
_accepted: HashMap[uint64, HashMap[bytes32, bool]]
_recused: HashMap[uint64, DynArray[address, 256]]
_conditions: HashMap[uint64, Conditions]
_conditionsOf: HashMap[uint64, HashMap[address, bytes32]]


@deploy
def __init__(identities: address, members: address, datasets: address, permits: address, rules: address):
    IDENTITIES = Identities.__interface__(identities)
    RULES = Rules.__interface__(rules)
    MEMBERS = Members.__interface__(members)
    DATASETS = Datasets.__interface__(datasets)
    PERMITS = Permits(permits)


@external
def propose(actor: address, terms: Terms, declared: duo.Declaration) -> uint64:
    assert staticcall IDENTITIES.speaksFor(actor, msg.sender), "NOT_THE_ACTOR"  # 10
    return self._propose(actor, terms, declared, 0)


@external
def proposeAmendment(actor: address, permit: uint64, terms: Terms, declared: duo.Declaration) -> uint64:
    assert staticcall IDENTITIES.speaksFor(actor, msg.sender), "NOT_THE_ACTOR"  # 10
    assert staticcall PERMITS.isIssued(permit), "PERMIT_MISSING"  # 9
    assert actor == self._studies[permit].dataUser, "NOT_THE_APPLICANT"  # 9
    assert staticcall PERMITS.supersededBy(permit) == 0, "PERMIT_SUPERSEDED"  # 9
    return self._propose(actor, terms, declared, permit)


@internal
def _propose(actor: address, terms: Terms, declared: duo.Declaration, amends: uint64) -> uint64:
    assert staticcall MEMBERS.isActive(actor, DATA_USER), "NOT_DATA_USER"  # 1
    self._checkTerms(terms)
    duo.checkDeclaration(declared)  # 1
    self._checkDatasets(terms.datasets)
    self.count += 1
    study: uint64 = self.count
    self._terms[study] = terms
    self._declared[study] = declared
    self._studies[study] = Study(dataUser=actor, status=PROPOSED, proposedAt=self._now(), amends=amends)
    log StudyProposed(
        actor=actor,
        study=study,
        amends=amends,
        title=terms.title,
        protocolHash=terms.protocolHash,
        purpose=terms.purpose,
        codeHash=terms.codeHash,
        configHash=terms.configHash,
    )
    self._matchDatasets(actor, study, terms, declared)
    return study


@external
def vote(actor: address, study: uint64, approve: bool, conditionsHash: bytes32, reasonHash: bytes32):
    """
    @param conditionsHash Of the text of the conditions that this vote sets; zero for none.
    """
    self._checkTakesPart(actor, study)
    assert approve or conditionsHash == empty(bytes32), "CONDITIONS_WITH_REFUSAL"  # 13
    self._ballots[study].append(Ballot(voter=actor, approve=approve))
    if conditionsHash != empty(bytes32):
        self._conditionsOf[study][actor] = conditionsHash
        self._conditions[study].running = keccak256(
            abi_encode(APPROVAL_CONDITIONS, study, self._conditions[study].running, actor, conditionsHash)
        )  # 13
        self._conditions[study].count += 1
    log VoteCast(
        actor=actor, study=study, approve=approve, conditionsHash=conditionsHash, reasonHash=reasonHash
    )
    self._decide(actor, study)


@external
def recuse(actor: address, study: uint64, reasonHash: bytes32):
    self._checkTakesPart(actor, study)
    self._recused[study].append(actor)  # 12
    log Recused(actor=actor, study=study, reasonHash=reasonHash)
    self._decide(actor, study)


@external
def tally(study: uint64):
    """
    @notice Decide a study whose votes are enough since the board changed.
    """
    self._checkProposed(study)
    self._decide(msg.sender, study)  # 6
    assert self._studies[study].status != PROPOSED, "VOTE_UNDECIDED"


@external
def accept(actor: address, study: uint64, dataset: bytes32):
    assert staticcall IDENTITIES.speaksFor(actor, msg.sender), "NOT_THE_ACTOR"  # 10
    status: uint8 = self._studies[study].status
    assert status != 0, "STUDY_UNKNOWN"
    assert status == PROPOSED or status == APPROVED, "STUDY_CLOSED"  # 7
    assert dataset in self._terms[study].datasets, "DATASET_NOT_COVERED"  # 7
    assert actor == staticcall DATASETS.holder(dataset), "NOT_THE_HOLDER"  # 7
    assert staticcall MEMBERS.isActive(actor, DATA_HOLDER), "NOT_DATA_HOLDER"  # 7
    assert not self._accepted[study][dataset], "ALREADY_ACCEPTED"  # 7
    assert staticcall DATASETS.checkOpen(dataset)  # 7
    self._accepted[study][dataset] = True
    log DatasetAccepted(actor=actor, study=study, dataset=dataset)


@external
def cancel(actor: address, study: uint64):
    assert staticcall IDENTITIES.speaksFor(actor, msg.sender), "NOT_THE_ACTOR"  # 10
    self._checkApplicant(actor, study)
    self._studies[study].status = CANCELLED
    log StudyCancelled(actor=actor, study=study)


@external
def agree(actor: address, study: uint64, conditions: bytes32):
    """
    @param conditions The running hash of all conditions that there are.
    """
    assert staticcall IDENTITIES.speaksFor(actor, msg.sender), "NOT_THE_ACTOR"  # 10
    self._checkApplicant(actor, study)
    running: bytes32 = self._conditions[study].running
    assert running != empty(bytes32), "NO_CONDITIONS"  # 14
    assert conditions == running, "CONDITIONS_MISMATCH"  # 14
    assert self._conditions[study].agreed != running, "ALREADY_AGREED"
    self._conditions[study].agreed = running
    log ConditionsAgreed(actor=actor, study=study, conditions=running)


@internal
@view
def _checkApplicant(actor: address, study: uint64):
    """
    @notice The data user of a study that is proposed or approved and has no permit.
    """
    status: uint8 = self._studies[study].status
    assert status != 0, "STUDY_UNKNOWN"
    assert actor == self._studies[study].dataUser, "NOT_THE_APPLICANT"  # 8
    assert staticcall MEMBERS.isActive(actor, DATA_USER), "NOT_DATA_USER"  # 8
    assert status == PROPOSED or status == APPROVED, "STUDY_CLOSED"  # 8
    assert not staticcall PERMITS.isIssued(study), "PERMIT_EXISTS"  # 8


@internal
@view
def _checkTakesPart(actor: address, study: uint64):
    """
    @notice A member of the board who has not voted on a study that is proposed, nor recused themselves from it.
    """
    assert staticcall IDENTITIES.speaksFor(actor, msg.sender), "NOT_THE_ACTOR"  # 10
    assert staticcall MEMBERS.isActive(actor, ETHICS_BOARD), "NOT_ETHICS_BOARD"  # 3
    self._checkProposed(study)
    assert actor != self._studies[study].dataUser, "OWN_STUDY"  # 3
    assert actor not in self._recused[study], "RECUSED"  # 12
    for ballot: Ballot in self._ballots[study]:
        assert ballot.voter != actor, "ALREADY_VOTED"  # 3


@internal
@view
def _checkProposed(study: uint64):
    status: uint8 = self._studies[study].status
    assert status != 0, "STUDY_UNKNOWN"
    assert status == PROPOSED, "STUDY_CLOSED"  # 5


@internal
@view
def _checkTerms(terms: Terms):
    assert len(terms.title) > 0, "TITLE_MISSING"
    assert terms.protocolHash != empty(bytes32), "HASH_MISSING"
    assert terms.purpose != 0 and terms.purpose | PURPOSES == PURPOSES, "PURPOSE_INVALID"
    assert terms.computations != 0 and terms.computations <= TRAINING | QUERY, "COMPUTATIONS_INVALID"
    if terms.computations & TRAINING != 0:
        assert terms.codeHash != empty(bytes32) and terms.configHash != empty(bytes32), "HASH_MISSING"
        assert terms.rounds >= 1 and terms.rounds <= ROUNDS_MAX, "ROUNDS_INVALID"
    else:
        assert terms.rounds == 0, "ROUNDS_INVALID"
    if terms.computations & QUERY != 0:
        assert terms.queries >= 1 and terms.queries <= QUERIES_MAX, "QUERIES_INVALID"
    else:
        assert terms.queries == 0, "QUERIES_INVALID"
    named: uint64 = convert(len(terms.datasets), uint64)
    assert named > 0, "DATASETS_MISSING"
    assert terms.minHospitals >= 1 and terms.minHospitals <= named, "MIN_HOSPITALS_INVALID"
    assert terms.minCohort >= 1, "MIN_COHORT_INVALID"
    assert terms.answerMode == EXACT or terms.answerMode == PRIVATE, "ANSWER_MODE_INVALID"
    assert terms.durationSeconds >= 1 and terms.durationSeconds <= DURATION_MAX_SECONDS, "DURATION_INVALID"


@internal
@view
def _checkDatasets(datasets: DynArray[bytes32, 16]):
    seen: DynArray[bytes32, 16] = []
    holders: DynArray[address, 16] = []
    for dataset: bytes32 in datasets:
        assert dataset not in seen, "DATASET_REPEATED"  # 2
        status: uint8 = staticcall DATASETS.status(dataset)
        assert status != 0, "DATASET_UNKNOWN"  # 2
        holder: address = staticcall DATASETS.holder(dataset)
        assert holder not in holders, "HOLDER_REPEATED"  # 2
        assert status != DATASET_DESTROYED, "DATASET_DESTROYED"  # 2
        seen.append(dataset)
        holders.append(holder)


@internal
def _matchDatasets(actor: address, study: uint64, terms: Terms, declared: duo.Declaration):
    use: duo.Use = duo.Use(
        purposes=terms.purpose,
        user=actor,
        project=terms.protocolHash,
        durationSeconds=terms.durationSeconds,
        declared=declared,
    )
    for dataset: bytes32 in terms.datasets:
        found: duo.Match = duo.match(staticcall DATASETS.conditions(dataset), use, self._now())  # 11
        assert found.denied == 0, "DATA_USE_DENIED"  # 11
        if found.abstained != 0:
            self._abstained[study][dataset] = found.abstained  # 11
            log DataUseLeftOpen(actor=actor, study=study, dataset=dataset, abstained=found.abstained)


@internal
@view
def _count(study: uint64) -> Count:
    count: Count = empty(Count)
    for ballot: Ballot in self._ballots[study]:
        if staticcall MEMBERS.isActive(ballot.voter, ETHICS_BOARD):  # 4
            if ballot.approve:
                count.votesFor += 1
                if staticcall MEMBERS.isActive(ballot.voter, LAY):
                    count.layFor += 1
            else:
                count.votesAgainst += 1
    for member: address in self._recused[study]:
        if staticcall MEMBERS.isActive(member, ETHICS_BOARD):  # 12
            count.recused += 1
    return count


@internal
def _decide(actor: address, study: uint64):
    count: Count = self._count(study)
    quorum: uint64 = staticcall MEMBERS.boardQuorum()  # 4
    if count.votesFor >= quorum and count.layFor >= staticcall RULES.layVotes():  # 5
        self._studies[study].status = APPROVED
        log StudyApproved(actor=actor, study=study, votesFor=count.votesFor, quorum=quorum)
    elif count.votesAgainst + count.recused > staticcall MEMBERS.boardSize() - quorum:  # 5
        self._studies[study].status = REFUSED
        log StudyRefused(
            actor=actor, study=study, votesAgainst=count.votesAgainst, recused=count.recused, quorum=quorum
        )


@internal
@view
def _now() -> uint64:
    return convert(block.timestamp, uint64)


@external
@view
def study(id: uint64) -> Study:
    return self._studies[id]


@external
@view
def dataUser(id: uint64) -> address:
    return self._studies[id].dataUser


@external
@view
def terms(id: uint64) -> Terms:
    return self._terms[id]


@external
@view
def declared(id: uint64) -> duo.Declaration:
    return self._declared[id]


@external
@view
def abstained(id: uint64) -> DynArray[uint64, 16]:
    """
    @notice What each dataset's conditions leave to the board, as terms of the Data Use Ontology (0 where nothing is
            open), in the order of the study's terms.
    """
    found: DynArray[uint64, 16] = []
    for dataset: bytes32 in self._terms[id].datasets:
        found.append(self._abstained[id][dataset])
    return found


@external
@view
def votes(id: uint64) -> (uint64, uint64, uint64):
    """
    @notice Votes for, votes against, and the quorum, of the board as it is now.
    """
    count: Count = self._count(id)
    return count.votesFor, count.votesAgainst, staticcall MEMBERS.boardQuorum()


@external
@view
def ballots(id: uint64) -> DynArray[Ballot, 256]:
    """
    @notice Every vote in order, also of those who have left the board since.
    """
    return self._ballots[id]


@external
@view
def conditionsHashes(id: uint64) -> DynArray[bytes32, 256]:
    """
    @notice The hash of the conditions that each vote set, or zero, in the order of the ballots.
    """
    found: DynArray[bytes32, 256] = []
    for ballot: Ballot in self._ballots[id]:
        found.append(self._conditionsOf[id][ballot.voter])
    return found


@external
@view
def conditions(id: uint64) -> Conditions:
    return self._conditions[id]


@external
@view
def conditionsOpen(id: uint64) -> bool:
    """
    @notice Whether there are conditions that the data user has not agreed to, exactly as they are.
    """
    return self._conditions[id].running != self._conditions[id].agreed  # 14


@external
@view
def recused(id: uint64) -> DynArray[address, 256]:
    """
    @notice Everybody who takes no part in the vote, also those who have left the board since.
    """
    return self._recused[id]


@external
@view
def isRecused(id: uint64, account: address) -> bool:
    return account in self._recused[id]


@external
@view
def limits(id: uint64) -> Limits:
    return Limits(
        dataUser=self._studies[id].dataUser,
        computations=self._terms[id].computations,
        rounds=self._terms[id].rounds,
        queries=self._terms[id].queries,
        rhoPerDataset=self._terms[id].rhoPerDataset,
        minHospitals=self._terms[id].minHospitals,
        minCohort=self._terms[id].minCohort,
    )


@external
@view
def datasets(id: uint64) -> DynArray[bytes32, 16]:
    return self._terms[id].datasets


@external
@view
def isNamed(id: uint64, dataset: bytes32) -> bool:
    return dataset in self._terms[id].datasets


@external
@view
def isAccepted(id: uint64, dataset: bytes32) -> bool:
    return self._accepted[id][dataset]


@external
@view
def accepted(id: uint64) -> DynArray[bytes32, 16]:
    """
    @notice The datasets whose holder accepted, in the order of the terms.
    """
    found: DynArray[bytes32, 16] = []
    for dataset: bytes32 in self._terms[id].datasets:
        if self._accepted[id][dataset]:
            found.append(dataset)
    return found
