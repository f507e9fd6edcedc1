"""``belmont model``: a template of a study's own code, a check of it, its hash, and how it differs."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from belmont.ehr.commands import add_command

if TYPE_CHECKING:
    from belmont.lab.models.own import OwnModel

EXAMPLES = """examples:
  belmont model new my_model                          a Flower app that runs as it is, to begin with
  belmont model check my_model                        what a hospital's node would refuse, on synthetic rows
  belmont model check my_model --table twin.csv --dictionary d.yaml --features age,hba1c --outcome cvd_event
  belmont model hash my_model --out my_model.fab      the code hash of an application, and the bundle for the board
  belmont model diff my_model                         what differs from the template; nothing of it is run
"""
EXAMPLES_OF = {
    "new": """examples:
  belmont model new my_model
  belmont model new studies/risk_of_relapse           the package is named risk_of_relapse
""",
    "check": """examples:
  belmont model check my_model                        the synthetic study's features and outcome
  belmont model check my_model --features age,smoking=current --outcome cvd_event --holdout 0.2
  belmont model check my_model --set local-steps=5 --set learning-rate=0.1
  belmont model check my_model --epsilon 5 --rounds 10         with noise: each row's own gradient
  belmont model check my_model --table twin.csv --dictionary d.yaml --json

It runs the code with your account's rights: check your own, or what you have read (belmont model diff). Exit status: 0
passed, 1 not passed, 2 could not be checked.
""",
    "hash": """examples:
  belmont model hash my_model
  belmont model hash my_model --out my_model.fab      the same bytes that hospitals get
""",
    "diff": """examples:
  belmont model diff my_model                         against the template
  belmont model diff my_model --against glm           against an app that comes with Belmont
  belmont model diff my_model --against old.fab       against a bundle, or another folder
  belmont model diff received.fab                     what an applicant sent

Exit status: 0 the same, 1 it differs.
""",
}


def add_commands(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The group's commands."""
    new = _command(subparsers, "new", "write the template as a folder of a name of yours", _new)
    new.add_argument("folder", type=Path, help="that does not exist yet; its name becomes the package's")

    check = _command(
        subparsers, "check", "say what a hospital's node would refuse, and what a board should know", _check
    )
    check.add_argument("folder", type=Path, help="of a Flower app")
    check.add_argument(
        "--table", type=Path, metavar="CSV", help="rows to run it on, such as a twin's (default synthetic)"
    )
    check.add_argument(
        "--dictionary", type=Path, metavar="YAML", help="of the table's columns (default the synthetic study's)"
    )
    check.add_argument("--features", metavar="A,B", help="columns, or column=level (default: the dictionary's)")
    check.add_argument("--missing-indicators", default="", metavar="A,B", help="columns whose absence is a feature")
    check.add_argument("--outcome", metavar="Y", help="default: the dictionary's")
    check.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="a key of the app's configuration"
    )
    check.add_argument(
        "--metrics", default="loss", metavar="A,B", help="that it answers beside num-examples (default loss)"
    )
    secure = argparse.BooleanOptionalAction
    check.add_argument("--secure", action=secure, default=True, help="apply for secure sums (default)")
    check.add_argument(
        "--holdout", type=float, default=0.0, metavar="PART", help="of the patients, kept apart (default 0)"
    )
    check.add_argument("--epsilon", type=float, metavar="E", help="apply with noise for this epsilon in all rounds")
    check.add_argument("--rounds", type=int, default=10, metavar="R", help="of the application (default 10)")
    check.add_argument("--min-cohort", type=int, default=20, metavar="N", help="of the permit (default 20)")
    check.add_argument("--packages", default="", metavar="A,B", help="modules that the hospitals said they have")
    check.add_argument("--values", action="store_true", help="the model predicts values, not risks")
    check.add_argument("--json", action="store_true", help="print one JSON object")

    hashed = _command(subparsers, "hash", "print the code hash that an application would name", _hash)
    hashed.add_argument("folder", type=Path, help="of a Flower app, or a bundle")
    hashed.add_argument("--out", type=Path, metavar="FAB", help="also write the bundle")

    diff = _command(subparsers, "diff", "show what differs from the template or from other code; nothing is run", _diff)
    diff.add_argument("folder", type=Path, help="of a Flower app, or a bundle")
    diff.add_argument("--against", default="template", metavar="WHAT", help="template, glm, a folder or a bundle")


def _command(subparsers: Any, name: str, summary: str, run: Any) -> argparse.ArgumentParser:
    return add_command(subparsers, name, run, summary, summary, EXAMPLES_OF[name])


def _new(options: argparse.Namespace) -> int:
    from belmont.lab.own.templates import write_template

    for path in write_template(options.folder):
        print(path)
    print(f"\nnext: change them, then belmont model check {options.folder}")
    return 0


