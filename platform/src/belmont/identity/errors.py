"""What can go wrong with identities.

IdentityError
├── DidMalformed             not a did:ethr identifier of an account
├── PasswordRefused          empty, missing, wrong, or given for a file that is not encrypted
├── MessageMalformed         a value that a message cannot hold, or a file that is no signed message
├── SignatureRefused         not signed, or not by whom it should be
├── ApprovalConditionsMalformed  no conditions that a vote can set, or not in their one form
├── MessageFileError         a message's file cannot be read, or its writing would overwrite one
└── KeyFileError
    ├── KeyFileMissing       nothing at that path
    ├── KeyFileExists        saving would overwrite a key
    ├── KeyFileUnsafe        a link, not a regular file, or readable by others
    ├── KeyFileUnwritable    the folder is missing, read-only or full
    └── KeyFileMalformed     foreign, damaged, truncated, too large, or at odds with itself

What is wrong with a message, a signature or conditions is also there as a word with its values (``Why``), so that a
service can say it in its visitor's language.
"""

from enum import StrEnum


class Why(StrEnum):
    """What is wrong with something that a person handed in; behind each, the values that come with it."""

    TOO_LARGE = "too large"
    """most: bytes"""
    NOT_JSON = "not json"
    NOT_OURS = "not ours"
    VERSION = "version"
    """known"""
    KIND = "kind"
    """kind"""
    ALTERED = "altered"
    FIELDS = "fields"
    """kind"""
    VALUE = "value"
    """name, kind: of EIP-712, most"""
    NOTATION = "notation"
    """name"""
    OTHER_REASON = "other reason"
    OTHER_CONDITIONS = "other conditions"
    SIGNATURES = "signatures"
    """most"""
    SIGNATURE_BYTES = "signature bytes"
    """most"""
    SIGNATURE_HEX = "signature hex"
    UNSIGNED = "unsigned"
    SIGNED_TWICE = "signed twice"
    CONDITIONS_COUNT = "conditions count"
    """most"""
    CONDITION_TWICE = "condition twice"
    CONDITION_LENGTH = "condition length"
    """number, most: characters"""
    CONDITION_HIDDEN = "condition hidden"
    """number, character: as U+200B"""
    CONDITION_FORM = "condition form"
    """number"""


class IdentityError(Exception):
    """Anything of this area; the message says what to do."""

    def __init__(self, text: str = "", why: Why | None = None, **values: str | int) -> None:
        super().__init__(text)
        self.why, self.values = why, values


class DidMalformed(IdentityError):
    pass


class PasswordRefused(IdentityError):
    pass


class MessageMalformed(IdentityError):
    pass


class ApprovalConditionsMalformed(IdentityError):
    pass


class SignatureRefused(IdentityError):
    pass


class MessageFileError(IdentityError):
    pass


class KeyFileError(IdentityError):
    pass


class KeyFileMissing(KeyFileError):
    pass


class KeyFileExists(KeyFileError):
    pass


class KeyFileUnsafe(KeyFileError):
    pass


class KeyFileUnwritable(KeyFileError):
    pass


class KeyFileMalformed(KeyFileError):
    pass
