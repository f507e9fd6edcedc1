"""Patients' pages and endpoints, on a real consortium: chain, contracts, vaults, registers, a node that computes."""

import csv
import hashlib
import html
import io
import json
import re
import threading
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from anyio import CapacityLimiter
from fastapi.testclient import TestClient
from tests.service.patient.story import Story
from tests.service.running import catch_up

from belmont.identity.keys import Identity
from belmont.identity.messages import ConsentGrant, ConsentRevocation
from belmont.identity.signed_message import SignedMessage
from belmont.registry.consents.fhir import FOREVER, scope_of
from belmont.registry.consents.scope import Scope
from belmont.registry.types import Address
from belmont.service.patient import api
from belmont.service.patient.archive import archive
from belmont.service.patient.desk import Dossier
from belmont.service.patient.reads import OF_AN_ACCOUNT
from belmont.service.service import Service

ALL = 2196875771904
PAGES = ("/patient", "/patient/records", "/patient/uses", "/patient/consent", "/patient/download")
READS = ("", "/records", "/records/source", "/uses", "/archive")
WRITES = ("/consent/drafts", "/consent/statements")
FORMS = ("/consent/grant", "/consent/revocation", "/consent/message", "/consent/statement")


def text_of(page: Any) -> str:
    """A page without its tags."""
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]*>", " ", page.text)))


# --- who may ---


@pytest.mark.parametrize("path", PAGES)
def test_a_stranger_is_led_to_the_sign_in(path: str, as_: Any) -> None:
    answer = as_(None).get(path)
    assert answer.status_code == 303 and answer.headers["location"].startswith("/sign-in?next=%2Fpatient")


@pytest.mark.parametrize("path", READS + WRITES)
def test_a_stranger_is_refused(path: str, as_: Any) -> None:
    method = "POST" if path in WRITES else "GET"
    answer = as_(None).request(method, f"/api/v1/patient{path}", json={} if method == "POST" else None)
    assert (answer.status_code, answer.json()["code"]) == (401, "NOT_SIGNED_IN")


@pytest.mark.parametrize("path", FORMS)
def test_a_stranger_hands_nothing_in(path: str, as_: Any) -> None:
    assert as_(None).post(f"/patient{path}", data={"message": "{}"}).status_code == 401


def others(story: Story) -> dict[str, str]:
    made = story.consortium
    return {
        "a patient of another hospital": story.elsewhere.address,
        "an account of nobody": Identity.create().address,
        "the hospital itself": made.hospitals[0].address,
        "the researcher": made.researcher.address,
        "the board": made.board[0].address,
    }


@pytest.mark.parametrize("who", [
    "a patient of another hospital", "an account of nobody", "the hospital itself", "the researcher", "the board",
])  # fmt: skip
def test_whoever_is_no_patient_here_gets_nothing_and_is_told_how_to_become_one(
    who: str, as_: Any, story: Story
) -> None:
    client = as_(others(story)[who])
    welcome = client.get("/patient")
    assert welcome.status_code == 200 and "How to see your own data here" in text_of(welcome)
    for path in PAGES[1:]:
        assert client.get(path).status_code == 403
    for path in READS:
        assert client.get(f"/api/v1/patient{path}").status_code == 403
    assert client.post("/api/v1/patient/consent/drafts", json={"kind": "revocation"}).status_code == 403
    for path in FORMS:
        assert (
            client.post(f"/patient{path}", data={"first_day": "2026-01-01", "last_day": "2027-01-01"}).status_code
            == 403
        )


def test_another_hospitals_dataset_cannot_be_chosen(as_: Any, story: Story) -> None:
    dataset = f"0x{story.consortium.hospitals[1].dataset_id.hex()}"
    client = as_(story.keeps.address)
    for path in READS:
        answer = client.get(f"/api/v1/patient{path}", params={"dataset": dataset})
        assert (answer.status_code, answer.json()["code"]) == (403, "NOT_A_PATIENT")
    assert client.get("/patient/records", params={"dataset": dataset}).status_code == 403
    assert client.get("/patient/records", params={"dataset": "0x12"}).status_code == 422


