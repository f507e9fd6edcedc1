"""Which patient was here is for the hospital that has them, and for nobody else who reads the trail of accesses.

1. An entry of an account that is enrolled at a hospital of this service is shown without the account, except to the
   member that holds that dataset. What was asked for, when, and what became of it, all see whom the trail is for.
2. Of a member who is a patient as well, that holds for what they did as a patient.
3. Asking for one account finds no entry of it that would be shown without it: otherwise asking would tell.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from belmont.registry.types import Address
from belmont.service.access.trail import Access
from belmont.service.access.visitor import Visitor

if TYPE_CHECKING:
    from belmont.service.service import Service

A_PATIENT: Final = "a patient"
"""In place of an account."""
_PLACES: Final = ("/patient", "/api/v1/patient")


def veiled(
    service: Service, visitor: Visitor, found: Sequence[tuple[int, Access]], account: str | None = None
) -> list[tuple[int, Access]]:
    """Entries as this visitor may see them; ``account`` is whose were asked for."""
    snapshot, hidden = service.snapshot, {each.account: False for _, each in found if each.account}
    for each in hidden:
        holders = {
            snapshot.datasets[dataset].holder
            for dataset in service.datasets_as_patient(Address(each))
            if dataset in snapshot.datasets
        }
        hidden[each] = bool(holders) and visitor.account not in holders
    shown = []
    for number, entry in found:
        as_patient = entry.account not in snapshot.members or entry.route.startswith(_PLACES)  # 2
        if not (hidden.get(entry.account) and as_patient):
            shown.append((number, entry))
        elif account is None:  # 3
            shown.append((number, replace(entry, account=A_PATIENT)))
    return shown
