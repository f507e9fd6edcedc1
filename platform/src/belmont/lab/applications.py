"""Applications and permits of a consortium: part of ``Consortium``."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from belmont.ehr.codebook import CategoryBook
from belmont.ehr.dictionary import Column
from belmont.ehr.errors import DictionaryError
from belmont.federated.errors import FederatedError
from belmont.federated.evaluation.groups import GroupColumn
from belmont.federated.evaluation.layout import groups_of
from belmont.federated.node.design import LEVEL_MARK, column_of
from belmont.lab import documents, handing_in, protection
from belmont.lab.errors import LabError
from belmont.lab.hopeless import refuse_few_for_sums
from belmont.lab.host import Host
from belmont.lab.models.references import Reference
from belmont.lab.people import Hospital, dataset_ids
from belmont.lab.permit import Permit
from belmont.lab.study import Study
from belmont.registry.duo.intended_use import SILENT, Declaration
from belmont.registry.limits import TOTAL_HOSPITALS_MIN
from belmont.registry.types import (
    AnswerMode,
    Computation,
    DatasetId,
    DatasetStatus,
    MicroRho,
    PermitId,
    StudyId,
    StudyTerms,
)

if TYPE_CHECKING:
    import pandas as pd

    from belmont.lab.models import StudyModel


DISEASE_CATEGORY = 40
"""DUO:0000040, disease category research."""
PURPOSE = 1 << DISEASE_CATEGORY


class Applications:
    """Applying, and finding what was applied for."""

    def propose(
        self: Host,
        title: str,
        *,
        datasets: Sequence[DatasetId | Hospital] | None = None,
        model: "StudyModel | None" = None,
        rounds: int = 10,
        queries: int | None = None,
        purpose: int = PURPOSE,
        protocol: str | Path = "",
        min_hospitals: int = 3,
        min_cohort: int = 20,
        duration_days: float = 30.0,
        rho_per_dataset: int | None = None,
        intended_use: Declaration = SILENT,
    ) -> Study:
        """Apply for a permit, as this machine's data user. Nothing can run before the board and the holders agree.

        ``datasets`` is every registered one that was not destroyed, unless named, by id or by hospital. ``model`` fixes
        the code and configuration that will run. ``purpose`` is a bitmask of DUO purposes; ``intended_use`` declares
        what datasets' conditions ask for (docs/duo.md). ``protocol`` is its text, or the path of a file: Markdown that
        the board reads; without it, the title stands for it. With a model that has noise the permit admits nothing
        without it: there are no queries, and ``rho_per_dataset`` (micro-zCDP) is what the rounds cost unless named.
        Otherwise there are two queries unless named, answers are exact totals, and nothing is charged. Raises
        ``LabError`` for what no node could compute, and ``RegistryRefused``.
        """
        from belmont.lab.models import LogisticRegression

        refuse_other_models(model)
        approved_model = model or LogisticRegression.default()
        noise = None if approved_model.private is None else approved_model.private.noise
        if queries is None:
            queries = 0 if noise else 2
        if noise and queries:
            raise LabError("a permit for rounds with noise has no queries, which are exact: apply with queries=0")
        if noise and min_hospitals < noise.min_contributors:
            least = noise.min_contributors
            raise LabError(f"min_hospitals is {min_hospitals}, and the model's noise is for {least} hospitals at least")
        if rho_per_dataset is None:
            rho_per_dataset = rounds * approved_model.rho_per_round
        protocol_text = documents.protocol_of(protocol or title)
        chosen = dataset_ids(datasets) if datasets is not None else _existing(self)
        if rounds:
            refuse_few_for_sums(approved_model, len(chosen))
            refuse_unknown_columns(self, approved_model)
        if queries and min(min_hospitals, len(chosen)) < TOTAL_HOSPITALS_MIN:
            raise LabError(
                f"min_hospitals is {min_hospitals} and datasets are {len(chosen)}: every query needs "
                f"{TOTAL_HOSPITALS_MIN} hospitals; name more, or apply with queries=0"
            )
        terms = StudyTerms(
            title=title,
            protocol_hash=hashlib.sha256(protocol_text).digest(),
            purpose=purpose,
            code_hash=approved_model.code_hash,
            config_hash=approved_model.config_hash,
            datasets=chosen,
            computations=computations_of(rounds, queries),
            rounds=rounds,
            queries=queries,
            rho_per_dataset=MicroRho(rho_per_dataset),
            min_hospitals=min_hospitals,
            min_cohort=min_cohort,
            answer_mode=answer_mode(approved_model),
            duration_seconds=duration_seconds(duration_days),
            intended_use=intended_use,
        )
        study_id = self.registry.as_(self.researcher.identity.account).propose(terms)
        self.models[PermitId(study_id)] = approved_model
        protection.keep(self.home, approved_model.config)
        documents.keep(self.home, approved_model.bundle)
        documents.keep(self.home, protocol_text)
        texts = handing_in.of_application(protocol_text, approved_model)
        handing_in.hand_over(self.whole, study_id, self.researcher, texts)
        return Study(self.whole, study_id)

    def study(self: Host, number: int) -> Study:
        """A study by its number, as ``studies()`` lists them. Raises ``LabError`` where there is none."""
        study = Study(self.whole, StudyId(number))
        study.record  # noqa: B018  raises where there is none
        return study

    def permit(self: Host, number: int) -> Permit:
        """The permit of a study, by the study's number. Raises ``LabError`` where there is none."""
        permit = Permit(self.whole, PermitId(number))
        permit.record  # noqa: B018  raises where there is none
        return permit

    def studies(self: Host) -> "pd.DataFrame":
        """Every application, with its votes."""
        import pandas as pd

        rows = [
            (study.id, study.terms.title, study.amends or "", study.status.name.lower(), study.votes_for,
             study.votes_against)
            for study in self.registry.studies()
        ]  # fmt: skip
        columns = ["study", "title", "amends", "status", "for", "against"]
        return pd.DataFrame(rows, columns=columns).set_index("study")


