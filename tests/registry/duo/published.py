"""The published matcher of Broad's Data Use Oversight System (DUOS), rule for rule, as a yardstick of ours.

After `DataUseMatchCasesV4` and `DataUseMatcherV4` of DataBiosphere/consent-ontology
(src/main/java/org/broadinstitute/dsde/consent/ontology/datause/, commits 56e6fd2f7650 and 76123047dc92), which now also
stand in DataBiosphere/consent (src/main/java/org/broadinstitute/consent/http/matching/, commit a7319664d282). A field
that is null in Java is None here. Its schema has fields for ethics approval, collaboration, region, genetic studies,
publication and moratorium; its matcher reads none of them. It has none for NMDS, TS, US, PS, IS, RTN, RS, CC, NPOA.
"""

from dataclasses import dataclass

from belmont.registry.duo import Commerce, Conditions, DiseaseHierarchy, IntendedUse, Organisation, Purpose, Term
from belmont.registry.duo.terms import HEALTH

APPROVE, DENY, ABSTAIN = "APPROVE", "DENY", "ABSTAIN"


@dataclass(frozen=True)
class DataUse:
    """What the matcher reads of `DataUseV4`."""

    general_use: bool | None = None
    hmb_research: bool | None = None
    disease_restrictions: frozenset[int] = frozenset()
    population_origins_ancestry: bool | None = None
    methods_research: bool | None = None
    non_profit_use: bool | None = None
    controls: bool | None = None
    population: bool | None = None
    gender: str | None = None
    pediatric: bool | None = None


def dataset_of(conditions: Conditions) -> DataUse:
    """A dataset's conditions in the published schema. NRES has no field of its own there, and NPU is for three."""
    terms = conditions.terms
    return DataUse(
        general_use=True if terms & (Term.GRU | Term.NRES) else None,
        hmb_research=True if Term.HMB in terms else None,
        disease_restrictions=conditions.diseases,
        population_origins_ancestry=True if Term.POA in terms else None,
        non_profit_use=True if terms & (Term.NPUNCU | Term.NPU | Term.NCU) else None,
    )


def purpose_of(use: IntendedUse, general: bool = False) -> DataUse:
    """An intended use in the published schema; ``general`` says general research where we have only its purposes."""
    purposes = use.purposes
    about_health = bool(purposes & HEALTH) and not use.diseases and not general
    return DataUse(
        general_use=True if general else None,
        hmb_research=True if about_health else None,
        disease_restrictions=use.diseases,
        population_origins_ancestry=True if Purpose.ANCESTRY in purposes else None,
        methods_research=True if Purpose.METHOD_DEVELOPMENT in purposes else None,
        non_profit_use=_non_profit(use),
        controls=True if Purpose.RESEARCH_CONTROL in purposes else None,
        population=True if Purpose.POPULATION in purposes else None,
        gender="F" if Purpose.GENDER_CATEGORY in purposes else None,
        pediatric=True if Purpose.AGE_CATEGORY in purposes else None,
    )


def _non_profit(use: IntendedUse) -> bool | None:
    if use.organisation is Organisation.FOR_PROFIT or use.commerce is Commerce.COMMERCIAL:
        return False
    return True if use.organisation is Organisation.NOT_FOR_PROFIT else None


def published_match(purpose: DataUse, dataset: DataUse, hierarchy: DiseaseHierarchy) -> str:
    """`matchPurposeAndDatasetV4`. Of the parents of a disease, the original asks an ontology service."""
    disease_match = match_diseases(purpose, dataset, hierarchy)
    found = [
        disease_match,
        match_hmb(purpose, dataset),
        match_poa(purpose, dataset),
        match_mds(purpose, dataset, disease_match),
        match_non_profit_use(purpose, dataset),
        abstain_decision(purpose, dataset, disease_match, hierarchy),
    ]
    if all(each == APPROVE for each in found):
        return APPROVE
    return ABSTAIN if ABSTAIN in found else DENY


def match_diseases(purpose: DataUse, dataset: DataUse, hierarchy: DiseaseHierarchy) -> str:
    if not purpose.disease_restrictions and not dataset.disease_restrictions:
        return APPROVE
    if purpose.disease_restrictions and (dataset.general_use or dataset.hmb_research):
        return APPROVE
    # A purpose without diseases passes here, whatever the dataset's are: nothing is compared.
    within = [hierarchy.is_a(each, dataset.disease_restrictions) for each in purpose.disease_restrictions]
    return APPROVE if all(within) else DENY


def match_hmb(purpose: DataUse, dataset: DataUse) -> str:
    if purpose.hmb_research is None and dataset.hmb_research is None:
        return APPROVE
    if dataset.general_use or (purpose.hmb_research and dataset.hmb_research):
        return APPROVE
    general = dataset.hmb_research and purpose.general_use
    narrower = purpose.hmb_research and (dataset.disease_restrictions or dataset.population_origins_ancestry)
    return DENY if general or narrower else APPROVE


def match_poa(purpose: DataUse, dataset: DataUse) -> str:
    if purpose.population_origins_ancestry is None:
        return APPROVE
    both = purpose.population_origins_ancestry and dataset.population_origins_ancestry
    return APPROVE if dataset.general_use or both else DENY


def match_mds(purpose: DataUse, dataset: DataUse, disease_match: str) -> str:
    if not purpose.disease_restrictions and not dataset.disease_restrictions:
        return APPROVE
    if not purpose.methods_research:
        return APPROVE
    if dataset.general_use or dataset.hmb_research or dataset.population_origins_ancestry:
        return APPROVE
    return APPROVE if disease_match == APPROVE else DENY


def match_non_profit_use(purpose: DataUse, dataset: DataUse) -> str:
    return APPROVE if not dataset.non_profit_use or purpose.non_profit_use else DENY


def abstain_decision(purpose: DataUse, dataset: DataUse, disease_match: str, hierarchy: DiseaseHierarchy) -> str:
    if purpose.controls or purpose.population or purpose.gender is not None or purpose.pediatric:
        return ABSTAIN
    if purpose.disease_restrictions:
        return match_diseases(purpose, dataset, hierarchy)
    if purpose.hmb_research or purpose.general_use:
        return match_hmb(purpose, dataset)
    if purpose.population_origins_ancestry:
        return match_poa(purpose, dataset)
    if purpose.methods_research:
        return match_mds(purpose, dataset, disease_match)
    if purpose.non_profit_use is not None or dataset.non_profit_use is not None:
        return match_non_profit_use(purpose, dataset)
    return ABSTAIN
