"""The codes of GA4GH's Data Use Ontology (DUO) as bits: code n stands at bit n, in Python as on chain.

``Term`` is what a dataset carries: five permissions, and modifiers that restrict them (CC alone adds to them).
``Purpose`` is what a study is for. Labels are those of DUO's release of 2021-02-23; the sentences are ours.
"""

from enum import STRICT, IntFlag
from typing import Final


class Term(IntFlag, boundary=STRICT):
    """A dataset's terms. ``Term.HMB | Term.IRB`` is a set of two; iterating gives its members."""

    PERMISSION = 1 << 1
    """The class of all permissions. No dataset carries it: it is where a missing permission is reported."""
    NRES = 1 << 4
    HMB = 1 << 6
    DS = 1 << 7
    POA = 1 << 11
    RS = 1 << 12
    NMDS = 1 << 15
    GSO = 1 << 16
    NPUNCU = 1 << 18
    PUB = 1 << 19
    COL = 1 << 20
    IRB = 1 << 21
    GS = 1 << 22
    MOR = 1 << 24
    TS = 1 << 25
    US = 1 << 26
    PS = 1 << 27
    IS = 1 << 28
    RTN = 1 << 29
    GRU = 1 << 42
    CC = 1 << 43
    NPOA = 1 << 44
    NPU = 1 << 45
    NCU = 1 << 46

    @property
    def code(self) -> int:
        """The number in DUO of a single term."""
        return self.bit_length() - 1

    @property
    def curie(self) -> str:
        """``DUO:0000006`` and the like, of a single term."""
        return f"DUO:{self.code:07d}"

    @property
    def label(self) -> str:
        """DUO's label of a single term."""
        return _LABELS[self]

    def __str__(self) -> str:
        return " ".join(str(each.name) for each in self) or "none"


class Purpose(IntFlag, boundary=STRICT):
    """What a study is for. GENETIC, DRUG_DEVELOPMENT and DISEASE_CATEGORY are kinds of BIOMEDICAL."""

    METHOD_DEVELOPMENT = 1 << 31
    POPULATION = 1 << 32
    ANCESTRY = 1 << 33
    AGE_CATEGORY = 1 << 34
    GENDER_CATEGORY = 1 << 35
    RESEARCH_CONTROL = 1 << 36
    BIOMEDICAL = 1 << 37
    GENETIC = 1 << 38
    DRUG_DEVELOPMENT = 1 << 39
    DISEASE_CATEGORY = 1 << 40

    @property
    def label(self) -> str:
        """Of a single purpose: ``method development``."""
        return str(self.name).replace("_", " ").lower()

    def __str__(self) -> str:
        return ", ".join(each.label for each in self) or "none"


PERMISSIONS: Final = Term.NRES | Term.GRU | Term.HMB | Term.DS | Term.POA
"""One of them at least has to be there. Where several are, each has to approve."""
DATASET_TERMS: Final = Term(sum(Term) - Term.PERMISSION)
PURPOSES: Final = Purpose(sum(Purpose))
NO_PURPOSE: Final = Purpose(0)
HEALTH: Final = Purpose.BIOMEDICAL | Purpose.GENETIC | Purpose.DRUG_DEVELOPMENT | Purpose.DISEASE_CATEGORY

_LABELS: Final = {
    Term.PERMISSION: "data use permission",
    Term.NRES: "no restriction",
    Term.HMB: "health or medical or biomedical research",
    Term.DS: "disease specific research",
    Term.POA: "population origins or ancestry research only",
    Term.RS: "research specific restrictions",
    Term.NMDS: "no general methods research",
    Term.GSO: "genetic studies only",
    Term.NPUNCU: "not for profit, non commercial use only",
    Term.PUB: "publication required",
    Term.COL: "collaboration required",
    Term.IRB: "ethics approval required",
    Term.GS: "geographical restriction",
    Term.MOR: "publication moratorium",
    Term.TS: "time limit on use",
    Term.US: "user specific restriction",
    Term.PS: "project specific restriction",
    Term.IS: "institution specific restriction",
    Term.RTN: "return to database or resource",
    Term.GRU: "general research use",
    Term.CC: "clinical care use",
    Term.NPOA: "population origins or ancestry research prohibited",
    Term.NPU: "not for profit organisation use only",
    Term.NCU: "non-commercial use only",
}
