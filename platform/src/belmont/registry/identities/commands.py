"""``belmont key``: keys of members and patients. Making and showing one needs no network."""

from __future__ import annotations

import argparse
from pathlib import Path

EXAMPLES = """examples:
  belmont key new board.json                       asks for a password, twice
  belmont key new node.json --plain                for a machine that starts without a person
  belmont key show board.json
  belmont key rotate --key old.json --new-key new.json --url http://127.0.0.1:8545
  belmont key delegate --key hospital.json --delegate 0x... --for 365d --url http://127.0.0.1:8545
  belmont key wallet --owner 0x... --owner 0x... --owner 0x... --threshold 2 --url http://127.0.0.1:8545
  belmont key resolve did:ethr:0x539:0x... --url http://127.0.0.1:8545

A rotated identity keeps its address, so votes, datasets and permits stay; name it with --actor from then on. The old
key can do nothing any more, its delegates are revoked, and it never comes back. `belmont sign rotate` does the same
with no network.
"""


def add_commands(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """new, show, rotate, delegate, wallet, resolve."""
    from belmont.identity.sign_commands import seconds

    new = subparsers.add_parser("new", help="make a key: an account that signs, and a mask key")
    new.add_argument("file", type=Path, help="new file")
    new.add_argument("--chain-id", type=int, default=1337, help="EIP-155 chain id (1337: the embedded chain)")
    new.add_argument("--plain", action="store_true", help="without a password")
    new.add_argument("--password-file", type=Path, help="file whose first line is the password")
    new.set_defaults(run=_new)

    show = subparsers.add_parser("show", help="account, DID and mask key of a key file, opened and checked")
    show.add_argument("file", type=Path)
    show.add_argument("--password-file", type=Path, help="file whose first line is the password")
    show.set_defaults(run=_show)

    rotate = subparsers.add_parser("rotate", help="give an identity a new key; the old one can do nothing any more")
    _add_acting(rotate)
    rotate.add_argument("--new-key", type=Path, required=True, help="key file of the new key (belmont key new)")
    rotate.add_argument("--new-password-file", type=Path)
    rotate.set_defaults(run=_rotate)

    delegate = subparsers.add_parser("delegate", help="let a machine's key do an identity's routine work, for a while")
    _add_acting(delegate)
    delegate.add_argument("--delegate", required=True, metavar="0x...", help="the machine's account")
    delegate.add_argument("--for", dest="validity", type=seconds, required=True, metavar="365d")
    delegate.set_defaults(run=_delegate)

    wallet = subparsers.add_parser("wallet", help="deploy an institution's wallet, which several people sign for")
    wallet.add_argument("--owner", action="append", required=True, metavar="0x...", help="a person's account")
    wallet.add_argument("--threshold", type=int, required=True, metavar="K", help="how many of them have to sign")
    wallet.add_argument("--key", type=Path, help="key file of the account that pays; it gets no right to the wallet")
    wallet.add_argument("--password-file", type=Path, help="file whose first line is the key file's password")
    wallet.add_argument("--url", required=True, help="the chain's JSON-RPC address")
    wallet.set_defaults(run=_wallet)

    resolve = subparsers.add_parser("resolve", help="the DID document of an identity")
    resolve.add_argument("did")
    _add_chain(resolve)
    resolve.set_defaults(run=_resolve)


def _add_acting(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--key", type=Path, required=True, help="key file of the identity's owner")
    parser.add_argument("--password-file", type=Path, help="file whose first line is the key file's password")
    parser.add_argument("--actor", metavar="0x...", help="the identity: by default the key's own account")
    _add_chain(parser)


def _add_chain(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--url", required=True, help="the chain's JSON-RPC address")
    parser.add_argument("--members", metavar="ADDRESS", help="which consortium, where the chain has several")


def _new(options: argparse.Namespace) -> int:
    from belmont.identity.errors import PasswordRefused
    from belmont.identity.keys import Identity
    from belmont.identity.passwords import new_password

    if options.plain and options.password_file:
        raise PasswordRefused("a plain file has no password: give --plain or --password-file, not both")
    identity = Identity.create(options.chain_id)
    identity.save(options.file, None if options.plain else new_password(options.password_file))
    _print(identity.address, identity.did, identity.mask_public_key)
    return 0


def _show(options: argparse.Namespace) -> int:
    from belmont.identity.passwords import open_identity

    identity = open_identity(options.file, options.password_file)
    _print(identity.address, identity.did, identity.mask_public_key)
    return 0


def _rotate(options: argparse.Namespace) -> int:
    from belmont.identity.passwords import open_identity
    from belmont.registry.chain_registry import ChainRegistry
    from belmont.registry.types import Address

    owner = open_identity(options.key, options.password_file)
    successor = open_identity(options.new_key, options.new_password_file)
    identity = Address(options.actor or owner.address)
    registry = ChainRegistry.connect(options.url, Address(options.members) if options.members else None)
    registry.as_(owner.account, identity).identities.rotate(successor.account)
    print(f"{identity} now belongs to {successor.address}; act with --key {options.new_key} --actor {identity}")
    return 0


def _delegate(options: argparse.Namespace) -> int:
    from belmont.identity.passwords import open_identity
    from belmont.registry.chain_registry import ChainRegistry
    from belmont.registry.types import Address

    owner = open_identity(options.key, options.password_file)
    identity = Address(options.actor or owner.address)
    registry = ChainRegistry.connect(options.url, Address(options.members) if options.members else None)
    bound = registry.as_(owner.account, identity)
    bound.identities.add_delegate("sigAuth", Address(options.delegate), options.validity)
    print(f"{options.delegate} works for {identity} for {options.validity} seconds")
    return 0


def _wallet(options: argparse.Namespace) -> int:
    from eth_account import Account as EthAccount

    from belmont.chain.client import ChainClient
    from belmont.identity.passwords import open_identity
    from belmont.registry.identities.wallet import deploy_wallet
    from belmont.registry.rpc_chain import RpcChain

    payer = open_identity(options.key, options.password_file).account if options.key else EthAccount.create()
    address = deploy_wallet(RpcChain(ChainClient(options.url)), payer, options.owner, options.threshold)
    print(f"wallet    {address}\nsigned by {options.threshold} of {', '.join(options.owner)}")
    return 0


def _resolve(options: argparse.Namespace) -> int:
    import json

    from belmont.registry.chain_registry import ChainRegistry
    from belmont.registry.types import Address

    registry = ChainRegistry.connect(options.url, Address(options.members) if options.members else None)
    print(json.dumps(registry.identities.resolve(options.did), indent=2))
    return 0


def _print(address: str, did: str, mask_public_key: bytes) -> None:
    print(f"account   {address}\nDID       {did}\nmask key  {mask_public_key.hex()}")