def _check(options: argparse.Namespace) -> int:
    import json

    from rich.console import Console
    from rich.text import Text

    from belmont.lab.own.check import check
    from belmont.lab.own.findings import CANNOT_SHOW
    from belmont.lab.own.visible import visible

    tables, dictionary = _rows(options)
    model = _model(options, dictionary)
    result = check(
        model, tables, dictionary=dictionary, min_cohort=options.min_cohort, packages=_list(options.packages)
    )
    if options.json:
        findings = result.frame().to_dict("records")
        said = {"passed": result.passed, "code": result.code_hash.hex(), "findings": findings, "tried": result.tried}
        print(json.dumps(said | {"facts": result.facts}))
        return 0 if result.passed else 1
    console = Console()
    if result.findings:
        console.print(result.table())
    mark = Text("passed", "bold green") if result.passed else Text("not passed", "bold red")
    console.print(Text(visible(result.name) + ": "), mark, Text(f"({result.summary})"))
    if result.code_hash:
        console.print(Text(f"code {result.code_hash.hex()}"), soft_wrap=True)
    for name, fact in {"tried": ", ".join(result.tried), **result.facts}.items():
        console.print(Text(f"{name}: {fact}"), soft_wrap=True)
    console.print(Text(CANNOT_SHOW, "dim"))
    return 0 if result.passed else 1


def _hash(options: argparse.Namespace) -> int:
    from belmont.ehr.output_files import write_whole
    from belmont.federated.hashes import code_hash
    from belmont.lab.errors import LabError

    bundle = _bundle(options.folder)
    if options.out is not None:
        if options.out.exists():
            raise LabError(f"{options.out} exists already: nothing was written")
        write_whole(options.out, bundle)
    print(code_hash(bundle).hex())
    return 0


def _diff(options: argparse.Namespace) -> int:
    from rich.console import Console
    from rich.text import Text

    from belmont.lab.own.code import Code
    from belmont.lab.own.visible import visible

    code = Code(_bundle(options.folder), None)
    place = Path(options.against)
    if place.exists():
        difference = code.diff_from(Code(_bundle(place), None), visible(str(place)))
    else:
        difference = code.diff(options.against)
    console = Console()
    styles = {"+": "green", "-": "red", "@": "cyan"}
    for line in difference.to_text().split("\n"):
        console.print(Text(line, styles.get(line[:1], "")), soft_wrap=True)
    console.print(Text(difference.summary, "bold"), soft_wrap=True)
    return 1 if difference.changed else 0


def _bundle(place: Path) -> bytes:
    """Of a folder, or of a file that is a bundle."""
    from belmont.lab.own.folder import bundle_of, files_of

    if not place.is_file():
        return bundle_of(place)
    bundle = place.read_bytes()
    files_of(bundle)
    return bundle


def _rows(options: argparse.Namespace) -> tuple[Any, Any]:
    """The rows to check on, and their dictionary; None for the synthetic study's.

    A file is a coded table, CSV as the dictionary describes it (what ``twin.write_csv`` writes), or CSV whose headers
    are the dictionary's columns.
    """
    from belmont.ehr.dictionary import Dictionary

    dictionary = Dictionary.load(options.dictionary) if options.dictionary else None
    if options.table is None:
        return None, dictionary
    import secrets

    import pandas as pd

    from belmont.ehr.coded import CodedTable
    from belmont.ehr.ingest import read_csv
    from belmont.lab.errors import LabError

    book = dictionary or Dictionary.builtin()
    if options.table.suffix == ".table":
        return CodedTable.from_bytes(book, options.table.read_bytes()), dictionary
    try:
        header = pd.read_csv(options.table, sep=book.csv.delimiter, nrows=0).columns
        if book.csv.identifier in header:
            return read_csv(options.table, book, secrets.token_bytes(32)).table, dictionary
        return pd.read_csv(options.table, sep=book.csv.delimiter), dictionary
    except (ValueError, UnicodeDecodeError) as error:
        raise LabError(f"{options.table} is no table with commas and names in its first line: {error}") from error


def _model(options: argparse.Namespace, dictionary: Any) -> "OwnModel":
    from belmont.ehr.dictionary import Dictionary
    from belmont.lab.errors import LabError
    from belmont.lab.models.own import OwnModel

    book = dictionary or Dictionary.builtin()
    features = _list(options.features) if options.features is not None else tuple(book.features)
    outcome = options.outcome or book.outcome
    if not outcome:
        raise LabError(f"dictionary {book.name} names no outcome: give --outcome")
    model = OwnModel(
        options.folder,
        features,
        outcome,
        _list(options.missing_indicators),
        app_config=dict(map(_setting, options.set)) or None,
        metrics=_list(options.metrics),
        secure=options.secure,
        holdout=options.holdout,
        evaluated_as="value" if options.values else "risk",
    )
    return model if options.epsilon is None else model.with_noise(epsilon=options.epsilon, rounds=options.rounds)


def _list(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _setting(text: str) -> tuple[str, str | int | float | bool]:
    """``key=value`` as TOML would read the value, or else as text."""
    import tomllib

    from belmont.lab.errors import LabError

    key, is_given, value = text.partition("=")
    if not is_given or not key.strip():
        raise LabError(f"--set {text}: give KEY=VALUE")
    try:
        found = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        found = value
    return key.strip(), found if isinstance(found, str | int | float | bool) else value
