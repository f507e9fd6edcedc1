"""What a notebook shows of data use."""

import pytest

from belmont.lab.consortium import Consortium
from belmont.registry.duo import Purpose, Term, Verdict
from belmont.registry.errors import RegistryRefused


def test_a_study_says_of_each_dataset_what_its_terms_leave_to_the_board(consortium: Consortium) -> None:
    study = consortium.propose("What is open", rounds=1, queries=1)
    found = study.data_use()
    assert set(found) == {consortium.dataset_names[each] for each in study.record.terms.datasets}
    assert {(each.verdict, each.abstained) for each in found.values()} == {(Verdict.ABSTAIN, Term.IRB)}
    assert [each.terms for each in study.record.abstentions] == [Term.IRB] * len(found)
    assert study._repr_html_().count("the board decides on IRB") == len(found)


def test_an_application_that_the_terms_do_not_permit_is_refused(consortium: Consortium) -> None:
    with pytest.raises(RegistryRefused, match="DATA_USE_DENIED"):
        consortium.propose("Origins", rounds=1, queries=1, purpose=int(Purpose.ANCESTRY))
