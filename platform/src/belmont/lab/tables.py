"""What a consortium has recorded, as tables: part of ``Consortium``."""

from typing import TYPE_CHECKING

from belmont.federated.query.columns import Columns
from belmont.lab.approval import found_conditions
from belmont.lab.audit import audit_frame
from belmont.lab.errors import LabError
from belmont.lab.hospital_frames import datasets_frame, quality_frame
from belmont.lab.host import Host
from belmont.lab.published import totals_frame
from belmont.lab.questions import columns_of
from belmont.registry.types import PublishedTotal

if TYPE_CHECKING:
    import pandas as pd


class Tables:
    """Datasets, quality, totals and the audit trail."""

    def datasets(self: Host) -> "pd.DataFrame":
        """Every registered dataset, as the chain has it."""
        return datasets_frame(self.registry)

    def quality(self: Host) -> "pd.DataFrame":
        """What each hospital here found in its own records when it coded them; it never leaves the hospital."""
        if self.home is None:
            raise LabError("a quality report stays with its hospital: connect with home=...")
        return quality_frame(self.home, self.hospitals)

    def totals(self: Host) -> "pd.DataFrame":
        """Every published total: the contract checked each against what the hospitals registered."""
        return totals_frame(self.registry.totals(), lambda total: _columns_of(self, total))

    def audit(self: Host) -> "pd.DataFrame":
        """Everything that was ever recorded, in the chain's order."""
        names: dict[object, str] = {member.address: member.name for member in self.registry.members()}
        names |= {dataset_id: name for dataset_id, name in self.dataset_names.items()}
        events = self.registry.audit_events()
        for conditions_hash in {each.details["conditions_hash"] for each in events if each.name == "VoteCast"}:
            if found := found_conditions(self.home, conditions_hash):
                names[conditions_hash] = "; ".join(found.texts)
        return audit_frame(events, names)


def _columns_of(host: Host, total: PublishedTotal) -> Columns | None:
    """Of the dictionary that a total's datasets were registered under, if it is the one on this machine."""
    try:
        dictionary = host.dictionary
    except LabError:
        return None
    permit = host.registry.permit(total.permit_id)
    datasets = [host.registry.dataset(each) for each in permit.terms.datasets] if permit else []
    same = all(each is not None and each.dictionary_hash == dictionary.hash for each in datasets)
    return columns_of(dictionary) if datasets and same else None
