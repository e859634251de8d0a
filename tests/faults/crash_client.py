"""Faults in the user's own program: his keystore, the manager's folder, what `get` writes, a new system."""
import shutil
import subprocess
import time

from crash_world import DENIED, DONE, NOT_FOUND, OTHER, SLOW, Answer, Cluster, Outcome, environment
from power_cut import Disk, write_tree


class ClientOperation:
    """A command that runs under a fault itself, where it changes what lies in root(w)."""
    storage, slots, keys = 1, None, 2
    is_long = False

    def root(self, w):
        raise NotImplementedError

    def prepare(self, w):
        w.load("start")
        w.start_all()

    def command(self, w):
        raise NotImplementedError

    def check(self, w, acked):
        raise NotImplementedError

    def finish(self, w):
        w.stop_all()

    def environment(self, w):
        return environment(w)

    def replace(self, w, tree):
        """The folder as a power cut left it."""
        shutil.rmtree(self.root(w))
        self.root(w).mkdir(parents=True)
        write_tree(tree, self.root(w))

    def run(self, w, *extra):
        """Under a fault; gives the outcome."""
        root = self.root(w)
        root.mkdir(parents=True, exist_ok=True)
        disk = Disk(root)
        command = w.fault_arguments(root, *extra, journal=True) + self.command(w)
        process = subprocess.Popen(command, env=self.environment(w), stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        deadline = time.monotonic() + 30 * SLOW
        while not (w.folder / "fault.report").exists() or w.report()[1] is None:  # servers that it started go on
            assert process.poll() is None or w.report()[1], process.communicate()
            assert time.monotonic() < deadline, "the command does not end"
            time.sleep(0.005)
        calls, end = w.report()
        code = int(end.split()[1]) if end.startswith("exited") else -int(end.split()[1])
        w.tracers.append(process)
        journal = (w.folder / "fault.journal").read_bytes()
        w.could_unlink = "eio" not in extra
        return Outcome(Answer(code, "", ""), calls, end, disk, journal, len(journal))


class EnrollAt(ClientOperation):
    """Once enrolled, always enrolled; before that, `enroll` once more makes it whole."""

    def __init__(self, what):
        self.what = what
        self.name = f"enroll: {what}"

    def root(self, w):
        return w.home if self.what == "keystore" else w.system / "manager"

    def command(self, w):
        return w.command("enroll", "dave", user="dave")

    def check(self, w, acked):
        answer = w.run("enroll", "dave", user="dave")
        assert answer.code in ((OTHER,) if acked else (DONE, OTHER)), answer
        w.put("dave", "his", *w.images["old"])
        assert w.get("dave", "his") == w.contents("old")
        w.must("get", "base", "--from", "alice", "-o", w.folder / "out/never", user="dave", code=NOT_FOUND)
        w.assert_no_temporaries(w.home, w.system / "manager")


class EnrollAnswered(EnrollAt):
    """With a manager's answer from elsewhere: the same, and a1 and a2 are gone afterwards."""

    def __init__(self):
        super().__init__("keystore")
        self.name = "enroll: answered"

    def prepare(self, w):
        super().prepare(w)
        for path in (w.folder / "request", w.folder / "answer"):
            path.unlink(missing_ok=True)
        w.must("enroll", "dave", "--request", w.folder / "request")
        w.must("system", "certify", w.folder / "request", w.folder / "answer")

    def command(self, w):
        return w.command("enroll", "dave", "--certificate", w.folder / "answer")

    def check(self, w, acked):
        answer = w.run("enroll", "dave", "--certificate", w.folder / "answer")
        assert answer.code in ((OTHER,) if acked else (DONE, OTHER)), answer
        super().check(w, True)
        assert not (w.home / "dave.keystore.requested").exists()


class Passphrase(ClientOperation):
    """The keystore opens with the old passphrase or the new one, and with no other once that was said."""
    name = "passphrase"

    def root(self, w):
        return w.home

    def environment(self, w):
        new = w.folder / "new-passphrase"
        new.write_text("another one\n")
        return environment(w) | {"MYELIN_NEW_PASSPHRASE_FILE": str(new)}

    def command(self, w):
        return w.command("passphrase", user="alice")

    def opens(self, w, passphrase):
        """Whether it opens with the passphrase in that file."""
        answer = subprocess.run(w.command("ls", user="alice"), capture_output=True, check=False,
                                env=environment(w) | {"MYELIN_PASSPHRASE_FILE": str(passphrase)})
        assert answer.returncode in (DONE, DENIED), answer
        return answer.returncode == DONE

    def check(self, w, acked):
        new = w.folder / "new-passphrase"
        assert self.opens(w, new) != self.opens(w, w.passphrase)
        assert self.opens(w, new) or not acked, "said to be changed and is not"
        if not self.opens(w, new):
            again = subprocess.run(self.command(w), env=self.environment(w), capture_output=True, check=False)
            assert again.returncode == DONE and self.opens(w, new), again
            w.assert_no_temporaries(w.home)


class GetInto(ClientOperation):
    """A folder that was not there, or one with things in it: whole files under their names, or none."""
    name = "get: its folder"

    def root(self, w):
        return w.folder / "reader"

    def prepare(self, w):
        super().prepare(w)
        shutil.rmtree(self.root(w), ignore_errors=True)
        self.root(w).mkdir()

    def command(self, w):
        return w.command("get", "base", "-o", self.root(w) / "into", user="alice")

    def check(self, w, acked):
        into, want = self.root(w) / "into", w.contents("base")
        got = {p.name: p.read_bytes() for p in into.iterdir() if p.is_file()} if into.exists() else {}
        assert all(want[name] == data for name, data in got.items()), f"half a file: {sorted(got)}"
        assert not acked or got == want, f"acknowledged and not there: {sorted(got)}"
        if not acked:  # also where it was killed between two names: what is there byte for byte counts as got
            w.must("get", "base", "-o", into, user="alice")
            assert {p.name: p.read_bytes() for p in into.iterdir()} == want, "left beside what was asked for"


class Up(ClientOperation):
    """A new system: `up` once more makes it whole, whatever happened to the first."""
    name = "up"

    def cluster(self, w):
        return Cluster(w.folder / "fresh", storage=1, k=1, key=1, threshold=1)

    def root(self, w):
        return w.folder / "fresh" / "system"

    def prepare(self, w):
        shutil.rmtree(w.folder / "fresh", ignore_errors=True)

    def command(self, w):
        c = self.cluster(w)
        return c.command("up", c.system, *c.shape, "--detach")

    def check(self, w, acked):
        c = self.cluster(w)
        description = c.system / "system.myelin"
        before = description.read_bytes() if description.exists() else None
        assert before or not acked, "a system that was made is gone"
        c.up().enroll("alice")
        assert before in (None, description.read_bytes())
        path = c.make("f.bin", 5000)
        c.put("alice", "first", path)
        assert c.get("alice", "first") == {"f.bin": path.read_bytes()}
        w.assert_no_temporaries(c.system)

    def finish(self, w):
        self.cluster(w).end()

    def replace(self, w, tree):
        self.cluster(w).end()
        super().replace(w, tree)


CLIENT_OPERATIONS = [EnrollAt("keystore"), EnrollAt("manager"), EnrollAnswered(), Passphrase(), GetInto(), Up()]
