"""Words for every code that this service refuses with, beside those of the contracts (``belmont.service.words.names``).

A test reads the sources and fails for a code that has none.
"""

from belmont.service.words import Sentence

_MESSAGE = Sentence("This is no signed message as belmont writes it, or it was changed.")
_AGAIN = Sentence("Load the page again, and try once more.")
_SIGN_IN_AGAIN = Sentence("Begin the sign-in again, in one browser and within five minutes.")
_NOT_SIGNED = (Sentence("Nothing was signed yet."), Sentence("Sign with a wallet, or hand in the signed file."))
_NO_SUCH = (Sentence("The consortium has no such record, or this service no such page."), None)
_NO_DATABASE = (
    Sentence("This service's database does not answer; nothing was done."),
    Sentence("Try again later."),
)
_WRITTEN = (
    Sentence("Something in this address or form is not as this service takes it."),
    Sentence("Go back and correct it; where you followed a link, tell whoever wrote it."),
)
_TOO_LARGE = (Sentence("More was sent than is taken."), None)
UNKNOWN = Sentence("This cannot be answered as it was asked.")
SAID: dict[str, tuple[Sentence, Sentence | None]] = {
    "NOT_SIGNED_IN": (Sentence("This is for members and patients who are signed in."), Sentence("Sign in first.")),
    "NOT_ALLOWED": (Sentence("This is for members in another role than yours."), None),
    "OTHER_ORIGIN": (Sentence("This request did not come from a page of this service."), _AGAIN),
    "CSRF_TOKEN_INVALID": (Sentence("The page is from an older sign-in, or its form was incomplete."), _AGAIN),
    "SESSION_RENEWED": (
        Sentence("Your sign-in was renewed, and this browser did not get the answer."),
        Sentence("Touch your hardware key once more within a minute, or sign in again."),
    ),
    "NOT_FOUND": _NO_SUCH,
    "METHOD_NOT_ALLOWED": _NO_SUCH,
    "TOO_LARGE": _TOO_LARGE,
    "RECORDS_BUSY": (
        Sentence("Your records are being read for you several times already, or those of many people are."),
        Sentence("Wait until that has ended."),
    ),
    "TOO_MANY_REQUESTS": (Sentence("You ask more often than this service allows."), Sentence("Wait a minute.")),
    "STARTING": (
        Sentence("This service has just started, and has not read the chain yet."),
        Sentence("Wait a minute."),
    ),
    "CHAIN_UNREACHABLE": (Sentence("The chain does not answer; nothing was done."), Sentence("Try again later.")),
    "DATABASE_UNREACHABLE": _NO_DATABASE,
    "INDEX_UNAVAILABLE": _NO_DATABASE,
    "TRAIL_FULL": (
        Sentence("Accesses cannot be written down; nothing is answered before they can."),
        Sentence("Try again later."),
    ),
    "SIGNATURE_MISSING": _NOT_SIGNED,
    "MESSAGE_MALFORMED": (_MESSAGE, Sentence("Take the file as it was written.")),
    "OTHER_CONSORTIUM": (Sentence("This message is for another consortium."), None),
    "NOT_YOURS": (Sentence("Only members hand in what somebody else signed."), None),
    "NOT_RELAYED": (Sentence("Messages of this kind are not handed in here."), Sentence("Use belmont relay.")),
    "STEP_UP_REQUIRED": (
        Sentence("Your hardware key has to be touched for this very message first."),
        Sentence("Sign again on this page, and touch the key when you are asked."),
    ),
    "MALFORMED": _WRITTEN,
    "NONCE_INVALID": (
        Sentence("This text was signed in with already, is too old, or was shown in another browser."),
        _SIGN_IN_AGAIN,
    ),
    "SIGNATURE_INVALID": (
        Sentence("The signature is not one of this account under this text."),
        Sentence("Sign the text as it was downloaded, with the key of the account that you entered."),
    ),
    "NOT_THE_OWNER": (
        Sentence("This key does not speak for this identity now: it was replaced, or is a delegate's."),
        Sentence("Sign in with the key that owns the identity."),
    ),
    "STATE_INVALID": (
        Sentence("Your institution's answer was used already, came too late, or was for another browser."),
        _SIGN_IN_AGAIN,
    ),
    "PROVIDER_REFUSED": (Sentence("Your institution's sign-in did not let you in."), _SIGN_IN_AGAIN),
    "PROVIDER_UNAVAILABLE": (
        Sentence("Your institution's sign-in does not answer."),
        Sentence("Try again later, or sign in with your key."),
    ),
    "NOT_MAPPED": (
        Sentence("Your institution knows you, but this service was not told which member you are."),
        Sentence("Ask the operator of this service to name you, or sign in with your key."),
    ),
    "NOT_A_PATIENT": (
        Sentence("Nobody with this account is a patient at a hospital of this service."),
        Sentence("Show the address of your account to your hospital; it enrols it."),
    ),
    "FILES_UNUSABLE": (
        Sentence("The hospital's files cannot be read just now. Nothing is lost."),
        Sentence("Try again later; tell the hospital if it stays so."),
    ),
    "NOT_SIGNED": _NOT_SIGNED,
    "SIGNATURE_MALFORMED": (
        Sentence("This is no signature: it is 0x and hex digits."),
        Sentence("Take all that the wallet or belmont sign gave, from 0x on."),
    ),
    "NOT_A_CONSENT": (Sentence("This is no consent and no revocation."), Sentence("Hand in the file that you signed.")),
    "OTHER_ACTOR": (Sentence("This was signed for another account than yours."), None),
    "OTHER_DATASET": (Sentence("This is about another hospital's data."), None),
    "QUERY_MALFORMED": (Sentence("The filter is not as this service takes it."), Sentence("Go back and correct it.")),
    "UNAVAILABLE": (Sentence("A part of this service is away; nothing was done."), Sentence("Try again later.")),
    "CONFLICT": (Sentence("It cannot be done as things are."), _AGAIN),
    "REFUSED": (Sentence("The contract refuses, and gives no reason."), None),
    "ARGUMENT_INVALID": (
        Sentence("Something in it is not as the contract can hold it."),
        Sentence("Go back and correct it."),
    ),
    "CONSORTIUM_UNUSABLE": (
        Sentence("The contracts on this chain are not those of a consortium that this release can trust."),
        Sentence("Tell the operator of this service."),
    ),
    "CHARSET_UNKNOWN": (Sentence("A form here is in UTF-8."), _AGAIN),
    "BAD_REQUEST": _WRITTEN,
    "UNSUPPORTED_MEDIA_TYPE": _WRITTEN,
    "UNPROCESSABLE_ENTITY": _WRITTEN,
    "UNPROCESSABLE_CONTENT": _WRITTEN,
    "CURSOR_UNKNOWN": _WRITTEN,
    "PARAMETER_TWICE": _WRITTEN,
    "PARAMETER_UNKNOWN": _WRITTEN,
    "PLACE_MALFORMED": _WRITTEN,
    "REQUEST_ENTITY_TOO_LARGE": _TOO_LARGE,
    "CONTENT_TOO_LARGE": _TOO_LARGE,
    "FORM_INCOMPLETE": (
        Sentence("The form is not complete."),
        Sentence("Choose at least one purpose and one kind of data, and two days."),
    ),
    "EMPTY": (Sentence("The document is empty."), Sentence("Hand in the very file whose fingerprint is on the chain.")),
    "NOT_TEXT": (Sentence("This is no text in UTF-8."), Sentence("Hand in a file of plain text.")),
    "NOT_A_CONFIGURATION": (
        Sentence("This is no configuration of a run: one JSON object of texts, numbers and truth values."),
        Sentence("Hand in the very file whose fingerprint is on the chain."),
    ),
    "BUNDLE_REFUSED": (
        Sentence("This is no bundle of code that a hospital would open."),
        Sentence("Hand in the bundle as belmont wrote it."),
    ),
    "NOT_A_RECORD": (Sentence("This is no record of a round."), Sentence("Hand in the file as belmont wrote it.")),
    "RECORD_REFUSED": (Sentence("The round does not open with this record."), None),
    "OTHER_STUDY": (Sentence("This record is of another permit."), None),
    "NOT_ON_CHAIN": (
        Sentence("The chain has no such fingerprint for this kind of document and this study."),
        Sentence("Hand in the very file whose fingerprint is on the chain."),
    ),
    "NO_AMENDMENT": (Sentence("This study amends no permit."), None),
    "ALREADY_THERE": (Sentence("There is another text of this already, which stays."), None),
    "DOCUMENT_UNKNOWN": (Sentence("Nobody has handed in a document with this fingerprint."), None),
    "DOCUMENT_DAMAGED": (
        Sentence("What is kept here under this fingerprint was damaged, so it is not given."),
        Sentence("Whoever has the document can hand it in again."),
    ),
    "SIGN_IN_REFUSED": (Sentence("The sign-in was refused."), _SIGN_IN_AGAIN),
    "SIGN_IN_MALFORMED": (
        Sentence("This is no text to sign in with, or it was changed."),
        Sentence("Sign the text as it was downloaded, with the key of the account that you entered."),
    ),
    "ID_TOKEN_REFUSED": (Sentence("What your institution says of you does not hold."), _SIGN_IN_AGAIN),
    "ISSUER_MIXED_UP": (Sentence("This answer is of another institution than was asked."), _SIGN_IN_AGAIN),
    "PASSKEY_REFUSED": (Sentence("What came from the hardware key does not hold."), _AGAIN),
    "KEY_UNKNOWN": (Sentence("This hardware key is none of this account's."), Sentence("Touch one that is enrolled.")),
    "KEY_ENROLLED": (Sentence("This hardware key is enrolled already."), None),
    "OWN_KEY_NEEDED": (
        Sentence(
            "Hardware keys are enrolled by whoever signed in with the account's own key, not through an institution."
        ),
        Sentence("Sign in with your own key, and enrol it then."),
    ),
    "NO_KEYS": (Sentence("No hardware key is enrolled."), Sentence("Enrol one on the page of your account.")),
    "TOO_MANY_KEYS": (Sentence("This account has as many hardware keys as it can have."), None),
    "NO_HOST_NAME": (
        Sentence("Hardware keys need a service that is reached by a name, and not by an address of numbers."),
        Sentence("Tell the operator of this service."),
    ),
    "INTERNAL": (Sentence("Something is wrong here. It was logged for the operator."), None),
}
"""By code: what happened, and what to do."""
PARTICULAR = frozenset(
    {
        "ARGUMENT_INVALID",
        "BAD_REQUEST",
        "BUNDLE_REFUSED",
        "CONSORTIUM_UNUSABLE",
        "ID_TOKEN_REFUSED",
        "MALFORMED",
        "MESSAGE_MALFORMED",
        "NOT_A_RECORD",
        "RECORD_REFUSED",
        "SIGN_IN_MALFORMED",
    }
)
"""Codes whose errors' own text is shown where nothing says it in the visitor's language."""
