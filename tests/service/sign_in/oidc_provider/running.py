"""Runs the real provider: installed from its lock file by npm (``make oidc``), on a free port, ended by its id."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).resolve().parent
INSTALL_SECONDS = 240


class NoProvider(Exception):
    """It cannot be run here; says why."""


def installed(cache: Path) -> Path:
    """Where its packages are: in the environment, or else in a cache, into which npm puts them. Raises NoProvider."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        raise NoProvider("node and npm are not installed (Debian: nodejs, npm)")
    for folder in (Path(sys.prefix) / "oidc", cache):
        if (folder / "node_modules/oidc-provider/package.json").exists():
            return folder
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / name, cache / name)
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", str(cache)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_SECONDS, cwd=cache)
    except subprocess.TimeoutExpired as error:
        raise NoProvider("npm did not install oidc-provider in time: make oidc") from error
    if done.returncode != 0:
        raise NoProvider(f"npm does not install oidc-provider: {done.stderr[-300:]}")
    return cache


@contextmanager
def running(cache: Path, redirect_uri: str, secret: str) -> Iterator[str]:
    """Its issuer, while it runs."""
    command = ["node", str(HERE / "server.mjs"), str(installed(cache)), redirect_uri, secret]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())["issuer"]
        finally:
            process.terminate()
