# pragma version 0.4.3
# pragma evm-version prague
"""
@title duo
@license Apache-2.0
@notice Whether a dataset's conditions permit an intended use, by the terms of GA4GH's Data Use Ontology.
@dev DUO:00000nn is bit nn. The rules and their numbers are those of registry/duo/rules.py, whose sentences explain them;
     docs/duo.md lists cases. Diseases (MONDO) and institutions (ROR) are lanes of 32 bits, eight to a word, 0 is none;
     a country (ISO 3166-1 numeric) n is bit n % 256 of word n // 256. There is no hierarchy of diseases here: a disease
     that is not on the list is left to the board.
"""

PERMISSION: constant(uint64) = 2**1  # where a missing permission is reported
NRES: constant(uint64) = 2**4
HMB: constant(uint64) = 2**6
DS: constant(uint64) = 2**7
POA: constant(uint64) = 2**11
RS: constant(uint64) = 2**12
NMDS: constant(uint64) = 2**15
GSO: constant(uint64) = 2**16
NPUNCU: constant(uint64) = 2**18
PUB: constant(uint64) = 2**19
COL: constant(uint64) = 2**20
IRB: constant(uint64) = 2**21
GS: constant(uint64) = 2**22
MOR: constant(uint64) = 2**24
TS: constant(uint64) = 2**25
US: constant(uint64) = 2**26
PS: constant(uint64) = 2**27
IS_: constant(uint64) = 2**28  # IS is a word of Vyper
RTN: constant(uint64) = 2**29
GRU: constant(uint64) = 2**42
CC: constant(uint64) = 2**43
NPOA: constant(uint64) = 2**44
NPU: constant(uint64) = 2**45
NCU: constant(uint64) = 2**46
PERMISSIONS: constant(uint64) = NRES | GRU | HMB | DS | POA
MODIFIERS: constant(uint64) = (
    RS | NMDS | GSO | NPUNCU | PUB | COL | IRB | GS | MOR | TS | US | PS | IS_ | RTN | CC | NPOA | NPU | NCU
)

METHODS: constant(uint64) = 2**31
POPULATION: constant(uint64) = 2**32
ANCESTRY: constant(uint64) = 2**33
CATEGORIES: constant(uint64) = 2**34 | 2**35  # of age and gender
CONTROL: constant(uint64) = 2**36
GENETIC: constant(uint64) = 2**38
OTHER_HEALTH: constant(uint64) = 2**37 | 2**39 | 2**40
HEALTH: constant(uint64) = GENETIC | OTHER_HEALTH
BEYOND_ANCESTRY: constant(uint64) = CATEGORIES | CONTROL | OTHER_HEALTH
PURPOSES: constant(uint64) = METHODS | POPULATION | ANCESTRY | CATEGORIES | CONTROL | HEALTH

NOT_FOR_PROFIT: constant(uint8) = 1
NON_COMMERCIAL: constant(uint8) = 1
PUBLISHES: constant(uint8) = 1
COLLABORATES: constant(uint8) = 2
RETURNS: constant(uint8) = 4
MONTH_SECONDS: constant(uint64) = 365 * 24 * 3600 // 12
MONTHS_MAX: constant(uint64) = 1200
LANE: constant(uint256) = 2**32 - 1

DENY: constant(uint8) = 1
ABSTAIN: constant(uint8) = 2
APPROVE: constant(uint8) = 3


# 1 KB at most: 29 words as the ABI has it.
struct Conditions:
    terms: uint64
    researchTypes: uint64
    diseases: uint256[4]
    countries: uint256[4]
    institutions: uint256
    users: DynArray[address, 6]
    projects: DynArray[bytes32, 6]
    moratoriumUntil: uint64
    months: uint64


struct Declaration:
    diseases: uint256
    countries: uint256[4]
    institution: uint256
    organisation: uint8
    commerce: uint8
    commitments: uint8
    clinicalCare: bool
    publishesNotBefore: uint64
    ethicsApproval: bytes32


struct Use:
    purposes: uint64
    user: address
    project: bytes32
    durationSeconds: uint64
    declared: Declaration


struct Match:
    verdict: uint8
    denied: uint64  # terms
    abstained: uint64  # terms


@internal
@pure
def checkConditions(conditions: Conditions):
    """
    @notice Revert unless every term is one that a dataset can carry, and every parameter stands beside its term.
    """
    terms: uint64 = conditions.terms
    assert terms != 0 and terms | PERMISSIONS | MODIFIERS == PERMISSIONS | MODIFIERS, "DUO_TERMS_INVALID"
    assert conditions.researchTypes | PURPOSES == PURPOSES, "CONDITIONS_INVALID"
    assert conditions.months <= MONTHS_MAX, "CONDITIONS_INVALID"
    stated: uint64 = 0
    if conditions.researchTypes != 0:
        stated |= RS
    if not self._noneIn(conditions.diseases):
        stated |= DS
    if not self._noneIn(conditions.countries):
        stated |= GS
    if conditions.institutions != 0:
        stated |= IS_
    if len(conditions.users) != 0:
        stated |= US
    if len(conditions.projects) != 0:
        stated |= PS
    if conditions.moratoriumUntil != 0:
        stated |= MOR
    if conditions.months != 0:
        stated |= TS
    assert terms | stated == terms, "CONDITIONS_INVALID"


