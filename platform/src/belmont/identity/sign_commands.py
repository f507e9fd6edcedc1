"""``belmont sign``: sign a vote, a consent or another message with no network, into a file that anybody can relay.

Each kind of message is a command; its options are made from its fields (``belmont.identity.messages``). Nothing here
reads or writes anything but files, and no client of a chain is loaded.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from belmont.identity import words

if TYPE_CHECKING:
    from belmont.identity.approval_conditions import ApprovalConditions
    from belmont.identity.signed_message import SignedMessage
    from belmont.identity.typed_data import Message

EXAMPLES = """examples:
  belmont sign vote --study 3 --approve --reason-file why.txt --key board.json --relay 0x... --out vote.json
  belmont sign vote --study 3 --approve --condition-file conditions.txt --key board.json --relay 0x... --out vote.json
  belmont sign recusal --study 3 --reason-file why.txt --key board.json --relay 0x... --out recusal.json
  belmont sign agreement --study 3 --conditions 0x... --key user.json --relay 0x... --out agreement.json
  belmont sign accept --study 3 --dataset 0x... --key hospital.json --relay 0x... --valid-for 2d --out accept.json
  belmont sign consent --dataset 0x... --purpose 37 --categories 7 --days 365 --key me.json ...
  belmont sign object --permit 3 --model-hash 0x... --reason-file why.txt --key board.json --relay 0x... --out no.json
  belmont sign rotate --key old.json --new-key new.json --identities 0x... --out change.json
  belmont sign call --wallet 0x... --to 0x... --data 0x... --key person.json --out call.json
  belmont sign sign-in --message sign-in.txt --key board.json --out signature.txt      to sign in at a service
  belmont sign show vote.json                              what it says, and who signed
  belmont sign add vote.json --key second.json --out both.json      one more person, for a wallet of several
  belmont relay vote.json --url http://127.0.0.1:8545      afterwards, on any machine

