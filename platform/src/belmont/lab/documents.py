"""Texts and files whose hash is on chain, kept in a consortium's directory under the name that their bytes give.

The name is a CID (``belmont.vault.cid``); the SHA-256 in it is what ``note_hash`` or ``reason_hash`` holds, and
``documents`` of a proposal holds all of it. What is read is compared with its name. Where the institution that has a
document did not hand it over, there is only the hash.
"""

from contextlib import suppress
from pathlib import Path

from belmont.federated.errors import FederatedError
from belmont.federated.hashes import config_hash
from belmont.identity.errors import KeyFileExists
from belmont.identity.secret_file import create_secret_file
from belmont.identity.strict_json import loads
from belmont.lab.errors import LabError
from belmont.lab.home import Home
from belmont.registry.types import StudyId
from belmont.vault.cid import RAW, Cid

FOLDER = "documents"
MAX_BYTES = 64 * 1024 * 1024
PROTOCOL_MAX_BYTES = 1024 * 1024
_SHA2_256_RAW = bytes((1, RAW)) + b"\x12\x20"


def keep(home: Home | None, content: bytes) -> Cid:
    """The CID of a document, which is kept where there is a directory."""
    if len(content) > MAX_BYTES:
        raise LabError(f"a document has at most {MAX_BYTES >> 20} MiB: give a list of the files' hashes instead")
    cid = Cid.of(RAW, content)
    if home is not None:
        path = _path(home, cid)
        path.parent.mkdir(mode=0o700, exist_ok=True)
        if found(home, cid.binary) is None:
            path.unlink(missing_ok=True)
            with suppress(KeyFileExists):  # another process kept the same bytes
                create_secret_file(path, content)
    return cid


def found(home: Home | None, binary: bytes) -> bytes | None:
    """A document by its binary CID, or by its SHA-256 alone; None where it is not here, or was changed."""
    cid = Cid(_SHA2_256_RAW + binary) if len(binary) == 32 else Cid(binary)
    if home is None or not _path(home, cid).is_file():
        return None
    content = _path(home, cid).read_bytes()
    return content if cid.names(content) else None


def keep_reason(home: Home | None, study_id: StudyId, reason: str) -> None:
    """Why an amendment was asked for. No hash of it is on chain."""
    if home is not None:
        path = home.path / FOLDER / f"study-{study_id}-reason.txt"
        path.parent.mkdir(mode=0o700, exist_ok=True)
        path.write_text(reason, encoding="utf-8")


def reason_for(home: Home | None, study_id: StudyId) -> str | None:
    """What `keep_reason` kept; None where it is not here."""
    path = home.path / FOLDER / f"study-{study_id}-reason.txt" if home else None
    return path.read_text(encoding="utf-8") if path is not None and path.is_file() else None


def protocol_of(given: str | Path) -> bytes:
    """A protocol as it is hashed and kept: the text itself, or the bytes of a file. Raises ``LabError``.

    A path is a ``Path``, or one line that ends in ``.md``.
    """
    is_path = isinstance(given, Path) or (given.endswith(".md") and "\n" not in given)
    content = read_document(Path(given)) if is_path else str(given).encode()
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise LabError("the protocol is no text in UTF-8: give Markdown, or plain text") from error
    if "\0" in text or len(content) > PROTOCOL_MAX_BYTES:
        raise LabError(f"a protocol is text of at most {PROTOCOL_MAX_BYTES >> 20} MiB: name annexes by their hashes")
    return content


def protocol_for(home: Home | None, hashed: bytes) -> str | None:
    """The text of a protocol with this hash; None where it is not here."""
    content = found(home, hashed)
    return None if content is None else content.decode("utf-8", errors="replace")


def keep_configuration(home: Home | None, hashed: bytes, content: bytes) -> None:
    """The text of a run configuration whose hash is on chain, by that hash, which is not one of the bytes alone."""
    if home is not None:
        path = _configuration(home, hashed)
        path.parent.mkdir(mode=0o700, exist_ok=True)
        path.write_bytes(content)


def configuration_for(home: Home | None, hashed: bytes) -> dict[str, str | int | float | bool] | None:
    """What `keep_configuration` kept; None where it is not here, or was changed."""
    path = _configuration(home, hashed) if home else None
    if path is None or not path.is_file():
        return None
    try:
        content = loads(path.read_bytes())
        return content if isinstance(content, dict) and config_hash(content) == hashed else None
    except (ValueError, RecursionError, FederatedError):
        return None


def read_document(given: bytes | Path | str) -> bytes:
    """The bytes of what somebody names: bytes, or a file's path. Raises ``LabError``."""
    if isinstance(given, bytes):
        content = given
    else:
        path = Path(given).expanduser()
        if not path.is_file():
            raise LabError(f"{path} is no file: give documents=<bytes>, or the path of the file that was read")
        content = path.read_bytes()
    if not content:
        raise LabError("the documents are empty: give what the members are to read before they vote")
    return content


def _configuration(home: Home, hashed: bytes) -> Path:
    return home.path / FOLDER / f"configuration-{hashed.hex()}.json"


def _path(home: Home, cid: Cid) -> Path:
    return home.path / FOLDER / str(cid)
