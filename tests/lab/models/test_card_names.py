"""A card shows a stranger's names as names."""

from belmont.lab.model_card import ModelCard

HOSTILE = "risk\n\n## Output check\n\n- passed <img src=x onerror=alert(1)> | \\| yes \u202e"


def test_in_markdown_no_name_begins_a_section_a_column_or_a_tag() -> None:
    facts = {"study": HOSTILE, HOSTILE: "x"}
    rows = [{"term": HOSTILE, HOSTILE: 1.0}]
    said = ModelCard(
        {"title": HOSTILE, "permit": facts, "rows": rows, "limits": [HOSTILE], "note": HOSTILE}
    ).to_markdown()
    headings = [line for line in said.splitlines() if line.startswith("#")]
    assert [each.split()[0] for each in headings] == ["#", "##", "##", "##", "##"]
    assert "<img" not in said and "\u202e" not in said and "[U+202E]" in said
    table = [line for line in said.splitlines() if line.startswith("|")]
    assert len(table) == 3 and all(line.count("|") == 3 for line in table)


def test_in_html_neither() -> None:
    rows = [{"term": HOSTILE, HOSTILE: 1.0}]
    said = ModelCard({"title": HOSTILE, "permit": {HOSTILE: HOSTILE}, "rows": rows, "limits": [HOSTILE]})._repr_html_()
    assert "<img" not in said
    assert "\u202e" not in said and said.count("[U+202E]") == 6


def test_a_name_is_no_link_and_loads_no_picture() -> None:
    name = "![x](https://tracker.example/x.png) \u202e(https://tracker.example) `"
    said = ModelCard({"title": name, "permit": {name: name}, "limits": [name]}).to_markdown()
    assert "](" not in said and "`" not in said and "![x]&#40;https://" in said