def test_an_account_that_is_enrolled_but_that_the_register_does_not_know_sees_nothing(
    as_: Any, story: Story, monkeypatch: pytest.MonkeyPatch, service: Service
) -> None:
    stranger = Address(Identity.create().address)
    monkeypatch.setattr(service.desk.chain, "is_enrolled", lambda dataset, account: True)
    for path in PAGES:
        assert as_(stranger).get(path).status_code == 403


# --- what is held, and who used it ---


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("lang", ["en", "zh-Hans"])
def test_every_page_is_whole_and_safe(path: str, lang: str, as_: Any, story: Story) -> None:
    answer = as_(story.keeps.address).get(path, params={"lang": lang})
    assert answer.status_code == 200 and answer.headers["cache-control"] == "no-store"
    if path != "/patient/download":
        assert "<b>& vessels" not in answer.text and not re.search(
            r"<script(?! type=\"module\" src=)|style=", answer.text
        )
        assert "no-referrer" not in answer.text and answer.text.count("<h1>") == 1


def test_a_patient_sees_their_own_row_and_the_records_that_it_was_made_of(as_: Any, story: Story) -> None:
    made, client = story.consortium, as_(story.keeps.address)
    from belmont.lab.hospital_files import stored_rows

    hospital = made.hospitals[0]
    table = stored_rows(made.home_here, hospital.slug, made.registry, hospital.dataset_id).table
    number = made.consents(hospital).numbers[0]
    decoded = table.decode().loc[number]
    row = client.get("/api/v1/patient/records").json()
    assert row["version"] == 1 and row["versions"][0]["has_the_row"] is True
    for each in row["values"]:
        assert each["value"] == (None if not each["observed"] else decoded[each["column"]])
    shown = text_of(client.get("/patient/records"))
    assert all(each["meaning"] in shown for each in row["values"])
    first = client.get("/api/v1/patient/records/source", params={"limit": 3}).json()
    assert len(first["records"]) == 3 and first["left_out"] is None
    rest = client.get("/api/v1/patient/records/source", params={"cursor": first["next"], "limit": 200}).json()
    found = first["records"] + rest["records"]
    assert rest["next"] is None and rest["left_out"] == {}
    subjects = {json.dumps(each["content"].get("subject") or each["content"].get("patient")) for each in found[1:]}
    assert len({each.removesuffix('-again"}') for each in subjects}) <= 3 and found[-1]["kind"] == "Patient"


def test_each_use_is_told_with_whether_the_row_was_among_those_used(as_: Any, story: Story) -> None:
    answers = {}
    for who in (story.keeps, story.revokes):
        found = as_(who.address).get("/api/v1/patient/uses").json()
        assert found["total"] == 2 and [each["number"] for each in found["uses"]] == [2, 1]
        answers[who.address] = [(each["answer"], each["why"]) for each in found["uses"]]
        assert {each["study"] for each in found["uses"]} == {"Heart <b>& vessels</b>"}
        assert found["uses"][0]["data_user_name"] == story.consortium.researcher.name
    assert answers[story.keeps.address] == [("used", "attested")] * 2
    assert answers[story.revokes.address] == [("not_used", "revoked"), ("used", "attested")]
    page = text_of(as_(story.revokes.address).get("/patient/uses"))
    assert "You had taken your consent back." in page and "Heart <b>& vessels</b>" in page


def test_a_use_under_a_permit_that_was_not_read_yet_is_on_every_page_and_may_have_had_the_row(
    as_: Any, story: Story, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service.keeper, "_snapshot", replace(service.snapshot, permits={}))
    client = as_(story.keeps.address)
    assert [client.get(path).status_code for path in PAGES] == [200] * len(PAGES)
    assert "May have been used." in text_of(client.get("/patient/uses"))
    found = client.get("/api/v1/patient/uses").json()["uses"]
    assert [(each["study"], each["answer"]) for each in found] == [(None, "maybe")] * 2