def refuse_other_models(model: object) -> None:
    """Raises ``LabError`` for what is no model of a study, such as scikit-learn's own."""
    from belmont.lab.models import StudyModel

    if model is not None and not isinstance(model, StudyModel):
        name = model.__name__ if isinstance(model, type) else type(model).__name__
        raise LabError(
            f"model is {name!r} and no model of a study: give one such as LogisticRegression(features=('age',), "
            "outcome='cvd_event') of belmont.lab, or an OwnModel with your code"
        )


def refuse_unknown_columns(host: Host, model: "StudyModel") -> None:
    """Raises ``LabError`` where the shipped study names a column that the dictionary here does not have."""
    try:
        dictionary = host.dictionary
    except (LabError, DictionaryError):
        return  # the hospitals have theirs
    known = [column.name for column in dictionary]
    if not model.outcome:
        raise LabError('name the column of the outcome: outcome="..."')
    if model.takes_features and not model.columns:
        raise LabError(f"{type(model).__name__} has no features: name them; {dictionary.name} has {', '.join(known)}")
    levels_named = (*model.columns, *model.other_columns)
    groups = [group.column for group in groups_of(model.config)]
    named = [*map(column_of, levels_named), model.outcome, *model.missing_indicators, *groups]
    unknown = [each for each in named if each not in known]
    if unknown:
        raise LabError(f"dictionary {dictionary.name} has no column {', '.join(unknown)}; it has {', '.join(known)}")
    for group in groups_of(model.config):
        try:
            group.places(_empty_column(dictionary.column(group.column)))
        except FederatedError as error:
            raise LabError(str(error)) from error

    model.refuse_outcomes(Reference.of_column(dictionary.column(model.outcome)).values)
    for feature in levels_named:
        name, is_level, level = feature.partition(LEVEL_MARK)
        book = dictionary.column(name).codebook
        levels = [each.name for each in book.categories] if isinstance(book, CategoryBook) else []
        if is_level and level not in levels:
            known_levels = ", ".join(levels) or "none: it is no category"
            raise LabError(f"{feature}: dictionary {dictionary.name} has no such level; {name} has {known_levels}")


def _empty_column(column: Column) -> GroupColumn:
    book = column.codebook
    levels = tuple(each.name for each in book.categories) if isinstance(book, CategoryBook) else ()
    nobody = np.zeros(0)
    return GroupColumn(nobody.astype(np.int64), nobody.astype(bool), nobody, levels, column.width)


def answer_mode(model: "StudyModel") -> AnswerMode:
    """Whether a permit for this model admits only what carries noise."""
    return AnswerMode.EXACT if model.private is None else AnswerMode.PRIVATE


def computations_of(rounds: int, queries: int) -> Computation:
    """The kinds of computation that so many rounds and queries ask for."""
    training = Computation.TRAINING if rounds else Computation.NONE
    return training | (Computation.QUERY if queries else Computation.NONE)


def duration_seconds(days: float) -> int:
    """A permit's duration. Raises ``LabError``."""
    if not days > 0:
        raise LabError(f"duration_days is {days}: a permit lasts longer than nothing")
    return round(days * 86400)


def _existing(host: Host) -> tuple[DatasetId, ...]:
    return tuple(each.id for each in host.registry.datasets() if each.status is not DatasetStatus.DESTROYED)
