"""Reading a data dictionary from YAML, strictly: what is not understood is refused with its place."""

import math
import re
from typing import Any, cast

import yaml

from belmont.ehr.codebook import Category, CategoryBook, NumericBook
from belmont.ehr.dictionary import (
    FORMAT,
    Baseline,
    Check,
    Coding,
    Column,
    ConsentRule,
    Conversion,
    CsvFormat,
    CsvSource,
    Dictionary,
    Source,
    Window,
)
from belmont.ehr.errors import DictionaryError

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}")
"""A BCP 47 tag, as far as labels need one: ``zh-Hans``, ``pt-BR``."""
_MAX_WIDTH = 4031
_SYSTEMS = {
    "snomed": "http://snomed.info/sct",
    "loinc": "http://loinc.org",
    "rxnorm": "http://www.nlm.nih.gov/research/umls/rxnorm",
    "atc": "http://www.whocc.no/atc",
    "icd10": "http://hl7.org/fhir/sid/icd-10",
}
_REQUIRED = object()


class _UniqueKeyLoader(yaml.SafeLoader):
    """YAML as usual, except that a key given twice is an error instead of the last one winning."""


def _unique_mapping(loader: _UniqueKeyLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    result: dict[Any, Any] = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        if isinstance(key, dict | list) or key in result:
            raise DictionaryError(
                f"line {key_node.start_mark.line + 1}: the field {key!r} is given twice or is no name"
            )
        result[key] = loader.construct_object(value_node, deep=True)
    return result


_UniqueKeyLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _unique_mapping)


class _Fields:
    """A mapping whose fields are taken one by one; `done` refuses what is left."""

    def __init__(self, value: Any, where: str) -> None:
        if not isinstance(value, dict):
            raise DictionaryError(f"{where}: expected fields, found {value!r}")
        self._rest = dict(value)
        self.where = where

    def take(self, name: str, kind: type | tuple[type, ...], default: Any = _REQUIRED) -> Any:
        if name not in self._rest:
            if default is _REQUIRED:
                raise DictionaryError(f"{self.where}: the field {name!r} is missing")
            return default
        value = self._rest.pop(name)
        if value is None and default is None:
            return None
        kinds = kind if isinstance(kind, tuple) else (kind,)
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            wanted = " or ".join(each.__name__ for each in kinds)
            raise DictionaryError(f"{self.where}.{name}: expected {wanted}, found {value!r}")
        return value

    def number(self, name: str, default: Any = _REQUIRED) -> float:
        value = float(self.take(name, (int, float), default))
        if not math.isfinite(value):
            raise DictionaryError(f"{self.where}.{name}: has to be a finite number")
        return value

    def choice(self, name: str, allowed: tuple[str, ...], default: Any = _REQUIRED) -> Any:
        value = self.take(name, str, default)
        if value not in allowed:
            raise DictionaryError(f"{self.where}.{name}: {value!r} is not one of {', '.join(allowed)}")
        return value

    def texts(self, name: str, default: Any = _REQUIRED) -> tuple[str, ...]:
        values = self.take(name, list, default)
        for value in values:
            if not isinstance(value, str):
                raise DictionaryError(f"{self.where}.{name}: {value!r} is not text; put it in quotes")
        return tuple(values)

    def done(self) -> None:
        if self._rest:
            unknown = ", ".join(repr(name) for name in self._rest)
            raise DictionaryError(f"{self.where}: unknown field {unknown}")


def parse(text: str, origin: str) -> Dictionary:
    """The dictionary that `text` holds. Raises DictionaryError that names `origin` and the place."""
    try:
        document = yaml.load(text, _UniqueKeyLoader)  # noqa: S506 (a SafeLoader)
        return _dictionary(_Fields(document, "top level"))
    except (yaml.YAMLError, RecursionError) as error:
        raise DictionaryError(f"{origin}: not YAML: {error}") from error
    except DictionaryError as error:
        raise DictionaryError(f"{origin}: {error}") from error


def _dictionary(fields: _Fields) -> Dictionary:
    fields.choice("format", (FORMAT,))
    baseline = fields.take("baseline", dict, None)
    consent = fields.take("consent", dict, None)
    checks = fields.take("checks", list, [])
    dictionary = Dictionary(
        name=fields.take("name", str),
        version=fields.take("version", int),
        title=fields.take("title", str),
        columns=tuple(_column(_Fields(each, f"columns[{i}]")) for i, each in enumerate(fields.take("columns", list))),
        on_malformed_line=fields.choice("on_malformed_line", ("drop_line", "refuse_file"), "drop_line"),
        identifier_system=fields.take("identifier_system", str, None),
        baseline=None if baseline is None else _baseline(_Fields(baseline, "baseline")),
        consent=None if consent is None else _consent(_Fields(consent, "consent")),
        csv=_csv_format(_Fields(fields.take("csv", dict, {}), "csv")),
        checks=tuple(_check(_Fields(each, f"checks[{i}]")) for i, each in enumerate(checks)),
    )
    fields.done()
    if dictionary.baseline is None and any(_needs_baseline(column) for column in dictionary.columns):
        raise DictionaryError("a column is read relative to baseline, and no baseline is given")
    return dictionary


