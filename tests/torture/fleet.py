"""A Myelin system on a network that fails: every server in a namespace of its own, with a clock of its
own, and the client in another."""
import os
import pathlib
import random
import signal
import struct
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "system"))

from cluster import BIN, Cluster  # noqa: E402
from network import TOOLS, Network  # noqa: E402

PORT = 4750
SPARES = 2
SCRUB_LOOK_S = 5  # between two looks at what other servers have: an hour of these is a day of others
IDLE_S = 35  # a server ends a kept connection that is idle for 30 s
HOUR = 3600
PAST = 60 * 24 * HOUR  # so long ago the system was made: clocks may go back, certificates stay valid


class Shim:
    """What libmyelin-shim.so reads: a program's clock, and whether what it sends drips."""

    def __init__(self, path):
        self.path = path
        self.set()

    def set(self, clock_s=0, drip=0, drip_after=0):
        values = struct.pack("@qqq", int(clock_s * 1000), drip, drip_after)
        if not self.path.exists():
            self.path.write_bytes(values)
        with self.path.open("r+b") as file:  # in place: it is mapped
            file.write(values)

    def environment(self):
        # A sanitizer's runtime must not mind that another library comes before it.
        asan = os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"
        return {"LD_PRELOAD": str(TOOLS / "libmyelin-shim.so"), "MYELIN_SHIM": str(self.path),
                "ASAN_OPTIONS": asan}


class Fault:
    """One thing that is wrong with one server. `harmless`: the server must be as useful as ever."""

    def __init__(self, name, begin, end, harmless=False):
        self.name, self.begin, self.end, self.harmless = name, begin, end, harmless


def _line(way="both", **conditions):
    return (lambda fleet, server, rng: fleet.network.set(server, way, **conditions),
            lambda fleet, server: fleet.network.set(server))


def _shim(choose):
    return (lambda fleet, server, rng: fleet.shims[server].set(**choose(rng)),
            lambda fleet, server: fleet.shims[server].set())


def _clock(rng):
    return {"clock_s": rng.choice([-1, 1]) * rng.uniform(0.1, 48) * HOUR}


FAULTS = {fault.name: fault for fault in (
    Fault("killed", lambda fleet, server, rng: fleet.kill(server), lambda fleet, server: fleet.start_server(server)),
    Fault("silent", lambda fleet, server, rng: fleet.freeze(server), lambda fleet, server: fleet.thaw(server)),
    Fault("partition", *_line(cut=1)),
    Fault("one way", *_line("out", cut=1)),
    Fault("30 % loss", *_line(loss=0.3)),
    Fault("300 ms delay", *_line(delay_ms=150), harmless=True),
    Fault("1 Mbit/s", *_line(rate_bps=1_000_000)),
    Fault("resets", *_line(reset=0.2)),
    Fault("drip", *_shim(lambda rng: {"drip": 1, "drip_after": rng.choice([0, 3000, rng.randrange(60000)])})),
    Fault("clock", *_shim(_clock), harmless=True),
)}


