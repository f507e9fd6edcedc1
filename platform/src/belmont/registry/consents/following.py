"""A node brings its register up to the chain before every use, or refuses.

1. The register stands at the chain's consent root when its batch is the published one and it has applied the
   statements up to there.
2. Statements are read from the block of the newest that was applied, which may hold more than that one.
3. Whatever else differs, there is nothing that a node could rightly compute on: ``CONSENT_STALE``.
"""

from belmont.registry.consents.errors import ConsentStale, StatementRefused
from belmont.registry.consents.protocol import Consents
from belmont.registry.consents.register import ConsentRegister
from belmont.registry.consents.view import ConsentView

ATTEMPTS = 3
"""While patients keep stating."""


def catch_up(register: ConsentRegister, consents: Consents) -> ConsentView:
    """The register's view at the chain's current consent root.

    Raises ConsentStale where they differ and nothing on the chain explains it, RegistryUnreachable, RegisterUnusable.
    """
    for _ in range(ATTEMPTS):
        state, view = consents.state(register.dataset_id), register.view()
        if view.root == state.root:
            return view  # 1
        if view.batch.root != state.batch_root:
            detail = f"batch {state.batches} on the chain is not the register's; publish the register's batch"
            raise ConsentStale(detail)  # 1
        if view.applied > state.statements or (view.applied == state.statements and view.own != state.own):
            raise ConsentStale("the register holds statements that are not on this chain; make it anew")  # 3
        try:
            register.take(consents.statements(register.dataset_id, view.block))  # 2
        except StatementRefused as error:
            raise ConsentStale(str(error)) from error  # 3
    raise ConsentStale("statements come in faster than they are read; ask again")  # 3
