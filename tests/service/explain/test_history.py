"""Every event of every contract is told in one sentence."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from belmont.chain.compiler import compile_contract
from belmont.registry.contract_set import NAMES
from belmont.registry.types import Address, AuditEvent, DatasetId
from belmont.service.explain import Names, history
from belmont.service.words import of

OTHERS = ("Proxy", "Wallet")
PATIENT, HOSPITAL = Address("0x" + "11" * 20), Address("0x" + "22" * 20)
WARD = DatasetId(b"\x07" * 32)
KNOWN = Names({HOSPITAL: "Charité"}, {WARD: "Ward A"}, {3: "Five-year risk"}, {"0x" + "33" * 20: "Permits"})
EN, ZH = of("en"), of("zh-Hans")


def declared() -> list[tuple[str, str, list[tuple[str, str]]]]:
    """Contract, event and fields (name in snake_case, type) of all ABIs."""
    found = []
    for contract in (*NAMES, *OTHERS):
        for entry in compile_contract(contract).abi:
            if entry["type"] == "event":
                fields = [(_snake(each["name"]), each["type"]) for each in entry["inputs"]]
                found.append((contract, entry["name"], [each for each in fields if each[0] != "actor"]))
    return found


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


def value(name: str, kind: str) -> Any:
    if kind.endswith("[]"):
        return (value(name, kind[:-2]),)
    if kind == "address":
        return HOSPITAL
    if kind == "bool":
        return True
    if kind == "string":
        return "A <name>"
    if kind.startswith("bytes"):
        return WARD
    return {"kind": 1, "roles": 1, "purpose": 1 << 37, "purposes": 1 << 37, "duo_terms": 1 << 6}.get(name, 3)


def event(contract: str, name: str, fields: list[tuple[str, str]], **changed: Any) -> AuditEvent:
    details = {each: value(each, kind) for each, kind in fields} | changed
    return AuditEvent(1, 1_770_033_600, b"\1" * 32, contract, name, HOSPITAL, details)


DECLARED = declared()
FIELDS = {(contract, name): fields for contract, name, fields in DECLARED}


def told(contract: str, name: str, **changed: Any) -> str:
    return EN.say(history.sentence(event(contract, name, FIELDS[contract, name], **changed), KNOWN))


def test_there_is_a_sentence_for_every_event_and_for_no_other() -> None:
    assert set(history.TELLERS) == set(FIELDS)


@pytest.mark.parametrize(
    ("contract", "name", "fields"), DECLARED, ids=lambda each: each if isinstance(each, str) else ""
)
def test_every_event_is_told_in_every_language(contract: str, name: str, fields: list[tuple[str, str]]) -> None:
    sentence = history.sentence(event(contract, name, fields), KNOWN)
    english, chinese = EN.say(sentence), ZH.say(sentence)
    assert english.endswith(".") and chinese.endswith("。") and "{" not in english + chinese
    assert english[0].isupper() or english[0] == "“"


@pytest.mark.parametrize(
    ("contract", "name", "fields"), DECLARED, ids=lambda each: each if isinstance(each, str) else ""
)
def test_events_that_name_zeros_and_unknown_codes_are_told_too(
    contract: str, name: str, fields: list[tuple[str, str]]
) -> None:
    zeros: dict[str, Any] = {"string": "", "bool": False, "address": "0x" + 40 * "0"}
    details = (
        {
            each: () if kind.endswith("[]") else zeros.get(kind, bytes(32) if kind.startswith("bytes") else 2**64 - 1)
            for each, kind in fields
        }
        | ({"roles": 255} if ("roles", "uint8") in fields else {})
        | ({"kind": 9} if ("kind", "uint8") in fields else {})
    )
    found = history.sentence(AuditEvent(1, 1, b"", contract, name, PATIENT, details), Names())
    assert EN.say(found) and ZH.say(found)


@pytest.mark.parametrize(
    ("contract", "name", "changed", "sentence"),
    [
        ("Studies", "VoteCast", {"conditions_hash": bytes(32)}, "Charité voted for study 3 “Five-year risk”."),
        ("Studies", "VoteCast", {},
         "Charité voted for study 3 “Five-year risk” under conditions, which have the SHA-256 "
         "0x0707070707070707…0707."),
        ("Studies", "Recused", {}, "Charité takes no part in the vote on study 3 “Five-year risk”."),
        ("Studies", "StudyRefused", {"votes_against": 1, "recused": 1, "quorum": 2},
         "The ethics board refused study 3 “Five-year risk”: with 1 against it and 1 who take no part, 2 votes for it "
         "cannot be reached."),
        ("Studies", "VoteCast", {"approve": False, "conditions_hash": bytes(32)},
         "Charité voted against study 3 “Five-year risk”."),
        ("Studies", "StudyProposed", {"amends": 0},
         "Charité applied with study 3 “Five-year risk”, for biomedical research."),
        ("Studies", "StudyProposed", {"amends": 2},
         "Charité applied to amend permit 2: study 3 “Five-year risk”, for biomedical research."),
        ("Permits", "PermitFrozen", {"until": 1_770_033_600},
         "Charité froze permit 3 until 2 February 2026 12:00 UTC: nothing is computed under it."),
        ("Uses", "UseRecorded", {"kind": 1, "rho": 500},
         "Charité delivered to round 3 under permit 3, computed on version 3 of Ward A, charged with "
         "epsilon at most 0.127 at a delta of one in 1,000,000 (rho 0.0005)."),
        ("Uses", "UseRecorded", {"kind": 2, "rho": 0},
         "Charité answered query 3 under permit 3, computed on version 3 of Ward A."),
        ("Uses", "RoundClosed", {"recorded": ()}, "Charité closed round 3 under permit 3: none delivered."),
        ("Consents", "ConsentGranted", {"recipients": (), "categories": 2, "valid_from": 0, "valid_until": 86_400},
         "A patient (Charité) consented to the use of Ward A for biomedical research, of diagnoses, by any member, "
         "from 1 January 1970 00:00 UTC to 2 January 1970 00:00 UTC."),
        ("Identities", "DIDDelegateChanged", {"delegate_type": b"sigAuth".ljust(32, b"\0"), "valid_to": 2_000_000_000},
         "Charité let Charité do its routine writes (sigAuth) until 18 May 2033 03:33 UTC."),
        ("Identities", "DIDDelegateChanged", {"delegate_type": b"sigAuth".ljust(32, b"\0"), "valid_to": 5},
         "Charité took the delegation (sigAuth) of Charité back."),
        ("Rules", "RuleChanged", {"number": 0, "setting": 66},
         "The rule “share of the board that a decision has to exceed” is 66% now, by proposal 3 on rules."),
        ("Totals", "TotalProved", {"question": b"\xffno question", "rows": 1},
         "Charité published a total of query 3 under permit 3 (a query that this release cannot read: "
         "\ufffdno question): 3, over 1 patient; the contract checked it."),
        ("Credits", "Redeemed", {"dataset": bytes(32)}, "Charité redeemed 3 points of its own."),
    ],
)  # fmt: skip
def test_what_is_told(contract: str, name: str, changed: dict[str, Any], sentence: str) -> None:
    assert told(contract, name, **changed) == sentence


def test_who_is_no_member_is_called_by_the_address() -> None:
    patient = AuditEvent(1, 1, b"", "Consents", "ConsentRevoked", PATIENT, {"dataset": WARD})
    assert EN.say(history.sentence(patient, KNOWN)) == (
        "A patient (account 0x1111…1111) took their consent to the use of Ward A back."
    )
    things = EN.parts(history.sentence(patient, KNOWN))
    assert [each.kind for each in things if not isinstance(each, str)] == ["dataset"]


def test_an_event_of_a_later_release_is_named_and_not_guessed_at() -> None:
    @dataclass
    class Later:
        contract: str = "Permits"
        name: str = "PermitPolished"
        actor: Address = HOSPITAL
        timestamp: int = 1
        details: dict[str, Any] = field(default_factory=dict)

    assert EN.say(history.sentence(Later(), KNOWN)) == (
        "Permits recorded PermitPolished, which this release does not know."
    )
