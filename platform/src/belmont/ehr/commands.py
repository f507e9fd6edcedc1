"""Command line of the records: `belmont data generate`, `code`, `show` and `dictionary`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from belmont.ehr.dictionary import Dictionary
    from belmont.ehr.synthetic import HospitalCohort

EXAMPLES = """examples:
  belmont data generate --hospitals 4 --patients 4000 --seed 7 --out records
  belmont data code records/hospital-1 --dictionary diabetes_cvd --out hospital-1.table
  belmont data show hospital-1.table --dictionary diabetes_cvd
  belmont data dictionary diabetes_cvd

every command explains itself: belmont data code --help
"""

GENERATE_EXAMPLES = """examples:
  belmont data generate --hospitals 4 --patients 4000 --seed 7 --out records
  belmont data generate --hospitals 2 --patients 500 --seed 1 --out tables --format csv
  belmont data generate --hospitals 4 --patients 200000 --seed 7 --out coded --format coded --truth

--patients counts over all hospitals. The same seed gives the same bytes on every machine. Nobody in it exists.
"""

CODE_EXAMPLES = """examples:
  belmont data code records/hospital-1 --dictionary diabetes_cvd --out hospital-1.table
  belmont data code registry.csv --dictionary registry.yaml --out registry.table --key registry.key
  belmont data code records/hospital-1 --dictionary diabetes_cvd --out t.table --strict --refusals refused.csv

INPUT is a folder of FHIR R4 NDJSON files named by resource type, or one CSV file (.csv or .csv.gz). The quality report
goes to standard output. Either the whole table is written or none of it. A file that is already there stays as it is,
unless you give --force. Keep the key secret and keep it: with another key the same patients get other pseudonyms.
`belmont data show` sums the table up.
"""

SHOW_EXAMPLES = """examples:
  belmont data show hospital-1.table --dictionary diabetes_cvd
  belmont data show registry.table --dictionary registry.yaml --json

Rows, and for each column what is observed, missing, and the range or the counts, in the dictionary's units; never a
row. Counts of 1 to 4 are shown as <5, and a count beside them as a bound. Minimum and maximum are each one patient's
value: keep the summary in the hospital. For the rows in Python:

  from belmont.ehr.coded import CodedTable
  from belmont.ehr.dictionary import Dictionary
  CodedTable.from_bytes(Dictionary.builtin("diabetes_cvd"), open("hospital-1.table", "rb").read()).decode()
"""

DICTIONARY_EXAMPLES = """examples:
  belmont data dictionary diabetes_cvd
  belmont data dictionary ./registry.yaml

A dictionary is a YAML file, or the name of one that comes with Belmont (diabetes_cvd).
"""

KEY_BYTES = 32


def add_commands(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands of the group `data`."""
    _add_generate(subparsers)
    _add_code(subparsers)
    _add_show(subparsers)
    _add_dictionary(subparsers)


def add_command(
    subparsers: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    run: Callable[[argparse.Namespace], int],
    summary: str,
    description: str,
    examples: str,
) -> argparse.ArgumentParser:
    """Adds a command with its examples, which stay as they are written."""
    parser = subparsers.add_parser(
        name,
        help=summary,
        description=description,
        epilog=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run)
    return parser


