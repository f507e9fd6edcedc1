"""How many evaluations a study has left, by what ran from here: hospitals count for themselves, and the chain does not.

1. A line of permits has so many evaluations at each hospital (`belmont.federated.evaluation.layout`, 8). Whether a
   round trained or evaluated is not on chain: what was opened from here is counted, and kept in the consortium's
   directory where there is one.
2. A round that was opened counts, whatever became of it: a hospital may have admitted it. So does one of which the
   chain does not say now whether it was opened.
3. What ran from elsewhere is not known here. Then hospitals refuse, and the round is used.
4. What cannot be kept is a warning: the evaluation that was just answered is not lost for it.
"""

import json
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from belmont.federated.evaluation.layout import EVALUATIONS, most_evaluations
from belmont.lab import documents
from belmont.lab.errors import HomeError, LabError, NotYet
from belmont.registry.errors import RegistryError
from belmont.registry.types import Permit as PermitRecord

if TYPE_CHECKING:
    from belmont.lab.consortium import Consortium
    from belmont.lab.models import StudyModel
    from belmont.lab.permit import Permit


def left(permit: "Permit", model: "StudyModel") -> int | None:
    """How many evaluations of this model's study are left, by what ran from here; None where only rounds and budgets
    bound them."""
    most = most_evaluations(model.config, noisy=model.private is not None)
    return None if most is None else max(0, most - len(_ran(permit.consortium, permit.record)))


def known_left(permit: "Permit", model: "StudyModel") -> int | None:
    """The same for an evaluation that is done; None also where the count cannot be read (4)."""
    try:
        return left(permit, model)
    except HomeError:
        return None


def refuse_none_left(permit: "Permit", model: "StudyModel") -> None:
    """Raises ``NotYet`` where every hospital would refuse another evaluation."""
    if left(permit, model) == 0:
        raise NotYet(
            f"all {most_evaluations(model.config, noisy=False)} evaluations of this study are used, with those of "
            "amended permits, and hospitals refuse more: nothing was used; "
            f"permit.amend(model=...) with more {EVALUATIONS}= asks for more"
        )


def note(permit: "Permit", before: PermitRecord) -> None:
    """Counts the evaluation that was asked for when the chain had the permit as it was ``before`` (2)."""
    host = permit.consortium
    try:
        if permit.record.rounds_opened == before.rounds_opened:
            return
    except (LabError, RegistryError):
        pass
    host.evaluated.setdefault(before.line or before.id, set()).add(before.rounds_opened + 1)
    try:
        _keep(host, before)
    except (OSError, HomeError) as error:  # 4
        warnings.warn(f"that an evaluation ran is not kept, and hospitals count it: {error}", stacklevel=4)


def _keep(host: "Consortium", record: PermitRecord) -> None:
    """Raises HomeError, OSError."""
    path = _path(host, record)
    if path is not None:
        ran = _ran(host, record)
        path.parent.mkdir(mode=0o700, exist_ok=True)
        new = path.with_suffix(".new")
        new.write_text(json.dumps(sorted(ran)), encoding="utf-8")
        new.replace(path)


def _ran(host: "Consortium", record: PermitRecord) -> set[int]:
    """Numbers of the rounds that evaluated. Raises HomeError."""
    found = set(host.evaluated.get(record.line or record.id, ()))
    path = _path(host, record)
    if path is None or not path.is_file():
        return found
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        kept = None
    if not isinstance(kept, list) or not all(type(each) is int for each in kept):
        raise HomeError(f"{path} is no list of rounds: remove it; hospitals count evaluations for themselves")
    return found | set(kept)


def _path(host: "Consortium", record: PermitRecord) -> Path | None:
    if host.home is None:
        return None
    return host.home.path / documents.FOLDER / f"permit-{record.line or record.id}-evaluations.json"
