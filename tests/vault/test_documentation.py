import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "vault.md"


@pytest.mark.parametrize("number", [0, 1])
def test_the_examples_run(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    examples = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(examples) == 2
    exec(examples[number], {"table_bytes": b"records"})  # noqa: S102
