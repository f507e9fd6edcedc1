"""A study's code is read in memory, within the bounds of the hospitals' nodes, and never run."""

import hashlib
import io
import stat
import zipfile
from collections.abc import Iterable

import pytest
from tests.service.conftest import World
from tests.service.documents.conftest import Client, put

from belmont.federated.hashes import config_hash
from belmont.federated.models.bundles import shipped_bundle
from belmont.federated.node.bundle import read_bundle
from belmont.service.documents.code import code_of, refuse_other_bundles
from belmont.service.documents.documents import Documents
from belmont.service.documents.kinds import Kind
from belmont.service.errors import Malformed

Entry = tuple[zipfile.ZipInfo | str, bytes]


def bundle(entries: Iterable[Entry], listed: bool = True) -> bytes:
    """An archive with a list of its files that fits."""
    written = io.BytesIO()
    entries = list(entries)
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        lines = []
        for entry, content in entries:
            archive.writestr(entry, content)
            name = entry if isinstance(entry, str) else entry.filename
            lines.append(f"{name},{hashlib.sha256(content).hexdigest()},{len(content) * 8}")
        if listed:
            archive.writestr(".info/CONTENT", "\n".join(lines))
    return written.getvalue()


def link(name: str, to: str) -> Entry:
    entry = zipfile.ZipInfo(name)
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    return entry, to.encode()


def lying_size() -> bytes:
    """A bomb that says it is small: 64 MiB of zeros under a size of 10."""
    size = 64 * 1024 * 1024
    return bundle([("app.py", bytes(size))]).replace(size.to_bytes(4, "little"), (10).to_bytes(4, "little"))


def many_of_one() -> bytes:
    with pytest.warns(UserWarning, match="Duplicate name"):
        return bundle([("app.py", b"1"), ("app.py", b"2")])


HOSTILE = {
    "bomb": lambda: bundle([("app.py", bytes(51 * 1024 * 1024))]),
    "bomb of many": lambda: bundle([(f"{k}.py", b"") for k in range(1001)]),
    "bomb that lies": lying_size,
    "one name twice": many_of_one,
    "link": lambda: bundle([link("app.py", "/etc/passwd")]),
    "up and out": lambda: bundle([("../app.py", b"1")]),
    "up and out inside": lambda: bundle([("a/../../app.py", b"1")]),
    "from the root": lambda: bundle([("/etc/app.py", b"1")]),
    "of Windows": lambda: bundle([("C:/app.py", b"1")]),
    "without a list": lambda: bundle([("app.py", b"1")], listed=False),
    "no archive": lambda: b"PK\x03\x04 and nothing more",
    "text": lambda: b"print('hello')",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_no_hospital_would_open_is_not_kept(client: Client, world: World, name: str) -> None:
    content = HOSTILE[name]()
    with pytest.raises(Malformed):
        refuse_other_bundles(content)
    number = world.study(code_hash=hashlib.sha256(content).digest())
    answer = put(client("data_user"), number, "code", content)
    assert answer.status_code == 400, answer.text
    assert answer.json()["code"] == "BUNDLE_REFUSED"


def test_a_bundle_is_shown_as_files_with_its_configuration_and_differences(
    client: Client, world: World, documents: Documents
) -> None:
    content, config = shipped_bundle("glm"), {"rounds": 3}
    number = world.study(code_hash=hashlib.sha256(content).digest(), config_hash=config_hash(config))
    assert put(client("data_user"), number, "code", content).status_code in (200, 201)
    assert put(client("data_user"), number, "configuration", b'{"rounds": 3}').status_code == 201
    kept = documents.find(Kind.CODE, hashlib.sha256(content).digest())
    assert kept == content
    code = code_of(kept, documents.find(Kind.CONFIGURATION, config_hash(config)))
    assert code.files == read_bundle(content)
    assert code.config == config
    assert code.diff("glm").changed == ()
