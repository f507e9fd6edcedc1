"""A patient's records as one ZIP file, written as it is sent: nothing of it is ever on a disk here.

1. What can fail is read before the first byte goes out, but the hospital's own records, which may be long. Where those
   fail half way the file ends without its table of contents, so that nobody takes it for whole.
2. README.txt comes last, since it has the SHA-256 of every other file.
3. What other people wrote (a study's title, a member's name) gets an apostrophe where a spreadsheet would take it for a
   formula. The hospital's own cells stay as they are.
"""

import csv
import hashlib
import io
import json
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from belmont.service.patient import as_fhir, plain
from belmont.service.patient.departures import Departures
from belmont.service.patient.desk import Dossier
from belmont.service.patient.own_records import SourceRecord
from belmont.service.patient.reads import Pieces
from belmont.service.patient.views import row_view, standing_view
from belmont.service.words import Moment, Sentence, Words

Content = Iterator[bytes]
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""The last four are the wide forms, which some spreadsheets take for the others (OWASP, CSV Injection)."""
_MODE = 0o600 << 16


class _Sink(io.RawIOBase):
    """What a ZIP is written to, and taken from in pieces."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._pieces.append(bytes(data))
        return len(data)

    def taken(self) -> bytes:
        """What was written since the last call."""
        found, self._pieces = b"".join(self._pieces), []
        return found


def archive(dossier: Dossier, words: Words, departures: Departures) -> Pieces:
    """The ZIP in pieces. Raises FilesUnusable before the first of them, or for the records half way (1)."""
    records, consents = _records(dossier), _consents(dossier)
    uses = _uses(dossier, words, departures)
    own = dossier.records
    files: list[tuple[str, Sentence, Iterable[bytes]]] = [
        (
            "records.json",
            Sentence("your row as research uses it, decoded, and which versions have it"),
            [records],
        ),
        ("consents.json", Sentence("the consent in force, and everything that you stated before"), [consents]),
        ("consents.fhir.json", Sentence("the same as FHIR R4 Consent"), [_fhir_consents(dossier)]),
        ("uses.csv", Sentence("each use of the data, and whether your row was among the rows used"), [uses]),
    ]
    if own.is_csv:
        files.append(("source.csv", Sentence("your lines in the hospital's own table"), _lines(own.read())))
    else:
        files.append(
            ("source.fhir.json", Sentence("the hospital's own records of you, as a FHIR R4 Bundle"), _bundle(dossier))
        )
    return _zipped(dossier, words, files)


def _zipped(dossier: Dossier, words: Words, files: list[tuple[str, Sentence, Iterable[bytes]]]) -> Pieces:
    sink, digests = _Sink(), {}
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as out:
        for name, _, content in files:
            digest = hashlib.sha256()
            with out.open(_entry(name, dossier.now), "w") as file:
                for piece in content:
                    digest.update(piece)
                    file.write(piece)
                    yield sink.taken()
            digests[name] = digest.hexdigest()
        readme = _readme(dossier, words, {name: about for name, about, _ in files}, digests)
        out.writestr(_entry("README.txt", dossier.now), readme.encode())
        yield sink.taken()
    yield sink.taken()


def _entry(name: str, now: int) -> zipfile.ZipInfo:
    found = zipfile.ZipInfo(name, datetime.fromtimestamp(now, UTC).timetuple()[:6])
    found.compress_type, found.external_attr = zipfile.ZIP_DEFLATED, _MODE
    return found


def _readme(dossier: Dossier, words: Words, about: Mapping[str, Sentence], digests: Mapping[str, str]) -> str:
    lines = [
        words("Your records at {hospital}", hospital=dossier.hospital_name),
        words("Dataset: {dataset}", dataset=dossier.dataset.name),
        words("Made on {moment}", moment=Moment(dossier.now)),
        "",
        words("These files are about you alone. Keep them where only you can read them."),
        words("Only what this hospital holds is here; other hospitals have services of their own."),
        "",
    ]
    for name, what in about.items():
        lines += [f"{name}: {words.say(what)}", f"    SHA-256 {digests[name]}", ""]
    left_out = dossier.records.left_out.by_kind
    if left_out:
        said = ", ".join(f"{kind} {count}" for kind, count in sorted(left_out.items()))
        lines += [
            words(
                "Left out, since they name other people as well: {records}. Ask the hospital for them.", records=said
            ),
            "",
        ]
    lines += [
        words(
            '"May have been used" is said where the hospital\'s register cannot tell. "Not used" is said only where it '
            "can."
        ),
        "",
    ]
    return "\r\n".join(lines)


def _records(dossier: Dossier) -> bytes:
    return _json({"hospital": dossier.hospital_name, **row_view(dossier)})


def _consents(dossier: Dossier) -> bytes:
    return _json({"hospital": dossier.hospital_name, **standing_view(dossier)})


def _fhir_consents(dossier: Dossier) -> bytes:
    dids = {each.address: each.did for each in dossier.snapshot.members.values()}
    standing = dossier.standing
    listed = [as_fhir.consent("in-force", standing.scope, dossier.now, dids)]
    listed += [
        as_fhir.consent(f"statement-{each.statement.sequence}", each.statement.scope, each.at, dids)
        for each in standing.history
    ]
    base = f"https://{dossier.files.slug}.invalid/fhir/"
    head, *entries = as_fhir.bundle_parts(base, dossier.now, iter(listed))
    return _json({**head, "entry": entries})


def _bundle(dossier: Dossier) -> Content:
    """A Bundle, entry by entry."""
    base = f"https://{dossier.files.slug}.invalid/fhir/"
    resources = (each.content for each in dossier.records.read())
    parts = as_fhir.bundle_parts(base, dossier.now, resources)
    head = json.dumps(next(parts), ensure_ascii=False)
    yield head[:-1].encode()
    begun = False
    for each in parts:
        yield (b',"entry":[\n' if not begun else b",\n") + json.dumps(each, ensure_ascii=False).encode()
        begun = True
    yield b"\n]}\n" if begun else b"}\n"


def _lines(rows: Iterator[SourceRecord]) -> Content:
    header: list[str] | None = None
    for each in rows:
        if header is None:
            header = list(each.content)
            yield _csv([header])
        yield _csv([[str(cell) for cell in each.content.values()]])


def _uses(dossier: Dossier, words: Words, departures: Departures) -> bytes:
    rows = [["study", "data_user", "use", "number", "recorded_at", "version", "answer", "why", "what_left"]]
    for each in dossier.uses:
        permit = dossier.snapshot.permits.get(each.use.permit_id)
        rows.append([
            _no_formula(permit.terms.title) if permit else str(each.use.permit_id),
            _no_formula(dossier.snapshot.name_of(permit.data_user)) if permit else "",
            each.use.kind.name.lower(),
            str(each.use.n),
            as_fhir.moment(each.use.timestamp),
            str(each.use.version),
            words.say(plain.TOUCHES[each.touch]),
            words.say(plain.GROUNDS[each.why]),
            " ".join(words.say(said) for said in departures.said(each.use)),
        ])  # fmt: skip
    return _csv(rows)


def _csv(rows: Iterable[Iterable[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


def _no_formula(text: str) -> str:
    """Rule 3."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def _json(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, ensure_ascii=False, indent=1).encode() + b"\n"
