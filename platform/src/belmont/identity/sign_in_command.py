"""``belmont sign sign-in``: sign the text that a service shows at its sign-in (ERC-4361), with a key file, offline.

The text is read strictly and shown before it is signed: whose site asks, as whom one signs in, and until when. Only a
text of this form is signed here, so that nobody is led to sign something else under that name.
"""

from __future__ import annotations

import argparse
import re
import time
from pathlib import Path


def add_commands(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """sign-in."""
    summary = "sign the text that a service shows at its sign-in"
    parser = subparsers.add_parser("sign-in", help=summary, description=summary)
    parser.add_argument("--message", type=Path, required=True, help="file with the text, as the service gave it")
    parser.add_argument("--key", type=Path, required=True, help="key file to sign with")
    parser.add_argument("--password-file", type=Path, help="file whose first line is the key file's password")
    parser.add_argument(
        "--with", dest="others", type=Path, action="append", default=[], metavar="FILE",
        help="signature of another person, for a wallet of several; once for each",
    )  # fmt: skip
    parser.add_argument("--wallet", action="store_true", help="the text is for a wallet that this key is one of")
    parser.add_argument("--out", type=Path, required=True, help="new file for the signature")
    parser.add_argument("--yes", action="store_true", help="do not ask before signing")
    parser.set_defaults(run=_sign_in)


def _sign_in(options: argparse.Namespace) -> int:
    from belmont.identity.errors import MessageMalformed, SignatureRefused
    from belmont.identity.passwords import open_identity
    from belmont.identity.sign_commands import agreed
    from belmont.identity.sign_in_message import TEXT_BYTES_MAX, instant, parse
    from belmont.identity.signed_message import Signer, joined, read_file

    content = read_file(options.message, TEXT_BYTES_MAX + 2)
    try:
        text = content.decode("ascii").replace("\r\n", "\n").removesuffix("\n")
    except UnicodeDecodeError as error:
        raise MessageMalformed(f"{options.message} is no sign-in message: it has other letters than ASCII") from error
    message = parse(text)
    print(message.text)
    print(f"\nsigns in at {message.domain} as {message.identity}")
    if message.expiration_time is not None and instant(message.expiration_time) <= time.time():
        raise SignatureRefused("this text has expired: have the service show a new one")
    identity = open_identity(options.key, options.password_file)
    others = [_signature(path) for path in options.others]
    if identity.address != message.address and not options.wallet:
        raise SignatureRefused(
            f"{options.key} is the key of {identity.address}; the text is for {message.address}. "
            "Where that is a wallet that this key is one of, say --wallet"
        )
    if identity.chain_id != message.chain_id:
        raise SignatureRefused(f"{options.key} is for chain {identity.chain_id}; the text is for {message.chain_id}")
    if not options.yes and not agreed():
        raise SignatureRefused("nothing was signed: answer y, or give --yes")
    signer: Signer = identity.account
    own = bytes(signer.unsafe_sign_hash(message.digest).signature)
    signature = joined(message.digest, [own, *others]) if others else own
    _write(options.out, "0x" + signature.hex() + "\n")
    print(f"\nwritten to {options.out}")
    return 0


def _signature(path: Path) -> bytes:
    from belmont.identity.errors import MessageMalformed
    from belmont.identity.signed_message import KEY_SIGNATURE_BYTES, read_file

    text = read_file(path, 2 * KEY_SIGNATURE_BYTES + 5).decode("ascii", "replace").strip()
    if not re.fullmatch(rf"0x[0-9a-fA-F]{{{2 * KEY_SIGNATURE_BYTES}}}", text, re.ASCII):
        raise MessageMalformed(f"{path} holds no signature of a key: 0x and {2 * KEY_SIGNATURE_BYTES} hex digits")
    return bytes.fromhex(text[2:])


def _write(path: Path, content: str) -> None:
    from belmont.identity.errors import MessageFileError

    try:
        with path.open("x", encoding="ascii") as file:
            file.write(content)
    except FileExistsError as error:
        raise MessageFileError(f"{path} exists: choose another name, or move that file away first") from error
    except OSError as error:
        raise MessageFileError(f"cannot write {path}: {error.strerror}; choose a folder you may write to") from error
