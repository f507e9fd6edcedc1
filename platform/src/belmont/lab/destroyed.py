"""A destroyed dataset in a notebook: destroying it, and showing that it was; part of ``Consortium``."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from belmont.lab import cards
from belmont.lab.destruction import HOLDERS_DECISION, destroy, open_vault, read_report, report_path, still_there
from belmont.lab.destruction_report import Report, SignedReport, check_report
from belmont.lab.erasing import files_of
from belmont.lab.errors import LabError, ReportRefused
from belmont.lab.home import Home
from belmont.lab.host import Host
from belmont.lab.people import Hospital, refuse_others
from belmont.registry.errors import RegistryError
from belmont.registry.protocol import Registry
from belmont.registry.types import DatasetStatus

NOT_AT_HAND = "not at hand: whether anything is left there, only its hospital can show"


class Destruction:
    """The report on one dataset's destruction, from the hospital's directory."""

    def __init__(self, home: Home, slug: str, registry: Registry, signed: SignedReport, path: Path) -> None:
        self._home = home
        self._slug = slug
        self._registry = registry
        self.signed = signed
        self.path = path

    @property
    def report(self) -> Report:
        return self.signed.report

    def verify(self) -> dict[str, str]:
        """What was compared: signature, chain, versions, and the vault that is here. Raises ``ReportRefused``."""
        return verify_destruction(self.path.read_bytes(), self._registry, self._home, self._slug)

    def __repr__(self) -> str:
        return f"Destruction({self.report.name}, {cards.moment(self.report.destroyed_at)}, report {self.path})"

    def _repr_html_(self) -> str:
        try:
            compared, mark = self.verify(), cards.badge("destroyed, as on chain", cards.GOOD)
        except (LabError, RegistryError) as error:
            compared, mark = {"refused": str(error)}, cards.badge("not shown", cards.BAD)
        return cards.card(
            f"Destruction of {self.report.name}",
            cards.facts(facts_of(self.signed) | compared),
            cards.table(["not in our power"], [[each] for each in self.report.not_in_our_power]),
            mark=mark,
        )


class Destroying:
    """Destroying a dataset for good, and reading what was reported of it."""

    def destroy(
        self: Host, hospital: Hospital, *, confirm: str = "", clock: Callable[[], float] = time.time
    ) -> Destruction:
        """Destroys a hospital's dataset for good: keys, blocks, and what else there is of it. Nothing brings it back.

        ``confirm`` is the dataset's name, letter by letter. Interrupted, the same call completes it.
        """
        refuse_others(Hospital, (hospital,), "consortium.destroy(consortium.hospitals[0], confirm=...)")
        if confirm != hospital.dataset_name:
            raise LabError(
                f"nothing was destroyed. To destroy it for good, give its name: confirm={hospital.dataset_name!r}"
            )
        return destroy_for(self, hospital, HOLDERS_DECISION, clock)

    def destruction(self: Host, hospital: Hospital) -> Destruction:
        """The report on a hospital's destroyed dataset: a card, and ``verify()``. Raises ``LabError`` without one."""
        refuse_others(Hospital, (hospital,), "consortium.destruction(consortium.hospitals[0])")
        path = report_path(self.home_here, hospital.slug, hospital.dataset_id)
        dataset = self.registry.dataset(hospital.dataset_id)
        if not path.is_file() and dataset is not None and dataset.status is not DatasetStatus.DESTROYED:
            raise LabError(
                f"{hospital.dataset_name} is not destroyed: consortium.destroy(hospital, confirm=...) does it, for good"
            )
        return Destruction(self.home_here, hospital.slug, self.registry, read_report(path), path)


def destroy_for(host: Host, hospital: Hospital, reason: str, clock: Callable[[], float]) -> Destruction:
    """Destroys, after letting go of the rows in this process's memory."""
    host.forget(hospital.dataset_id)
    writes = host.registry.as_(hospital.identity.account)
    signed = destroy(host.home_here, hospital, writes, reason=reason, clock=clock)
    path = report_path(host.home_here, hospital.slug, hospital.dataset_id)
    return Destruction(host.home_here, hospital.slug, host.registry, signed, path)


def verify_destruction(
    content: bytes, registry: Registry, home: Home | None = None, slug: str | None = None
) -> dict[str, str]:
    """A report compared with the chain, and with its hospital's vault where that is given: what was shown, in words.

    Raises ``ReportRefused``, and the errors of the vault.
    """
    signed = check_report(content, registry)
    shown = {
        "signed by": f"{signed.signer}, which speaks for the dataset's holder",
        "chain": f"says destroyed, with this report's SHA-256 0x{signed.hash.hex()[:16]}…",
        "versions": f"all {len(signed.report.versions)} of the chain, by content identifier",
        "vault": NOT_AT_HAND,
    }
    dataset = registry.dataset(signed.report.dataset_id)
    if home is None or slug is None or dataset is None:
        return shown
    with open_vault(home, slug) as vault:
        left = still_there(
            vault, registry, dataset, list(files_of(home, slug, dataset.id, last_dataset=not vault.labels()))
        )
        labels = len(vault.labels())
    if left:
        raise ReportRefused(
            f"the hospital's machine still has something of {dataset.name}: " + "; ".join(left) + ". Perhaps a backup "
            "was restored: consortium.destroy(...) destroys it once more"
        )
    return shown | {"vault": f"asked: nothing of it can be read, {labels} other datasets live in it"}


def facts_of(signed: SignedReport) -> dict[str, Any]:
    """What a report says, for a card or a terminal."""
    report = signed.report
    before, after = report.before, report.after
    return {
        "why": report.reason,
        "begun": cards.moment(report.begun_at),
        "destroyed": cards.moment(report.destroyed_at),
        "keys": ", ".join(report.key_ids) or "gone before",
        "blocks": f"{before.blocks:,} before ({before.bytes:,} bytes), {after.blocks:,} after",
        "versions of the chain": ", ".join(f"{each.number} ({each.rows:,} rows)" for each in report.versions) or "none",
        "also removed": ", ".join(report.removed),
    }
