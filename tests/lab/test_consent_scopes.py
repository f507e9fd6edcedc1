"""What a hospital attests of a patient is what their FHIR Consent says: registered, read again, applied by nodes."""

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from belmont.ehr.dictionary import Dictionary
from belmont.ehr.ingest import read_fhir
from belmont.ehr.synthetic import generate_population, write_fhir
from belmont.federated.errors import QueryRefused
from belmont.federated.node.node import HospitalNode
from belmont.identity.keys import Identity
from belmont.lab import Consortium, consent_files, hospital_files, local, mean, nodes
from belmont.lab.errors import HomeError
from belmont.lab.home import Home, Record, SyntheticSource
from belmont.lab.proving import prove_version
from belmont.registry.consents.fhir import ACT_REASON, PARTICIPATION, RESOURCE_TYPES, URI
from belmont.registry.consents.register import ConsentRegister
from belmont.registry.consents.scope import IntendedUse, Scope
from belmont.registry.founding import found
from belmont.registry.limits import PURPOSES_MASK
from belmont.registry.simulated import SimulatedRegistry
from belmont.registry.types import Address, DatasetId, MemberProfile, Role

SLUG = "hospital-1"
DICTIONARY = Path(str(resources.files("belmont.ehr") / "dictionaries" / "diabetes_cvd.yaml"))
DISEASE = 1 << 40
ALL = 15
"""The categories of the dictionary's columns."""
BEYOND = 2_524_608_000
"""1 January 2050: the generated Consents end the day before."""
DAY = 86400
Change = Callable[[dict[str, Any]], None]


def recipient(reference: dict[str, Any], role: str = "IRCP") -> dict[str, Any]:
    return {"role": {"coding": [{"system": PARTICIPATION, "code": role}]}, "reference": reference}


def did(identity: Identity) -> dict[str, Any]:
    return {"identifier": {"system": URI, "value": identity.did}}


def classes(*names: str) -> list[dict[str, str]]:
    return [{"system": RESOURCE_TYPES, "code": name} for name in names]


def nested(**content: Any) -> Change:
    """Adds to the provision that permits."""
    return lambda consent: consent["provision"]["provision"][0].update(content)


def ends(day: str) -> Change:
    def change(consent: dict[str, Any]) -> None:
        consent["provision"]["period"] = consent["provision"]["provision"][0]["period"] = {"end": day}

    return change


def withdraw(consent: dict[str, Any]) -> None:
    consent["status"] = "inactive"


class Records:
    """A hospital's FHIR records, in which single patients' Consents are changed."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.path = home.records(SLUG) / "Consent.ndjson"
        self.lines = [json.loads(line) for line in self.path.read_text().splitlines()]
        everybody = read_fhir(home.records(SLUG), Dictionary.load(DICTIONARY), b"k" * 32)
        self.rows = everybody.table.rows

    def change(self, *changes: Change) -> None:
        """The first patients' Consents, one change each."""
        coded = self.patients(len(changes))
        for consent, change in zip(coded, changes, strict=True):
            change(consent)
        self.path.write_text("".join(json.dumps(line) + "\n" for line in self.lines))

    def patients(self, count: int) -> list[dict[str, Any]]:
        """The Consents of the first patients who permit and never withdrew."""
        said = [line["patient"]["reference"] for line in self.lines]
        whole = [line for line in self.lines if said.count(line["patient"]["reference"]) == 1]
        return [line for line in whole if "provision" in line["provision"]][:count]


