"""The repository keeps its shape: one namespace, one direction of imports, one list of dependencies."""

import ast
import importlib.util
import re
import sysconfig
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
SOURCE_ROOTS = [ROOT / "platform/src", ROOT / "federated/src", ROOT / "zk/src"]

MAY_IMPORT = {
    "zk": set(),
    "vault": set(),
    "identity": set(),
    "ehr": set(),
    "contracts": set(),
    "chain": {"identity", "contracts"},
    "registry": {"chain", "zk", "contracts", "identity"},
    "audit": {"registry", "identity", "chain"},
    "light": {"registry", "identity", "chain"},
    "federated": {"registry", "zk"},
}
TOP = {"service", "lab", "deployment", "cli"}


def python_files() -> list[tuple[str, Path]]:
    """(area, file) for each of our modules."""
    found = []
    for root in SOURCE_ROOTS:
        for path in sorted((root / "belmont").rglob("*.py")):
            area = path.relative_to(root / "belmont").parts[0].removesuffix(".py")
            found.append((area, path))
    return found


def imported_areas(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} uses a relative import"
            names.add(node.module or "")
            names |= {f"{node.module}.{alias.name}" for alias in node.names if node.module == "belmont"}
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "import_module":
            names |= {a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)}
    return {name.split(".")[1] for name in names if name.startswith("belmont.")}


def test_imports_point_one_way() -> None:
    files = python_files()
    assert len(files) > 20
    wrong = []
    for area, path in files:
        allowed = MAY_IMPORT.get(area, set(MAY_IMPORT) | TOP if area in TOP else set()) | {area}
        for other in imported_areas(path) - allowed:
            wrong.append(f"{path.relative_to(ROOT)} imports belmont.{other}")
    assert wrong == []


def test_every_area_has_its_place_in_the_order_of_imports() -> None:
    assert {area for area, _ in python_files()} <= set(MAY_IMPORT) | TOP


def test_the_standard_librarys_platform_is_not_shadowed() -> None:
    assert list((ROOT / "platform").glob("*.py")) == []
    spec = importlib.util.find_spec("platform")
    assert spec is not None and spec.origin is not None
    assert Path(spec.origin).is_relative_to(sysconfig.get_paths()["stdlib"])


def test_belmont_is_one_namespace_over_three_source_roots() -> None:
    for root in SOURCE_ROOTS:
        assert not (root / "__init__.py").exists()
        assert not (root / "belmont" / "__init__.py").exists()


def distribution_name(requirement: str) -> str:
    return re.split(r"[\[<>=!~ ;]", requirement, maxsplit=1)[0].lower().replace("_", "-").replace(".", "-")


def test_the_conda_environment_asks_for_what_pyproject_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    pip = next(item["pip"] for item in environment["dependencies"] if isinstance(item, dict))
    asked = project["dependencies"] + project["optional-dependencies"]["lab"] + project["optional-dependencies"]["dev"]
    assert sorted(pip) == sorted(set(asked))
    assert f"python{project['requires-python']}" in environment["dependencies"]


def test_every_dependency_has_an_exact_version_in_the_constraints() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = set(project["dependencies"]).union(*project["optional-dependencies"].values())
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9._+]+", line) for line in lines)
    assert {distribution_name(item) for item in asked} <= {distribution_name(line) for line in lines}


@pytest.mark.parametrize("pattern", ["*.toml", "*.txt", "*.yml", "Makefile", ".ci/run"])
def test_no_committed_file_names_a_package_index(pattern: str) -> None:
    for path in ROOT.glob(pattern):
        assert not re.search(r"(index-url|find-links|trusted-host|https?://[^ ]*pypi)", path.read_text()), path


def test_shipped_code_guards_with_typed_errors_and_never_with_assert() -> None:
    found = []
    for _, path in python_files():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Assert):
                found.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert found == []


def test_notebooks_hold_no_output_and_no_long_function() -> None:
    import json

    for path in (ROOT / "notebooks").glob("*.ipynb"):
        for cell in json.loads(path.read_text())["cells"]:
            if cell["cell_type"] != "code":
                continue
            assert cell["outputs"] == [] and cell["execution_count"] is None, f"{path.name} has saved output"
            source = "".join(cell["source"])
            tree = ast.parse("\n".join(line for line in source.splitlines() if not line.startswith("%")))
            for node in ast.walk(tree):
                if isinstance(node, ast.FunctionDef):
                    assert (node.end_lineno or 0) - node.lineno < 10, f"{path.name}: {node.name} is too long"


@pytest.mark.parametrize("page", [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))], ids=lambda p: p.name)
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8"))
    missing = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert missing == []


def test_the_readme_begins_with_the_two_commands_and_a_picture() -> None:
    beginning = (ROOT / "README.md").read_text(encoding="utf-8")[:600]
    assert beginning.index("make demo") < beginning.index("make test") < beginning.index("![")
