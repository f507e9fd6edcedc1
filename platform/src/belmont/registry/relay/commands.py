"""``belmont relay``: hand what others signed with no network to the consortium's contracts."""

from __future__ import annotations

import argparse
from pathlib import Path

EXAMPLES = """examples:
  belmont relay vote.json --url http://127.0.0.1:8545
  belmont relay votes/*.json --url http://127.0.0.1:8545
  belmont relay --addresses --url http://127.0.0.1:8545      what offline signers need to know, once

Anybody can relay: the signatures say who acts. What is refused uses nothing up, and can be relayed again. The
transaction is sent by a key that is made for it, or by --key where the chain asks its senders to pay. Exit status 1:
at least one was refused.
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``belmont relay``."""
    parser.add_argument("files", type=Path, nargs="*", metavar="FILE", help="signed messages")
    parser.add_argument("--url", required=True, help="the chain's JSON-RPC address")
    parser.add_argument("--members", metavar="ADDRESS", help="which consortium, where the chain has several")
    parser.add_argument("--key", type=Path, help="key file of the account that pays for the transactions")
    parser.add_argument("--password-file", type=Path, help="file whose first line is the key file's password")
    parser.add_argument("--addresses", action="store_true", help="print what messages have to be signed for")
    parser.set_defaults(run=relay)


def relay(options: argparse.Namespace) -> int:
    """Relays each file, says what became of it, and says 1 if one was refused."""
    from eth_account import Account as EthAccount

    from belmont.identity.errors import IdentityError, MessageMalformed
    from belmont.identity.passwords import open_identity
    from belmont.identity.signed_message import SignedMessage
    from belmont.registry.chain_registry import ChainRegistry
    from belmont.registry.errors import RegistryArgumentError, RegistryRefused
    from belmont.registry.identities.wallet import execute
    from belmont.registry.types import Address

    if not options.files and not options.addresses:
        raise MessageMalformed("name the files to relay, or ask for the addresses to sign for (--addresses)")
    payer = open_identity(options.key, options.password_file).account if options.key else EthAccount.create()
    registry = ChainRegistry.connect(options.url, Address(options.members) if options.members else None).as_(payer)
    if options.addresses:
        print(f"--chain-id   {registry.relay.domain.chain_id}")
        print(f"--relay      {registry.relay.domain.contract}")
        print(f"--identities {registry.identities.domain.contract}")
    refused = 0
    for path in options.files:
        try:
            signed = SignedMessage.load(path)
            if signed.message.CONTRACT == "Wallet":
                execute(registry.chain, payer, signed)
            elif signed.message.CONTRACT == "Identities":
                registry.identities.submit(signed)
            else:
                registry.relay.submit(signed)
        except (RegistryRefused, RegistryArgumentError, IdentityError, OSError) as error:
            refused += 1
            print(f"{path}: not taken. {error}")
        else:
            print(f"{path}: taken. {signed.message.sentence()}")
    return 1 if refused else 0
