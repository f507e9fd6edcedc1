"""Text that a dishonest member wrote past our Python: everybody else goes on reading."""

import pytest

from belmont.registry.abi import TEXT_BYTES_MAX, Interface
from belmont.registry.contract_set import contract
from belmont.registry.records import conditions_struct, profile_struct, terms_struct
from belmont.registry.types import Role

VETTING = b"\x01\x55\x12\x20" + bytes(32)

YEAR = 365 * 24 * 3600
NOT_UTF8, UNREADABLE = b"\xff\xfe\xfd\xfc", "\ufffd" * 4
ESCAPES, HARMLESS = b"\x1b[2J", "\ufffd[2J"
AS_SENT = pytest.mark.parametrize(("sent", "shown"), [(NOT_UTF8, UNREADABLE), (ESCAPES, HARMLESS)])


def send(consortium, by, name, function, text, *args):
    """A transaction whose text ``AAAA`` is replaced by other bytes of the same length."""
    data = contract(name).interface.encode_call(function, *args)
    assert data.count(b"AAAA") == 1
    consortium.evm.send(by, consortium.registry.addresses[name], data.replace(b"AAAA", text))


@AS_SENT
def test_a_datasets_name(consortium, sent, shown):
    before = consortium.dataset()
    by, until = consortium.other_holder, consortium.evm.now + YEAR
    fields = (by.address, "AAAA", conditions_struct(1 << 4, None), b"\1" * 32, 1, 1, until, 0)
    send(consortium, by, "Datasets", "register", sent, *fields)
    assert [each.name for each in consortium.registry.datasets()][-1] == shown
    assert consortium.registry.datasets()[0].id == before
    assert consortium.events("DatasetRegistered")[-1][2]["name"] == shown


@AS_SENT
def test_a_studys_title(consortium, sent, shown):
    terms = consortium.terms(consortium.datasets(), title="AAAA")
    by = consortium.data_user
    send(consortium, by, "Studies", "propose", sent, by.address, terms_struct(terms), terms.intended_use.struct())
    assert consortium.registry.studies()[-1].terms.title == shown
    assert consortium.events("StudyProposed")[-1][2]["study"] == consortium.registry.studies()[-1].id


@AS_SENT
def test_a_members_name_from_proposal_to_admission(consortium, sent, shown):
    profile = consortium.profile(consortium.non_member, Role.AUDITOR, "AAAA")
    by = consortium.auditor
    send(consortium, by, "Members", "proposeAdmission", sent, by.address, profile_struct(profile), VETTING)
    (proposal,) = consortium.registry.proposals()
    assert consortium.events("AdmissionProposed")[-1][2]["name"] == shown
    for supporter in consortium.board:
        consortium.registry.as_(supporter).support(proposal.id)
    assert consortium.registry.members()[-1].name == shown


def test_text_in_a_strangers_event_is_cut():
    event = {
        "type": "event",
        "name": "Shout",
        "inputs": [{"name": "text", "type": "string", "indexed": False}],
    }
    interface = Interface("Stranger", [event])
    length = 10_000
    data = (32).to_bytes(32) + length.to_bytes(32) + b"a" * length + bytes(-length % 32)
    name, fields = interface.decode_event([interface.events["Shout"].topic], data)
    assert (name, fields) == ("Shout", {"text": "a" * TEXT_BYTES_MAX})


def test_printable_text_of_any_script_is_left_as_it_is(consortium):
    name = "Universitätsklinikum 東京 Ελλάδα"
    until = consortium.evm.now + YEAR
    consortium.registry.as_(consortium.holder).register_dataset(name, 1 << 4, b"\1" * 32, 1, 1, until, 0)
    assert consortium.registry.datasets()[-1].name == name
