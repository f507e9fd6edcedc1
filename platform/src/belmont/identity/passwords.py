"""Opening a key file at the command line: a password comes from the terminal or from a file, never from an argument,
which every process of the machine could read."""

import getpass
import sys
from pathlib import Path

from belmont.identity.errors import PasswordRefused
from belmont.identity.keys import Identity
from belmont.identity.secret_file import read_secret_file

PASSWORD_FILE_BYTES_MAX = 4096


def open_identity(path: Path, password_file: Path | None = None) -> Identity:
    """The identity in a key file; asks for the password only where there is one."""
    if password_file is not None:
        return Identity.load(path, read_password(password_file))
    try:
        return Identity.load(path)
    except PasswordRefused:
        return Identity.load(path, ask(f"Password of {path}: "))


def read_password(path: Path) -> str:
    """The first line of a file that nobody else can read."""
    lines = read_secret_file(path, PASSWORD_FILE_BYTES_MAX).decode("utf-8", errors="replace").splitlines()
    if not lines or not lines[0]:
        raise PasswordRefused(f"{path} holds no password: write it on the first line")
    return lines[0]


def new_password(password_file: Path | None) -> str:
    """A password for a new file: from a file, or typed twice."""
    if password_file is not None:
        return read_password(password_file)
    password = ask("New password: ")
    if password != ask("Once more: "):
        raise PasswordRefused("the two are not the same: type the same password twice")
    return password


def ask(prompt: str) -> str:
    if not sys.stdin.isatty():
        raise PasswordRefused("there is no terminal to ask for a password: give a file with --password-file")
    return getpass.getpass(prompt)
