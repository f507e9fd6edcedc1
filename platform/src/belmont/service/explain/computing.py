"""What a study computes, from its approved configuration: which model, of which columns; or that nobody here knows.

1. A model is named only where the code's hash is that of an app of this release. Other code is the applicant's own, or
   another release's: it is said to be what somebody has to read.
2. Columns are called by the dictionary's labels, where the datasets' own dictionary is given.
"""

from collections.abc import Callable, Mapping
from typing import Final

from belmont.ehr.dictionary import Dictionary
from belmont.federated.errors import FederatedError
from belmont.federated.evaluation.layout import (
    evaluated_class_of,
    evaluation_cuts_of,
    groups_of,
    holdout_of,
    most_evaluations,
    reports_hospitals,
)
from belmont.federated.hashes import RunConfig
from belmont.federated.models.approved import read_approved
from belmont.federated.models.bundles import shipped_name_of
from belmont.federated.node.design import LEVEL_MARK
from belmont.registry.types import Computation, StudyTerms
from belmont.service.explain.questions import labelled, value_of
from belmont.service.words import Hash, Sentence, Share, Value, counted


def of(terms: StudyTerms, config: RunConfig | None, dictionary: Dictionary | None) -> tuple[Sentence, ...]:
    """What is computed, in a few sentences."""
    said: list[Sentence] = []
    if Computation.TRAINING in terms.computations:
        said += _training(terms, config, dictionary)
    if Computation.QUERY in terms.computations:
        said.append(
            Sentence(
                "Queries are answered over all hospitals together: how many patients, sums, means, variances and "
                "distributions of single columns, for all patients or for those of a filter. The queries are not "
                "fixed in advance; the hash of each is put on chain when it is asked."
            )
        )
    return tuple(said)


def columns(config: RunConfig) -> tuple[str, ...]:
    """Names of the columns that a shipped model reads: features, groups, times and the outcome."""
    named = [_column_of(each) for key in ("features", "missing-indicators", "by") for each in _split(config.get(key))]
    named += [str(config[key]) for key in ("outcome", "duration") if config.get(key)]
    return tuple(dict.fromkeys(named))


def _training(terms: StudyTerms, config: RunConfig | None, dictionary: Dictionary | None) -> list[Sentence]:
    name = shipped_name_of(terms.code_hash)
    if name is None:
        said = [
            Sentence(
                "The hospitals run code of the applicant's own, with the SHA-256 {hash}. What it computes is in that "
                "code: somebody on the board has to read it, or have it read.",
                hash=Hash(terms.code_hash),
            )
        ]
    elif config is None:
        said = [Sentence("A model that comes with Belmont is trained: {model}.", model=_PLAIN[name])]
    else:
        said = [_MODELS[name](config, dictionary)]
    if config is None:
        said.append(
            Sentence(
                "The configuration is not here, only its hash {hash}: which columns it reads and what it hides cannot "
                "be said. Ask the applicant for it before voting.",
                hash=Hash(terms.config_hash),
            )
        )
        return said
    read = _columns(config, dictionary)
    if read:
        said.append(Sentence("Columns that are read: {columns}.", columns=read))
    return said + _evaluation(config, dictionary)


