"""A system some of whose servers lie as they are told: the real programs with some answers wrapped
(tests/liars), in the place of the real ones."""
import os
import re
import shutil
import subprocess
import time

from cluster import BIN, DONE, Cluster

LIARS = BIN.parent / "tests" / "liars"

# Lines that say that a server was slow: a fact, and on a busy machine nobody's fault.
SLOW = re.compile("no answer in time|too slow|did not answer|timed out|timeout", re.I)


SERVER = r"\b(?:storage|key)-\d+\b"


def blamed(text):
    """What a command says on stderr: the servers that it names, and pairs one of which is to blame."""
    lines = [line for line in text.splitlines() if not SLOW.search(line)]
    pairs = {tuple(pair) for line in lines for pair in re.findall(rf"({SERVER}) or ({SERVER}): ", line)}
    certain = [line for line in lines if not re.search(rf"{SERVER} or {SERVER}: ", line)]
    return set(re.findall(SERVER, "\n".join(certain))), pairs


class LyingCluster(Cluster):
    """A cluster with `liars` among its servers: honest until told otherwise."""

    def __init__(self, folder, liars, **shape):
        super().__init__(folder, **shape)
        self.liars = liars

    def lie_file(self, server):
        return self.folder / f"{server}.lie"

    def up(self):
        super().up()
        self.kill(*self.liars)
        logged = {server: len(self.log(server)) for server in self.liars}
        for server in self.liars:
            self.replace(server)
        deadline = time.monotonic() + 20
        for server, start in logged.items():
            while "event=ready" not in self.log(server)[start:]:
                assert time.monotonic() < deadline, self.log(server)
                time.sleep(0.02)
        return self

    def replace(self, server):
        """Starts the lying program as `myelin up` starts the real one."""
        program = LIARS / ("myelin-keyd" if server.startswith("key") else "myelin-storaged")
        log = open(self.system / f"{server}.log", "a")
        process = subprocess.Popen(
            [program, "--config", self.system / "config" / server, "--system",
             self.system / "system.myelin", "--store", self.system / server],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            env=self.environment(MYELIN_LIE=str(self.lie_file(server))))
        (self.system / "run" / f"{server}.pid").write_text(f"{process.pid}\n")

    def tell(self, lies):
        """{server: lie}; all others are honest from now on."""
        assert set(lies) <= set(self.liars), lies
        for server in self.liars:
            path = self.lie_file(server)
            fresh = path.with_suffix(".new")
            fresh.write_text(lies.get(server, "") + "\n")
            os.replace(fresh, path)

    def image_id(self, user, image, *paths):
        """Puts an image and gives its id in hexadecimal."""
        def ids():
            return {p.parent.name for p in self.files("storage-2") if p.name.startswith("envelope")}
        before = ids()
        self.put(user, image, *paths)
        return (ids() - before).pop()

    def lying_owner(self, lie, user, *args):
        """A command by a client that lies to the servers: a finished process."""
        path = self.folder / "owner.lie"
        path.write_text(lie + "\n")
        return subprocess.run([LIARS / "myelin", "--user", user, *args], stdin=subprocess.DEVNULL,
                              env=self.environment(MYELIN_LIE=str(path)), capture_output=True, text=True)

    def fetch(self, user, image, owner=None, code=DONE):
        """({name: bytes}, stderr) of a get; None for the files where it fails, as it may with codes
        other than `code` where that is None."""
        into = self.folder / "out" / f"{time.monotonic_ns()}"
        answer = self.run("get", image, *(["--from", owner] if owner else []), "-o", into, user=user)
        assert code is None or answer.code == code, f"exit {answer.code}\n{answer.out}\n{answer.err}"
        if answer.code != DONE:
            assert not into.exists() or not list(into.iterdir()), "a failed get left something behind"
            return None, answer.err
        files = {p.name: p.read_bytes() for p in into.iterdir()}
        shutil.rmtree(into)
        return files, answer.err