# --- stating ---


GRANT = {
    "kind": "grant",
    "purposes": ["disease_category", "biomedical"],
    "categories": ["demographics", "diagnoses", "measurements", "medication"],
    "recipients": [],
    "first_day": "2026-01-01",
    "last_day": "2150-01-01",
}


def sign(draft: dict[str, Any], who: Identity) -> dict[str, Any]:
    """A draft, signed as belmont sign does it."""
    signed = SignedMessage.from_json(json.dumps(draft).encode()).signed_by(who)
    found: dict[str, Any] = json.loads(signed.to_json())
    return found


def stated(client: TestClient, signed: dict[str, Any]) -> Any:
    return client.post("/api/v1/patient/consent/statements", json=signed)


def test_a_patient_revokes_grants_a_day_later_and_no_sooner_and_replays_count_for_nothing(
    as_: Any, story: Story, service: Service
) -> None:
    who, client = story.grants.identity, as_(story.grants.address)
    early = client.post("/api/v1/patient/consent/drafts", json=GRANT).json()["message"]
    drafted = client.post("/api/v1/patient/consent/drafts", json={"kind": "revocation"}).json()
    assert [each["change"] for each in drafted["effects"]] == ["leaves"]
    signed = sign(drafted["message"], who)
    taken = stated(client, signed)
    assert taken.status_code == 200, taken.text
    after = taken.json()["overview"]
    assert after["standing"]["decided_by"] == "own" and after["standing"]["in_force"] is None
    assert [each["change"] for each in after["running"]] == ["stays_out"]
    assert after["grant_from"] is not None
    again = stated(client, signed)
    assert (again.status_code, again.json()["code"]) == (409, "NONCE_USED")
    older = stated(client, sign(early, who))
    assert older.status_code == 409 and older.json()["code"] in ("SEQUENCE_NOT_NEWER", "GRANT_TOO_SOON")
    soon = client.post("/api/v1/patient/consent/drafts", json=GRANT)
    assert (soon.status_code, soon.json()["code"]) == (409, "GRANT_TOO_SOON")
    twice = client.post("/api/v1/patient/consent/drafts", json={"kind": "revocation"})
    assert (twice.status_code, twice.json()["code"]) == (409, "ALREADY_REVOKED")
    page = text_of(client.get("/patient/consent"))
    assert "Nothing is permitted." in page and "You took all consent back." in page


def test_a_statement_of_somebody_else_is_not_passed_on(as_: Any, story: Story) -> None:
    mine = as_(story.keeps.address)
    domain, dataset = story.consortium.registry.relay.domain, story.consortium.hospitals[1].dataset_id
    theirs = ConsentRevocation(actor=story.elsewhere.address, dataset=dataset, sequence=9)
    about_theirs = ConsentRevocation(actor=story.keeps.address, dataset=dataset, sequence=9)
    cases = {
        "OTHER_ACTOR": SignedMessage(theirs, domain).signed_by(story.elsewhere.identity),
        "OTHER_DATASET": SignedMessage(about_theirs, domain).signed_by(story.keeps.identity),
    }
    for code, signed in cases.items():
        answer = stated(mine, json.loads(signed.to_json()))
        assert (answer.status_code, answer.json()["code"]) == (409, code)