def _evaluation(config: RunConfig, dictionary: Dictionary | None) -> list[Sentence]:
    try:
        holdout, groups, reports = holdout_of(config), groups_of(config), reports_hospitals(config)
        cuts, one_class = evaluation_cuts_of(config), evaluated_class_of(config)
        most = most_evaluations(config, noisy=holdout > 0 and read_approved(config).noise is not None)
    except FederatedError as error:
        return [Sentence("Nodes refuse this configuration: {why}.", why=str(error).rstrip("."))]
    if not holdout:
        return []
    said = [
        Sentence(
            "{share} of each hospital's patients are kept apart from training; how good the model is, is counted on "
            "them.",
            share=Share(holdout),
        )
    ]
    if cuts:
        said.append(
            Sentence(
                "What is counted is who had “{outcome}” by these times, and who was followed longer: {cuts}, as "
                "“{duration}” is measured.",
                outcome=_outcome(config, dictionary),
                cuts=", ".join(f"{cut:g}" for cut in cuts),
                duration=labelled(str(config.get("duration", "")), dictionary),
            )
        )
    if one_class is not None:
        said.append(
            Sentence(
                "What is counted is how well the model tells patients whose “{outcome}” is “{value}” from all others.",
                outcome=_outcome(config, dictionary),
                value=value_of(str(config.get("outcome", "")), one_class, dictionary),
            )
        )
    if most is not None:
        said.append(
            counted(
                "Each hospital answers {n} such evaluation in all, and refuses the next one; amendments do not begin "
                "anew.",
                "Each hospital answers {n} such evaluations in all, and refuses the next one; amendments do not begin "
                "anew.",
                most,
            )
        )
    if groups:
        by = tuple(labelled(group.column, dictionary) for group in groups)
        said.append(Sentence("That is counted by {columns}, too.", columns=by))
    if reports:
        said.append(Sentence("How good the model is at each single hospital is shown."))
    return said


def _glm(config: RunConfig, dictionary: Dictionary | None) -> Sentence:
    outcome = _outcome(config, dictionary)
    match config.get("family"):
        case "binomial":
            return Sentence("A logistic regression is trained: how likely “{outcome}” is.", outcome=outcome)
        case "poisson":
            return Sentence("A Poisson regression is trained: how often “{outcome}” happens.", outcome=outcome)
    return Sentence("A linear regression is trained: the expected value of “{outcome}”.", outcome=outcome)


def _cox(config: RunConfig, dictionary: Dictionary | None) -> Sentence:
    return Sentence(
        "A Cox regression is trained: what goes with an earlier “{outcome}”.", outcome=_outcome(config, dictionary)
    )


def _kaplan_meier(config: RunConfig, dictionary: Dictionary | None) -> Sentence:
    return Sentence(
        "Survival curves (Kaplan-Meier) are estimated: how many patients are without “{outcome}” after how long.",
        outcome=_outcome(config, dictionary),
    )


def _network(config: RunConfig, dictionary: Dictionary | None) -> Sentence:
    return counted(
        "A neural network is trained to predict “{outcome}”; in each round every hospital goes through its patients "
        "{n} time.",
        "A neural network is trained to predict “{outcome}”; in each round every hospital goes through its patients "
        "{n} times.",
        _whole(config.get("epochs"), 1),
        outcome=_outcome(config, dictionary),
    )


def _trees(config: RunConfig, dictionary: Dictionary | None) -> Sentence:
    return counted(
        "Boosted decision trees of {n} level are trained to predict “{outcome}”.",
        "Boosted decision trees of {n} levels are trained to predict “{outcome}”.",
        _whole(config.get("depth"), 1),
        outcome=_outcome(config, dictionary),
    )


def _outcome(config: RunConfig, dictionary: Dictionary | None) -> Value:
    return labelled(str(config.get("outcome", "")), dictionary)


def _columns(config: RunConfig, dictionary: Dictionary | None) -> tuple[Value, ...]:
    return tuple(labelled(each, dictionary) for each in columns(config))


def _column_of(feature: str) -> str:
    """``smoking`` of ``smoking=current``."""
    return feature.partition(LEVEL_MARK)[0]


def _split(value: object) -> list[str]:
    return [each for each in value.split(",") if each] if isinstance(value, str) else []


def _whole(value: object, otherwise: int) -> int:
    return value if type(value) is int else otherwise


_MODELS: Final[Mapping[str, Callable[[RunConfig, Dictionary | None], Sentence]]] = {
    "glm": _glm,
    "cox": _cox,
    "kaplan_meier": _kaplan_meier,
    "network": _network,
    "torch": _network,
    "trees": _trees,
}
_PLAIN: Final[Mapping[str, Sentence]] = {
    "glm": Sentence("a regression"),
    "cox": Sentence("a Cox regression of survival"),
    "kaplan_meier": Sentence("survival curves"),
    "network": Sentence("a neural network"),
    "torch": Sentence("a neural network"),
    "trees": Sentence("boosted decision trees"),
}
