"""The ServerApp of every shipped app: it only says where the rounds are driven from.

A round has to be opened on chain with the data user's key before a hospital answers it, so the researcher's own process
drives it: `belmont.federated.models.training`.
"""

from flwr.app import Context
from flwr.serverapp import Grid, ServerApp

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Refuse, and say what to run instead."""
    raise RuntimeError("drive this study with belmont.federated.models.training, which opens each round on chain")
