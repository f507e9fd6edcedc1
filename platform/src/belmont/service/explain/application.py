"""An application for a lay member of a board: what would happen to whose data, and what protects them or does not.

1. Everything is said from the record on chain and from documents whose hash the record names. What is not here is said
   to be missing, and nothing is guessed.
2. A configuration of another hash is refused (``OtherDocument``): words about it would be about another study.
3. A dictionary is used for labels only where every dataset named it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from belmont.ehr.dictionary import Dictionary
from belmont.federated.errors import FederatedError
from belmont.federated.hashes import RunConfig, config_hash
from belmont.registry.types import (
    Address,
    Dataset,
    DatasetId,
    DatasetStatus,
    DatasetVersion,
    Member,
    MemberStatus,
    Study,
    VersionStatus,
)
from belmont.service.explain import computing
from belmont.service.explain.declaring import declarations
from belmont.service.explain.errors import OtherDocument
from belmont.service.explain.naming import Names
from belmont.service.explain.protecting import Protection
from belmont.service.words import Day, Hash, Sentence, Span, Value, counted, names


@dataclass(frozen=True)
class Section:
    """One question that the summary answers. ``key``: who, whose, computed, leaves, duration, protects, lacks."""

    key: str
    heading: Sentence
    points: tuple[Sentence, ...]


@dataclass(frozen=True)
class Summary:
    """``lead`` is the whole in a sentence; sections are in the order in which a person asks."""

    lead: Sentence
    sections: tuple[Section, ...]

    def section(self, key: str) -> Section:
        """By its key."""
        return next(each for each in self.sections if each.key == key)


def summary(
    study: Study,
    datasets: Mapping[DatasetId, Dataset],
    members: Mapping[Address, Member],
    config: RunConfig | None,
    now: int,
    *,
    versions: Mapping[DatasetId, Sequence[DatasetVersion]] | None = None,
    dictionary: Dictionary | None = None,
) -> Summary:
    """What a study asks for, in words. Raises OtherDocument (2).

    ``datasets`` and ``members`` may hold more than the study names; ``versions`` are in ascending order.
    """
    if config is not None:
        check_configuration(study, config)
    known = Names.of(members.values(), datasets.values(), [study])
    named = [datasets[each] for each in study.terms.datasets if each in datasets]
    newest = {id_: each[-1] for id_, each in (versions or {}).items() if each}
    shared = dictionary if dictionary and all(each.dictionary_hash == dictionary.hash for each in named) else None  # 3
    protection = Protection(study.terms, config)
    return Summary(
        _lead(study, known, newest),
        (
            Section("who", Sentence("Who asks, and for what"), _who(study, members, known)),
            Section("whose", Sentence("Whose records"), _whose(study, datasets, newest, known, now)),
            Section("computed", Sentence("What is computed"), computing.of(study.terms, config, shared)),
            Section("leaves", Sentence("What leaves each hospital"), protection.leaves()),
            Section("duration", Sentence("How often, and for how long"), _duration(study)),
            Section("protects", Sentence("What protects the patients"), protection.protects()),
            Section("lacks", Sentence("What is not protected"), protection.lacks()),
        ),
    )


def check_configuration(study: Study, config: RunConfig) -> None:
    """Raises OtherDocument for a configuration that the study does not name."""
    try:
        found = config_hash(config)
    except FederatedError as error:
        raise OtherDocument(f"this is no configuration: {error}") from error
    if found != study.terms.config_hash:
        raise OtherDocument("this is not the configuration of this study: its hash is another than the study names")


def _lead(study: Study, known: Names, newest: Mapping[DatasetId, DatasetVersion]) -> Sentence:
    """The whole in a sentence."""
    terms = study.terms
    rows = [newest[each].rows for each in terms.datasets if each in newest]
    parts: dict[str, Value] = {
        "user": known.account(study.data_user),
        "purposes": names.purposes(terms.purpose),
        "computations": terms.computations,
        "duration": Span(terms.duration_seconds),
        "patients": sum(rows),
    }
    if len(rows) < len(terms.datasets):
        return counted(
            "{user} asks for {computations} on the records of {n} hospital, for {purposes}, within {duration}.",
            "{user} asks for {computations} on the records of {n} hospitals, for {purposes}, within {duration}.",
            len(terms.datasets),
            **parts,
        )
    return counted(
        "{user} asks for {computations} on the records of {patients} patients at {n} hospital, for {purposes}, within "
        "{duration}.",
        "{user} asks for {computations} on the records of {patients} patients at {n} hospitals, for {purposes}, within "
        "{duration}.",
        len(terms.datasets),
        **parts,
    )


def _who(study: Study, members: Mapping[Address, Member], known: Names) -> tuple[Sentence, ...]:
    terms = study.terms
    user = members.get(study.data_user)
    said = [
        Sentence(
            "{user} applies, for {purposes}. The protocol has the SHA-256 {hash}.",
            user=known.account(study.data_user),
            purposes=names.purposes(terms.purpose),
            hash=Hash(terms.protocol_hash),
        )
    ]
    if user is None or user.status is not MemberStatus.ACTIVE:
        said.append(Sentence("The applicant is no active member of the consortium: no permit can be used."))
    if study.amends:
        said.append(
            Sentence(
                "This is to take the place of {permit}: what was used under it counts against the new terms.",
                permit=known.permit(study.amends),
            )
        )
    declared = declarations(study.terms.intended_use)
    said.append(
        Sentence("Declared: {declared}.", declared=declared)
        if declared
        else Sentence("Nothing is declared of the use beyond its purposes.")
    )
    return tuple(said)


def _whose(
    study: Study,
    datasets: Mapping[DatasetId, Dataset],
    newest: Mapping[DatasetId, DatasetVersion],
    known: Names,
    now: int,
) -> tuple[Sentence, ...]:
    said = []
    for id_ in study.terms.datasets:
        dataset, version = datasets.get(id_), newest.get(id_)
        if dataset is None:
            said.append(Sentence("{dataset}: nothing is known of it here.", dataset=known.dataset(id_)))
            continue
        holds: dict[str, Value] = {
            "dataset": known.dataset(id_),
            "holder": known.account(dataset.holder),
            "categories": names.categories(dataset.categories),
        }
        if version is None:
            said.append(Sentence("{dataset} of {holder}: {categories}. No version is registered yet.", **holds))
        else:
            said.append(
                counted(
                    "{dataset} of {holder}: {n} patient; {categories}.",
                    "{dataset} of {holder}: {n} patients; {categories}.",
                    version.rows,
                    **holds,
                )
            )
        said += _stops(dataset, version, known, now)
    said.append(
        Sentence(
            "Fewer may be used: those without a consent that permits this study are left out of training, and a "
            "query is answered only where every patient's consent permits it."
        )
    )
    return tuple(said)


def _stops(dataset: Dataset, version: DatasetVersion | None, known: Names, now: int) -> list[Sentence]:
    """What keeps a dataset from being used as things are."""
    called, said = known.dataset(dataset.id), []
    if dataset.status is DatasetStatus.DESTROYED:
        return [Sentence("{dataset} was destroyed: nothing can be computed on it.", dataset=called)]
    if dataset.status is DatasetStatus.FROZEN:
        said.append(Sentence("{dataset} is frozen by its holder: nothing is computed on it.", dataset=called))
    if dataset.retention_until <= now:
        said.append(
            Sentence(
                "The retention of {dataset} ended on {day}: nothing is computed on it.",
                dataset=called,
                day=Day(dataset.retention_until),
            )
        )
    if version is not None and version.status is not VersionStatus.PROVEN:
        said.append(
            Sentence("The newest version of {dataset} is not proven yet: nothing is computed on it.", dataset=called)
        )
    return said


def _duration(study: Study) -> tuple[Sentence, ...]:
    terms = study.terms
    said = []
    if terms.rounds:
        said.append(counted("At most {n} round of training.", "At most {n} rounds of training.", terms.rounds))
    if terms.queries:
        said.append(counted("At most {n} query.", "At most {n} queries.", terms.queries))
    said.append(
        Sentence(
            "The permit ends {duration} after it is issued, and cannot be revived.",
            duration=Span(terms.duration_seconds),
        )
    )
    return tuple(said)
