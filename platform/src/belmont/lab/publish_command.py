"""``belmont data publish``: a hospital publishes noisy marginals of its dataset, or withdraws them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from belmont.lab.options import hospital_command

if TYPE_CHECKING:
    from belmont.lab.consortium import Consortium
    from belmont.lab.people import Hospital

EXAMPLES = """examples:
  belmont data publish --home consortium --url http://127.0.0.1:8545 --dataset hospital-1 --list
  belmont data publish --home consortium --url http://127.0.0.1:8545 --dataset hospital-1 \\
      --columns age,sex,smoking,hba1c --epsilon 1 --with-outcome --out hospital-1.profile
  belmont data publish --home consortium --url http://127.0.0.1:8545 --dataset hospital-1 --withdraw

For the machine that holds a hospital's keys and vault. Researchers make synthetic twins of what is published, before
any permit (docs/twin.md). Only rows of patients who consent to any research by anybody are counted. Epsilon is spent
for good: the same choices of one version give the same bytes, everything else counts towards the dataset's cap.
"""


_OF_A_PUBLICATION = ("with_outcome", "cells", "cap", "out", "force")


def add_commands(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds ``publish`` to the group `data`."""
    parser = hospital_command(
        subparsers,
        "publish",
        publish,
        "publish noisy marginals of a dataset, for synthetic twins; or withdraw them",
        "Publish what a hospital chooses of its dataset: the number of rows and marginals, with noise.",
        EXAMPLES,
    )
    parser.add_argument("--dataset", required=True, metavar="NAME", help="the hospital's short name, or the dataset's")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--columns", metavar="A,B,...", help="publish the marginals of these columns of the dictionary")
    what.add_argument("--withdraw", action="store_true", help="stand by what was published no longer")
    what.add_argument("--list", action="store_true", help="what was published so far, and what it cost")
    parser.add_argument("--epsilon", type=float, metavar="E", help="of this publication, at delta 10^-6")
    parser.add_argument("--with-outcome", action="store_true", help="count each column by the dictionary's outcome")
    parser.add_argument("--cells", type=int, metavar="K", help="groups of a numeric column (default 12)")
    parser.add_argument("--cap", type=int, metavar="MICRO_RHO", help="lower what may ever be published of the dataset")
    parser.add_argument("--out", type=Path, metavar="FILE", help="also write the profile here, to be sent")
    parser.add_argument("--force", action="store_true", help="replace the file of --out that is already there")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def publish(options: argparse.Namespace) -> int:
    """Publishes, withdraws or lists."""
    import json

    from belmont.ehr.output_files import check_free
    from belmont.lab.consortium import Consortium
    from belmont.lab.errors import LabError

    if (options.columns is None) != (options.epsilon is None):
        raise LabError("--columns and --epsilon go together: say how much of the dataset's privacy budget it may cost")
    if options.columns is None and any(getattr(options, each) not in (None, False) for each in _OF_A_PUBLICATION):
        words = ", ".join(f"--{each.replace('_', '-')}" for each in _OF_A_PUBLICATION)
        raise LabError(f"{words} go with --columns: nothing was done")
    if options.out is not None:
        check_free(options.out, options.force)  # before anything is spent
    with Consortium.connect(options.url, options.home) as consortium:
        hospital = _hospital(consortium, options.dataset)
        said = _said(hospital, options)
    if options.json:
        print(json.dumps(said))
    else:
        for name, value in said.items():
            for line in value if isinstance(value, list) else [value]:
                print(f"{name:22} {line}")
    return 0


def _said(hospital: Hospital, options: argparse.Namespace) -> dict[str, Any]:
    """Does it, and says what was done."""
    from belmont.ehr.output_files import write_whole

    if options.withdraw:
        return {"dataset": hospital.dataset_name, "withdrawn": hospital.withdraw_profile()}
    if options.list:
        frame = hospital.publications()
        lines = [
            f"version {row['version']}: {row['columns'] or 'the number of rows'}{' by ' * bool(row['by'])}{row['by']}, "
            f"{row['micro-rho']:,} micro-rho, epsilon of all {row['epsilon of all']:.2f}"
            f"{', published' if row['published'] else ''}"
            for _, row in frame.iterrows()
        ]
        return {"dataset": hospital.dataset_name, "published": lines or ["nothing"]}
    names = [name.strip() for name in options.columns.split(",") if name.strip()]
    choices = {"epsilon": options.epsilon, "with_outcome": options.with_outcome}
    choices |= {} if options.cells is None else {"cells": options.cells}
    profile = hospital.publish_profile(names, **choices, cap=options.cap)
    if options.out is not None:
        write_whole(options.out, profile.to_bytes())
    return {
        "dataset": hospital.dataset_name,
        "columns": ", ".join(profile.published),
        "epsilon": round(profile.epsilon, 3),
        "epsilon of all": round(profile.epsilon_spent, 3),
        "sha256": profile.signed.hash.hex(),
        "file": str(options.out or _kept_file(hospital)),
    }


def _kept_file(hospital: Hospital) -> Path:
    """Where the profile is in the consortium's directory."""
    from belmont.lab.acts import of

    return of(hospital).home_here.profile(hospital.dataset_id)


def _hospital(consortium: Consortium, name: str) -> Hospital:
    from belmont.lab.errors import LabError

    for hospital in consortium.hospitals:
        if name in (hospital.slug, hospital.name, hospital.dataset_name):
            return hospital
    known = ", ".join(hospital.slug for hospital in consortium.hospitals) or "none"
    raise LabError(f"no hospital here is called {name!r}: there are {known}")
