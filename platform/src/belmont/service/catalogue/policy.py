"""A dataset's DUO terms as rights, and as far as ODRL has words for them, as a policy.

1. Every term is a ``dct:rights`` statement that names its DUO term: nothing a holder asks for is lost.
2. Permissions (NRES, GRU, HMB, DS, POA) permit ``odrl:use`` for a purpose; country, duration and users constrain it;
   what is promised (PUB, COL, RTN, IRB) is a duty; what is prohibited (NMDS, NPOA, commerce) a prohibition.
3. Each rule names its DUO term as ``odrl:purpose`` or ``dct:source``, since ODRL's words are wider than DUO's.
"""

from typing import Final

from belmont.registry.duo import Conditions, Term, codes
from belmont.service.catalogue.vocabulary import Node, date, english, filled, plain

PERMISSIONS: Final = (Term.NRES, Term.GRU, Term.HMB, Term.DS, Term.POA)
_DUTIES: Final = (Term.PUB, Term.COL, Term.RTN, Term.IRB)
_PROHIBITED_PURPOSES: Final = {
    Term.NMDS: ("duo:0000031",),
    Term.NPOA: ("duo:0000033",),
}
_COMMERCIAL: Final = (Term.NCU, Term.NPUNCU)


def duo(term: Term) -> Node:
    """The IRI of a term."""
    return {"@id": f"duo:{term.code:07d}"}


def rights(conditions: Conditions) -> list[Node]:
    """A statement for each term, with its parameter (1)."""
    spoken = conditions.spoken()
    return [
        {
            "@type": "dct:RightsStatement",
            "rdfs:label": english(f"{term.label} ({spoken[str(term)]})"),
            "dct:source": duo(term),
        }
        for term in conditions.terms
    ]


def offer(conditions: Conditions, node: str, target: Node, assigner: Node) -> Node:
    """The policy at the IRI ``node`` (2, 3)."""
    terms = conditions.terms
    constraints = _constraints(conditions)
    return filled(
        {
            "@id": node,
            "@type": "odrl:Offer",
            "odrl:uid": {"@id": node},
            "odrl:permission": [
                filled(
                    {
                        "@type": "odrl:Permission",
                        "odrl:target": target,
                        "odrl:assigner": assigner,
                        "odrl:action": {"@id": "odrl:use"},
                        "odrl:constraint": [_purpose(term, conditions), *constraints],
                        "odrl:duty": [_duty(each) for each in _DUTIES if each in terms],
                    }
                )
                for term in PERMISSIONS
                if term in terms
            ],
            "odrl:prohibition": _prohibitions(conditions, target),
        }
    )


def _purpose(term: Term, conditions: Conditions) -> Node:
    """What a permission is for; diseases of DS are MONDO's."""
    if term is Term.DS and conditions.diseases:
        right: list[Node] = [{"@id": f"mondo:{each:07d}"} for each in sorted(conditions.diseases)]
        return _constraint("odrl:purpose", "odrl:isAnyOf", right) | {"dct:source": duo(term)}
    return _constraint("odrl:purpose", "odrl:isA", [duo(term)])


def _constraints(conditions: Conditions) -> list[Node]:
    found = []
    if conditions.countries:
        where: list[Node] = [plain(codes.country(each)) for each in sorted(conditions.countries)]
        found.append(_constraint("odrl:spatial", "odrl:isAnyOf", where) | {"dct:source": duo(Term.GS)})
    if conditions.months:
        period = {"@value": f"P{conditions.months}M", "@type": "xsd:duration"}
        found.append(_constraint("odrl:elapsedTime", "odrl:lteq", [period]) | {"dct:source": duo(Term.TS)})
    if conditions.users:
        accounts: list[Node] = [plain(each) for each in sorted(conditions.users)]
        found.append(_constraint("odrl:recipient", "odrl:isAnyOf", accounts) | {"dct:source": duo(Term.US)})
    if conditions.institutions:
        members: list[Node] = [{"@id": codes.ror(each)} for each in sorted(conditions.institutions)]
        found.append(_constraint("odrl:recipient", "odrl:isPartOf", members) | {"dct:source": duo(Term.IS)})
    if conditions.research_types:
        types: list[Node] = [{"@id": f"duo:{each.bit_length() - 1:07d}"} for each in conditions.research_types]
        found.append(_constraint("odrl:purpose", "odrl:isAnyOf", types) | {"dct:source": duo(Term.RS)})
    return found


def _duty(term: Term) -> Node:
    return {"@type": "odrl:Duty", "odrl:action": duo(term), "rdfs:label": english(term.label)}


def _prohibitions(conditions: Conditions, target: Node) -> list[Node]:
    terms, found = conditions.terms, []
    for term, purposes in _PROHIBITED_PURPOSES.items():
        if term in terms:
            constraint = _constraint("odrl:purpose", "odrl:isAnyOf", [{"@id": each} for each in purposes])
            found.append(_prohibition("odrl:use", term, target) | {"odrl:constraint": constraint})
    for term in _COMMERCIAL:
        if term in terms:
            found.append(_prohibition("odrl:commercialize", term, target))
    until = date(conditions.moratorium_until) if conditions.moratorium_until else None
    if until is not None:
        constraint = _constraint("odrl:dateTime", "odrl:lt", [until])
        found.append(_prohibition("odrl:distribute", Term.MOR, target) | {"odrl:constraint": constraint})
    return found


def _prohibition(action: str, term: Term, target: Node) -> Node:
    return {
        "@type": "odrl:Prohibition",
        "odrl:target": target,
        "odrl:action": {"@id": action},
        "dct:source": duo(term),
    }


def _constraint(left: str, operator: str, right: list[Node]) -> Node:
    return {
        "@type": "odrl:Constraint",
        "odrl:leftOperand": {"@id": left},
        "odrl:operator": {"@id": operator},
        "odrl:rightOperand": right,
    }
