"""Many clients at once, for minutes, while servers die, stop and lose their network: no wrong byte, no lost
object, and no daemon that grows."""
import collections
import random
import shutil
import statistics
import threading
import time

from fleet import FAULTS
from model import DENIED, DONE, NOT_FOUND, TOO_FEW, Limits, Wrong

SAMPLE_S = 5
FAULT_S = (3, 12)     # a fault lasts so long
CALM_S = (0.5, 3)     # and so long there is none
# A storage server keeps the digests of the images that it holds in a table of 64 bytes each, of at most 4 MiB;
# a new image touches a page of it. All else is flat, but for what the heaps keep for the next request: four of
# 1 MiB, and the stacks of threads that have ended.
PAGE_BYTES, TABLE_BYTES = 4 << 10, 4 << 20
SPARE_BYTES = 8 << 20
FDS_AT_REST = 16      # more descriptors than at the start, once all clients are gone ...
FDS_OF_A_PEER = 2 * 16  # ... but for connections that a server keeps to each storage server
HARMFUL = ("killed", "silent", "partition", "30 % loss", "resets", "1 Mbit/s")


class Client(threading.Thread):
    """Puts, gets, forwards, gets of others' images, in the name of a user of its own."""

    def __init__(self, load, number):
        super().__init__()
        self.load, self.fleet, self.number = load, load.fleet, number
        self.user = f"user{number}"
        self.rng = random.Random(f"{load.seed}/{number}")
        self.images = {}    # id: bytes of its object
        self.forwards = {}  # id: recipients
        self.error = None

    def run(self):
        try:
            while not self.load.over.is_set():
                self.operate()
        except Exception as error:
            self.error = error
            self.load.over.set()

    def timed(self, verb, *args, user=None):
        start = time.monotonic()
        answer = self.fleet.run(*args, user=user or self.user, timeout=300)
        self.load.note(verb, time.monotonic() - start, answer.code)
        return answer

    def operate(self):
        chance = self.rng.random()
        if not self.images or chance < 0.3:
            self.put()
        elif chance < 0.7:
            self.get(self.rng.choice(sorted(self.images)))
        elif chance < 0.85:
            self.forward(self.rng.choice(sorted(self.images)))
        elif self.forwards:
            image = self.rng.choice(sorted(self.forwards))
            self.get(image, reader=self.rng.choice(sorted(self.forwards[image])))

    def put(self):
        image = f"image {self.number}.{len(self.images)}.{time.monotonic_ns()}"
        size = self.rng.choice([2000, 50_000, 500_000, 2 << 20])
        path = self.fleet.make(f"{self.number}.bin", size, seed=image)
        answer = self.timed("put", "put", "--id", image, path)
        if answer.code == DONE:
            self.images[image] = path.read_bytes()
        elif answer.code != TOO_FEW:
            raise Wrong(f"put {image}: exit {answer.code}: {answer.err}")

    def get(self, image, reader=None, must=False):
        into = self.fleet.folder / f"out-{self.number}"
        owner = ["--from", self.user] if reader else []
        answer = self.timed("get forwarded" if reader else "get", "get", image, *owner, "-o", into, user=reader)
        got = {path.name: path.read_bytes() for path in into.iterdir()} if into.exists() else {}
        shutil.rmtree(into, ignore_errors=True)
        if answer.code == DONE and got != {f"{self.number}.bin": self.images[image]}:
            raise Wrong(f"get {image}: wrong bytes")
        if answer.code != DONE and (must or answer.code not in (TOO_FEW, NOT_FOUND, DENIED)):
            raise Wrong(f"get {image} by {reader or self.user}: exit {answer.code}: {answer.err}")

    def forward(self, image):
        to = f"user{self.rng.randrange(self.load.clients)}"
        if to == self.user:
            return
        answer = self.timed("forward", "forward", image, "--to", to, "--json")
        if answer.code == DONE and answer.json()[0]["servers"] == self.fleet.n:
            self.forwards.setdefault(image, set()).add(to)
        elif answer.code not in (DONE, TOO_FEW):
            raise Wrong(f"forward {image}: exit {answer.code}: {answer.err}")

    def check(self):
        """With all servers well: every image that was acknowledged, and every forward that all have."""
        for image in sorted(self.images):
            self.get(image, must=True)
            for reader in sorted(self.forwards.get(image, ())):
                self.get(image, reader=reader, must=True)


