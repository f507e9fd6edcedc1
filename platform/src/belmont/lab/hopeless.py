"""Queries that cannot be answered, found before they are opened: what is opened is used up, whoever refuses it.

1. The permit has a query left.
2. Enough hospitals are covered: three, since of two each could subtract its own answer, or more where the permit asks.
3. Each covered dataset's newest version was built at the consents of now, since a query is over whole versions.

Everything else is for the nodes to say, and so is all of it where a permit is frozen, revoked, expired or superseded.
"""

from collections.abc import Mapping

from belmont.lab.errors import LabError
from belmont.registry.limits import TOTAL_HOSPITALS_MIN
from belmont.registry.protocol import Registry
from belmont.registry.types import DatasetId, Permit


def refuse_hopeless(registry: Registry, permit: Permit, names: Mapping[DatasetId, str]) -> None:
    """Raises ``LabError`` for a query that every node would refuse."""
    terms = permit.terms
    if permit.queries_opened >= terms.queries:  # 1
        raise LabError(f"this permit has 0 of {terms.queries} queries left; permit.amend(queries=...) asks for more")
    fewest = max(TOTAL_HOSPITALS_MIN, terms.min_hospitals)
    if len(permit.covered) < fewest:  # 2
        raise LabError(
            f"a query under this permit needs {fewest} hospitals and covers {len(permit.covered)}: {_UNUSED}"
        )
    older = [names.get(each, each.hex()[:12]) for each in permit.covered if is_older(registry, each)]
    if older:  # 3
        raise LabError(
            f"consents changed since the newest version of {', '.join(older)} was built: {_UNUSED}; "
            "consortium.new_version(hospital).prove() first"
        )


def is_older(registry: Registry, dataset_id: DatasetId) -> bool:
    """Whether a dataset's newest version was built at other consents than those of now."""
    dataset = registry.dataset(dataset_id)
    version = registry.version(dataset_id, dataset.versions) if dataset else None
    return dataset is not None and version is not None and version.consent_root != dataset.consent_root


_UNUSED = "nothing was used"