class Fleet(Cluster):
    """A Cluster whose servers are in namespaces. Made, started and ended by this process, which must
    make and restart servers in its main thread."""

    def __init__(self, folder, seed=0, **shape):
        super().__init__(folder, **shape)
        numbers = dict(zip(self.shape[::2], map(int, self.shape[1::2])))
        self.n, self.k = numbers["--storage"], numbers["--k"]
        self.m, self.t = numbers["--key"], numbers["--threshold"]
        self.storage = [f"storage-{j + 1}" for j in range(self.n)]
        self.keys = [f"key-{j + 1}" for j in range(self.m)]
        self.spares = [f"storage-{self.n + j + 1}" for j in range(SPARES)]  # that may join later
        names = [*self.storage, *self.keys, *self.spares, "client"]
        self.network = Network(names, seed)
        self.shims = {name: Shim(self.folder / f"{name}.shim") for name in names}
        self.processes = {}
        self.idle_s = IDLE_S
        self.faults = {}  # server: the fault's name
        self.rng = random.Random(seed)

    @property
    def servers(self):
        return self.storage + self.keys

    # -------------------------------------------------------------- life

    def environment(self, **extra):
        return super().environment(**self.shims["client"].environment(), **extra)

    def start(self, *args, user=None, **popen):
        command = [*self.network.inside("client"), str(BIN / "myelin"), *(["--user", user] if user else []),
                   *map(str, args)]
        return subprocess.Popen(command, env=self.environment(), stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **popen)

    def up(self):
        """Makes the system, long ago, and starts every server."""
        addresses = ",".join(f"{self.network.addresses[name]}:{PORT}" for name in self.servers)
        self.shims["client"].set(clock_s=-PAST)
        self.must("up", self.system, *self.shape, "--addresses", addresses, "--detach")
        for server in self.servers:
            self.launch(server)
        for server in self.servers:
            self.wait_ready(server)
        return self

    def enroll(self, *users):
        self.shims["client"].set(clock_s=-PAST)
        for server in self.keys:
            self.shims[server].set(clock_s=-PAST)
        super().enroll(*users)
        for name in ["client", *self.keys]:
            self.shims[name].set()
        return self

    def launch(self, server):
        program = "myelin-keyd" if server.startswith("key") else "myelin-storaged"
        log = (self.system / f"{server}.log").open("a")
        self.log_at = getattr(self, "log_at", {})
        self.log_at[server] = log.tell()
        command = ["setpriv", "--pdeathsig", "KILL", *self.network.inside(server), str(BIN / program),
                   "--config", self.system / "config" / server, "--system", self.system / "system.myelin",
                   "--store", self.system / server]
        if program == "myelin-storaged":
            command += ["--scrub-look", SCRUB_LOOK_S]
        environment = {**Cluster.environment(self), **self.shims[server].environment()}
        self.processes[server] = subprocess.Popen(list(map(str, command)), env=environment, cwd=self.folder,
                                                  stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        log.close()

    def wait_ready(self, server, patience=60):
        deadline = time.monotonic() + patience
        while "event=ready" not in (self.system / f"{server}.log").read_text()[self.log_at[server]:]:
            if self.processes[server].poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"{server} does not start:\n{self.log(server)[self.log_at[server]:]}")
            time.sleep(0.01)

    def start_server(self, server):
        self.launch(server)
        self.wait_ready(server)

    def pid(self, server):
        return self.processes[server].pid

    def kill(self, *servers):
        for server in servers:
            self.processes[server].kill()
            self.processes[server].wait()

    @staticmethod
    def descriptors(pid):
        return len(os.listdir(f"/proc/{pid}/fd"))

    def alive(self):
        """Every server that should run does; else the end of its log."""
        for server, process in self.processes.items():
            if self.faults.get(server) != "killed" and process.poll() is not None:
                tail = "\n".join(self.log(server).splitlines()[-40:])
                raise AssertionError(f"{server} ended by itself with {process.returncode}:\n{tail}")

    def end(self):
        for process in self.processes.values():
            process.send_signal(signal.SIGCONT)
            process.terminate()
        for process in self.processes.values():
            try:
                process.wait(timeout=15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.network.close()
        return {server: process.returncode for server, process in self.processes.items()}

    # -------------------------------------------------------------- servers come and go

    def join(self):
        """The next spare becomes a storage server; its name."""
        server = self.spares.pop(0)
        self.shims["client"].set(clock_s=-PAST)  # its certificate is as old as the others'
        self.must("system", "add-storage", server, "--address", f"{self.network.addresses[server]}:{PORT}")
        self.shims["client"].set()
        self.storage.append(server)
        self.start_server(server)
        return server

    def leave(self, server):
        """Of a server that is drained: it goes for good."""
        self.must("system", "remove", server)
        self.storage.remove(server)
        process = self.processes.pop(server)
        process.terminate()
        process.wait(timeout=30)

    # -------------------------------------------------------------- faults

    def break_server(self, server, fault):
        assert server not in self.faults
        self.faults[server] = fault
        FAULTS[fault].begin(self, server, self.rng)

    def heal(self, *servers):
        for server in servers or list(self.faults):
            fault = self.faults.pop(server, None)
            if fault is not None:
                FAULTS[fault].end(self, server)