class Load:
    def __init__(self, fleet, clients, seed):
        self.fleet, self.clients, self.seed = fleet, clients, seed
        self.limits = Limits(fleet.n, fleet.k, fleet.m, fleet.t)
        self.over = threading.Event()
        self.lock = threading.Lock()
        self.times = collections.defaultdict(list)
        self.codes = collections.defaultdict(collections.Counter)
        self.samples = collections.defaultdict(list)  # server: (seconds, resident, descriptors, process, images)
        self.rng = random.Random(seed)
        self.struck = collections.Counter()

    def note(self, verb, seconds, code):
        with self.lock:
            self.times[verb].append(seconds)
            self.codes[verb][code] += 1

    def measure(self):
        """(resident bytes, open descriptors) of each daemon, by its process."""
        now = {}
        for server in self.fleet.servers:
            pid = self.fleet.pid(server)
            try:
                with open(f"/proc/{pid}/statm") as statm:
                    resident = int(statm.read().split()[1]) * 4096
                now[server] = (resident, self.fleet.descriptors(pid), pid)
            except (FileNotFoundError, ProcessLookupError):
                continue  # just killed
        return now

    def sample(self, start):
        images = self.codes["put"][DONE]
        for server, (resident, descriptors, pid) in self.measure().items():
            self.samples[server].append((time.monotonic() - start, resident, descriptors, pid, images))

    def strike(self):
        """One fault for a while, on at most as many servers as a put bears."""
        storage = self.rng.sample(self.fleet.storage, self.rng.randint(0, self.limits.n - self.limits.quorum))
        keys = self.rng.sample(self.fleet.keys, self.rng.randint(0, self.limits.keys))
        for server in storage + keys:
            fault = self.rng.choice(HARMFUL)
            self.struck[fault] += 1
            self.fleet.break_server(server, fault)

    def rest(self, seconds, start, state):
        end = time.monotonic() + seconds
        while time.monotonic() < end and not self.over.is_set():
            if time.monotonic() - state["sampled"] > SAMPLE_S:
                self.sample(start)
                state["sampled"] = time.monotonic()
            time.sleep(0.1)

    def run(self, minutes):
        """Clients and faults for so long, then every promise is checked; raises Wrong."""
        clients = [Client(self, number) for number in range(self.clients)]
        before, start = self.measure(), time.monotonic()
        state = {"sampled": start}
        for client in clients:
            client.start()
        while time.monotonic() - start < 60 * minutes and not self.over.is_set():
            self.rest(self.rng.uniform(*CALM_S), start, state)
            self.strike()
            self.rest(self.rng.uniform(*FAULT_S), start, state)
            self.fleet.heal()
            self.fleet.alive()
        self.over.set()
        for client in clients:
            client.join()
        for client in clients:
            if client.error is not None:
                raise client.error
        self.counts = (sum(len(c.images) for c in clients), sum(len(f) for c in clients for f in c.forwards.values()))
        for client in clients:
            client.check()
        self.check_growth(before)

    def check_growth(self, before):
        time.sleep(self.fleet.idle_s)  # kept connections end
        for server, (_, descriptors, _) in self.measure().items():
            if descriptors > before[server][1] + FDS_AT_REST + self.fleet.n * FDS_OF_A_PEER:
                raise Wrong(f"{server}: {descriptors} open files at rest, {before[server][1]} at the start")
        for server in self.samples:
            grown, explained = self.growth(server)
            if grown > explained + SPARE_BYTES:
                raise Wrong(f"{server}: resident memory grew by {grown / 2**20:.1f} MiB, of which the images that it "
                            f"took explain {explained / 2**20:.1f}")

    def growth(self, server):
        """By how many bytes the process that lives grew from the second quarter of its life to the end, and how
        many the images that it took since explain."""
        samples = [s for s in self.samples[server] if s[3] == self.samples[server][-1][3]]
        if len(samples) < 16:
            return 0, 0
        quarter = len(samples) // 4
        early, late = samples[quarter:2 * quarter], samples[-quarter:]
        images = late[-1][4] - early[0][4] if server in self.fleet.storage else 0
        return (statistics.median(s[1] for s in late) - statistics.median(s[1] for s in early),
                min(images * PAGE_BYTES, TABLE_BYTES))

    # -------------------------------------------------------------- tables

    def latency_table(self):
        lines = ["| operation | runs | done | too few servers | other | p50 s | p99 s | longest s |",
                 "|---|---|---|---|---|---|---|---|"]
        for verb in ("put", "get", "forward", "get forwarded"):
            times, codes = sorted(self.times[verb]), self.codes[verb]
            if not times:
                continue
            other = len(times) - codes[DONE] - codes[TOO_FEW]
            lines.append(f"| {verb} | {len(times)} | {codes[DONE]} | {codes[TOO_FEW]} | {other} | "
                         f"{times[len(times) // 2]:.2f} | {times[min(len(times) - 1, len(times) * 99 // 100)]:.2f} | "
                         f"{times[-1]:.2f} |")
        return "\n".join(lines)

    def memory_table(self):
        lines = ["| server | lives | resident MiB, by quarter of the run | most MiB | grown MiB | explained by images "
                 "| descriptors, most |", "|---|---|---|---|---|---|---|"]
        for server in self.fleet.servers:
            samples = self.samples[server]
            if len(samples) < 4:
                continue
            quarter = max(1, len(samples) // 4)
            parts = [statistics.median(s[1] for s in samples[i * quarter:(i + 1) * quarter]) / 2**20 for i in range(4)]
            lines.append(f"| {server} | {len({s[3] for s in samples})} | " + " ".join(f"{p:.0f}" for p in parts) +
                         f" | {max(s[1] for s in samples) / 2**20:.0f} | "
                         + " | ".join(f"{part / 2**20:.1f}" for part in self.growth(server)) +
                         f" | {max(s[2] for s in samples)} |")
        return "\n".join(lines)

    def text(self, minutes):
        images, forwards = self.counts
        struck = ", ".join(f"{count} x {fault}" for fault, count in sorted(self.struck.items()))
        return f"""{self.clients} clients for {minutes:g} minutes, seed {self.seed}: {images} images and {forwards} \
forwards, all read again at the end with the right bytes. Faults: {struck}.

{self.latency_table()}

{self.memory_table()}

Grown: of the process that lived at the end, from the second quarter of its life to the last. A storage server's \
table of digests explains 4 KiB an image, up to 4 MiB in all; beyond that it fails from {SPARE_BYTES >> 20} MiB on."""