def _add_generate(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = add_command(
        subparsers,
        "generate",
        _generate,
        "make synthetic hospitals",
        "Make synthetic hospitals: type 2 diabetes, cardiovascular events, records as messy as real ones.",
        GENERATE_EXAMPLES,
    )
    parser.add_argument("--hospitals", type=int, default=4, help="how many (default: 4)")
    parser.add_argument("--patients", type=int, default=4000, help="over all hospitals (default: 4000)")
    parser.add_argument("--seed", type=int, default=7, help="0 or more (default: 7)")
    parser.add_argument("--out", type=Path, required=True, help="a new or empty folder")
    parser.add_argument(
        "--format",
        choices=("fhir", "csv", "coded"),
        default="fhir",
        help="FHIR R4 NDJSON, CSV, or tables already coded (default: fhir)",
    )
    parser.add_argument("--truth", action="store_true", help="also write each patient's true risk, as truth.csv")


def _add_code(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = add_command(
        subparsers,
        "code",
        _code,
        "code records by a data dictionary",
        "Code a hospital's records by a data dictionary, and report on their quality.",
        CODE_EXAMPLES,
    )
    parser.add_argument("input", type=Path, metavar="INPUT", help="a folder of FHIR NDJSON, or a CSV file")
    parser.add_argument("--dictionary", required=True, help="a YAML file, or the name of a built-in dictionary")
    parser.add_argument("--out", type=Path, required=True, help="the coded table to write")
    parser.add_argument("--key", type=Path, help="pseudonym key, made if it is not there (default: OUT with .key)")
    parser.add_argument("--force", action="store_true", help="replace files that are already there")
    parser.add_argument(
        "--as-of", type=_day, metavar="YYYY-MM-DD", help="day on which consents must be valid (default: today)"
    )
    parser.add_argument("--strict", action="store_true", help="parse every FHIR resource with the full R4 models, too")
    parser.add_argument("--refusals", type=Path, help="write the refused lines, rows, values as CSV (stays with you)")
    parser.add_argument("--json", action="store_true", help="print the report as one JSON object, counts only")


def _add_show(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = add_command(
        subparsers,
        "show",
        _show,
        "sum up a coded table",
        "Sum up a coded table column by column, in the units of its dictionary. Shows no patient's row.",
        SHOW_EXAMPLES,
    )
    parser.add_argument("table", type=Path, metavar="TABLE", help="a file that `belmont data code` wrote")
    parser.add_argument("--dictionary", required=True, help="the one it was coded by: a YAML file, or a built-in name")
    parser.add_argument("--json", action="store_true", help="print the summary as one JSON object")


def _add_dictionary(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = add_command(
        subparsers,
        "dictionary",
        _dictionary,
        "check a data dictionary and show it",
        "Check a data dictionary and show its columns, widths and hash.",
        DICTIONARY_EXAMPLES,
    )
    parser.add_argument("dictionary", help="a YAML file, or the name of a built-in dictionary")


def _generate(arguments: argparse.Namespace) -> int:
    import shutil

    from belmont.ehr.errors import GeneratorError
    from belmont.ehr.synthetic import generate_population

    out: Path = arguments.out
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise GeneratorError(f"{out} is not empty; give a new folder with --out")
    cohorts = generate_population(arguments.hospitals, arguments.patients, arguments.seed)
    unfinished = out.with_name(f"{out.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    with _progress("writing records", arguments.patients) as told:
        written = 0
        for cohort in cohorts:
            _write(cohort, unfinished, arguments.format, written, told)
            written += cohort.patients
            told(written)
    _write_beside(cohorts, unfinished, arguments.truth)
    if out.exists():
        out.rmdir()
    unfinished.rename(out)
    for cohort in cohorts:
        print(f"{cohort.name}: {cohort.patients:,} patients, {cohort.outcome.mean():.1%} with an event")
    print(f"written to {out}, with dictionary.yaml; nobody in it exists")
    return 0


def _write(cohort: HospitalCohort, out: Path, form: str, before: int, told: Callable[[int], None]) -> None:
    from belmont.ehr.synthetic import write_csv, write_fhir

    if form == "fhir":
        write_fhir(cohort, out / cohort.name, lambda done, _: told(before + done))
    elif form == "csv":
        write_csv(cohort, out / f"{cohort.name}.csv")
    else:
        (out / f"{cohort.name}.table").write_bytes(cohort.coded().to_bytes())


def _write_beside(cohorts: list[HospitalCohort], out: Path, truth: bool) -> None:
    from importlib import resources

    dictionary = resources.files("belmont.ehr") / "dictionaries" / "diabetes_cvd.yaml"
    (out / "dictionary.yaml").write_text(dictionary.read_text(encoding="utf-8"), encoding="utf-8")
    if truth:
        with (out / "truth.csv").open("w", encoding="ascii", newline="\n") as file:
            file.write("hospital,patient_id,true_risk,outcome\n")
            for cohort in cohorts:
                for name, risk, outcome in zip(
                    cohort.identifiers, cohort.true_risk.tolist(), cohort.outcome.tolist(), strict=True
                ):
                    file.write(f"{cohort.name},{name},{risk:.6f},{int(outcome)}\n")


def _code(arguments: argparse.Namespace) -> int:
    import json

    from belmont.ehr.ingest import read_records
    from belmont.ehr.output_files import check_free, write_whole

    dictionary = _load(arguments.dictionary)
    out: Path = arguments.out
    for path in (out, arguments.refusals):
        if path is not None:
            check_free(path, arguments.force)
    key_path: Path = arguments.key or out.with_name(f"{out.name}.key")
    key, is_new = _pseudonym_key(key_path)
    size = _bytes_under(arguments.input)
    with _progress("reading records", size) as told:
        ingested = read_records(
            arguments.input,
            dictionary,
            key,
            as_of=arguments.as_of,
            strict=arguments.strict,
            progress=lambda done, _: told(done),
        )
    if is_new:
        _write_key(key_path, key)
    write_whole(out, ingested.table.to_bytes())
    if arguments.refusals is not None:
        write_whole(arguments.refusals, ingested.quality.refusals_frame().to_csv(index=False).encode())
    if arguments.json:
        print(json.dumps({**ingested.quality.to_dict(), "dictionary_hash": dictionary.hash.hex(), "out": str(out)}))
    else:
        print(ingested.quality.summary())
        print(ingested.quality.to_frame().to_string(float_format=lambda share: f"{share:.1%}"))
        print(f"written to {out}; pseudonym key in {key_path}{' (new)' if is_new else ''}")
    return 0


def _show(arguments: argparse.Namespace) -> int:
    import json

    from belmont.ehr.coded import CodedTable
    from belmont.ehr.errors import InputMissing, TableCorrupted, WrongDictionary
    from belmont.ehr.summary import summarise

    dictionary = _load(arguments.dictionary)
    path: Path = arguments.table
    if not path.is_file():
        raise InputMissing(path, None, "no such file; give a table that `belmont data code` wrote")
    try:
        table = CodedTable.from_bytes(dictionary, path.read_bytes())
    except (TableCorrupted, WrongDictionary) as error:
        raise type(error)(f"{path}: {error}") from error
    summary = summarise(table)
    print(json.dumps(summary.to_dict()) if arguments.json else summary.to_text())
    return 0


def _dictionary(arguments: argparse.Namespace) -> int:
    from belmont.ehr.dictionary import LOOKUP_TABLE_SIZE

    dictionary = _load(arguments.dictionary)
    print(f"{dictionary.name} version {dictionary.version}: {dictionary.title}")
    print(f"hash {dictionary.hash.hex()}")
    used = sum(width + 1 for width in dictionary.distinct_widths)
    print(f"lookup rows {used} of {LOOKUP_TABLE_SIZE}")
    for column in dictionary:
        missing = "may be missing" if column.allows_missing else ""
        print(
            f"  {column.name:<18} {column.kind:<6} W {column.width:<5} {column.unit or '':<18} "
            f"{column.on_bad:<12} {missing:<15} {column.label}"
        )
    return 0


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no day; give it as YYYY-MM-DD, such as 2026-01-31") from None


def _load(name: str) -> Dictionary:
    """A YAML file, or else a built-in dictionary of that name."""
    from belmont.ehr.dictionary import Dictionary

    if name.isidentifier() and not Path(name).exists():
        return Dictionary.builtin(name)
    return Dictionary.load(name)


def _pseudonym_key(path: Path) -> tuple[bytes, bool]:
    """The key in a file, or a new one that is not written yet. Raises EhrError for a file that others may read."""
    import secrets

    from belmont.ehr.errors import EhrError

    if not path.exists():
        return secrets.token_bytes(KEY_BYTES), True
    if path.stat().st_mode & 0o077:
        raise EhrError(f"{path}: others on this machine may read this key; run chmod 600 {path}")
    try:
        key = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except ValueError as error:
        raise EhrError(f"{path}: is no pseudonym key ({2 * KEY_BYTES} hexadecimal digits)") from error
    if len(key) != KEY_BYTES:
        raise EhrError(f"{path}: is no pseudonym key ({2 * KEY_BYTES} hexadecimal digits)")
    return key, False


def _write_key(path: Path, key: bytes) -> None:
    import os

    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(key.hex() + "\n")


def _bytes_under(path: Path) -> int:
    if path.is_dir():
        return sum(each.stat().st_size for each in path.iterdir() if each.is_file())
    return path.stat().st_size if path.exists() else 0


@contextmanager
def _progress(title: str, total: int) -> Iterator[Callable[[int], None]]:
    """A progress bar on standard error, gone when done; nothing where that is no terminal."""
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task(title, total=total)
        yield lambda done: bar.update(task, completed=done)