def test_a_forged_a_foreign_an_unsigned_and_another_kind_of_message_is_not_passed_on(as_: Any, story: Story) -> None:
    from belmont.identity.messages import Freeze

    client, who = as_(story.keeps.address), story.keeps
    domain, dataset = story.consortium.registry.relay.domain, story.consortium.hospitals[0].dataset_id
    message = ConsentRevocation(actor=who.address, dataset=dataset, sequence=int(time.time()))
    forged = stated(client, json.loads(SignedMessage(message, domain).signed_by(Identity.create()).to_json()))
    assert (forged.status_code, forged.json()["code"]) == (409, "SIGNATURE_INVALID")
    foreign = SignedMessage(message, replace(domain, chain_id=5)).signed_by(who.identity)
    assert stated(client, json.loads(foreign.to_json())).json()["code"] == "OTHER_CONSORTIUM"
    unsigned = json.loads(SignedMessage(message, domain).to_json())
    assert stated(client, unsigned).status_code == 422
    freeze = SignedMessage(Freeze(actor=who.address, permit=1, duration=9), domain).signed_by(who.identity)
    assert stated(client, json.loads(freeze.to_json())).json()["code"] == "NOT_A_CONSENT"
    changed = json.loads(SignedMessage(message, domain).signed_by(who.identity).to_json())
    changed["says"] = "Something else."
    assert stated(client, changed).json()["code"] == "MESSAGE_MALFORMED"
    assert client.get("/api/v1/patient").json()["standing"]["decided_by"] == "attested"


FORM = {"purposes": GRANT["purposes"], "categories": GRANT["categories"]}
FORM |= {"first_day": "2026-01-01", "last_day": "2030-12-31"}


def hidden(page: Any, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', page.text)
    assert found is not None
    return html.unescape(found[1])


def test_without_javascript_the_message_is_kept_signed_elsewhere_and_handed_in_as_a_file(
    as_: Any, story: Story, service: Service
) -> None:
    first = story.consortium.consents(story.consortium.hospitals[0])
    patient = first.give_key(first.numbers[5])
    catch_up(service)
    client = as_(patient.address)
    shown = client.post("/patient/consent/grant", data=FORM)
    assert shown.status_code == 200 and "goes on with your row" in text_of(shown)
    kept = client.post("/patient/consent/message", data={"message": hidden(shown, "message")})
    assert kept.headers["content-disposition"].startswith("attachment")
    signed = SignedMessage.from_json(kept.content).signed_by(patient.identity)
    assert isinstance(signed.message, ConsentGrant)
    assert (signed.message.valid_from, signed.message.valid_until) == (1767225600, 1924992000)
    sent = client.post("/patient/consent/statement", files={"file": ("c.json", signed.to_json().encode())})
    assert sent.status_code == 303
    after = text_of(client.get(sent.headers["location"]))
    assert "The chain has taken your statement" in after and "your own newest statement" in after
    assert client.post("/patient/consent/grant", data=FORM).status_code == 409


def test_a_wallets_signature_is_put_to_the_message_in_the_page(as_: Any, story: Story, service: Service) -> None:
    first = story.consortium.consents(story.consortium.hospitals[0])
    patient = first.give_key(first.numbers[6])
    catch_up(service)
    client = as_(patient.address)
    shown = client.post("/patient/consent/revocation", data={})
    message = hidden(shown, "message")
    fields = re.findall(
        r'data-field="([^"]*)" data-raw="([^"]*)"', shown.text
    )  # what wallet.js holds against the message
    typed = json.loads(message)["typed_data"]
    assert {name: json.loads(html.unescape(raw)) for name, raw in fields} == typed["message"]
    assert f'data-signers="{patient.address}"' in shown.text
    signature = SignedMessage.from_json(message.encode()).signed_by(patient.identity).signatures[0]
    bad = client.post("/patient/consent/statement", data={"message": message, "signature": "0x12zz"})
    assert bad.status_code == 400
    of_a_wallet = SignedMessage.from_json(message.encode()).with_signature(b"\x01" * 66).to_json()
    both = client.post("/patient/consent/statement", data={"message": of_a_wallet, "signature": "0x" + "02" * 65})
    assert both.status_code == 400
    given = {"message": message, "signature": "0x" + signature.hex().upper()}
    sent = client.post("/patient/consent/statement", data=given)
    assert sent.status_code == 303
    assert client.post("/patient/consent/statement", data={"message": message}).status_code == 400


def test_a_form_with_something_wrong_comes_back_as_it_was_filled_in(as_: Any, story: Story) -> None:
    client = as_(story.keeps.address)
    answer = client.post("/patient/consent/grant", data=FORM | {"purposes": []})
    assert answer.status_code == 400 and 'href="#purposes">Choose at least one kind of research.' in answer.text
    answer = client.post("/patient/consent/grant", data=FORM | {"last_day": "2025-01-01"})
    assert answer.status_code == 400 and "Give two days" in answer.text and 'value="2025-01-01"' in answer.text
    for each in FORM["purposes"]:
        assert f'value="{each}" checked' in answer.text


@pytest.mark.parametrize("change", [
    {"purposes": []}, {"purposes": ["everything"]}, {"categories": ["souls"]}, {"last_day": "2025-01-01"},
    {"first_day": "tomorrow"}, {"last_day": "9999-12-31"}, {"recipients": ["0x1"]}, {"purposes": ["<script>"]},
])  # fmt: skip
def test_a_form_that_no_consent_can_be_made_of_is_refused(change: dict[str, Any], as_: Any, story: Story) -> None:
    answer = as_(story.keeps.address).post("/patient/consent/grant", data=FORM | change)
    assert answer.status_code in (400, 409, 422) and "<script>" not in answer.text


def test_a_recipient_is_a_data_user(as_: Any, story: Story) -> None:
    client, made = as_(story.keeps.address), story.consortium
    for who, status in ((made.board[0].address, 400), (made.researcher.address, 200)):
        assert client.post("/api/v1/patient/consent/drafts", json=GRANT | {"recipients": [who]}).status_code == status
    narrow = GRANT | {"purposes": ["ancestry"], "recipients": [made.researcher.address]}
    effects = client.post("/api/v1/patient/consent/drafts", json=narrow).json()["effects"]
    assert [each["change"] for each in effects] == ["leaves"]


def test_other_sites_and_pages_without_the_token_hand_nothing_in(as_: Any, story: Story) -> None:
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"X-CSRF-Token": "guessed"}):
        client = as_(story.keeps.address)
        client.headers.update(headers)
        for path in FORMS:
            assert client.post(f"/patient{path}", data=FORM | {"message": "{}"}).status_code == 403
        assert stated(client, {}).status_code == 403


