"""A system as small as it gets, whose every acknowledgement hangs on one storage server and two key servers:
what these lose, nobody else has. Operations on it, what must hold after each, and faults in the middle of them."""
import contextlib
import dataclasses
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "system"))
from cluster import BIN, DENIED, DONE, NOT_FOUND, OTHER, Answer, Cluster  # noqa: E402
from power_cut import Disk, write_tree  # noqa: E402

FAULT = BIN.parent / "tests/myelin-fault"
STORAGE, KEYS = "storage-1", ("key-1", "key-2")
SLOW = 4 if "san" in str(BIN) else 1


def environment(c):
    """Leaks cannot be looked for in a program that is traced."""
    env = c.environment()
    env["ASAN_OPTIONS"] = env.get("ASAN_OPTIONS", "") + ":detect_leaks=0"
    return env


@dataclasses.dataclass
class Outcome:
    """What became of an operation under a fault: was it acknowledged, and how did the faulty program end."""
    answer: Answer
    calls: list
    end: str
    disk: Disk          # the store before; play the journal on it
    journal: bytes
    answered_at: int    # how long the journal was when the command had ended

    @property
    def acked(self):
        return self.answer.code == DONE


class World(Cluster):
    """The system with its users, its images and saved states to go back to."""

    def __init__(self, folder, storage=1, slots=None, keys=2):
        super().__init__(folder, storage=storage, k=1, key=keys, threshold=2)
        if slots is not None:
            self.shape += ["--slots", str(slots)]
        self.servers = (*(f"storage-{i + 1}" for i in range(storage)), *(f"key-{i + 1}" for i in range(keys)))
        self.daemons, self.tracers = {}, []
        self.could_unlink = True
        self.images = {
            "base": [self.make("a.bin", 1_400_000), self.make("b.bin", 3000)],
            "old": [self.make("old.bin", 30_000)],
            "shown": [self.make("shown.bin", 7000), self.make("also.bin", 2500)],
        }
        self.up().enroll("alice", "bob", "carol")
        for image, files in self.images.items():
            self.put("alice", image, *files)
        self.must("forward", "base", "--to", "bob", user="alice")
        self.must("forward", "shown", "--to", "carol", user="alice")
        self.arguments = {s: self._arguments(s) for s in self.servers}
        self.down()
        self.save("start")
        self.lose_share()
        self.save("shareless")
        self.load("start")
        if slots is None:  # else it may have nothing of it
            self.lose_base()
            self.save("lost")

    def _arguments(self, server):
        """How `myelin up` started it."""
        line = pathlib.Path(f"/proc/{self.pid(server)}/cmdline").read_bytes()
        return [part.decode() for part in line.split(b"\0")[:-1]]

    def lose_share(self):
        """The first key server's disk has lost alice's share."""
        (self.store(KEYS[0]) / "shares" / "alice.share").unlink()

    def lose_base(self):
        """The first storage server's disk has lost most of what it had of the image `base`."""
        largest = max((p for p in self.store(STORAGE).rglob("*") if p.is_file()), key=lambda p: p.stat().st_size)
        for path in largest.parent.iterdir():
            if path.name not in ("owner", "envelope"):
                path.unlink()

    def contents(self, image):
        return {p.name: p.read_bytes() for p in self.images[image]}

    # -------------------------------------------------------------- states

    def load(self, name):
        assert not self.daemons
        super().load(name)

    def replace_store(self, server, tree):
        shutil.rmtree(self.store(server))
        self.store(server).mkdir(mode=0o700)
        write_tree(tree, self.store(server))

    # -------------------------------------------------------------- daemons

    def start_daemon(self, server, fault=None):
        """`fault`: arguments of myelin-fault before the daemon's own."""
        log = (self.folder / f"{server}.log").open("wb")
        command = [*(fault or []), *self.arguments[server]]
        self.daemons[server] = subprocess.Popen(command, env=environment(self), stdin=subprocess.DEVNULL,
                                                stdout=log, stderr=log, start_new_session=True)

    def daemon_log(self, server):
        return (self.folder / f"{server}.log").read_text(errors="replace")

    def wait_ready(self, *servers):
        deadline = time.monotonic() + 10 * SLOW
        for server in servers:
            while "event=ready" not in self.daemon_log(server):
                assert self.daemons[server].poll() is None, f"{server} ended: {self.daemon_log(server)}"
                assert time.monotonic() < deadline, f"{server} does not serve: {self.daemon_log(server)}"
                time.sleep(0.005)

    def start_all(self, **faults):
        """Every daemon; by name the arguments of those that run under a fault."""
        for server in self.servers:
            self.start_daemon(server, faults.get(server.replace("-", "_")))
        self.wait_ready(*self.servers)

    def hang_up(self, server):
        """SIGHUP to the daemon itself, which may run under the fault injector; waits for what it does."""
        process = self.daemons[server]
        children = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        before = len(self.daemon_log(server))
        os.kill(int(children[0]) if children else process.pid, signal.SIGHUP)
        deadline = time.monotonic() + 10 * SLOW
        while process.poll() is None and "rotated" not in self.daemon_log(server)[before:]:
            if time.monotonic() > deadline:
                return
            time.sleep(0.005)

    def stop_all(self, number=signal.SIGTERM):
        for server, process in self.daemons.items():
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(number)
        for server, process in self.daemons.items():
            try:
                process.wait(20 * SLOW)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                raise AssertionError(f"{server} does not stop: {self.daemon_log(server)}")
        self.daemons = {}

    def stop_one(self, server):
        process = self.daemons.pop(server)
        process.terminate()
        process.wait(20 * SLOW)

    def end(self):
        with contextlib.suppress(AssertionError):
            self.stop_all(signal.SIGKILL)

    # -------------------------------------------------------------- faults

    def fault_arguments(self, root, *extra, journal=False):
        report = self.folder / "fault.report"
        report.unlink(missing_ok=True)
        return [str(FAULT), "--root", str(root), "--report", str(report),
                *(["--journal", str(self.folder / "fault.journal")] if journal else []),
                *map(str, extra), "--"]

    def report(self):
        """(calls as [number, kind, paths...], how the program ended or None)"""
        lines = [l.split("\t") for l in (self.folder / "fault.report").read_text().splitlines()]
        if lines and lines[-1][0] == "end":
            return lines[:-1], lines[-1][1]
        return lines, None

    def under_fault(self, operation, *extra, goes_on=False):
        """The operation from its saved state while its target server is under a fault. Afterwards all servers are
        stopped, unless they are to go on: then without a journal, which cannot follow the blocks that a storage server
        sets aside again once its disk has room."""
        self.load(operation.start)
        server, journal = operation.target, self.folder / "fault.journal"
        disk = Disk(self.store(server))
        try:
            answer = self.start_under_fault(server, extra, journal=not goes_on) or operation.run(self)
            answered_at = 0 if goes_on else journal.stat().st_size
        finally:
            if not goes_on or not self.reached(extra):
                self.stop_all()
        calls, end = self.report()
        return Outcome(answer, calls, end, disk, b"" if goes_on else journal.read_bytes(), answered_at)

    def reached(self, extra):
        """Whether the fault's call was made by now. Otherwise it is one of those that a server ends with, and
        must not be one of what comes after instead."""
        return any(number == extra[extra.index("--at") + 1] for number, *_ in self.report()[0])

    def start_under_fault(self, server, extra, journal=True):
        """None, or what to say where the fault kept the server from starting, which ended with a reason."""
        try:
            self.start_all(**{server.replace("-", "_"): self.fault_arguments(self.store(server), *extra,
                                                                              journal=journal)})
        except AssertionError:
            killed = any(str(e).startswith("kill-") for e in extra)
            if not extra or self.daemons[server].poll() is None or not (killed or self.daemon_log(server)):
                raise
            return Answer(OTHER, "", "it did not start: " + self.daemon_log(server))
        return None

    def assert_whole(self, image, user="alice", owner=None):
        got = self.get(user, image, owner=owner)
        assert got == self.contents(image), f"{user} got other bytes of {image}"

    def get_or_not(self, image, user="alice", owner=None, want=None):
        """The image's bytes, or None where the server says that there is none or no right to it."""
        out = self.folder / "out" / f"{time.monotonic_ns()}"
        answer = self.run("get", image, *(["--from", owner] if owner else []), "-o", out, user=user)
        if answer.code in (NOT_FOUND, DENIED):
            assert not out.exists()
            return None
        assert answer.code == DONE, f"get {image}: exit {answer.code}\n{answer.err}"
        got = {p.name: p.read_bytes() for p in out.iterdir()}
        if want is not None:
            assert got == want, f"{user} got other bytes of {image}: {sorted(got)}"
        return got

    def listed(self, user="alice"):
        return {i["id"] for i in self.must("ls", "--json", user=user).json()}

    def assert_sound(self, operation, acked):
        """After a fault and a plain start, or on the servers that go on: all that was acknowledged is whole,
        what was not is whole or not there, and the system goes on working, with no hand."""
        if not self.daemons:
            self.start_all()
        try:
            for server in self.servers:
                log = self.daemon_log(server)
                assert "damaged" not in log, f"what a crash leaves looks damaged: {log}"
            operation.prepare_check(self, acked)
            self.assert_whole("base", "bob", owner="alice")
            operation.check(self, acked)
            self.assert_whole("base")
            self.put("alice", "afterwards", self.images["old"][0])
            assert self.get("alice", "afterwards") == self.contents("old")
        finally:
            self.stop_all()
        self.assert_tidy(prepared=0 if acked else 1)

    def assert_no_temporaries(self, *folders):
        left = [p for folder in folders for p in folder.rglob("*.tmp")]
        assert not left or not self.could_unlink, f"left: {left}"

    def assert_tidy(self, prepared=0):
        """Nothing half-made is left, but for so many puts that wait for a commit or for the owner's next."""
        waiting = list((self.store(STORAGE) / "staging").glob("*"))
        assert len(waiting) <= prepared and all((p / "prepared").exists() for p in waiting), f"left: {waiting}"
        for server in self.servers:
            left = [p for p in self.store(server).rglob("*") if p.name.endswith(".tmp") or
                    "gone" in p.relative_to(self.store(server)).parts[:-1]]
            assert not left, f"left on {server}: {left}"
