"""Writes the table of cases into docs/duo.md:

python -m tests.registry.duo.make_page
"""

from tests.registry.duo import cases

from belmont.registry.duo import Conditions, IntendedUse

PAGE = cases.ROOT / "docs" / "duo.md"
BEGIN, END = "<!-- cases -->\n", "<!-- end of cases -->\n"
HEAD = "| case | dataset | study | published | ours | with MONDO | why |\n|---|---|---|---|---|---|---|\n"


def table() -> str:
    """The cases as rows; verdicts that differ from the published matcher's stand out."""
    return HEAD + "".join(map(_row, cases.load()))


def written(page: str) -> str:
    """A page with the table put in its place."""
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}{table()}{END}{after}"


def _row(case: cases.DuoCase) -> str:
    ours = case.verdict.name if case.verdict.name == case.published else f"**{case.verdict.name}**"
    if case.denied:
        ours += f", denied by {case.denied}"
    if case.abstained:
        ours += f", open: {case.abstained}"
    with_mondo = case.with_mondo.name if case.with_mondo is not case.verdict else ""
    cells = (case.name, _said(case.conditions), _said(case.use), case.published, ours, with_mondo, case.why)
    return f"| {' | '.join(cells)} |\n"


def _said(of: Conditions | IntendedUse) -> str:
    return repr(of).removeprefix(f"{type(of).__name__}(").removesuffix(")").removeprefix("purposes: ")


def main() -> None:
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    print(f"{len(cases.load())} cases")


if __name__ == "__main__":
    main()
