"""Sentences about datasets, their proofs, patients' consents, and credits."""

from belmont.service.explain.history.told import Tellers, Told
from belmont.service.words import Day, Listed, Moment, Sentence, Value, counted, names


def _registered(told: Told) -> Sentence:
    return Sentence(
        "{who} registered the dataset “{name}”, to be kept until {until}, under the terms {terms}.",
        who=told.who,
        name=told.text("name"),
        until=Day(told.number("retention_until")),
        terms=names.terms(told.number("duo_terms")),
    )


def _version(told: Told) -> Sentence:
    return counted(
        "{who} registered version {number} of {dataset}, with {n} patient.",
        "{who} registered version {number} of {dataset}, with {n} patients.",
        told.number("rows"),
        who=told.who,
        number=told.label("number"),
        dataset=told.dataset,
    )


def _retention(told: Told) -> Sentence:
    return Sentence(
        "{who} put the end of the retention of {dataset} off to {until}.",
        who=told.who,
        dataset=told.dataset,
        until=Day(told.number("retention_until")),
    )


def _frozen(told: Told) -> Sentence:
    return Sentence("{who} froze {dataset}: nothing is computed on it.", who=told.who, dataset=told.dataset)


def _unfrozen(told: Told) -> Sentence:
    return Sentence("{who} ended the freeze of {dataset}.", who=told.who, dataset=told.dataset)


def _destroyed(told: Told) -> Sentence:
    return Sentence(
        "{who} stated that {dataset} is destroyed; its report has the SHA-256 {hash}.",
        who=told.who,
        dataset=told.dataset,
        hash=told.hash("destruction_hash"),
    )


def _tables(told: Told) -> Sentence:
    return counted(
        "The tables for a layout of {n} column were put on chain, to verify proofs with.",
        "The tables for a layout of {n} columns were put on chain, to verify proofs with.",
        told.number("columns"),
    )


def _part(told: Told) -> Sentence:
    return counted(
        "The contract accepted part of the proof of version {number} of {dataset}: {n} patient so far.",
        "The contract accepted part of the proof of version {number} of {dataset}: {n} patients so far.",
        told.number("rows"),
        number=told.label("number"),
        dataset=told.dataset,
    )


def _proven(told: Told) -> Sentence:
    return Sentence(
        "Version {number} of {dataset} is proven: it may be used under a permit.",
        number=told.label("number"),
        dataset=told.dataset,
    )


def _batch(told: Told) -> Sentence:
    return counted(
        "{who} published batch {number} of the consents to {dataset}, with {n} patient.",
        "{who} published batch {number} of the consents to {dataset}, with {n} patients.",
        told.number("count"),
        who=told.who,
        number=told.label("number"),
        dataset=told.dataset,
    )


def _enrolled(told: Told) -> Sentence:
    return Sentence(
        "A patient ({who}) took charge of their own consent to {dataset}.", who=told.who, dataset=told.dataset
    )


def _granted(told: Told) -> Sentence:
    details = told.event.details
    recipients: tuple[Value, ...] = tuple(told.names.account(each) for each in details["recipients"])
    return Sentence(
        "A patient ({who}) consented to the use of {dataset} for {purposes}, of {categories}, by {recipients}, "
        "from {begin} to {end}.",
        who=told.who,
        dataset=told.dataset,
        purposes=names.purposes(details["purposes"]),
        categories=names.categories(details["categories"]),
        recipients=Listed(recipients) if recipients else Sentence("any member"),
        begin=Moment(details["valid_from"]),
        end=Moment(details["valid_until"]),
    )


def _revoked(told: Told) -> Sentence:
    return Sentence(
        "A patient ({who}) took their consent to the use of {dataset} back.", who=told.who, dataset=told.dataset
    )


def _credited(told: Told) -> Sentence:
    return counted(
        "{who} was credited {n} point for a use of {dataset}, and its patients together {patients}.",
        "{who} was credited {n} points for a use of {dataset}, and its patients together {patients}.",
        told.number("to_holder"),
        who=told.who,
        dataset=told.dataset,
        patients=told.number("to_patients"),
    )


def _redeemed(told: Told) -> Sentence:
    amount = told.number("amount")
    if told.has("dataset"):
        return counted(
            "{who} redeemed {n} point of those that the patients of {dataset} have together.",
            "{who} redeemed {n} points of those that the patients of {dataset} have together.",
            amount,
            who=told.who,
            dataset=told.dataset,
        )
    return counted("{who} redeemed {n} point of its own.", "{who} redeemed {n} points of its own.", amount,
                   who=told.who)  # fmt: skip


TELLERS: Tellers = {
    ("Datasets", "DatasetRegistered"): _registered,
    ("Datasets", "VersionAdded"): _version,
    ("Datasets", "RetentionExtended"): _retention,
    ("Datasets", "DatasetFrozen"): _frozen,
    ("Datasets", "DatasetUnfrozen"): _unfrozen,
    ("Datasets", "DatasetDestroyed"): _destroyed,
    ("Proofs", "TablesRegistered"): _tables,
    ("Proofs", "PartAccepted"): _part,
    ("Proofs", "VersionProven"): _proven,
    ("Consents", "BatchPublished"): _batch,
    ("Consents", "PatientEnrolled"): _enrolled,
    ("Consents", "ConsentGranted"): _granted,
    ("Consents", "ConsentRevoked"): _revoked,
    ("Credits", "Credited"): _credited,
    ("Credits", "Redeemed"): _redeemed,
}
