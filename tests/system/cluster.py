"""A whole Myelin system on loopback: the real programs, driven as a user drives them."""
import dataclasses
import hashlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import time

BIN = pathlib.Path(os.environ.get("MYELIN_BIN", "build/bin")).resolve()
CORPORA = pathlib.Path(os.environ.get("MYELIN_CORPORA", "build/corpora")).resolve()
# Set by ctest: a program that makes a keystore cheap to open. Nothing that is measured has it.
QUICK_KEYSTORE = os.environ.get("MYELIN_QUICK_KEYSTORE")

# Exit codes of the command line.
DONE, OTHER, USAGE, NOT_FOUND, DENIED, TOO_FEW, INTEGRITY, LOCAL_IO = 0, 1, 2, 3, 4, 5, 6, 7


@dataclasses.dataclass
class Answer:
    """What one command printed and its exit code."""
    code: int
    out: str
    err: str

    def json(self):
        return json.loads(self.out)


class Cluster:
    """`myelin up` in a folder, with users' keystores beside it."""

    def __init__(self, folder, storage=6, k=3, key=5, threshold=3):
        self.folder = pathlib.Path(folder)
        self.system = self.folder / "system"
        self.home = self.folder / "home"
        self.shape = ["--storage", str(storage), "--k", str(k),
                      "--key", str(key), "--threshold", str(threshold)]
        self.threshold = threshold
        self.passphrase = self.folder / "passphrase"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.passphrase.write_text("correct horse battery\n")

    # -------------------------------------------------------------- commands

    def environment(self, **extra):
        return {"PATH": f"{BIN}:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(self.folder),
                "LANG": "C.UTF-8", "MYELIN_HOME": str(self.home), "MYELIN_SYSTEM": str(self.system),
                "MYELIN_PASSPHRASE_FILE": str(self.passphrase),
                **{k: v for k, v in os.environ.items() if k.endswith("SAN_OPTIONS")}, **extra}

    @staticmethod
    def command(*args, user=None):
        """A command's words."""
        return [str(BIN / "myelin"), *(["--user", user] if user else []), *map(str, args)]

    def start(self, *args, user=None, **popen):
        """The command as a running process."""
        return subprocess.Popen(self.command(*args, user=user), env=self.environment(), stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **popen)

    def start_until(self, size, *args, user=None):
        """The command as a running process that has written `size` bytes, at servers or here, and has more to do."""
        before = bytes_below(self.folder)
        process = self.start(*args, user=user)
        deadline = time.monotonic() + 120
        while bytes_below(self.folder) - before < size:
            assert process.poll() is None, f"{args}: exit {process.returncode}: {process.communicate()}"
            assert time.monotonic() < deadline, f"{args}: it writes nothing"
            time.sleep(0.002)
        return process

    def run(self, *args, user=None, timeout=240):
        process = self.start(*args, user=user)
        try:
            out, err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            raise AssertionError(f"{args}: no end after {timeout} s\n{out}\n{err}")
        return Answer(process.returncode, out, err)

    def must(self, *args, code=DONE, user=None, timeout=240):
        """Runs a command and checks its exit code; on an error, that one line explains it."""
        answer = self.run(*args, user=user, timeout=timeout)
        assert answer.code == code, f"{args}: exit {answer.code}, expected {code}\n{answer.out}\n{answer.err}"
        if code != DONE:
            assert answer.err.strip(), f"{args}: exit {code} without a word on stderr"
        return answer

    # -------------------------------------------------------------- life of the system

    def up(self):
        """Makes the system, where there is none, and starts it. Ports that were free when it was made may have been
        taken since by another test's servers: then it is made anew."""
        for _ in range(3):
            is_new = not self.system.exists()
            answer = self.run("up", self.system, *self.shape, "--detach")
            if answer.code == DONE or not is_new or "Address already in use" not in answer.err:
                break
            self.run("down", self.system)
            shutil.rmtree(self.system)
        assert answer.code == DONE, answer
        return self

    def down(self):
        self.must("down", self.system)

    def enroll(self, *users):
        for user in users:
            self.must("enroll", user, user=user)
            self.quicken(user)
        return self

    def quicken(self, user):
        """His keystore is cheap to open, where whoever runs this wants it."""
        if QUICK_KEYSTORE:
            subprocess.run([QUICK_KEYSTORE, self.home / f"{user}.keystore", user], check=True,
                           env=self.environment())

    def pid(self, server):
        return int((self.system / "run" / f"{server}.pid").read_text())

    def signal(self, number, *servers):
        for server in servers:
            os.kill(self.pid(server), number)

    def kill(self, *servers):
        """Returns once they are gone: all threads, and with them the locks on their stores."""
        pids = [self.pid(server) for server in servers]
        self.signal(signal.SIGKILL, *servers)
        deadline = time.monotonic() + 10
        while not all(is_gone(p) for p in pids):
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def freeze(self, *servers):
        """The kernel still accepts connections for it; nobody ever answers."""
        self.signal(signal.SIGSTOP, *servers)

    def thaw(self, *servers):
        self.signal(signal.SIGCONT, *servers)

    def end(self):
        """Stops everything whatever state it is in, servers too that have left the system."""
        for pid_file in (self.system / "run").glob("*.pid"):
            try:
                os.kill(int(pid_file.read_text()), signal.SIGCONT)
            except (OSError, ValueError):
                pass
        try:
            self.run("down", self.system)
        finally:
            for process in pathlib.Path("/proc").glob("[0-9]*"):
                self.end_left(process)

    def end_left(self, process):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
            if b"/myelin-" in words[0] and f"{self.system}/system.myelin".encode() in words:
                os.kill(int(process.name), signal.SIGKILL)
        except OSError:
            pass  # it has ended by itself

    # -------------------------------------------------------------- states

    def save(self, name):
        """What the servers and the users have, to go back to; nobody runs."""
        target = self.folder / "states" / name
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(self.system, target / "system", symlinks=True)
        shutil.copytree(self.home, target / "home")

    def load(self, name):
        source = self.folder / "states" / name
        for folder in (self.system, self.home):
            shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(source / "system", self.system, symlinks=True)
        shutil.copytree(source / "home", self.home)

    # -------------------------------------------------------------- contents

    def make(self, name, size, seed=0):
        """A file of `size` bytes that looks random and is the same each time."""
        path = self.folder / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(noise(size, f"{name}/{seed}"))
        return path

    def put(self, user, image, *paths, **expect):
        answer = self.must("put", "--id", image, *paths, user=user, **expect)
        if not expect:
            assert answer.out == image + "\n", answer.out
        return answer

    def get(self, user, image, owner=None, code=DONE, into=None):
        """Gets an image; gives {name: bytes}, or None where a failure was expected and came."""
        into = into or self.folder / "out" / f"{time.monotonic_ns()}"
        answer = self.must("get", image, *(["--from", owner] if owner else []), "-o", into,
                           user=user, code=code)
        if code != DONE:
            assert not into.exists() or not list(into.iterdir()), "a failed get left something behind"
            return answer
        return {p.name: p.read_bytes() for p in into.iterdir()}

    def store(self, server):
        return self.system / server

    def files(self, server, kind=""):
        """The server's files whose path holds `kind`, the largest first; not its journal, which is gone when it
        stops."""
        found = [p for p in self.store(server).rglob("*") if p.is_file() and kind in str(p) and p.name != "journal"]
        return sorted(found, key=lambda p: -p.stat().st_size)

    def log(self, server):
        return (self.system / f"{server}.log").read_text()


