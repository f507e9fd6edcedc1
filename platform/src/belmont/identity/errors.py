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
"""


class IdentityError(Exception):
    """Anything of this area; the message says what to do."""


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
