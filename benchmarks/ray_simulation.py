"""The computation of `benchmarks.grid` under Flower's Ray simulation: prints one JSON object.

python -m benchmarks.ray_simulation PATIENTS ROUNDS
"""

import json
import os
import statistics
import sys
import time
from functools import lru_cache

os.environ.setdefault("FLWR_TELEMETRY_ENABLED", "0")
os.environ.setdefault("FLWR_DISABLE_UPDATE_CHECK", "1")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

from flwr.app import Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp import Grid, ServerApp

from belmont.federated.grid.records import read_arrays, read_metrics, write_arrays
from belmont.federated.models.combine import Update
from belmont.federated.models.glm import initial_model, newton
from belmont.federated.node.design import TrainingData, design
from benchmarks.grid import local_update
from benchmarks.parties import HOSPITALS, features, missing_indicators, tables


@lru_cache
def data_of(patients: int, hospital: int) -> TrainingData:
    """One hospital's design matrix, made once in each worker."""
    return design(tables(patients)[hospital], features(), "cvd_event", missing_indicators())


def simulate(patients: int, rounds: int) -> dict[str, float]:
    """Milliseconds a round, and how long it took until the first one began."""
    from flwr.simulation import run_simulation

    client, server = ClientApp(), ServerApp()
    times: list[float] = []
    started = time.perf_counter()
    begun: list[float] = []

    @client.train()
    def train(message: Message, context: Context) -> Message:
        data = data_of(patients, int(context.node_config["partition-id"]))
        update = local_update(data, read_arrays(message.content.array_records["arrays"]))
        content = RecordDict({"arrays": write_arrays(update.arrays), "metrics": MetricRecord(dict(update.metrics))})
        return Message(content, reply_to=message)

    @server.main()
    def main(grid: Grid, context: Context) -> None:
        while len(list(grid.get_node_ids())) < HOSPITALS:
            time.sleep(0.05)
        step, model = newton(), initial_model(features(), missing_indicators())
        begun.append(time.perf_counter() - started)
        for _ in range(rounds + 2):  # the first two make the workers load their data
            before = time.perf_counter()
            messages = [
                Message(RecordDict({"arrays": write_arrays(model)}), node, "train", group_id="1")
                for node in grid.get_node_ids()
            ]
            replies = list(grid.send_and_receive(messages))
            failed = [reply.error.reason for reply in replies if reply.has_error()]
            if failed:
                raise RuntimeError(failed[0])
            updates = [
                Update(
                    read_arrays(r.content.array_records["arrays"]), read_metrics(r.content.metric_records["metrics"])
                )
                for r in replies
            ]
            model = step(model, updates)
            times.append(1_000 * (time.perf_counter() - before))

    run_simulation(
        server, client, HOSPITALS, backend_config={"client_resources": {"num_cpus": 1.0}, "init_args": {"num_cpus": 2}}
    )
    return {
        "milliseconds": round(statistics.median(times[2:]), 2),
        "slowest": round(max(times[2:]), 2),
        "start_seconds": round(begun[0] + times[0] / 1_000, 1),
    }


if __name__ == "__main__":
    # Ray's workers import this module by name: what they are sent must not live in __main__.
    from benchmarks import ray_simulation

    print(json.dumps(ray_simulation.simulate(int(sys.argv[1]), int(sys.argv[2]))))