The addresses after --relay and --identities are public and never change: `belmont relay --addresses --url ...` prints
them once. Messages say who acts (--actor, by default the key's own account), have a number of their own, and end
(--valid-for). With --unsigned the file has no signature yet: a browser wallet signs its "typed_data" with
eth_signTypedData_v4, and `belmont sign add --signature` puts the signature in.
"""

COMMANDS = {
    "vote": "Vote",
    "recusal": "Recusal",
    "agreement": "Agreement",
    "accept": "Acceptance",
    "freeze": "Freeze",
    "lift": "Lift",
    "revoke": "Revocation",
    "withdraw": "Withdrawal",
    "support-member": "MemberSupport",
    "support-rule": "RuleSupport",
    "pause": "Pause",
    "resume": "Resume",
    "consent": "ConsentGrant",
    "revoke-consent": "ConsentRevocation",
    "release": "Release",
    "object": "Objection",
    "confirm": "Confirmation",
    "withdraw-release": "ReleaseWithdrawal",
    "rotate": "ChangeOwner",
    "delegate": "AddDelegate",
    "revoke-delegate": "RevokeDelegate",
    "call": "Execution",
}
BOUNDS = {
    "categories": (1, words.CATEGORIES_MASK, "of data are a sum of 1, 2, 4, ... 128"),
    "duration": (1, 7 * 86_400, "of a freeze is 1 second to 7 days (7d)"),
    "sequence": (1, (1 << 64) - 1, "is at least 1, and higher than that of the last statement"),
}
"""What no contract takes otherwise, whatever its state: least, most, in words."""
DAYS_MAX = 36_500
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
REASON_BYTES_MAX = 4096


def add_commands(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """One command for each kind of message, and two about files."""
    from belmont.identity.messages import MESSAGES

    for command, name in COMMANDS.items():
        kind = MESSAGES[name]
        summary = (kind.__doc__ or "").strip()
        parser = subparsers.add_parser(command, help=summary, description=summary)
        _add_fields(parser, kind)
        _add_common(parser, kind)
        parser.set_defaults(run=_sign, kind=kind)
    show = subparsers.add_parser("show", help="what a signed message says, and who signed it")
    show.add_argument("file", type=Path)
    show.set_defaults(run=_show)
    add = subparsers.add_parser("add", help="add one more signature, into a new file")
    add.add_argument("file", type=Path)
    add.add_argument("--key", type=Path, help="key file to sign with")
    add.add_argument("--password-file", type=Path, help="file whose first line is the key file's password")
    add.add_argument("--signature", help="a signature made elsewhere, 0x and hex")
    add.add_argument("--out", type=Path, required=True, help="new file")
    add.add_argument("--yes", action="store_true", help="do not ask before signing")
    add.set_defaults(run=_add)


def _add_fields(parser: argparse.ArgumentParser, kind: type[Message]) -> None:
    for attribute, _, _type in kind.members():
        option = "--" + attribute.replace("_", "-")
        match attribute:
            case "nonce" | "deadline" | "actor" | "identity":
                continue
            case "approve":
                choice = parser.add_mutually_exclusive_group(required=True)
                choice.add_argument("--approve", action="store_true", default=None)
                choice.add_argument("--refuse", dest="approve", action="store_false")
            case "conditions_hash":
                which = parser.add_mutually_exclusive_group()
                which.add_argument("--condition-file", type=Path, help="text, one condition on each line, or the JSON "
                                   "that Belmont keeps; the text goes into the file as well")  # fmt: skip
                which.add_argument("--conditions", dest=attribute, type=_hash, metavar="0x...", help="or only its hash")
            case "conditions":
                parser.add_argument(option, type=_hash, required=True, metavar="0x...",
                                    help="the running hash of them all, as the study has it")  # fmt: skip
            case "reason_hash":
                parser.add_argument("--reason-file", type=Path, help="text of the reason; only its hash is signed")
                parser.add_argument("--show-reason", action="store_true", help="put the text into the file as well")
            case "dataset":
                parser.add_argument(option, type=_hash, required=True, metavar="0x...", help="the dataset's identifier")
            case "model_hash" | "card_hash" | "evidence_hash":
                parser.add_argument(option, type=_hash, required=True, metavar="0x...", help="32 bytes")
            case "duration" | "validity":
                parser.add_argument("--for", dest=attribute, type=seconds, required=True, metavar="7d")
            case "delegate_type":
                parser.add_argument("--type", dest=attribute, choices=("sigAuth", "veriKey"), default="sigAuth")
            case "purposes":
                parser.add_argument("--purpose", type=int, choices=range(31, 41), action="append", required=True)
            case "recipients":
                parser.add_argument("--recipient", type=_account, action="append", default=[], metavar="0x...")
            case "sequence":
                higher = "higher than that of the last statement; by default the time now, in seconds"
                parser.add_argument(option, type=int, metavar="N", help=higher)
            case "valid_from":
                parser.add_argument("--from", dest=attribute, type=int, metavar="SECONDS", help="Unix time; now")
            case "valid_until":
                parser.add_argument("--days", type=int, required=True, help="how long it is valid")
            case "new_owner":
                parser.add_argument("--new-key", type=Path, help="the new owner's key file: it signs as well")
                parser.add_argument("--new-owner", type=_account, metavar="0x...", help="or its account, to sign later")
                parser.add_argument("--new-password-file", type=Path)
            case "data":
                parser.add_argument(
                    option, type=_bytes, required=True, metavar="0x...", help="the call, as the ABI has it"
                )
            case "delegate" | "to":
                parser.add_argument(option, type=_account, required=True, metavar="0x...")
            case _:
                parser.add_argument(option, type=int, required=True, metavar="N")


def _add_common(parser: argparse.ArgumentParser, kind: type[Message]) -> None:
    contract = kind.CONTRACT.lower()
    parser.add_argument(f"--{contract}", dest="contract", type=_account, required=True, metavar="0x...",
                        help=f"address of the contract {kind.CONTRACT}")  # fmt: skip
    parser.add_argument("--chain-id", type=int, metavar="N", help="by default the one in the key file")
    parser.add_argument("--actor", type=_account, metavar="0x...", help="who acts: by default the key's own account")
    parser.add_argument("--valid-for", type=seconds, default=seconds("7d"), metavar="7d", help="30m, 12h, 7d")
    parser.add_argument("--key", type=Path, help="key file to sign with")
    parser.add_argument("--password-file", type=Path, help="file whose first line is the key file's password")
    parser.add_argument("--unsigned", action="store_true", help="write the message for a browser wallet to sign")
    parser.add_argument("--out", type=Path, required=True, help="new file")


def _sign(options: argparse.Namespace) -> int:
    from belmont.identity.errors import MessageMalformed
    from belmont.identity.passwords import open_identity
    from belmont.identity.signed_message import SignedMessage
    from belmont.identity.typed_data import Domain

    if (options.key is None) != options.unsigned:
        raise MessageMalformed("give the key to sign with (--key), or --unsigned for a browser wallet")
    identity = None if options.unsigned else open_identity(options.key, options.password_file)
    actor = options.actor or (identity.address if identity else None)
    chain_id = options.chain_id or (identity.chain_id if identity else None)
    if (options.kind.FIRST and actor is None) or chain_id is None:
        raise MessageMalformed("without a key, say who acts (--actor) and on which chain (--chain-id)")
    successor = _successor(options)
    reason, conditions = _reason(options), _conditions(options)
    if conditions is not None:
        options.conditions_hash = conditions.hash
    message = options.kind(**_fields(options, actor, reason, successor.address if successor else None))
    shown = reason if getattr(options, "show_reason", False) else None
    signed = SignedMessage(message, Domain(chain_id, options.contract), (), shown, conditions)
    for each in (identity, successor):
        signed = signed.signed_by(each) if each else signed
    signed.save(options.out)
    _print(signed)
    print(f"\nwritten to {options.out}")
    return 0


def _fields(options: argparse.Namespace, actor: str | None, reason: str, successor: str | None) -> dict[str, Any]:
    """The message's fields from the options."""
    from belmont.identity.errors import MessageMalformed
    from belmont.identity.messages import NO_CONDITIONS, reason_hash, short_bytes

    now = int(time.time())
    found: dict[str, Any] = {}
    for attribute, _, _type in options.kind.members():
        match attribute:
            case "actor" | "identity":
                found[attribute] = actor
            case "deadline":
                found[attribute] = now + options.valid_for
            case "nonce":
                pass
            case "conditions_hash":
                found[attribute] = options.conditions_hash or NO_CONDITIONS
                if found[attribute] != NO_CONDITIONS and not found["approve"]:
                    raise MessageMalformed("a vote against a study sets no conditions: approve under them, or set none")
            case "reason_hash":
                found[attribute] = reason_hash(reason)
            case "delegate_type":
                found[attribute] = short_bytes(options.delegate_type)
            case "purposes":
                found[attribute] = sum({1 << number for number in options.purpose})
            case "recipients":
                found[attribute] = tuple(sorted(set(options.recipient), key=lambda each: int(each, 16)))
            case "valid_from":
                found[attribute] = now if options.valid_from is None else options.valid_from
            case "sequence":
                found[attribute] = now if options.sequence is None else options.sequence
            case "valid_until":
                if not 1 <= options.days <= DAYS_MAX:
                    raise MessageMalformed(f"--days is {options.days}: take 1 to {DAYS_MAX}")
                found[attribute] = found["valid_from"] + options.days * 86_400
            case "new_owner":
                found[attribute] = successor or options.new_owner
                if found[attribute] is None:
                    raise MessageMalformed("name the new owner: its key file (--new-key), or its account (--new-owner)")
            case _:
                found[attribute] = getattr(options, attribute)
        least, most, says = BOUNDS.get(attribute, (0, 0, ""))
        if says and not least <= found[attribute] <= most:
            raise MessageMalformed(f"{attribute} is {found[attribute]}: the {attribute} {says}")
    return found


def _successor(options: argparse.Namespace) -> Any:
    from belmont.identity.passwords import open_identity

    path = getattr(options, "new_key", None)
    return open_identity(path, options.new_password_file) if path else None


def _reason(options: argparse.Namespace) -> str:
    from belmont.identity.errors import MessageMalformed
    from belmont.identity.signed_message import read_file

    path: Path | None = getattr(options, "reason_file", None)
    if path is None:
        return ""
    content = read_file(path, REASON_BYTES_MAX + 1)
    try:
        text = content.decode("utf-8").strip()
    except UnicodeDecodeError as error:
        raise MessageMalformed(f"{path} is not text in UTF-8") from error
    if len(content) > REASON_BYTES_MAX or not text:
        raise MessageMalformed(f"a reason has 1 to {REASON_BYTES_MAX} bytes; {path} has not")
    return text


def _conditions(options: argparse.Namespace) -> ApprovalConditions | None:
    """Of a file: the canonical JSON, or text with one condition on each line."""
    from belmont.identity.approval_conditions import CANONICAL_BYTES_MAX, ApprovalConditions
    from belmont.identity.errors import ApprovalConditionsMalformed
    from belmont.identity.signed_message import read_file

    path: Path | None = getattr(options, "condition_file", None)
    if path is None:
        return None
    content = read_file(path, CANONICAL_BYTES_MAX + 1)
    if content.startswith(b"{") or len(content) > CANONICAL_BYTES_MAX:
        return ApprovalConditions.parse(content)
    try:
        lines = content.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ApprovalConditionsMalformed(f"{path} is not text in UTF-8") from error
    return ApprovalConditions.of(line for line in lines if line.strip())


def _show(options: argparse.Namespace) -> int:
    from belmont.identity.signed_message import SignedMessage

    _print(SignedMessage.load(options.file))
    return 0


def _add(options: argparse.Namespace) -> int:
    from belmont.identity.errors import MessageMalformed, SignatureRefused
    from belmont.identity.passwords import open_identity
    from belmont.identity.signed_message import KEY_SIGNATURE_BYTES, SignedMessage

    if (options.key is None) == (options.signature is None):
        raise MessageMalformed("give either a key file (--key) or a signature made elsewhere (--signature)")
    signed = SignedMessage.load(options.file)
    _print(signed)
    if options.signature is not None:
        if not re.fullmatch(r"0x([0-9a-fA-F]{2})+", options.signature, re.ASCII):
            raise MessageMalformed("a signature is 0x and hex")
        if len(options.signature) != 2 + 2 * KEY_SIGNATURE_BYTES:
            raise MessageMalformed(
                f"a signature of a key has {KEY_SIGNATURE_BYTES} bytes; this has {len(options.signature) // 2 - 1}: "
                "take all that eth_signTypedData_v4 returned"
            )
        more = signed.with_signature(bytes.fromhex(options.signature[2:]))
    else:
        if not options.yes and not agreed():
            raise SignatureRefused("nothing was signed: answer y, or give --yes")
        more = signed.signed_by(open_identity(options.key, options.password_file))
    more.save(options.out)
    print(f"\nsigned by {', '.join(more.signers) or 'a wallet'}; written to {options.out}")
    return 0


def agreed() -> bool:
    """Whether the person at the terminal says yes."""
    return sys.stdin.isatty() and input("\nSign this? [y/N] ").strip().lower() in ("y", "yes")


def _print(signed: SignedMessage) -> None:
    rows = signed.rows()
    width = max(len(name) for name, _ in rows)
    print(type(signed.message).__name__)
    for name, text in rows:
        print(f"  {name:<{width}}  {''.join(letter if letter.isprintable() else '�' for letter in text)}")


def seconds(text: str) -> int:
    """``30m``, ``12h`` or ``7d`` as seconds."""
    match = re.fullmatch(r"([1-9][0-9]{0,8})([smhd])", text, re.ASCII)
    if match is None:
        raise argparse.ArgumentTypeError(f"not a length of time: {text!r}; write 30m, 12h or 7d")
    return int(match[1]) * _UNITS[match[2]]


def _hash(text: str) -> bytes:
    if not re.fullmatch(r"0x[0-9a-fA-F]{64}", text, re.ASCII):
        raise argparse.ArgumentTypeError("give 0x and 64 hex digits")
    return bytes.fromhex(text[2:])


def _bytes(text: str) -> bytes:
    if not re.fullmatch(r"0x([0-9a-fA-F]{2})*", text, re.ASCII):
        raise argparse.ArgumentTypeError("give 0x and hex digits, two for each byte")
    return bytes.fromhex(text[2:])


def _account(text: str) -> str:
    from eth_utils.address import is_checksum_address, to_checksum_address

    one_case = re.fullmatch(r"0x([0-9a-f]{40}|[0-9A-F]{40})", text, re.ASCII)
    if not one_case and not is_checksum_address(text):
        raise argparse.ArgumentTypeError("give 0x and 40 hex digits; where letters are mixed, the checksum has to fit")
    checked: str = to_checksum_address(text)
    return checked
