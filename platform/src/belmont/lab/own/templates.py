"""The template that a researcher's own app begins with: package data, written under the name that was chosen."""

import keyword
import re
from importlib import resources
from pathlib import Path

from belmont.federated.models.bundles import shipped_bundle
from belmont.lab.errors import LabError
from belmont.lab.own.folder import bundle_of, files_of

NAME = "my_model"
_WORD = re.compile(r"[a-z][a-z0-9_]{0,39}", re.ASCII)
_TAKEN = frozenset(("belmont", "flwr", "numpy", "model", "client_app", "server_app", "test"))


def write_template(target: Path | str) -> list[Path]:
    """Writes the template as the folder ``target``, whose name becomes the package's. The files that were written.

    Raises LabError for a folder that exists, and for a name that is no module's, or an installed one's.
    """
    import importlib.util

    target = Path(target)
    name = target.name
    if not _WORD.fullmatch(name) or keyword.iskeyword(name):
        raise LabError(f"{name!r} names no module: take small letters, digits and underscores, such as {NAME}")
    if name in _TAKEN or (name != NAME and importlib.util.find_spec(name) is not None):
        raise LabError(f"{name} is the name of a module that is installed, which your own would hide: take another")
    if target.exists() or target.is_symlink():
        raise LabError(f"{target} exists already: nothing was written; name another folder")
    written = []
    target.mkdir(parents=True)
    for file, content in template_files(name).items():
        path = target / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        written.append(path)
    return written


def template_files(name: str = NAME) -> dict[str, bytes]:
    """The template's files under another name, as they are written."""
    with resources.as_file(resources.files("belmont.lab.own") / "template" / NAME) as folder:
        found = {
            path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8")
            for path in sorted(folder.rglob("*"))
            if path.is_file() and "__pycache__" not in path.parts
        }
    project = name.replace("_", "-").strip("-")
    return {
        file.replace(NAME, name): text.replace(NAME, name).replace("my-model", project).encode()
        for file, text in found.items()
    }


def bundled_template(name: str = NAME) -> dict[str, bytes]:
    """The files of the template's bundle, as a board reads them: Flower writes pyproject.toml anew."""
    with resources.as_file(resources.files("belmont.lab.own") / "template" / NAME) as folder:
        files = files_of(bundle_of(folder))
    return renamed(files, NAME, name)


def shipped_files(app: str) -> dict[str, bytes]:
    """The files of a shipped app's bundle."""
    return files_of(shipped_bundle(app))


def renamed(files: dict[str, bytes], package: str, name: str) -> dict[str, bytes]:
    """The same files under another package's name."""
    if package == name:
        return dict(files)
    project = (package.replace("_", "-").strip("-"), name.replace("_", "-").strip("-"))
    out = {}
    for file, content in files.items():
        text = content.replace(package.encode(), name.encode()).replace(project[0].encode(), project[1].encode())
        parts = [name if part == package else part for part in file.split("/")]
        out["/".join(parts)] = text
    return out
