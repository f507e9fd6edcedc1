"""A stranger that floods a coordinator until it is terminated: ``flood.py HOST:PORT AUTHORITY.pem``.

Connections that say nothing, heads that never end, signed requests of accounts that are no members with bodies of
200 kB, and pulls without a key. Says "flooding" and how many requests were refused once that is more than 20, or
a minute is over, and at the end how many it was in all.
"""

import signal
import socket
import sys
import threading
import time
from pathlib import Path

import httpx
from eth_account import Account

from belmont.federated.deployed.http import tls_context
from belmont.federated.deployed.paths import FLEET_PULL, NODES, RUNS
from belmont.federated.deployed.signed_requests import signed_headers

address, authority = sys.argv[1], Path(sys.argv[2]).read_bytes()
host, port = address.split(":")
refused = 0
ended = threading.Event()


def silent() -> None:
    held: list[socket.socket] = []
    while not ended.is_set():
        try:
            held.append(socket.create_connection((host, int(port)), timeout=5))
            if len(held) % 2:
                held[-1].sendall(b"POST / HTTP/1.1\r\nx: ")
        except OSError:
            time.sleep(0.05)
        if len(held) > 300:
            held.pop(0).close()
        time.sleep(0.005)


def asking() -> None:
    global refused
    account = Account.create()
    body = bytes(200_000)
    while not ended.is_set():
        try:
            with httpx.Client(base_url=f"https://{address}", verify=tls_context(authority), timeout=5) as client:
                for path in (NODES, RUNS, FLEET_PULL):
                    headers = signed_headers(account, address, "POST", path, body)
                    refused += client.post(path, content=body, headers=headers).status_code in (401, 403)
        except httpx.HTTPError:
            time.sleep(0.05)


def end(number: int, frame: object) -> None:
    ended.set()


signal.signal(signal.SIGTERM, end)
threads = [threading.Thread(target=work, daemon=True) for work in (silent, silent, asking, asking)]
for thread in threads:
    thread.start()
give_up = time.monotonic() + 60
while refused <= 20 and time.monotonic() < give_up:
    time.sleep(0.1)
print("flooding", refused, flush=True)
while not ended.is_set():
    time.sleep(0.1)
print("refused", refused, flush=True)
