"""Who contributed how much to the consortium's studies: balances, statements and a picture; part of ``Consortium``.

An accounting, and nothing else: a row of a recorded use is one credit, shared between the institution and the pool of
the dataset's patients by the rule ``patients_share``. The members decide by vote what is redeemed, and for what.
"""

from collections import defaultdict, deque
from typing import TYPE_CHECKING

from belmont.lab.errors import LabError
from belmont.lab.host import Host
from belmont.lab.people import Actor
from belmont.lab.plots import BLUE, GREEN, Picture
from belmont.lab.proposals import names_of, note_of
from belmont.registry.types import ZERO_HASH, Address, DatasetId, RecordedUse, Role, StudyId

if TYPE_CHECKING:
    import pandas as pd

    from belmont.registry.credits.protocol import Balance


class Contributions:
    """What institutions and patients contributed."""

    def credits(self: Host) -> "pd.DataFrame":
        """One row for each institution that holds data, and for the patients of each dataset together."""
        import pandas as pd

        rows = [(name, kind, each.earned, each.redeemed, each.left) for name, kind, each in _balances(self)]
        return pd.DataFrame(rows, columns=["whose", "kind", "earned", "redeemed", "left"]).set_index("whose")

    def statement(self: Host, member: Actor | Address) -> "pd.DataFrame":
        """Every line of a member's account, with the study and round or query that brought it."""
        import pandas as pd

        account = _account(self, member)
        uses, titles = _uses(self), _titles(self)
        left, rows = 0, []
        for entry in self.registry.credits.entries(account):
            own = entry.dataset_id == ZERO_HASH
            dataset = "" if own else self.dataset_names.get(entry.dataset_id, entry.dataset_id.hex()[:12])
            if entry.redeemed:
                left -= entry.redeemed if own else 0
                what = "redeemed: " + note_of(self, entry.note_hash)
            else:
                left += entry.to_holder
                use = uses[entry.block, entry.dataset_id].popleft()
                what = f"{use.kind.name.lower()} {use.n} of permit {use.permit_id}, {titles[StudyId(use.permit_id)]}"
            when = pd.Timestamp(entry.timestamp, unit="s", tz="UTC")
            rows.append((when, what, dataset, entry.to_holder, entry.to_patients, entry.redeemed, left))
        columns = ["time", "what", "dataset", "to institution", "to patients", "redeemed", "left"]
        return pd.DataFrame(rows, columns=columns).set_index("time")

    def contributions(self: Host) -> Picture:
        """A bar for each dataset: what went to its institution, and to its patients."""
        from matplotlib.figure import Figure

        datasets = self.registry.datasets()
        shares: dict[DatasetId, tuple[int, int]] = defaultdict(lambda: (0, 0))
        for entry in self.registry.credits.entries():
            if not entry.redeemed:
                earlier = shares[entry.dataset_id]
                shares[entry.dataset_id] = earlier[0] + entry.to_holder, earlier[1] + entry.to_patients
        figure = Figure(figsize=(6.4, 1.2 + 0.4 * len(datasets)), layout="constrained")
        axes = figure.add_subplot()
        places = range(len(datasets))[::-1]
        holders, patients = ([shares[each.id][k] for each in datasets] for k in (0, 1))
        axes.barh(places, holders, color=BLUE, label="institution")
        axes.barh(places, patients, left=holders, color=GREEN, label="patients")
        axes.set_yticks(places, [each.name for each in datasets])
        axes.set(xlabel="credits: rows of recorded uses", title="Contributions")
        axes.legend(frameon=False)
        return Picture(figure)


def _balances(host: Host) -> list[tuple[str, str, "Balance"]]:
    registry = host.registry
    holders = [each for each in registry.members() if Role.DATA_HOLDER in each.roles]
    found = [(each.name, "institution", registry.credits.balance(each.address)) for each in holders]
    pools = [(f"patients of {each.name}", "patients", registry.credits.pool(each.id)) for each in registry.datasets()]
    return found + pools


def _uses(host: Host) -> dict[tuple[int, DatasetId], deque[RecordedUse]]:
    """Each use that was credited, in chain order: a dataset's uses and credits in one block pair up one by one."""
    found: dict[tuple[int, DatasetId], deque[RecordedUse]] = defaultdict(deque)
    for use in host.registry.uses():
        found[use.block, use.dataset_id].append(use)
    return found


def _titles(host: Host) -> dict[StudyId, str]:
    return {study.id: study.terms.title for study in host.registry.studies()}


def _account(host: Host, member: Actor | Address) -> Address:
    account = Address(member if isinstance(member, str) else member.address)
    if account not in names_of(host):
        raise LabError(f"{account} was never a member: name one of consortium.hospitals, or an address of members()")
    return account
