"""The files of a FHIR bulk data export and their lines, before anything is known about their content."""

import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NoReturn

from belmont.ehr.errors import InputMissing
from belmont.ehr.fhir_values import BadValue, shown

Resource = dict[str, Any]

TYPES = ("Patient", "Consent", "Encounter", "Condition", "MedicationRequest", "Observation")


def files_by_type(source: Path | str | Iterable[Path | str]) -> tuple[dict[str, list[Path]], list[str], str]:
    """Files by resource type in a fixed order, the names of those not used, and a name for the whole."""
    if isinstance(source, str | Path):
        folder = Path(source)
        if not folder.is_dir():
            raise InputMissing(folder, None, "no such folder; give the folder that holds Patient.ndjson and the others")
        listed = sorted(path for path in folder.iterdir() if path.is_file())
        name = folder.name
    else:
        listed = sorted(Path(path) for path in source)
        name = listed[0].parent.name if listed else "no files"
    files: dict[str, list[Path]] = {kind: [] for kind in TYPES}
    unused = []
    for path in listed:
        kind = path.name.split(".", 1)[0]
        if kind in files and path.name.endswith((".ndjson", ".ndjson.gz")):
            files[kind].append(path)
        else:
            unused.append(path.name)
    if not files["Patient"]:
        where = listed[0].parent if listed else Path(str(source))
        raise InputMissing(where, None, "there is no Patient.ndjson; name files by resource type, as bulk data does")
    return files, unused, name


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)

MAX_DEPTH = 100
"""Objects and arrays within each other; FHIR's own resources stay far below. The decoder recurses in C, and some
libraries raise Python's recursion limit so far that a deeper line would end the process."""


def _decode(text: str) -> object:
    """Raises ValueError for what is not JSON or is nested too deeply."""
    if text.count("[") + text.count("{") > MAX_DEPTH and _depth(text) > MAX_DEPTH:
        raise ValueError(f"more than {MAX_DEPTH} objects and arrays within each other")
    return _DECODER.decode(text)


def _depth(text: str) -> int:
    """The deepest nesting, not counting brackets inside strings."""
    deepest = depth = 0
    for match in _BRACKET_OR_STRING.finditer(text):
        bracket = match[0]
        if bracket in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif bracket in "]}":
            depth -= 1
    return deepest


_BRACKET_OR_STRING = re.compile(r"""[\[\]{}]|"(?:[^"\\]|\\.)*"?""", re.DOTALL)


def parse(text: str, kind: str) -> Resource:
    """The resource on a line. Raises BadValue where it is none of this kind."""
    try:
        resource = _decode(text)
    except json.JSONDecodeError as error:
        raise BadValue("malformed line", f"not JSON at character {error.pos + 1}: {error.msg}") from error
    except (ValueError, RecursionError) as error:
        raise BadValue("malformed line", f"not JSON: {error}") from error
    if not isinstance(resource, dict):
        raise BadValue("malformed line", "not a JSON object")
    if resource.get("resourceType") != kind:
        raise BadValue("malformed line", f"resourceType {shown(resource.get('resourceType'))} in a file of {kind}")
    return resource


def is_json(text: str) -> bool:
    """Whether a line is whole: a line cut off is not."""
    try:
        _decode(text)
    except (ValueError, RecursionError):
        return False
    return True


def model_validator(kind: str) -> Callable[[str], None]:
    """A function that raises BadValue for a line that the R4B model of fhir.resources refuses."""
    from fhir.resources.R4B import get_fhir_model_class
    from pydantic import ValidationError

    model = get_fhir_model_class(kind)

    def validate(text: str) -> None:
        try:
            model.model_validate_json(text)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = ".".join(str(part) for part in first["loc"])
            raise BadValue("malformed line", f"not valid R4: {place}: {first['msg']}") from error

    return validate