class Hospital:
    """A hospital as a member of a consortium, with records of 60 patients and with two data users beside it."""

    def __init__(self, path: Path) -> None:
        holder, self.university, self.company = Identity.create(), Identity.create(), Identity.create()
        named = {"Hospital": (holder, Role.DATA_HOLDER), "University": (self.university, Role.DATA_USER)}
        named |= {"Company": (self.company, Role.DATA_USER)}
        named |= {f"Board {n}": (Identity.create(), Role.ETHICS_BOARD) for n in range(2)}
        founders = [MemberProfile(Address(who.address), name, who.did, role) for name, (who, role) in named.items()]
        self.home = Home(path)
        self.home.member(SLUG).mkdir(parents=True)
        write_fhir(generate_population(1, 60, 5)[0], self.home.records(SLUG))
        self.records = Records(self.home)
        self.registry = SimulatedRegistry.found("Test", founders).as_(holder.account)
        self.dataset = DatasetId(b"")

    def register(self) -> None:
        self.dataset = hospital_files.register(self.home, SLUG, "Diabetes", DICTIONARY, self.registry)

    def renew(self) -> int:
        """The number of rows of a new version."""
        number = hospital_files.renew(self.home, SLUG, self.registry, self.dataset)
        version = self.registry.version(self.dataset, number)
        assert version is not None and version.consent_root == self.registry.consents.root(self.dataset)
        return version.rows

    @property
    def rows(self) -> int:
        return hospital_files.stored_rows(self.home, SLUG, self.registry, self.dataset).table.rows

    @property
    def pseudonyms(self) -> Any:
        return hospital_files.stored_rows(self.home, SLUG, self.registry, self.dataset, 1).table.pseudonyms

    def opened(self) -> ConsentRegister:
        return consent_files.open_register(self.home, SLUG, self.dataset)

    def usable(self, who: Identity, at: int = 0, purposes: int = DISEASE) -> int:
        """How many rows of the first version a data user's permit could use; by default now."""
        use = IntendedUse(purposes, ALL, Address(who.address), at or self.registry.head().timestamp)
        with self.opened() as register:
            view = register.view()
            assert view.root == self.registry.consents.root(self.dataset)
            return int(view.mask(self.pseudonyms, use).sum())

    def attest(self, scope: Scope | None, row: int = 0) -> None:
        key = consent_files.patient_key_of(self.home, SLUG, int(self.pseudonyms[row]))
        with self.opened() as register:
            consent_files.attest(register, self.registry, self.dataset, {key: scope})


@pytest.fixture
def hospital(tmp_path: Path) -> Hospital:
    return Hospital(tmp_path)


def test_the_generated_consents_are_for_any_research_until_their_period_ends(hospital: Hospital) -> None:
    hospital.register()
    rows = hospital.rows
    assert rows == hospital.records.rows > 40
    for purposes in (DISEASE, PURPOSES_MASK):
        assert hospital.usable(hospital.university, purposes=purposes) == rows
        assert hospital.usable(hospital.company, BEYOND - 1, purposes) == rows
    assert hospital.usable(hospital.company, BEYOND) == 0


