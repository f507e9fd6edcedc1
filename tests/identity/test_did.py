import pytest

from belmont.identity.did import did_of, parse_did
from belmont.identity.errors import DidMalformed

ADDRESS = "0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed"


def test_did_names_chain_and_account_in_lower_case() -> None:
    assert did_of("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", 1337) == f"did:ethr:0x539:{ADDRESS}"


def test_did_is_read_back_with_a_checksummed_address() -> None:
    chain_id, address = parse_did(f"did:ethr:0x539:{ADDRESS}")
    assert (chain_id, address) == (1337, "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed")  # a vector of EIP-55


@pytest.mark.parametrize(
    "did",
    [
        "",
        "did:ethr",
        f"did:ethr:{ADDRESS}",
        f"did:ethr:539:{ADDRESS}",
        f"did:ethr:0x0:{ADDRESS}",
        f"did:ethr:0x0539:{ADDRESS}",
        f"did:key:0x539:{ADDRESS}",
        f"did:ethr:0x539:{ADDRESS.upper()}",
        f"did:ethr:0x539:{ADDRESS}0",
        f"did:ethr:0x539:{ADDRESS[:-1]}",
        f"did:ethr:0x539:{ADDRESS}#controller",
        f"did:ethr:0x539:{ADDRESS}\n",
        f"did:ethr:0x{'f' * 17}:{ADDRESS}",
        f"did:ethr:0x٥:{ADDRESS}",
    ],
)
def test_other_forms_are_refused(did: str) -> None:
    with pytest.raises(DidMalformed, match="did:ethr"):
        parse_did(did)


@pytest.mark.parametrize(("address", "chain_id"), [("0x12", 1), ("", 1), (ADDRESS, 0), (ADDRESS, -1), (ADDRESS, 2**64)])
def test_no_did_is_made_of_a_bad_address_or_chain(address: str, chain_id: int) -> None:
    with pytest.raises(DidMalformed):
        did_of(address, chain_id)
