import hashlib

import pytest

from belmont.registry.errors import RegistryArgumentError
from belmont.registry.types import Address

NOTE = "Repayment of a year of storage."
NOTE_HASH = hashlib.sha256(NOTE.encode()).digest()


def test_announces_what_is_proposed_and_supports_it(chamber):
    consortium = chamber.consortium
    dataset, holder = consortium.dataset(), Address(consortium.holder.address)
    as_auditor = chamber.rules(consortium.auditor)
    own, pool = as_auditor.propose_redemption(holder, 5, NOTE), as_auditor.propose_redemption(holder, 6, NOTE, dataset)
    auditor = consortium.auditor.address
    fields = {"account": holder, "note_hash": NOTE_HASH}
    assert consortium.events("RedemptionProposed") == [
        ("RedemptionProposed", auditor, {"proposal": own, "dataset": bytes(32), "amount": 5, **fields}),
        ("RedemptionProposed", auditor, {"proposal": pool, "dataset": dataset, "amount": 6, **fields}),
    ]
    assert [each.supporters for each in as_auditor.proposals()] == [(auditor,)] * 2


def test_nothing_is_no_redemption(chamber, refused):
    with refused("AMOUNT_MISSING"):
        chamber.rules(chamber.consortium.auditor).propose_redemption(
            Address(chamber.consortium.holder.address), 0, NOTE
        )


@pytest.mark.parametrize("change", [{"account": "0x1"}, {"amount": -1}, {"amount": 2**64}])
def test_what_no_record_can_hold_is_not_sent(chamber, change):
    fields = {"account": Address(chamber.consortium.holder.address), "amount": 1, **change}
    for registry in (chamber.consortium.registry.chain, chamber.consortium.registry.model):
        with pytest.raises(RegistryArgumentError):
            registry.as_(chamber.consortium.auditor).rules.propose_redemption(fields["account"], fields["amount"], NOTE)
