"""The network really does what it is asked for: delay, loss, rate, partition and reset are measured."""
import json
import subprocess
import sys

import pytest

from network import Network

ECHO = """
import socket, threading
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.bind(("0.0.0.0", 7))
t = socket.create_server(("0.0.0.0", 7))
def tcp():
    while True:
        c, _ = t.accept()
        threading.Thread(target=serve, args=(c,), daemon=True).start()
def serve(c):
    try:
        n = int.from_bytes(c.recv(4), "big")
        c.sendall(bytes(n))
    except OSError:
        pass
    c.close()
threading.Thread(target=tcp, daemon=True).start()
print("ready", flush=True)
while True:
    d, a = u.recvfrom(2000); u.sendto(d, a)
"""

PING = """
import json, socket, sys, time
to, count, size, pause, patience = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]), float(sys.argv[5])
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.connect((to, 7)); u.setblocking(False)
sent, back = {}, {}
def take():
    while True:
        try: d = u.recv(2000)
        except BlockingIOError: return
        back[int.from_bytes(d[:4], "big")] = time.monotonic()
for i in range(count):
    sent[i] = time.monotonic(); u.send(i.to_bytes(4, "big") + bytes(size - 4)); take(); time.sleep(pause)
end = time.monotonic() + patience
while time.monotonic() < end and len(back) < count: take(); time.sleep(0.0005)
times = sorted(back[i] - sent[i] for i in back)
print(json.dumps({"back": len(back), "median": times[len(times) // 2] if times else None,
                  "most": times[-1] if times else None}))
"""

FETCH = """
import json, socket, sys, time
start = time.monotonic()
got, error = 0, None
try:
    c = socket.create_connection((sys.argv[1], 7), timeout=float(sys.argv[3])); c.settimeout(float(sys.argv[3]))
    c.sendall(int(sys.argv[2]).to_bytes(4, "big"))
    while d := c.recv(65536): got += len(d)
except OSError as e: error = type(e).__name__
print(json.dumps({"got": got, "error": error, "took": time.monotonic() - start}))
"""


def run(net, name, script, *args):
    done = subprocess.run([*net.inside(name), sys.executable, "-c", script, *map(str, args)],
                          capture_output=True, text=True, timeout=60, check=True)
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def net():
    net = Network(["a", "b"], seed=20261122)
    echo = subprocess.Popen([*net.inside("b"), sys.executable, "-c", ECHO], stdout=subprocess.PIPE, text=True)
    assert echo.stdout.readline() == "ready\n"
    yield net
    echo.kill()
    echo.wait()
    echo.stdout.close()
    net.close()


@pytest.fixture(autouse=True)
def ideal(net):
    yield
    net.set("a")
    net.set("b")


BUSY_S = 0.2  # by so much a busy machine, or a slow build of the link, may be late; early nothing may be


def ping(net, count=20, size=64, pause=0.002, patience=2.0):
    return run(net, "a", PING, net.addresses["b"], count, size, pause, patience)


def fetch(net, size, timeout=20):
    return run(net, "a", FETCH, net.addresses["b"], size, timeout)


def test_an_ideal_line(net):
    answer = ping(net)
    assert answer["back"] == 20 and answer["median"] < 0.02 + BUSY_S
    assert fetch(net, 20 << 20)["got"] == 20 << 20


def test_delay(net):
    net.set("b", delay_ms=150)
    answer = ping(net)
    assert answer["back"] == 20
    assert 0.300 <= answer["median"] < 0.330 + BUSY_S


def test_delay_of_one_way(net):
    net.set("b", "in", delay_ms=100)
    assert 0.100 <= ping(net)["median"] < 0.130 + BUSY_S


def test_loss(net):
    """30 % each way: 49 % of the echoes come back, give or take four standard deviations."""
    net.set("b", loss=0.3)
    answer = ping(net, count=2000, pause=0.0002, patience=0.5)
    assert abs(answer["back"] / 2000 - 0.49) < 4 * (0.49 * 0.51 / 2000) ** 0.5


def test_rate(net):
    """1 Mbit/s: 200 kB take 1.6 s, with the headers a little more."""
    net.set("b", rate_bps=1_000_000)
    answer = fetch(net, 200_000)
    assert answer["got"] == 200_000 and 1.6 <= answer["took"] < 2.4 + 2 * BUSY_S, answer


def test_partition_and_its_end(net):
    net.set("b", cut=1)
    assert ping(net, patience=0.2)["back"] == 0
    net.set("b")
    assert ping(net)["back"] == 20


def test_reset_in_mid_body(net):
    net.set("b", "out", reset=0.05)
    answer = fetch(net, 5 << 20, timeout=5)
    assert answer["error"] == "ConnectionResetError" and 0 < answer["got"] < 5 << 20, answer
    assert answer["took"] < 1 + 2 * BUSY_S
    assert net.count("b")[0][2] >= 1


def test_the_same_seed_loses_the_same(net):
    counts = []
    for _ in range(2):
        other = Network(["x", "y"], seed=7)
        other.set("x", loss=0.5)
        other.set("y", cut=1)  # or its kernel would say that nobody listens
        run(other, "x", PING, other.addresses["y"], 100, 64, 0, 0.1)
        counts.append(other.count("x")[0][1])
        other.close()
    assert counts[0] == counts[1] and 20 < counts[0] < 80


def test_what_is_no_condition(net):
    with pytest.raises(RuntimeError, match="out of range"):
        net.set("b", loss=2)
    with pytest.raises(RuntimeError, match="no condition"):
        net.set("b", fog=1)