def _needs_baseline(column: Column) -> bool:
    source = column.source
    return source is not None and (
        source.field == "age" or source.window.from_day is not None or source.window.to_day is not None
    )


def _labels(fields: _Fields) -> tuple[tuple[str, str], ...]:
    found = fields.take("labels", dict, {})
    for tag, label in found.items():
        if not isinstance(tag, str) or not _LANGUAGE.fullmatch(tag):
            raise DictionaryError(f"{fields.where}.labels: {tag!r} is no language; languages are tags such as zh-Hans")
        if not isinstance(label, str) or not label.strip():
            raise DictionaryError(f"{fields.where}.labels.{tag}: {label!r} is no text")
    if len({tag.lower() for tag in found}) != len(found):
        raise DictionaryError(f"{fields.where}.labels: a language is there twice")
    return tuple(sorted(found.items()))


def _column(fields: _Fields) -> Column:
    name = fields.take("name", str)
    fields.where = f"column {name}"
    if not _NAME.fullmatch(name):
        raise DictionaryError(f"{fields.where}: a name is lower-case letters, digits and _, and begins with a letter")
    kind = fields.choice("kind", ("bit", "range"))
    codebook = _codebook(fields) if kind == "range" else None
    allows_missing = fields.take("allows_missing", bool, False)
    on_bad = fields.choice("on_bad", ("drop_value", "drop_row", "refuse_file"))
    if kind == "bit" and allows_missing:
        raise DictionaryError(
            f"{fields.where}: a bit cannot be missing; use kind range with two categories for yes, no and unknown"
        )
    if on_bad == "drop_value" and not allows_missing:
        raise DictionaryError(f"{fields.where}: drop_value needs allows_missing: true; use drop_row or refuse_file")
    scale = fields.number("scale", 1.0)
    if scale <= 0:
        raise DictionaryError(f"{fields.where}.scale: has to be positive")
    source = fields.take("source", dict, None)
    column = Column(
        name=name,
        label=fields.take("label", str),
        role=fields.choice("role", ("feature", "outcome", "other"), "other"),
        kind=kind,
        unit=fields.take("unit", str, None),
        codebook=codebook,
        conversions=_conversions(fields),
        allows_missing=allows_missing,
        on_bad=on_bad,
        center=fields.number("center", 0.0),
        scale=scale,
        source=None if source is None else _source(_Fields(source, f"{fields.where}.source")),
        csv=_csv_source(_Fields(fields.take("csv", dict, {}), f"{fields.where}.csv"), name),
        labels=_labels(fields),
    )
    fields.done()
    _refuse_misfits(column, fields.where)
    return column


def _refuse_misfits(column: Column, where: str) -> None:
    numeric = isinstance(column.codebook, NumericBook)
    if column.conversions and not numeric:
        raise DictionaryError(f"{where}: only a numeric column has unit conversions")
    if column.csv.unit_header is not None and (not numeric or column.unit is None):
        raise DictionaryError(f"{where}: a unit_header needs a numeric column with a unit")
    source = column.source
    if source is None:
        return
    if source.resource in ("Condition", "MedicationRequest") and column.kind != "bit":
        raise DictionaryError(f"{where}: {source.resource} gives a bit (is there one?), so the kind has to be bit")
    if source.resource == "Observation" and column.kind == "bit":
        raise DictionaryError(f"{where}: an Observation gives a range column, not a bit")
    if source.field == "age" and not numeric:
        raise DictionaryError(f"{where}: age needs a numeric code book (min, max, step)")
    if source.field == "gender" and not isinstance(column.codebook, CategoryBook):
        raise DictionaryError(f"{where}: gender needs categories")


def _codebook(fields: _Fields) -> NumericBook | CategoryBook:
    book = _Fields(fields.take("codebook", dict), f"{fields.where}.codebook")
    categories = book.take("categories", list, None)
    if categories is not None:
        book.done()
        return _categories(categories, book.where)
    minimum, maximum, step = book.number("min"), book.number("max"), book.number("step")
    book.done()
    if step <= 0 or maximum < minimum:
        raise DictionaryError(f"{book.where}: needs min <= max and a positive step")
    steps = (maximum - minimum) / step
    if abs(steps - round(steps)) > 1e-6:
        raise DictionaryError(f"{book.where}: max has to be min plus a whole number of steps")
    if steps + 1 > _MAX_WIDTH:
        raise DictionaryError(f"{book.where}: {round(steps) + 1} values pass {_MAX_WIDTH}; use a coarser step")
    return NumericBook(minimum, maximum, step)


