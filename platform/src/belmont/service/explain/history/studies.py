"""Sentences about applications, votes, permits, and what stops them."""

from belmont.service.explain.history.told import Tellers, Told
from belmont.service.words import Moment, Sentence
from belmont.service.words import names as named


def _proposed(told: Told) -> Sentence:
    purposes = named.purposes(told.number("purpose"))
    if told.has("amends"):
        return Sentence(
            "{who} applied to amend {permit}: {study}, for {purposes}.",
            who=told.who,
            permit=told.names.permit(told.number("amends")),
            study=told.study,
            purposes=purposes,
        )
    return Sentence("{who} applied with {study}, for {purposes}.", who=told.who, study=told.study, purposes=purposes)


def _left_open(told: Told) -> Sentence:
    return Sentence(
        "The conditions of {dataset} leave {terms} in {study} to the ethics board.",
        dataset=told.dataset,
        terms=named.terms(told.number("abstained")),
        study=told.study,
    )


def _voted(told: Told) -> Sentence:
    if told.has("conditions_hash"):
        return Sentence(
            "{who} voted for {study} under conditions, which have the SHA-256 {hash}.",
            who=told.who,
            study=told.study,
            hash=told.hash("conditions_hash"),
        )
    if told.has("approve"):
        return Sentence("{who} voted for {study}.", who=told.who, study=told.study)
    return Sentence("{who} voted against {study}.", who=told.who, study=told.study)


def _approved(told: Told) -> Sentence:
    return Sentence(
        "The ethics board approved {study}: {votes} for it, {quorum} needed.",
        study=told.study,
        votes=told.number("votes_for"),
        quorum=told.number("quorum"),
    )


def _refused(told: Told) -> Sentence:
    return Sentence(
        "The ethics board refused {study}: with {votes} against it and {recused} who take no part, {quorum} votes for "
        "it cannot be reached.",
        study=told.study,
        votes=told.number("votes_against"),
        recused=told.number("recused"),
        quorum=told.number("quorum"),
    )


def _recused(told: Told) -> Sentence:
    return Sentence("{who} takes no part in the vote on {study}.", who=told.who, study=told.study)


def _agreed(told: Told) -> Sentence:
    return Sentence(
        "{who} agreed to all conditions that the board set for {study}, {hash}.",
        who=told.who,
        study=told.study,
        hash=told.hash("conditions"),
    )


def _accepted(told: Told) -> Sentence:
    return Sentence("{who} accepted {study} for {dataset}.", who=told.who, study=told.study, dataset=told.dataset)


def _cancelled(told: Told) -> Sentence:
    return Sentence("{who} cancelled {study}.", who=told.who, study=told.study)


def _issued(told: Told) -> Sentence:
    return Sentence(
        "{user} was issued {permit}; it ends on {until}.",
        permit=told.permit,
        user=told.account("data_user"),
        until=Moment(told.number("expires_at")),
    )


def _superseded(told: Told) -> Sentence:
    return Sentence(
        "An amendment, {other}, took the place of {permit}.",
        permit=told.permit,
        other=told.names.permit(told.number("superseded_by")),
    )


def _frozen(told: Told) -> Sentence:
    return Sentence(
        "{who} froze {permit} until {until}: nothing is computed under it.",
        who=told.who,
        permit=told.permit,
        until=Moment(told.number("until")),
    )


def _lift(told: Told) -> Sentence:
    return Sentence("{who} voted to end the freeze of {permit} early.", who=told.who, permit=told.permit)


def _lifted(told: Told) -> Sentence:
    return Sentence("The ethics board ended the freeze of {permit}.", permit=told.permit)


def _revocation(told: Told) -> Sentence:
    return Sentence("{who} voted to revoke {permit}.", who=told.who, permit=told.permit)


def _revoked(told: Told) -> Sentence:
    return Sentence("The ethics board revoked {permit}, for good.", permit=told.permit)


def _withdrawn(told: Told) -> Sentence:
    return Sentence(
        "{who} withdrew {dataset} from {permit}, for good.", who=told.who, dataset=told.dataset, permit=told.permit
    )


TELLERS: Tellers = {
    ("Studies", "StudyProposed"): _proposed,
    ("Studies", "DataUseLeftOpen"): _left_open,
    ("Studies", "VoteCast"): _voted,
    ("Studies", "Recused"): _recused,
    ("Studies", "ConditionsAgreed"): _agreed,
    ("Studies", "StudyApproved"): _approved,
    ("Studies", "StudyRefused"): _refused,
    ("Studies", "DatasetAccepted"): _accepted,
    ("Studies", "StudyCancelled"): _cancelled,
    ("Permits", "PermitIssued"): _issued,
    ("Permits", "PermitSuperseded"): _superseded,
    ("Permits", "PermitFrozen"): _frozen,
    ("Permits", "LiftSupported"): _lift,
    ("Permits", "FreezeLifted"): _lifted,
    ("Permits", "RevocationSupported"): _revocation,
    ("Permits", "PermitRevoked"): _revoked,
    ("Permits", "DatasetWithdrawn"): _withdrawn,
}
