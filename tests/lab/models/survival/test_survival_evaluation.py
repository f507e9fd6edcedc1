"""A Cox model under a permit from its fit to its release: evaluated, described, checked, recorded. eGFR is the time."""

import json
from argparse import Namespace
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from belmont.federated.bounded.record import RoundRecord, open_round
from belmont.federated.errors import RoundRefused
from belmont.federated.hashes import model_hash
from belmont.lab import Consortium
from belmont.lab.errors import LabError, NotYet
from belmont.lab.models import CoxRegression, KaplanMeier
from belmont.lab.models.concordance import concordance_index
from belmont.lab.permit import Permit
from belmont.lab.release_rule import ReleaseRule
from belmont.lab.verify_round_command import verify
from belmont.registry.reasons import Reason

CUTS = (60.0, 80.0, 100.0)
OUTCOME = "antihypertensive"
COX = CoxRegression(
    ("age", "systolic", "sex=male"),
    OUTCOME,
    duration="egfr",
    holdout=0.5,
    evaluation_cuts=CUTS,
    groups=("sex", "age:60"),
    report_hospitals=True,
    evaluations=2,
    release=ReleaseRule(max_parameters=100, max_membership_advantage=0.5, min_rows=100, min_hospitals=3),
)


@pytest.fixture(scope="module")
def consortium(tmp_path_factory: pytest.TempPathFactory) -> Any:
    home = tmp_path_factory.mktemp("survival") / "consortium"
    with Consortium.local(hospitals=3, patients=2_400, seed=3, home=home) as made:
        yield made


def permit_for(consortium: Consortium, model: Any, rounds: int = 12) -> Permit:
    study = consortium.propose("Who is sooner", model=model, rounds=rounds, min_cohort=10)
    study.vote(*consortium.board[:2])
    return study.accept(*consortium.hospitals).permit()


@pytest.fixture(scope="module")
def model(consortium: Consortium) -> CoxRegression:
    return replace(COX).fit(permit_for(consortium, COX))


def test_x(model, consortium):
    p = model.performance_
    print(p.table.T.to_string())
    print(p.over_time().to_string())
    print(p.risk_groups().to_string())
    print(p.fairness().T.to_string())
    print(p.hospitals.T.to_string())
    print(p.membership)
    print(repr(p))
    print(model.output_check())
    print(model.card().to_markdown())
    assert 0
