"""Sentences about rounds, queries, totals, and models that leave."""

from belmont.registry.types import UseKind
from belmont.service.explain import privacy
from belmont.service.explain.history.told import Tellers, Told
from belmont.service.explain.questions import question
from belmont.service.words import Listed, Moment, Sentence, Value, counted


def _round_opened(told: Told) -> Sentence:
    return Sentence("{who} opened round {n} under {permit}.", who=told.who, n=told.label("n"), permit=told.permit)


def _query_opened(told: Told) -> Sentence:
    return Sentence("{who} opened query {n} under {permit}.", who=told.who, n=told.label("n"), permit=told.permit)


def _round_closed(told: Told) -> Sentence:
    recorded: tuple[Value, ...] = tuple(told.names.dataset(each) for each in told.event.details["recorded"])
    return Sentence(
        "{who} closed round {number} under {permit}: {datasets} delivered.",
        who=told.who,
        number=told.label("n"),
        permit=told.permit,
        datasets=Listed(recorded),
    )


def _recorded(told: Told) -> Sentence:
    where = {
        "who": told.who,
        "number": told.label("n"),
        "permit": told.permit,
        "dataset": told.dataset,
        "version": told.label("version"),
    }
    is_round, rho = told.number("kind") == UseKind.ROUND, told.number("rho")
    if is_round and rho:
        return Sentence(
            "{who} delivered to round {number} under {permit}, computed on version {version} of {dataset}, charged "
            "with {amount}.",
            amount=privacy.amount(rho),
            **where,
        )
    if is_round:
        return Sentence(
            "{who} delivered to round {number} under {permit}, computed on version {version} of {dataset}.", **where
        )
    if rho:
        return Sentence(
            "{who} answered query {number} under {permit}, computed on version {version} of {dataset}, charged with "
            "{amount}.",
            amount=privacy.amount(rho),
            **where,
        )
    return Sentence(
        "{who} answered query {number} under {permit}, computed on version {version} of {dataset}.", **where
    )


def _total(told: Told) -> Sentence:
    return counted(
        "{who} published a total of query {number} under {permit} ({question}): {total}, over {n} patient; the "
        "contract checked it.",
        "{who} published a total of query {number} under {permit} ({question}): {total}, over {n} patients; the "
        "contract checked it.",
        told.number("rows"),
        who=told.who,
        number=told.label("n"),
        permit=told.permit,
        question=question(told.event.details["question"]),
        total=told.number("total"),
    )


def _announced(told: Told) -> Sentence:
    return Sentence(
        "{who} announced that model {model}, made under {permit}, is to leave the consortium; objections are open "
        "until {until}.",
        who=told.who,
        model=told.model,
        permit=told.permit,
        until=Moment(told.number("objections_until")),
    )


def _objected(told: Told) -> Sentence:
    return Sentence("{who} objected to the release of model {model} under {permit}.", **_release(told))


def _confirmation(told: Told) -> Sentence:
    return Sentence(
        "{who} voted to release model {model} under {permit} in spite of what stands against it.", **_release(told)
    )


def _confirmed(told: Told) -> Sentence:
    return Sentence(
        "The ethics board released model {model} under {permit} in spite of what stood against it.", **_what(told)
    )


def _settled(told: Told) -> Sentence:
    return Sentence("The release of model {model} under {permit} is final: nothing stands against it.", **_what(told))


def _withdrawn(told: Told) -> Sentence:
    return Sentence("{who} took the release of model {model} under {permit} back, for good.", **_release(told))


def _what(told: Told) -> dict[str, Value]:
    return {"model": told.model, "permit": told.permit}


def _release(told: Told) -> dict[str, Value]:
    return {"who": told.who, **_what(told)}


TELLERS: Tellers = {
    ("Uses", "RoundOpened"): _round_opened,
    ("Uses", "QueryOpened"): _query_opened,
    ("Uses", "RoundClosed"): _round_closed,
    ("Uses", "UseRecorded"): _recorded,
    ("Totals", "TotalProved"): _total,
    ("Releases", "ModelReleased"): _announced,
    ("Releases", "ReleaseObjected"): _objected,
    ("Releases", "ConfirmationSupported"): _confirmation,
    ("Releases", "ReleaseConfirmed"): _confirmed,
    ("Releases", "ReleaseSettled"): _settled,
    ("Releases", "ReleaseWithdrawn"): _withdrawn,
}