CASES: dict[str, tuple[Callable[[Hospital], Change], bool, bool]] = {
    "any recipient": (lambda h: nested(), True, True),
    "the university by its DID": (lambda h: nested(actor=[recipient(did(h.university))]), True, False),
    "both": (lambda h: nested(actor=[recipient(did(h.university)), recipient(did(h.company), "PRCP")]), True, True),
    "by the hospital's own list": (
        lambda h: nested(actor=[recipient({"reference": "Organization/university"})]), True, False,
    ),
    "one of two is unknown": (
        lambda h: nested(actor=[recipient(did(h.company)), recipient({"reference": "Organization/charity"})]),
        False, True,
    ),
    "nobody who is known": (lambda h: nested(actor=[recipient({"reference": "Organization/charity"})]), False, False),
    "a DID under another system": (
        lambda h: nested(actor=[recipient({"identifier": {"system": "urn:oid:1", "value": h.university.did}})]),
        False, False,
    ),
    "two members under one reference": (
        lambda h: nested(actor=[recipient({"reference": "Organization/university", **did(h.company)})]), False, False,
    ),
    "not as a recipient": (lambda h: nested(actor=[recipient(did(h.university), "CST")]), False, False),
    "an actor without a role": (lambda h: nested(actor=[{"reference": did(h.university)}]), False, False),
    "no actor at all": (lambda h: nested(actor=[]), False, False),
    "all classes": (
        lambda h: nested(**{"class": classes("Patient", "Condition", "Observation", "MedicationRequest")}), True, True,
    ),
    "some classes": (lambda h: nested(**{"class": classes("Patient", "Condition")}), False, False),
    "a class of documents": (lambda h: nested(**{"class": [{"system": "urn:oid:2", "code": "Patient"}]}), False, False),
    "single data": (lambda h: nested(data=[{"meaning": "instance", "reference": {}}]), False, False),
    "single codes": (lambda h: nested(code=[{"coding": [{"code": "59261-8"}]}]), False, False),
    "data of some years": (lambda h: nested(dataPeriod={"start": "2015-01-01"}), False, False),
    "an end in the past": (lambda h: ends("2024-12-31"), False, False),
    "treatment": (lambda h: nested(purpose=[{"system": ACT_REASON, "code": "TREAT"}]), False, False),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_consent_is_attested_as_it_was_given_and_what_is_not_understood_permits_nobody(
    name: str, hospital: Hospital
) -> None:
    change, university, company = CASES[name]
    (hospital.home.member(SLUG) / "recipients.json").write_text(
        json.dumps({"Organization/university": hospital.university.address})
    )
    hospital.records.change(change(hospital))
    hospital.register()
    others = hospital.records.rows - 1
    assert hospital.usable(hospital.university) == others + university
    assert hospital.usable(hospital.company) == others + company
    assert hospital.rows == others + (university or company)


def test_a_row_that_no_use_can_have_is_in_no_version_and_counts_as_one_without_consent(hospital: Hospital) -> None:
    hospital.register()
    whole = json.loads(hospital.home.quality(SLUG).read_text())
    other = Hospital(hospital.home.path / "other")
    other.records.change(nested(**{"class": classes("Condition")}))
    other.register()
    less = json.loads(other.home.quality(SLUG).read_text())
    assert (less["rows"], less["consent_denied"]) == (whole["rows"] - 1, whole["consent_denied"] + 1)
    everybody = Hospital(hospital.home.path / "everybody")
    narrow = nested(**{"class": classes("Condition")})
    everybody.records.change(*[narrow] * len(everybody.records.patients(1000)))
    with pytest.raises(HomeError, match="no patient's consent permits a use"):
        everybody.register()


@pytest.mark.parametrize(
    "listed", ["{", "[]", '{"Organization/a": "0x1234"}', '{"Organization/a": 7}', '{"DID": "ADDRESS"}']
)
def test_a_list_of_recipients_that_is_damaged_or_names_nobody_registers_no_version(
    listed: str, hospital: Hospital
) -> None:
    text = listed.replace("DID", hospital.university.did).replace("ADDRESS", hospital.company.address)
    (hospital.home.member(SLUG) / "recipients.json").write_text(text)
    with pytest.raises(HomeError, match=r"recipients\.json"):
        hospital.register()
    assert [each.versions for each in hospital.registry.datasets()] == [0]


# --- records that are read again ---


def test_a_new_version_attests_what_the_records_newly_say_and_drops_who_withdrew_there(hospital: Hospital) -> None:
    hospital.register()
    rows = hospital.rows
    hospital.records.change(nested(actor=[recipient(did(hospital.university))]), withdraw)
    assert hospital.renew() == rows - 1
    assert hospital.usable(hospital.university) == rows - 1
    assert hospital.usable(hospital.company) == rows - 2
    hospital.records.change(nested(actor=[recipient(did(hospital.company))]))
    assert hospital.renew() == rows - 1
    assert hospital.usable(hospital.university) == rows - 2


def test_records_without_news_leave_alone_what_the_hospital_attested_since(hospital: Hospital) -> None:
    hospital.register()
    rows = hospital.rows
    hospital.attest(None)
    hospital.attest(Scope(DISEASE, ALL, 0, BEYOND, (Address(hospital.university.address),)), row=1)
    assert hospital.renew() == rows - 1
    assert (hospital.usable(hospital.university), hospital.usable(hospital.company)) == (rows - 1, rows - 2)
    assert hospital.usable(hospital.university, purposes=1 << 37) == rows - 2


def test_a_hospital_that_keeps_no_records_renews_with_what_it_attested(hospital: Hospital) -> None:
    hospital.register()
    rows = hospital.rows
    hospital.attest(None)
    hospital.home.records(SLUG).rename(hospital.home.path / "archived")
    assert hospital.renew() == rows - 1


def test_a_consent_that_ran_out_leaves_the_next_version(hospital: Hospital) -> None:
    hospital.register()
    rows, now = hospital.rows, hospital.registry.head().timestamp
    hospital.attest(Scope(DISEASE, ALL, 0, now, ()))
    assert hospital.renew() == rows - 1


def test_an_attempt_completed_later_attests_what_the_records_say_by_then(
    hospital: Hospital, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_version = SimulatedRegistry.add_version

    def unreachable(self: SimulatedRegistry, *arguments: Any) -> int:
        self.set_reachable(False)
        return add_version(self, *arguments)

    monkeypatch.setattr(SimulatedRegistry, "add_version", unreachable)
    with pytest.raises(Exception, match="reach"):
        hospital.register()
    monkeypatch.undo()
    hospital.registry.set_reachable(True)
    hospital.records.change(nested(actor=[recipient(did(hospital.university))]), withdraw)
    hospital.register()
    assert hospital.usable(hospital.university) == hospital.rows == hospital.records.rows - 1
    assert hospital.usable(hospital.company) == hospital.rows - 1


# --- nodes, on a chain whose clock is moved ---


@pytest.fixture
def consortium(tmp_path: Path, movable: Any) -> Iterator[tuple[Consortium, int]]:
    """Three hospitals of which the first has a patient whose Consent ends in thirty days, one who permits only a board
    member, and one who permits the researcher; with the number of rows of all."""
    home, source = Home(tmp_path / "home"), SyntheticSource(3, 450, 3)
    home.begin()
    people, identities = local._people(home, local.HOSPITAL_NAMES[:3])
    registry = found(movable.url, "Scopes", [local._profile(each, identities[each.slug]) for each in people])
    local._write_records(home, people[:3], source, lambda name: None)
    records = Records(home)
    end = (datetime.now(UTC) + timedelta(days=30)).date().isoformat()
    board, researcher = identities["board-1"], identities["researcher"]
    records.change(ends(end), nested(actor=[recipient(did(board))]), nested(actor=[recipient(did(researcher))]))
    for person in people[:3]:
        writes = registry.as_(identities[person.slug].account)
        dataset = hospital_files.register(home, person.slug, local.dataset_name(person), DICTIONARY, writes)
        prove_version(home, person.slug, writes, dataset)
    home.finish(Record(tuple(people), registry.addresses["Members"], source))
    with Consortium.connect(movable.url, home.path) as made:
        yield made, sum(hospital.rows for hospital in made.hospitals)


def test_a_consent_that_ends_next_month_drops_out_of_the_round_after_that_and_one_for_others_is_in_none(
    consortium: tuple[Consortium, int], movable: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, rows = consortium
    study = made.propose("Scopes", rounds=2, queries=1, min_cohort=10, duration_days=90)
    study.vote(*made.board, approve=True)
    study.accept(*made.hospitals)
    permit = study.permit()
    assert permit.train(rounds=1).history["rows"].tolist() == [rows - 1]
    with pytest.raises(QueryRefused, match="CONSENT_SCOPE"):
        permit.query(mean("hba1c"))
    monkeypatch.setattr(nodes, "HospitalNode", partial(HospitalNode, clock=lambda: time.time() + 40 * DAY))
    with Consortium.connect(movable.move(40), made.home_here.path) as later:
        assert later.permit(permit.id).train(rounds=1).history["rows"].tolist() == [rows - 2]