def preload(library):
    """What a foreign program's environment needs to load a library that was built with a sanitizer."""
    needed = subprocess.run(["ldd", str(library)], capture_output=True, text=True, check=True).stdout
    runtimes = [line.split()[2] for line in needed.splitlines() if "libasan" in line or "libubsan" in line]
    if not runtimes:
        return {}
    return {"LD_PRELOAD": ":".join(runtimes), "ASAN_OPTIONS": "detect_leaks=0:abort_on_error=1"}


def bytes_below(folder):
    """What all files hold; those that come or go meanwhile may be left out."""
    total = 0
    for path, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(path, name)).st_size
            except FileNotFoundError:
                pass
    return total


def is_gone(pid):
    """No such process, or one of which nothing but its exit code is left."""
    try:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
    except (FileNotFoundError, ProcessLookupError):
        return True
    state, threads = fields[0], int(fields[17])
    return state == "Z" and threads <= 1


def noise(size, seed):
    return hashlib.shake_256(seed.encode()).digest(size)


def flip(path, offset=None):
    """One bit of a file, in the middle unless told where."""
    data = bytearray(path.read_bytes())
    at = len(data) // 2 if offset is None else offset
    data[at] ^= 1
    path.write_bytes(data)


def truncate(path, keep=None):
    size = path.stat().st_size
    os.truncate(path, size // 2 if keep is None else keep)
