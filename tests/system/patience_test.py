"""A reader among servers that take connections and then give nothing, or next to nothing, each at the moment
that is worst for him: the sum of all his waits has a bound (src/flow/patience.h)."""
import random
import re
import socket
import subprocess
import threading
import time

import pytest

from cluster import BIN, DONE, TOO_FEW, Cluster

BOUND_S = 10  # docs/FAULTS.md
OWN_S = 4    # what a busy machine may take for work on top of waiting
OWN_LISTS = 20  # and the time of so many lists more, on a machine that is busy with others
# Pieces come as a busy machine cuts them: a few are less than a slice of the larger file, and over a far line all
# goes together that is on its way.
PIECE, FAR = 1 << 14, 1 << 20


class Line(threading.Thread):
    """What stands between a server and its clients: it passes bytes on, as slowly as it is told.

    mute     takes connections; not a byte of an answer comes
    drip     a byte a second
    breaks   gives so many pieces of each connection, then nothing more
    far      everything, each piece some time later"""

    def __init__(self, port, target):
        super().__init__(daemon=True)
        self.target, self.mode, self.over = target, ("pass",), False
        self.listener = socket.create_server(("127.0.0.1", port))
        self.open = []

    def run(self):
        while not self.over:
            try:
                near, _ = self.listener.accept()
                far = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                return
            self.open += [near, far]
            threading.Thread(target=self.pass_on, args=(near, far, False), daemon=True).start()
            threading.Thread(target=self.pass_on, args=(far, near, True), daemon=True).start()

    def pass_on(self, source, to, is_answer):
        passed = 0
        try:
            while part := source.recv(FAR if self.mode[0] == "far" else PIECE):
                while is_answer and part:
                    part = self.hold(to, part, passed)
                    passed += 1
                if not is_answer:
                    to.sendall(part)
        except OSError:
            pass
        for end in (source, to):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def hold(self, to, part, passed):
        """Sends what the mode lets through now of an answer's part; what is left of it."""
        mode, *how = self.mode
        if mode == "far":
            time.sleep(how[0])
        elif mode == "mute" or (mode == "breaks" and passed >= how[0]):
            time.sleep(0.2)
            return part
        elif mode == "drip":
            time.sleep(1)
            to.sendall(part[:1])
            return part[1:]
        to.sendall(part)
        return b""

    def end(self):
        self.over = True
        for end in (self.listener, *self.open):
            end.close()


class LinedCluster(Cluster):
    """Every server behind a line of its own, at the address that the system knows."""

    def up(self):
        super().up()
        servers = [f"storage-{j + 1}" for j in range(6)] + [f"key-{j + 1}" for j in range(5)]
        ports = {server: int(re.findall(r"event=ready .*port=(\d+)", self.log(server))[-1]) for server in servers}
        self.kill(*servers)
        self.lines = {server: Line(ports[server], self.start_behind(server)) for server in servers}
        for line in self.lines.values():
            line.start()
        return self

    def start_behind(self, server):
        """Starts it at a port of the system's choice; which one."""
        before = len(self.log(server))
        with open(self.system / f"{server}.log", "a") as log:
            process = subprocess.Popen(
                [BIN / ("myelin-keyd" if server.startswith("key") else "myelin-storaged"), "--config",
                 self.system / "config" / server, "--system", self.system / "system.myelin", "--store",
                 self.system / server, "--listen", "127.0.0.1:0"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, env=self.environment())
        (self.system / "run" / f"{server}.pid").write_text(f"{process.pid}\n")
        deadline = time.monotonic() + 20
        while not (ready := re.findall(r"event=ready .*port=(\d+)", self.log(server)[before:])):
            assert time.monotonic() < deadline, self.log(server)
            time.sleep(0.02)
        return int(ready[0])

    def set(self, *servers, mode=("pass",)):
        for server in servers:
            self.lines[server].mode = mode

    def end(self):
        for line in getattr(self, "lines", {}).values():
            line.end()
        super().end()


@pytest.fixture(scope="module")
def lined(tmp_path_factory):
    c = LinedCluster(tmp_path_factory.mktemp("lined")).up().enroll("alice", "bob")
    files = [c.make("one.bin", 900_000), c.make("two.bin", 5000)]
    c.put("alice", "scan", *files)
    c.must("forward", "scan", "--to", "bob", user="alice")
    yield c, {f.name: f.read_bytes() for f in files}
    c.end()


def timed(c, *args, user):
    start = time.monotonic()
    answer = c.run(*args, user=user)
    return answer, time.monotonic() - start


@pytest.fixture(autouse=True)
def healed(lined):
    c, _ = lined
    c.bound_s = BOUND_S + OWN_S + OWN_LISTS * timed(c, "ls", user="alice")[1]
    yield
    c.set(*c.lines)


BAD = ("storage-1", "storage-3", "storage-6", "key-2", "key-5")  # n - k and m - t
FAULTS = [("mute",), ("drip",), ("breaks", 7)]


def opens(c, want, user, *words):
    """Every byte, within the bound."""
    into = c.folder / "out" / f"{time.monotonic_ns()}"
    answer, took = timed(c, "get", "scan", *words, "-o", into, user=user)
    assert answer.code == DONE, (took, answer.err)
    assert {path.name: path.read_bytes() for path in into.iterdir()} == want
    assert took < c.bound_s, (took, answer.err)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: "-".join(map(str, fault)))
def test_as_many_as_may_fail_cost_their_bound_and_no_byte(lined, fault):
    c, want = lined
    c.set(*BAD, mode=fault)
    opens(c, want, "bob", "--from", "alice")


def test_those_that_are_well_are_far_away(lined):
    """So they look worse than those that break off in the middle of their slices."""
    c, want = lined
    c.set(*set(c.lines) - set(BAD), mode=("far", 0.3))
    c.set(*BAD, mode=("breaks", 6))
    opens(c, want, "alice")


SPOILT = ("storage-1", "storage-2", "storage-3", "storage-4")


@pytest.mark.parametrize("servers, fault", [
    (SPOILT, ("breaks", 6)),
    (["key-1", "key-3", "key-4"], ("breaks", 1)),  # the handshake: no answer can be in it
    (SPOILT, ("mute",)),
], ids=lambda value: "-".join(map(str, value)))
def test_too_many_say_so_within_the_bound(lined, servers, fault):
    c, _ = lined
    c.set(*servers, mode=fault)
    answer, took = timed(c, "get", "scan", "--from", "alice", "-o", c.folder / "none", user="bob")
    assert answer.code == TOO_FEW and took < c.bound_s, (took, answer.err)


def test_a_list_too_says_so_within_the_bound(lined):
    c, _ = lined
    c.set(*SPOILT, mode=("drip",))
    answer, took = timed(c, "ls", user="alice")
    assert answer.code == TOO_FEW and took < c.bound_s, (took, answer.err)


def test_a_random_moment_for_each_server(lined):
    c, want = lined
    seed = random.randrange(1 << 32)
    rng = random.Random(seed)
    for turn in range(2):
        for server in BAD:
            c.set(server, mode=("breaks", rng.randrange(3, 20)))
        into = c.folder / f"turn-{turn}"
        answer, took = timed(c, "get", "scan", "-o", into, user="alice")
        assert answer.code == DONE, (seed, answer.err)
        assert {path.name: path.read_bytes() for path in into.iterdir()} == want
        assert took < c.bound_s, (seed, took, answer.err)