@internal
@pure
def checkDeclaration(declared: Declaration):
    """
    @notice Revert unless every code is one that has a meaning.
    """
    assert declared.organisation <= 2 and declared.commerce <= 2, "DECLARATION_INVALID"
    assert declared.commitments <= PUBLISHES | COLLABORATES | RETURNS, "DECLARATION_INVALID"
    assert declared.institution <= LANE, "DECLARATION_INVALID"


@internal
@pure
def match(conditions: Conditions, use: Use, now: uint64) -> Match:
    """
    @notice Hold an intended use against conditions; both have been checked.
    @dev Each of the two below answers for every term; what the dataset does not carry does not count.
    """
    applying: uint64 = conditions.terms
    if applying & PERMISSIONS == 0:
        applying |= PERMISSION  # 0
    if use.declared.clinicalCare:
        applying |= CC  # 16
    denied: uint64 = self._denied(conditions, use, now) & applying
    abstained: uint64 = self._abstained(conditions, use) & applying
    abstained = (abstained | denied) ^ denied  # what a term denies stays denied
    verdict: uint8 = APPROVE
    if abstained != 0:
        verdict = ABSTAIN
    elif denied != 0:
        verdict = DENY
    return Match(verdict=verdict, denied=denied, abstained=abstained)


@internal
@pure
def _denied(conditions: Conditions, use: Use, now: uint64) -> uint64:
    declared: Declaration = use.declared
    denied: uint64 = PERMISSION  # 0
    if use.purposes & ANCESTRY != 0:
        denied |= HMB | DS | NPOA  # 3, 4, 17
    if declared.diseases == 0:
        denied |= DS  # 4
    if use.purposes & BEYOND_ANCESTRY != 0:
        denied |= POA  # 5
    if use.purposes & conditions.researchTypes == 0 and conditions.researchTypes != 0:
        denied |= RS  # 6
    if use.purposes & METHODS != 0:
        denied |= NMDS  # 7
    if use.purposes & GENETIC == 0:
        denied |= GSO  # 8
    if declared.organisation != NOT_FOR_PROFIT:
        denied |= NPUNCU | NPU  # 9, 18
    if declared.commerce != NON_COMMERCIAL:
        denied |= NPUNCU | NCU  # 9, 19
    if declared.commitments & PUBLISHES == 0:
        denied |= PUB  # 10
    if declared.commitments & COLLABORATES == 0:
        denied |= COL  # 10
    if declared.commitments & RETURNS == 0:
        denied |= RTN  # 10
    if self._noneIn(declared.countries):
        denied |= GS  # 20
    elif not self._noneIn(conditions.countries) and not self._within(declared.countries, conditions.countries):
        denied |= GS  # 12
    if now < conditions.moratoriumUntil and declared.publishesNotBefore < conditions.moratoriumUntil:
        denied |= MOR  # 13
    if conditions.months != 0 and use.durationSeconds > conditions.months * MONTH_SECONDS:
        denied |= TS  # 14
    if len(conditions.users) != 0 and use.user not in conditions.users:
        denied |= US  # 15
    if len(conditions.projects) != 0 and use.project not in conditions.projects:
        denied |= PS  # 15
    if declared.institution == 0:
        denied |= IS_  # 20
    elif conditions.institutions != 0 and not self._inLanes(declared.institution, conditions.institutions):
        denied |= IS_  # 15
    if declared.clinicalCare and conditions.terms & (CC | NRES) == 0:
        denied |= CC  # 16
    return denied


@internal
@pure
def _abstained(conditions: Conditions, use: Use) -> uint64:
    abstained: uint64 = IRB  # 11
    if use.purposes & (POPULATION | CATEGORIES | CONTROL) != 0 or use.purposes & HEALTH == 0:
        abstained |= HMB | DS  # 3, 4
    if not self._listed(use.declared.diseases, conditions.diseases):
        abstained |= DS  # 4, 20
    if use.purposes & (POPULATION | GENETIC) != 0 or use.purposes & ANCESTRY == 0:
        abstained |= POA  # 5
    if use.purposes | conditions.researchTypes != conditions.researchTypes or use.purposes & CATEGORIES != 0:
        abstained |= RS  # 6, 20
    if use.purposes & POPULATION != 0:
        abstained |= NPOA  # 17
    if self._noneIn(conditions.countries):
        abstained |= GS  # 20
    if conditions.moratoriumUntil == 0:
        abstained |= MOR  # 20
    if conditions.months == 0:
        abstained |= TS  # 20
    if len(conditions.users) == 0:
        abstained |= US  # 20
    if len(conditions.projects) == 0:
        abstained |= PS  # 20
    if conditions.institutions == 0:
        abstained |= IS_  # 20
    return abstained


@internal
@pure
def _listed(codes: uint256, listed: uint256[4]) -> bool:
    """
    @notice Whether every code in the lanes of a word is in a lane of four others.
    """
    rest: uint256 = codes
    for _: uint256 in range(8):
        code: uint256 = rest & LANE
        rest = rest >> 32
        if code == 0:
            continue
        found: bool = False
        for word: uint256 in listed:
            found = found or self._inLanes(code, word)
        if not found:
            return False
    return True


@internal
@pure
def _inLanes(code: uint256, word: uint256) -> bool:
    rest: uint256 = word
    for _: uint256 in range(8):
        if rest & LANE == code:
            return True
        rest = rest >> 32
    return False


@internal
@pure
def _within(some: uint256[4], permitted: uint256[4]) -> bool:
    for place: uint256 in range(4):
        if some[place] | permitted[place] != permitted[place]:
            return False
    return True


@internal
@pure
def _noneIn(words: uint256[4]) -> bool:
    return words[0] | words[1] | words[2] | words[3] == 0
