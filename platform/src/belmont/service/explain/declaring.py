"""What an applicant declares of the use of data, in short phrases. What is not declared is not named."""

from belmont.registry.duo import Commerce, Declaration, Organisation, codes
from belmont.service.words import Country, Day, Hash, Sentence, Value


def declarations(use: Declaration) -> tuple[Value, ...]:
    """One phrase for each thing that is declared."""
    said: list[Value] = []
    if use.institution:
        said.append(Sentence("institution {ror}", ror=codes.ror(use.institution)))
    if use.organisation is not Organisation.UNDECLARED:
        said.append(use.organisation)
    if use.commerce is not Commerce.UNDECLARED:
        said.append(use.commerce)
    if use.diseases:
        said.append(Sentence("diseases {diseases}", diseases=tuple(map(codes.mondo, sorted(use.diseases)))))
    if use.countries:
        where = tuple(Country(codes.country(each)) for each in sorted(use.countries))
        said.append(Sentence("analysis in {countries}", countries=where))
    if use.commitments:
        said.append(Sentence("a promise to {commitments}", commitments=use.commitments))
    if use.publishes_not_before:
        said.append(Sentence("nothing published before {day}", day=Day(use.publishes_not_before)))
    if use.clinical_care:
        said.append(Sentence("results go into the care of patients"))
    if any(use.ethics_approval):
        said.append(Sentence("a letter of a local ethics committee {hash}", hash=Hash(use.ethics_approval)))
    return tuple(said)
