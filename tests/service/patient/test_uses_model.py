"""Whatever a hospital attests or withholds and patients state, an answer is what the node was let use, or "may"."""

import tempfile
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from tests.service.patient.test_uses import (
    DATASET,
    DISEASE,
    FOR_STRANGERS,
    LESS,
    ME,
    MY_KEY,
    OPENED,
    OTHER,
    OTHER_KEY,
    OTHER_PURPOSE,
    RECORDED,
    USER,
    WIDE,
    Scene,
)  # fmt: skip

from belmont.registry.consents.register import ConsentRegister, Patient
from belmont.registry.consents.scope import IntendedUse
from belmont.service.patient.uses import Touch, Why

SCOPES = st.sampled_from([WIDE, None, FOR_STRANGERS, OTHER_PURPOSE, LESS])


class UsesOfARow(RuleBasedStateMachine):
    """Uses are recorded between changes, with what the register let the node use at that moment."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        register = ConsentRegister(Path(self._folder.name) / "register", DATASET)
        register.admit([Patient(MY_KEY, 1, WIDE, ME), Patient(OTHER_KEY, 2, WIDE, OTHER)])
        self.scene = Scene(register)
        self.scene.publish()
        self.used: list[tuple[bytes, bool]] = []

    @rule(scope=SCOPES)
    def the_hospital_attests_of_me(self, scope) -> None:
        if not self.scene.entry.sequence:
            self.scene.attest(MY_KEY, scope)

    @rule()
    def the_hospital_withholds_me(self) -> None:
        self.scene.attest(MY_KEY, None)

    @rule(scope=SCOPES)
    def the_hospital_attests_of_another(self, scope) -> None:
        other = self.scene.register.entry(OTHER)
        if other is not None and not other.sequence:
            self.scene.attest(OTHER_KEY, scope)

    @rule(account=st.sampled_from([ME, OTHER]), scope=SCOPES)
    def a_patient_states(self, account, scope) -> None:
        self.scene.state(account, scope)

    @rule()
    def a_round_runs(self) -> None:
        view = self.scene.register.view()
        masks = [view.mask(np.array([1], np.uint64), IntendedUse(DISEASE, 15, USER, at)) for at in (OPENED, RECORDED)]
        self.used.append((view.root, bool(masks[0][0] and masks[1][0])))

    @invariant()
    def answers_hold(self) -> None:
        for root, was_used in self.used:
            touch, why = self.scene.asked(root)
            if touch is Touch.MAYBE:
                assert why is Why.WITHHELD_AT_SOME_TIME
            else:
                assert (touch is Touch.USED) == was_used

    def teardown(self) -> None:
        self.scene.register.close()
        self._folder.cleanup()


TestUsesOfARow = UsesOfARow.TestCase
TestUsesOfARow.settings = settings(
    max_examples=25, stateful_step_count=14, deadline=None, suppress_health_check=list(HealthCheck)
)
