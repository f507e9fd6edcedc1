"""Flower's deployment as shipped: SuperLink and SuperNodes over TLS with node keys, a process for each message.

For `benchmarks.federated`; each part is Flower's own command with Flower's defaults.
"""

import contextlib
import json
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from flwr.common.serde import fab_to_proto, user_config_to_proto
from flwr.proto.control_pb2 import RegisterNodeRequest, StartRunRequest
from flwr.supercore.control.control_http_client import ControlHttpClient
from flwr.supercore.fab import Fab
from flwr.supercore.interceptors import RuntimeVersionHttpInterceptor

from belmont.federated.deployed.certificates import make_certificates
from belmont.federated.deployed.node_keys import public_node_key
from belmont.federated.hashes import code_hash
from belmont.federated.node.bundle import build_bundle

APP = Path(__file__).parent / "flower_app"
START_SECONDS = 60.0


def rounds_ms(
    folder: Path, hospitals: int, rounds: int, parameters: int, echo: bool, limit_seconds: float
) -> list[float]:
    """Milliseconds of each round. Raises RuntimeError if they do not end in time."""
    with deployed(folder, hospitals) as client:
        bundle = build_bundle(APP)
        out = folder / f"times-{secrets.token_hex(4)}.json"
        config = {"rounds": rounds, "parameters": parameters, "echo": echo, "out": str(out)}
        client.StartRun(
            StartRunRequest(
                fab=fab_to_proto(Fab(code_hash(bundle).hex(), bundle, {})), override_config=user_config_to_proto(config)
            )
        )
        deadline = time.monotonic() + limit_seconds
        while not out.exists() or not out.read_text():
            if time.monotonic() > deadline:
                raise RuntimeError(f"Flower's rounds did not end within {limit_seconds:.0f} s; see {folder}")
            time.sleep(0.5)
        times: list[float] = json.loads(out.read_text())
        return times


@contextlib.contextmanager
def deployed(folder: Path, hospitals: int) -> Iterator[ControlHttpClient]:
    """Flower's processes, and a client of the SuperLink's Control API."""
    made = make_certificates(["127.0.0.1"])
    names = {"ca.pem": made.authority, "server.pem": made.certificate, "server.key": made.key}
    for name, content in names.items():
        (folder / name).write_bytes(content)
    port = free_port()
    tls = ["--ssl-ca-certfile", "ca.pem", "--ssl-certfile", "server.pem", "--ssl-keyfile", "server.key"]
    with ExitStack() as stack:
        link = ["flower-superlink", "--host", "127.0.0.1", "--port", str(port), *tls, "--enable-supernode-auth"]
        stack.enter_context(process(folder, "superlink", [*link, "--disable-runtime-dependency-installation"]))
        wait_for(port)
        client = ControlHttpClient.from_server_address(
            f"127.0.0.1:{port}", False, made.authority, [RuntimeVersionHttpInterceptor(component_name="flwr CLI")]
        )
        stack.callback(client.close)
        for k in range(hospitals):
            key = ec.generate_private_key(ec.SECP384R1())
            (folder / f"node-{k}").write_bytes(
                key.private_bytes(
                    serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
                )
            )
            client.RegisterNode(RegisterNodeRequest(public_key=public_node_key(key)))
            node = ["flower-supernode", "--superlink", f"127.0.0.1:{port}", "--root-certificates", "ca.pem"]
            node += ["--auth-supernode-private-key", f"node-{k}", "--host", "127.0.0.1", "--port", str(free_port())]
            stack.enter_context(process(folder, f"supernode-{k}", node))
        for k in range(hospitals):
            wait_for_text(folder / f"supernode-{k}.log", "SuperNode ID")
        yield client


@contextlib.contextmanager
def process(folder: Path, name: str, command: list[str]) -> Iterator[None]:
    """One of Flower's commands in a session of its own, which is ended as a whole."""
    environment = os.environ | {
        "FLWR_HOME": str(folder / name),
        "FLWR_TELEMETRY_ENABLED": "0",
        "FLWR_DISABLE_UPDATE_CHECK": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}",
    }
    with (folder / f"{name}.log").open("wb") as log:
        started = subprocess.Popen(
            [str(Path(sys.executable).parent / command[0]), *command[1:]],
            cwd=folder,
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(started.pid, 15)
        try:
            started.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(started.pid, 9)
            started.wait()


def free_port() -> int:
    """A port that nobody has now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def wait_for(port: int) -> None:
    """Until somebody listens."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def wait_for_text(path: Path, text: str) -> None:
    """Until a log says it."""
    deadline = time.monotonic() + START_SECONDS
    while text not in path.read_text(errors="replace"):
        if time.monotonic() > deadline:
            raise RuntimeError(f"{path} does not say {text!r}:\n{path.read_text(errors='replace')[-2000:]}")
        time.sleep(0.2)