# --- download ---


def opened(answer: Any) -> dict[str, bytes]:
    assert answer.status_code == 200
    with zipfile.ZipFile(io.BytesIO(answer.content)) as file:
        assert file.testzip() is None
        return {name: file.read(name) for name in file.namelist()}


def test_the_download_is_whole_and_about_the_patient_alone(as_: Any, story: Story) -> None:
    client = as_(story.revokes.address, token=True)
    files = opened(client.get("/api/v1/patient/archive"))
    assert set(files) == {
        "records.json", "consents.json", "consents.fhir.json", "uses.csv", "source.fhir.json", "README.txt"
    }  # fmt: skip
    readme = files.pop("README.txt").decode()
    for name, content in files.items():
        assert name in readme and hashlib.sha256(content).hexdigest() in readme
    assert json.loads(files["records.json"])["values"] == client.get("/api/v1/patient/records").json()["values"]
    rows = list(csv.DictReader(io.StringIO(files["uses.csv"].decode())))
    assert [row["answer"] for row in rows] == ["Not used", "Used"]
    source = json.loads(files["source.fhir.json"])
    listed = client.get("/api/v1/patient/records/source", params={"limit": 200}).json()["records"]
    assert [each["resource"] for each in source["entry"]] == [each["content"] for each in listed]
    assert all(
        each["fullUrl"].endswith(f"{each['resource']['resourceType']}/{each['resource']['id']}")
        for each in source["entry"]
    )
    assert json.loads(files["consents.json"])["statements"][0]["permits"] is None
    other = opened(as_(story.keeps.address, token=True).get("/api/v1/patient/archive"))
    mine = {each["resource"]["id"] for each in source["entry"]}
    assert not mine & {each["resource"]["id"] for each in json.loads(other["source.fhir.json"])["entry"]}
    assert story.revokes.address not in other["consents.json"].decode()


