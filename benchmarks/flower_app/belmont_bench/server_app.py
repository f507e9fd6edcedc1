"""Rounds by Flower's own Grid, as shipped; writes the milliseconds of each into a file."""

import json
import time
from pathlib import Path

import numpy as np
from flwr.app import Array, ArrayRecord, Context, Message, RecordDict
from flwr.serverapp import Grid, ServerApp

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Run the rounds."""
    config = context.run_config
    model = np.zeros(int(config["parameters"]))
    times = []
    for number in range(int(config["rounds"])):
        started = time.perf_counter()
        messages = [
            Message(
                RecordDict({"arrays": ArrayRecord({"coefficients": Array(model)})}), node, "train", group_id=str(number)
            )
            for node in grid.get_node_ids()
        ]
        replies = list(grid.send_and_receive(messages))
        if any(reply.has_error() for reply in replies):
            raise RuntimeError("a client failed")
        arrays = [reply.content.array_records["arrays"] for reply in replies]
        if config["echo"]:
            model = np.mean([each["coefficients"].numpy() for each in arrays], axis=0)
        else:
            hessian = sum(each["hessian"].numpy() for each in arrays)
            model = model - np.linalg.solve(hessian, sum(each["gradient"].numpy() for each in arrays))
        times.append(1_000 * (time.perf_counter() - started))
    Path(str(config["out"])).write_text(json.dumps(times))
