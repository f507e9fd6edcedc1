"""What a federated model is measured against where records are synthetic: pooled rows, fresh patients, the truth."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from sklearn.base import clone

from belmont.ehr.coded import CodedTable
from belmont.ehr.dictionary import Dictionary
from belmont.ehr.synthetic import HospitalCohort, holdout
from belmont.federated.hashes import Arrays
from belmont.federated.models.glm import COEFFICIENTS
from belmont.federated.node.design import LEVEL_MARK, REFERENCES, design, usable
from belmont.lab.home import SyntheticSource
from belmont.lab.metrics import Floats, auc, pooled_logistic
from belmont.lab.models import LogisticRegression, StudyModel
from belmont.lab.models.references import References, merged

HOLDOUT_PATIENTS = 20_000


@dataclass(frozen=True)
class Yardstick:
    """Made from the recipe of the synthetic records and the hospitals' tables."""

    source: SyntheticSource
    tables: Sequence[CodedTable]

    @cached_property
    def fresh(self) -> HospitalCohort:
        """Patients of the same mixture who are in no hospital."""
        return holdout(HOLDOUT_PATIENTS, self.source.seed, self.source.hospitals)

    @cached_property
    def fresh_table(self) -> CodedTable:
        return self.fresh.coded(Dictionary.builtin())

    def fresh_outcome(self, model: StudyModel) -> Floats:
        known = usable(self.fresh_table, model.outcome)
        return np.asarray(self.fresh_table.values(model.outcome), np.float64)[known]

    def fresh_risk(self, model: StudyModel, weights: Arrays) -> Floats:
        """Predicted risk of the fresh patients."""
        fitted = clone(model)
        fitted.adopt(weights, (), References.of_dictionary(Dictionary.builtin()))
        risk = np.asarray(fitted.predict_values(self.fresh_table), np.float64)
        return risk[usable(self.fresh_table, model.outcome)]

    def fresh_true_risk(self) -> Floats:
        """The risk that the clinical model gave the same patients."""
        return np.asarray(self.fresh.true_risk[self.fresh.rows_of(self.fresh_table)], dtype=np.float64)

    def auc(self, model: StudyModel, weights: Arrays) -> float:
        """AUC of a model on the fresh patients."""
        return auc(self.fresh_risk(model, weights), self.fresh_outcome(model))

    def auc_true_risk(self, model: StudyModel) -> float:
        """AUC of the truth itself: no model can expect more."""
        return auc(self.fresh_true_risk(), self.fresh_outcome(model))

    def pooled(self, model: StudyModel, weights: Arrays) -> Arrays:
        """The same model fitted to all hospitals' rows in one place, which no study is allowed to do; ``weights`` are
        the federated one's, for what rows were prepared by."""
        references = {REFERENCES: weights[REFERENCES]} if REFERENCES in weights else {}
        if not isinstance(model, LogisticRegression):
            pooled: StudyModel = clone(model).set_params(private=None, holdout=0.0)
            return pooled.fit(merged(self.tables)).arrays_
        given = None if not references else np.asarray(weights[REFERENCES], np.float64)
        parts = [
            design(each, model.columns, model.outcome, model.missing_indicators, references=given)
            for each in self.tables
        ]
        rows = np.vstack([part.design for part in parts])
        outcome = np.concatenate([part.outcome for part in parts])
        return {COEFFICIENTS: pooled_logistic(rows, outcome, model.ridge), **references}

    def truth(self, model: StudyModel) -> dict[str, float]:
        """What this form of model would learn from complete, faultless records and the patients' true risks.

        The clinical model has an interaction and a bend that no logistic regression on the columns can have, so this is
        the nearest one: the maximum likelihood fit to the true risk of the fresh patients. Of features that are levels
        it says nothing.
        """
        if any(LEVEL_MARK in name for name in model.columns):
            return {}
        truth = self.fresh.truth
        column = Dictionary.builtin().column
        known = {
            name: np.asarray(getattr(truth, "male" if name == "sex" else name), dtype=np.float64)
            for name in model.features
        }
        standard = [(known[name] - column(name).center) / column(name).scale for name in model.features]
        rows = np.column_stack([np.ones(self.fresh.patients), *standard])
        weights = pooled_logistic(rows, np.asarray(truth.risk, dtype=np.float64))
        return dict(zip(("intercept", *model.features), weights.tolist(), strict=True))