@pytest.mark.parametrize("path", ["/patient", "/patient/records", "/patient/uses", "/patient/download"])
def test_who_reads_twice_already_is_told_to_wait_and_others_read_meanwhile(
    path: str, as_: Any, service: Service, story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = threading.Semaphore(0), threading.Event()

    def held_up(dossier: Dossier, *others: Any) -> Any:
        if dossier.entry.account == story.keeps.address:
            begun.release()
            assert go_on.wait(60)
        return archive(dossier, *others)

    monkeypatch.setattr(api, "archive", held_up)
    monkeypatch.setattr(service.reads, "_threads", CapacityLimiter(OF_AN_ACCOUNT + 1))
    mine, archive_path = as_(story.keeps.address, token=True), "/api/v1/patient/archive"
    with ThreadPoolExecutor(OF_AN_ACCOUNT) as pool:
        running = [pool.submit(as_(story.keeps.address).get, "/patient/download") for _ in range(OF_AN_ACCOUNT)]
        try:
            assert all(begun.acquire(timeout=60) for _ in running)
            for each in ("/records", "/records/source", "/uses", "/archive"):
                again = mine.get(f"/api/v1/patient{each}")
                assert (again.status_code, again.json()["code"]) == (429, "RECORDS_BUSY"), each
                assert again.headers["retry-after"] == "5"
            page = as_(story.keeps.address).get(path)
            assert page.status_code == 429 and "Your records are being read for you several times" in text_of(page)
            assert as_(story.keeps.address).get("/patient/consent").status_code == 200, "it can be revoked"
            assert as_(story.revokes.address).get(path).status_code == 200
            assert "README.txt" in opened(as_(story.revokes.address, token=True).get(archive_path))
        finally:
            go_on.set()
        assert all("README.txt" in opened(each.result(60)) for each in running)
    assert as_(story.keeps.address).get(path).status_code == 200


def test_a_title_is_no_formula_in_a_spreadsheet_and_the_hospitals_own_cells_are_verbatim() -> None:
    from belmont.service.patient.archive import _lines, _no_formula
    from belmont.service.patient.own_records import ROW, SourceRecord

    for text in ("=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\n=1", "＝1+1", "＠SUM(A1)"):
        assert _no_formula(text) == f"'{text}"
    assert _no_formula("Heart") == "Heart"
    rows = iter(
        [SourceRecord(ROW, {"id": "A1", "delta": "-1.5"}), SourceRecord(ROW, {"id": "A1", "delta": 'a "b", c'})]
    )
    assert b"".join(_lines(rows)).decode() == 'id,delta\r\nA1,-1.5\r\nA1,"a ""b"", c"\r\n'
    assert b"".join(_lines(iter([]))) == b""


def test_a_download_whose_source_fails_half_way_does_not_open(service: Service, story: Story, as_: Any) -> None:
    from belmont.service import words as language
    from belmont.service.patient.archive import archive
    from belmont.service.patient.departures import Departures
    from belmont.service.patient.errors import FilesUnusable

    account = Address(story.keeps.address)
    dossier = service.desk.dossier(account, service.datasets_as_patient(account), None, service.snapshot)
    path = story.consortium.home_here.records(story.consortium.hospitals[0].slug) / "Zebra.ndjson"
    path.write_bytes(b"\xff\xfe not text")
    sent = b""
    try:
        with pytest.raises(FilesUnusable):
            for piece in archive(dossier, language.of("en"), Departures.of(service, dossier)):
                sent += piece
    finally:
        path.unlink()
    assert sent
    with pytest.raises(zipfile.BadZipFile):
        zipfile.ZipFile(io.BytesIO(sent))


def test_the_readme_is_in_the_language_that_was_asked_for(as_: Any, story: Story) -> None:
    page, program = as_(story.keeps.address), as_(story.keeps.address, token=True)
    page.cookies.set("belmont-language", "zh-Hans")
    for sent in (
        page.get("/patient/download"),
        program.get("/api/v1/patient/archive", params={"lang": "zh-Hans"}),
    ):
        assert re.search(r"[\u4e00-\u9fff]", opened(sent)["README.txt"].decode())


def test_pages_speak_the_language_that_the_visitor_chose_and_no_other(as_: Any, story: Story) -> None:
    client = as_(story.revokes.address)
    client.cookies.set("belmont-language", "zh-Hans")
    for path in PAGES[:-1]:
        read = text_of(client.get(path))
        for english in ("Used", "diagnoses", "research about", "your own newest statement"):
            assert english not in read, (path, english)
    assert "曾使用" in read or re.search(r"20\d\d年", read)


def test_a_use_says_what_left_as_the_board_is_told_it(as_: Any, story: Story) -> None:
    read = text_of(as_(story.keeps.address).get("/patient/uses"))
    assert "No row left the hospital." in read and "Round 2" in read
    assert "What left has the hash" in read  # nobody has handed in the configuration: nothing is guessed
    csv_rows = opened(as_(story.keeps.address).get("/patient/download"))["uses.csv"].decode()
    assert "What left has the hash" in csv_rows


def test_consents_in_the_download_are_fhir_that_reads_back_to_the_same_scope(as_: Any, story: Story) -> None:
    from belmont.service.patient import as_fhir

    made = story.consortium
    members = {each.address: each.did for each in made.registry.members()}
    accounts = {did: account for account, did in members.items()}
    for scope in (
        Scope(ALL, 15, 0, FOREVER),
        Scope(1 << 37 | 1 << 40, 5, 1767225601, 1924992007, (Address(made.researcher.address),)),
        Scope(1 << 31, 1, 5, 6),
    ):
        resource = as_fhir.consent("c", scope, 1767225600, members)
        assert scope_of(resource, 15, accounts) == scope
        validated(resource)
    denied = as_fhir.consent("c", None, 1767225600, members)
    assert scope_of(denied, 15, accounts) is None
    validated(denied)


def validated(resource: dict[str, Any]) -> None:
    from fhir.resources.R4B import get_fhir_model_class

    get_fhir_model_class("Consent").model_validate_json(json.dumps(resource))


# --- what stays here ---


def test_nothing_of_a_patient_is_in_the_services_database_its_log_or_its_trail(
    as_: Any, story: Story, service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    client = as_(story.keeps.address)
    with caplog.at_level("DEBUG", logger="belmont"):
        for path in PAGES:
            client.get(path)
    service.trail.flush()
    number = story.consortium.consents(story.consortium.hospitals[0]).numbers[0]
    row = client.get("/api/v1/patient/records/source", params={"limit": 200}).json()["records"]
    secrets = {str(number), f"{number:016x}", *(each["content"]["id"] for each in row)}
    path = service.config.database.removeprefix("sqlite:///")
    content = b"".join(each.read_bytes() for each in Path(path).parent.glob("service.sqlite*"))
    for secret in secrets:
        assert secret.encode() not in content and secret not in caplog.text


def test_files_that_cannot_be_read_are_told_without_what_is_in_them(as_: Any, story: Story, service: Service) -> None:
    path = story.consortium.home_here.vault(story.consortium.hospitals[0].slug)
    hidden_away = path.with_name("away.sqlite")
    path.rename(hidden_away)
    path.write_bytes(b"not a vault at all")
    try:
        answer = as_(story.keeps.address).get("/api/v1/patient/records")
        page = as_(story.keeps.address).get("/patient/records")
    finally:
        path.unlink()
        hidden_away.rename(path)
    assert (answer.status_code, answer.json()["code"]) == (503, "FILES_UNUSABLE")
    assert page.status_code == 503 and "sqlite" not in answer.text + page.text
