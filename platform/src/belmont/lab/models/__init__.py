"""Models that a study can apply with: estimators with scikit-learn's habits, fitted under a permit or to rows here."""

from belmont.lab.models.base import StudyModel as StudyModel
from belmont.lab.models.cox import CoxRegression as CoxRegression
from belmont.lab.models.glm import LinearRegression as LinearRegression
from belmont.lab.models.glm import LogisticRegression as LogisticRegression
from belmont.lab.models.glm import PoissonRegression as PoissonRegression
from belmont.lab.models.kaplan_meier import KaplanMeier as KaplanMeier
from belmont.lab.models.networks import MLPClassifier as MLPClassifier
from belmont.lab.models.networks import MLPRegressor as MLPRegressor
from belmont.lab.models.networks import TorchClassifier as TorchClassifier
from belmont.lab.models.networks import TorchRegressor as TorchRegressor
from belmont.lab.models.own import OwnModel as OwnModel
from belmont.lab.models.saved import load as load
from belmont.lab.models.trees import HistGradientBoostingClassifier as HistGradientBoostingClassifier
from belmont.lab.models.trees import HistGradientBoostingRegressor as HistGradientBoostingRegressor
