"""An amendment as differences: each term before and after, the configuration key by key, the code file by file.

1. What changes is ``belmont.registry.differences``' and ``belmont.lab.own.difference``'s; this puts it in words.
2. Values of a configuration are shown as they are written, since 1, 1.0, true and "1" are different; hidden characters
   are written out.
3. A configuration or bundle of another hash than the terms name is refused (``OtherDocument``).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from belmont.federated.errors import BundleError, FederatedError
from belmont.federated.hashes import RunConfig, code_hash, config_hash
from belmont.lab.errors import LabError
from belmont.lab.own.difference import CodeDifference, compared
from belmont.lab.own.folder import files_of
from belmont.lab.own.visible import visible
from belmont.registry.differences import Direction
from belmont.registry.differences import differences as changed_terms
from belmont.registry.types import StudyTerms
from belmont.service.explain import privacy
from belmont.service.explain.declaring import declarations
from belmont.service.explain.errors import OtherDocument
from belmont.service.explain.naming import Names
from belmont.service.words import Hash, Sentence, Span, Value, names


@dataclass(frozen=True)
class TermChange:
    """One term: its name for people, and its field; what was permitted, what is asked for now."""

    name: Sentence
    field: str
    before: Value
    after: Value
    direction: Direction


@dataclass(frozen=True)
class SettingChange:
    """One key of the configuration. None where it is not there."""

    key: str
    before: str | None
    after: str | None


@dataclass(frozen=True)
class Differences:
    """``settings`` and ``code`` are None where a document was not given; nothing is said about it then."""

    summary: Sentence
    terms: tuple[TermChange, ...]
    settings: tuple[SettingChange, ...] | None
    code: CodeDifference | None


def of(
    old_terms: StudyTerms,
    new_terms: StudyTerms,
    old_config: RunConfig | None = None,
    new_config: RunConfig | None = None,
    *,
    old_bundle: bytes | None = None,
    new_bundle: bytes | None = None,
    known: Names | None = None,
) -> Differences:
    """What an amendment changes. Raises OtherDocument (3)."""
    _check(old_terms, old_config, old_bundle)
    _check(new_terms, new_config, new_bundle)
    terms = tuple(
        TermChange(
            _LABELS[each.name],
            each.name,
            _shown(each.name, each.before, known),
            _shown(each.name, each.after, known),
            each.direction,
        )
        for each in changed_terms(old_terms, new_terms)
    )
    settings = None
    if old_config is not None and new_config is not None:
        settings = _settings(old_config, new_config)
    code = None
    if old_bundle is not None and new_bundle is not None:
        code = compared("permit", _files(old_bundle), "amendment", _files(new_bundle))
    return Differences(_summary(terms), terms, settings, code)


def _summary(terms: tuple[TermChange, ...]) -> Sentence:
    more = tuple(each.name for each in terms if each.direction is Direction.MORE)
    less = tuple(each.name for each in terms if each.direction is Direction.LESS)
    other = tuple(each.name for each in terms if each.direction is Direction.OTHER)
    match bool(more), bool(less), bool(other):
        case False, False, False:
            return Sentence("No term changes.")
        case True, False, False:
            return Sentence("The amendment asks for more: {more}.", more=more)
        case False, True, False:
            return Sentence("The amendment asks for less: {less}.", less=less)
        case False, False, True:
            return Sentence("The amendment asks for something else: {other}.", other=other)
    return Sentence(
        "The amendment asks for more: {more}; for less: {less}; for something else: {other}.",
        more=more,
        less=less,
        other=other,
    )


def _settings(old: RunConfig, new: RunConfig) -> tuple[SettingChange, ...]:
    """Keys whose values differ (2), in order."""
    found = []
    for key in sorted({*old, *new}):
        before, after = (visible(repr(each[key])) if key in each else None for each in (old, new))
        if before != after:
            found.append(SettingChange(visible(key), before, after))
    return tuple(found)


def _check(terms: StudyTerms, config: RunConfig | None, bundle: bytes | None) -> None:
    """Rule 3."""
    try:
        if config is not None and config_hash(config) != terms.config_hash:
            raise OtherDocument("this is not the configuration that the terms name: its hash is another")
    except FederatedError as error:
        raise OtherDocument(f"this is no configuration: {error}") from error
    if bundle is not None and code_hash(bundle) != terms.code_hash:
        raise OtherDocument("this is not the code that the terms name: its hash is another")


def _files(bundle: bytes) -> Mapping[str, bytes]:
    try:
        return files_of(bundle)
    except (LabError, BundleError) as error:
        raise OtherDocument(f"the code cannot be read: {error}") from error


def _shown(field: str, value: Any, known: Names | None) -> Value:
    if field == "datasets":
        called = known or Names()
        return tuple(called.dataset(each) for each in value)
    return _VALUES.get(field, str)(value)


_LABELS: Final[Mapping[str, Sentence]] = {
    "title": Sentence("title"),
    "protocol_hash": Sentence("protocol"),
    "purpose": Sentence("purpose"),
    "code_hash": Sentence("code"),
    "config_hash": Sentence("configuration"),
    "datasets": Sentence("datasets"),
    "rounds": Sentence("rounds"),
    "queries": Sentence("queries"),
    "rho_per_dataset": Sentence("privacy budget of each dataset"),
    "min_hospitals": Sentence("fewest hospitals"),
    "min_cohort": Sentence("fewest patients at each hospital"),
    "answer_mode": Sentence("answers"),
    "duration_seconds": Sentence("duration from when it is issued"),
    "intended_use": Sentence("declared use"),
}
_VALUES: Final[Mapping[str, Callable[[Any], Value]]] = {
    "protocol_hash": Hash,
    "purpose": names.purposes,
    "code_hash": Hash,
    "config_hash": Hash,
    "rounds": int,
    "queries": int,
    "rho_per_dataset": privacy.amount,
    "min_hospitals": int,
    "min_cohort": int,
    "answer_mode": lambda mode: mode,
    "duration_seconds": Span,
    "intended_use": declarations,
}