def _categories(listed: list[Any], where: str) -> CategoryBook:
    categories: list[Category] = []
    seen: set[str] = set()
    for i, each in enumerate(listed):
        fields = _Fields(each, f"{where}.categories[{i}]")
        category = Category(
            name=fields.take("name", str), value=fields.number("value", float(i)), matches=fields.texts("matches", [])
        )
        fields.done()
        words = {category.name, *category.matches}
        if words & seen:
            raise DictionaryError(f"{fields.where}: {', '.join(sorted(words & seen))} already means another category")
        seen |= words
        categories.append(category)
    if not 1 <= len(categories) <= _MAX_WIDTH:
        raise DictionaryError(f"{where}.categories: needs 1 to {_MAX_WIDTH} categories")
    return CategoryBook(tuple(categories))


def _conversions(fields: _Fields) -> tuple[Conversion, ...]:
    conversions: list[Conversion] = []
    for i, each in enumerate(fields.take("conversions", list, [])):
        item = _Fields(each, f"{fields.where}.conversions[{i}]")
        conversion = Conversion(item.take("unit", str), item.number("multiply", 1.0), item.number("add", 0.0))
        item.done()
        if conversion.multiply == 0:
            raise DictionaryError(f"{item.where}: multiply cannot be 0")
        if any(conversion.unit == other.unit for other in conversions):
            raise DictionaryError(f"{item.where}: the unit {conversion.unit!r} is listed twice")
        conversions.append(conversion)
    return tuple(conversions)


def _codings(fields: _Fields) -> tuple[Coding, ...]:
    codings: list[Coding] = []
    for i, each in enumerate(fields.take("codes", list)):
        item = _Fields(each, f"{fields.where}.codes[{i}]")
        system = item.take("system", str)
        code = item.take("code", str)
        item.take("display", str, "")
        item.done()
        codings.append(Coding(_SYSTEMS.get(system, system), code))
    if not codings:
        raise DictionaryError(f"{fields.where}.codes: is empty")
    return tuple(codings)


def _window(fields: _Fields) -> Window:
    window = fields.take("window", dict, {})
    inner = _Fields(window, f"{fields.where}.window")
    result = Window(
        cast("int | None", inner.take("from_day", int, None)), cast("int | None", inner.take("to_day", int, None))
    )
    inner.done()
    if result.from_day is not None and result.to_day is not None and result.from_day > result.to_day:
        raise DictionaryError(f"{inner.where}: from_day is after to_day")
    return result


def _source(fields: _Fields) -> Source:
    resource = fields.choice("resource", ("Patient", "Observation", "Condition", "MedicationRequest"))
    if resource == "Patient":
        source = Source(resource, fields.choice("field", ("age", "gender")), (), Window(None, None))
    else:
        source = Source(resource, None, _codings(fields), _window(fields))
    fields.done()
    return source


def _csv_source(fields: _Fields, name: str) -> CsvSource:
    source = CsvSource(fields.take("header", str, name), fields.take("unit_header", str, None))
    fields.done()
    return source


def _csv_format(fields: _Fields) -> CsvFormat:
    csv_format = CsvFormat(
        identifier=fields.take("identifier", str, "patient_id"),
        date=fields.take("date", str, None),
        consent=fields.take("consent", str, None),
        consent_yes=fields.texts("consent_yes", ["yes"]),
        delimiter=fields.choice("delimiter", (",", ";", "\t", "|"), ","),
        decimal=fields.choice("decimal", (".", ","), "."),
        missing=fields.texts("missing", ["", "NA"]),
    )
    fields.done()
    if csv_format.decimal == csv_format.delimiter:
        raise DictionaryError("csv: the decimal sign and the delimiter cannot be the same")
    return csv_format


def _baseline(fields: _Fields) -> Baseline:
    fields.choice("resource", ("Encounter",))
    baseline = Baseline(_codings(fields), fields.choice("pick", ("earliest", "newest"), "earliest"))
    fields.done()
    return baseline


def _consent(fields: _Fields) -> ConsentRule:
    rule = ConsentRule(fields.take("purpose", str), fields.take("required", bool, True))
    fields.done()
    return rule


def _check(fields: _Fields) -> Check:
    check = Check(fields.take("left", str), fields.take("greater_than", str))
    fields.done()
    return check
