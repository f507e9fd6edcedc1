"""Progress where the person is: a bar in a terminal, a card that updates itself in a notebook, silence in a pipe."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from belmont.lab import cards

NOTHING = cards.Html("")


class Bar(Protocol):
    """One running task."""

    def advance(self, steps: int = 1, note: str = "", detail: cards.Html = NOTHING) -> None:
        """Moves on by ``steps``; ``note`` says what was just done, ``detail`` is for where there is room."""


class SilentBar:
    def advance(self, steps: int = 1, note: str = "", detail: cards.Html = NOTHING) -> None:
        """Says nothing."""


class TerminalBar:
    def __init__(self, progress: Any, task: Any) -> None:
        self._progress, self._task = progress, task

    def advance(self, steps: int = 1, note: str = "", detail: cards.Html = NOTHING) -> None:
        self._progress.update(self._task, advance=steps, note=note, refresh=True)


class NotebookBar:
    def __init__(self, title: str, total: int, handle: Any) -> None:
        self._title, self._total, self._handle, self._done = title, total, handle, 0

    def advance(self, steps: int = 1, note: str = "", detail: cards.Html = NOTHING) -> None:
        from IPython.display import HTML

        self._done += steps
        bar = cards.bar(self._done, self._total, f"{self._done} of {self._total}  {note}")
        self._handle.update(HTML(cards.card(self._title, bar, detail)))


def in_notebook() -> bool:
    """Whether this process is a Jupyter kernel."""
    if "IPython" not in sys.modules:
        return False
    from IPython import get_ipython

    shell = get_ipython()
    return shell is not None and getattr(shell, "kernel", None) is not None


@contextmanager
def progress_bar(title: str, total: int) -> Iterator[Bar]:
    """A bar of ``total`` steps for as long as the block runs."""
    if in_notebook():
        from IPython.display import HTML, display

        handle = display(HTML(cards.card(title, cards.bar(0, total))), display_id=True)
        yield NotebookBar(title, total, handle)
        return
    if not sys.stderr.isatty():
        yield SilentBar()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("[dim]{task.fields[note]}"),
    )
    # Drawn at each step and never by a thread: a process with one thread can fork its workers (`belmont.zk.processes`).
    with Progress(*columns, console=Console(stderr=True), auto_refresh=False) as progress:
        yield TerminalBar(progress, progress.add_task(title, total=total, note=""))
