"""Servers come and go: added, drained, replaced and removed while puts, gets and forwards go on;
clients and servers with old descriptions; forged and old descriptions; a server that returns."""
import contextlib
import http.client
import os
import pathlib
import shutil
import socket
import ssl
import subprocess
import threading
import time

import pytest

from cluster import BIN, DENIED, DONE, INTEGRITY, NOT_FOUND, OTHER, USAGE, Cluster, flip

SLOTS, K, STORAGE = 4, 2, 5
SETTLE_S = 180  # seconds on a machine that has nothing else to do


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Five storage servers, four slots an image, any two are enough. Nobody runs."""
    c = Cluster(tmp_path_factory.mktemp("saved"), storage=STORAGE, k=K, key=3, threshold=2)
    c.shape += ["--slots", str(SLOTS)]
    try:
        c.up().enroll("alice", "bob")
    finally:
        c.end()
    c.save("new")
    return c


@pytest.fixture
def cluster(saved):
    """The same for every test, whatever the one before has made of it; all run."""
    saved.load("new")
    try:
        yield saved.up()
    finally:
        saved.end()


def start_again(c):
    """Starts who does not run: the shape is no longer the one of `up`."""
    c.must("up", c.system, "--detach")


def system(c, *words, **expect):
    answer = c.must("system", *words, **expect)
    assert "certificate" not in answer.err  # the manager's own is for a day, which is nothing to tell him
    return answer


def version(c):
    return system(c, "show", "--json").json()["version"]


def settle(c):
    """Waits until all slots are where they belong, and says so."""
    deadline = time.monotonic() + SETTLE_S
    while not system(c, "status", "--json").json()["in_place"]:
        assert time.monotonic() < deadline, system(c, "status").out + scrubs(c)
        time.sleep(0.2)
    system(c, "settle")


def scrubs(c):
    """What the storage servers' scrubs have done, for whoever wonders why nothing settles."""
    texts = (request(c, s, "GET", "/metrics")[2].decode() for s in servers(c))
    return "\n".join(line for text in texts for line in text.splitlines()
                     if line.startswith(("myelin_storage_scrub", "myelin_storage_s")))


def servers(c):
    return [s["name"] for s in system(c, "show", "--json").json()["storage"]]


# ---------------------------------------------------------------- a loop of users

class Users:
    """alice puts, forwards and gets, bob gets; every byte is checked, no failure is allowed."""

    def __init__(self, c):
        self.c, self.stopping, self.failed, self.images = c, threading.Event(), None, {}
        self.thread = threading.Thread(target=self.run)

    def step(self, number):
        c, image = self.c, f"busy {number}"
        file = c.make(f"busy {number}.bin", 40000 + 1777 * number)
        c.put("alice", image, file)
        self.images[image] = {file.name: file.read_bytes()}
        c.must("forward", image, "--to", "bob", user="alice")
        for name in {image, f"busy {number // 2}", "busy 0"}:
            assert c.get("alice", name) == self.images[name], name
            assert c.get("bob", name, owner="alice") == self.images[name], name

    def run(self):
        try:
            number = 0
            while not self.stopping.is_set():
                self.step(number)
                number += 1
        except BaseException as failed:  # to the test's own thread
            self.failed = failed

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.thread.join()
        if self.failed:
            raise self.failed


PUT_S = 20  # docs/PROTOCOL.md: a put that was prepared is committed within this, or not at all
OWN_S = 10  # what a busy machine takes for work


def given_away(c, server):
    """All slots have moved, so nothing is left of any image; of puts that were prepared before, only while their
    clients may commit them, and as long as it takes to move them too."""
    assert not [p for p in c.files(server, "/images/") if p.suffix != ".forward"], "what it gave away is gone"
    deadline = time.monotonic() + PUT_S + OWN_S
    while left := c.files(server, "/images/") + c.files(server, "/staging/"):
        assert time.monotonic() < deadline, left
        time.sleep(0.1)


def test_servers_come_and_go_under_load(cluster):
    c = cluster
    study = c.make("study.bin", 3 << 20)
    for i in range(6):
        c.put("alice", f"early {i}", study)
    c.must("forward", "early 0", "--to", "bob", user="alice")
    with Users(c) as users:
        system(c, "add-storage", "storage-6", "--weight", "150")
        start_again(c)
        settle(c)
        system(c, "drain", "storage-2")
        settle(c)
        given_away(c, "storage-2")
        system(c, "remove", "storage-2")
        system(c, "replace", "storage-3", "storage-7")
        start_again(c)
        settle(c)
        while len(users.images) < 3 and users.failed is None:
            time.sleep(0.1)  # however slow the machine: the loop has gone round
    assert sorted(servers(c)) == ["storage-1", "storage-4", "storage-5", "storage-6", "storage-7"]
    for image in [*users.images, *(f"early {i}" for i in range(6))]:
        assert "good at all" in c.must("verify", image, user="alice").out
    # storage-2 and storage-3 have heard that they are no longer wanted.
    deadline = time.monotonic() + 30
    while any(os.path.exists(f"/proc/{c.pid(s)}/cmdline") and
              open(f"/proc/{c.pid(s)}/cmdline").read() for s in ("storage-2", "storage-3")):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    c.kill("storage-1", "storage-4")  # any k = 2 slots of n = 4 are enough, also those that moved
    for i in range(6):
        assert c.get("alice", f"early {i}") == {"study.bin": study.read_bytes()}
    assert c.get("bob", "early 0", owner="alice") == {"study.bin": study.read_bytes()}
    assert len(c.must("ls", "--json", user="alice").json()) == 6 + len(users.images)


# ---------------------------------------------------------------- old clients

def old_description(c, folder):
    folder.mkdir()
    return shutil.copy(c.system / "system.myelin", folder / "system.myelin")


def as_client(c, description, *words, code=DONE, user="alice"):
    """A command of a user who has his own copy of the description."""
    answer = c.run("--system", description, *words, user=user)
    assert answer.code == code, f"{words}: {answer.code}\n{answer.out}\n{answer.err}"
    return answer


def test_a_client_with_an_old_description_catches_up(cluster, tmp_path):
    c = cluster
    old = old_description(c, tmp_path / "old")
    study = c.make("study.bin", 300000)
    c.put("alice", "before", study)
    for gone, new in (("storage-1", "storage-6"), ("storage-2", "storage-7")):
        system(c, "replace", gone, new)
        start_again(c)
        settle(c)
    kept = list(c.home.glob("*.system")) + list(c.home.glob("*.seen"))
    for path in kept:
        path.unlink()  # as on a machine that has slept all the time
    for i in range(4):  # whichever servers have its slots
        as_client(c, old, "put", "--id", f"after {i}", study)
    as_client(c, old, "get", "before", "-o", tmp_path / "out")
    assert (tmp_path / "out" / "study.bin").read_bytes() == study.read_bytes()
    assert list(c.home.glob("*.system")), "the newer description was kept"
    for i in range(4):
        assert f"good at all {SLOTS}" in c.must("verify", f"after {i}", user="alice").out


def test_old_and_forged_descriptions_are_refused(cluster, tmp_path):
    c = cluster
    old = old_description(c, tmp_path / "old")
    c.put("alice", "image", c.make("a.bin", 5000))
    assert system(c, "add-storage", "storage-6").err == ""  # it is not expected to run before it exists
    start_again(c)
    c.get("alice", "image")  # has now seen version 2
    for path in c.home.glob("*.system"):
        path.unlink()  # an attacker can take it away, and bring the old one
    assert "version" in as_client(c, old, "get", "image", code=INTEGRITY).err
    forged = shutil.copy(c.system / "system.myelin", tmp_path / "forged.myelin")
    flip(tmp_path / "forged.myelin")
    assert "altered" in as_client(c, forged, "get", "image", code=INTEGRITY).err
    other = Cluster(tmp_path / "other", storage=1, k=1, key=1, threshold=1)
    try:
        other.up()
        theirs = other.system / "system.myelin"
        assert "another" in as_client(c, theirs, "get", "image", code=4).err
        # Servers likewise, whoever brings it.
        now = version(c)
        for wire in ((tmp_path / "forged.myelin").read_bytes(), theirs.read_bytes(), b"", b"x" * 99,
                     (tmp_path / "old" / "system.myelin").read_bytes()):
            for server in ("storage-1", "key-1"):
                status, headers, _ = request(c, server, "PUT", "/v1/system", wire)
                assert status in (403, 409, 412), status
                assert headers["Myelin-System"] == str(now)
        status, headers, body = request(c, "storage-1", "GET", "/v1/system")
        assert status == 200 and body == (c.system / "system.myelin").read_bytes()
    finally:
        other.end()


def test_two_descriptions_of_one_number(cluster, tmp_path):
    """A manager who goes on from an old copy of his folder: nobody changes over, all say so, a higher one ends it."""
    c = cluster
    study = c.make("study.bin", 20000)
    c.put("alice", "kept", study)
    description = c.system / "system.myelin"
    before = description.read_bytes()
    system(c, "weight", "storage-1", "120")
    settle(c)
    settled, now = description.read_bytes(), version(c)
    c.get("alice", "kept")  # alice has seen it
    description.write_bytes(before)
    system(c, "weight", "storage-1", "80")  # a second version 2
    answer = system(c, "settle", "--force")  # a second version 3
    assert version(c) == now and "signed two" in answer.err
    fork = description.read_bytes()
    assert fork != settled
    status = system(c, "status", "--json").json()
    assert not status["in_place"] and all(s["forked"] for s in status["servers"])
    assert system(c, "status").out.count("ANOTHER") == STORAGE + 3
    for server in ("storage-1", "key-1"):
        assert request(c, server, "PUT", "/v1/system", fork)[0] == 412
        assert request(c, server, "GET", "/v1/system")[2] == settled
        assert "event=system-version-forked" in c.log(server)
    answer = c.must("get", "kept", "-o", tmp_path / "kept", user="alice")  # by the one that she has
    assert "event=system-version-forked" in answer.err and "works by another" not in answer.err
    for kept in c.home.glob("*.system"):
        kept.unlink()
    assert "signed two" in c.must("get", "kept", "-o", tmp_path / "no", user="alice", code=INTEGRITY).err
    (c.home / "elsewhere").mkdir()
    (c.home / "alice.keystore").rename(c.home / "elsewhere" / "alice.keystore")  # where nothing was seen
    home, c.home = c.home, c.home / "elsewhere"
    answer = c.must("get", "kept", "-o", tmp_path / "out", user="alice")
    assert "works by another version" in answer.err
    c.home = home
    (c.home / "elsewhere" / "alice.keystore").rename(c.home / "alice.keystore")
    answer = system(c, "weight", "storage-1", "100")
    assert answer.err == "" and version(c) == now + 1
    assert c.get("alice", "kept") == {"study.bin": study.read_bytes()}
    assert not any(s["forked"] for s in system(c, "status", "--json").json()["servers"])


def test_changes_at_one_time_follow_each_other(cluster):
    c = cluster
    both = [c.start("system", "add-key", name) for name in ("key-4", "key-5")]
    for process in both:
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, (out, err)
    shown = system(c, "show", "--json").json()
    assert shown["version"] == 3 and {s["name"] for s in shown["key"]} == {f"key-{j}" for j in range(1, 6)}


def request(c, server, method, path, body=None):
    """One request with another server's certificate."""
    config = c.system / "config"
    shown = system(c, "show", "--json").json()
    address = next(s["address"] for s in shown["storage"] + shown["key"] if s["name"] == server)
    host, port = address.rsplit(":", 1)
    tls = ssl.create_default_context(cafile=str(c.system / "manager" / "ca.crt.pem"))
    tls.load_cert_chain(config / "storage-2" / "certificate.pem", config / "storage-2" / "key.pem")
    connection = http.client.HTTPConnection(host, int(port), timeout=10)
    connection.sock = tls.wrap_socket(socket.create_connection((host, int(port)), 10),
                                      server_hostname=server)
    with contextlib.closing(connection):
        connection.request(method, path, body)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()


# ---------------------------------------------------------------- servers that were away

def test_servers_that_were_away_hear_of_it(cluster):
    c = cluster
    c.kill("storage-5", "key-3")
    system(c, "add-storage", "storage-6")
    start_again(c)  # all of them: the two come back with version 1 in their stores
    deadline = time.monotonic() + 20
    while any(s["version"] != 2 for s in system(c, "status", "--json").json()["servers"]):
        assert time.monotonic() < deadline, system(c, "status").out
        time.sleep(0.1)


def test_down_stops_who_is_in_the_description_no_more(cluster):
    """Replaced while it does not answer, so that it has not heard of it and goes on."""
    c = cluster
    c.freeze("storage-2")
    system(c, "replace", "storage-2", "storage-6")
    start_again(c)
    system(c, "settle", "--force")
    old = c.pid("storage-2")
    assert os.path.exists(f"/proc/{old}") and "storage-2" not in servers(c)
    c.must("down", c.system)
    left = pathlib.Path(f"/proc/{old}/cmdline")
    assert not left.exists() or not left.read_bytes(), "it still runs"
    assert not list((c.system / "run").glob("*.pid"))


def test_a_server_that_returns_with_old_data_does_no_harm(cluster, tmp_path):
    c = cluster
    study, other = c.make("study.bin", 200000), c.make("other.bin", 90000)
    c.put("alice", "kept", study)
    c.put("alice", "removed", study)
    for image in ("kept", "removed"):
        c.must("forward", image, "--to", "bob", user="alice")
    away = "storage-1"
    old = old_description(c, tmp_path / "old")
    c.kill(away)
    store = shutil.copytree(c.store(away), tmp_path / "store")
    system(c, "add-storage", "storage-6")
    start_again(c)
    settle(c)
    c.kill(away)
    system(c, "remove", away, "--force")
    system(c, "settle", "--force")
    c.must("rm", "removed", user="alice")
    c.must("revoke", "kept", "--from", "bob", user="alice")
    c.put("alice", "kept", other)
    # A month later: the same store, credentials and description as then.
    returned = subprocess.Popen(
        [BIN / "myelin-storaged", "--config", c.system / "config" / away, "--system", old,
         "--store", store], env=c.environment(), stderr=subprocess.PIPE, text=True)
    try:
        want = {f.name: f.read_bytes() for f in (study, other)}
        assert c.get("alice", "kept") == want
        c.get("alice", "removed", code=NOT_FOUND)
        c.get("bob", "kept", owner="alice", code=NOT_FOUND)
        _, log = returned.communicate(timeout=30)
        assert returned.returncode == 0 and "event=removed" in log, log
        assert [i["id"] for i in c.must("ls", "--json", user="alice").json()] == ["kept"]
        again = subprocess.run(returned.args, env=c.environment(), stderr=subprocess.PIPE, text=True,
                               timeout=30)
        assert again.returncode == 4 and "is no storage server" in again.stderr
    finally:
        returned.kill()


# ---------------------------------------------------------------- what the manager may not do

def test_changes_that_would_lose_something_are_refused(cluster):
    c = cluster
    before = version(c)
    refuse = {
        ("remove", "storage-1"): (OTHER, "drain storage-1"),
        ("remove", "storage-9"): (NOT_FOUND, "no storage server storage-9"),
        ("drain", "key-1"): (NOT_FOUND, "no storage server key-1"),
        ("activate", "storage-1"): (OTHER, "active already"),
        ("weight", "storage-1", "0"): (USAGE, "weight"),
        ("weight", "storage-1"): (USAGE, "weight NAME W"),
        ("add-storage", "storage-1"): (OTHER, "already"),
        ("add-storage", "Storage 9"): (USAGE, "is not a name"),
        ("add-storage", "storage-9", "--address", "nowhere"): (USAGE, "HOST:PORT"),
        ("add-storage", "storage-9", "--identity", "aa"): (USAGE, "hexadecimal"),
        ("replace", "storage-9", "storage-8"): (NOT_FOUND, "no storage server storage-9"),
        ("replace", "storage-1", "storage-2"): (OTHER, "already"),
        ("settle",): (OTHER, "is settled"),
        ("nonsense",): (USAGE, "nothing"),
        ("drain", "storage-1", "--weight", "4"): (USAGE, "takes no --weight"),
    }
    for words, (code, text) in refuse.items():
        assert text in system(c, *words, code=code).err, words
    assert version(c) == before
    system(c, "drain", "storage-1")
    assert "on their way" in system(c, "weight", "storage-2", "50", code=OTHER).err
    settle(c)
    assert "4 slots" in system(c, "drain", "storage-2", code=USAGE).err
    system(c, "activate", "storage-1")
    (c.system / "manager" / "ca.key.pem").rename(c.system / "manager" / "away")
    assert "manager" in system(c, "drain", "storage-1", code=DENIED).err


def test_settling_waits_for_all_slots(cluster):
    c = cluster
    for i in range(5):
        c.put("alice", f"image {i}", c.make("a.bin", 20000))
    system(c, "add-storage", "storage-6")  # which nobody starts
    assert "storage-6" in system(c, "settle", code=OTHER).err
    assert not system(c, "status", "--json").json()["in_place"]
    start_again(c)
    settle(c)
    held = {s: len(c.files(s, "slices")) for s in servers(c)}
    assert held["storage-6"] > 0 and sum(held.values()) == 5 * SLOTS, held


def test_a_server_that_made_its_key_elsewhere(cluster, tmp_path):
    c = cluster
    key = tmp_path / "config" / "key.pem"
    key.parent.mkdir()
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", key], check=True)
    public = subprocess.run(["openssl", "pkey", "-in", key, "-pubout", "-outform", "DER"],
                            check=True, capture_output=True).stdout[-32:]
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    system(c, "add-storage", "elsewhere", "--address", address, "--identity", public.hex(),
           "--domain", "site-b")
    shutil.copy(c.system / "config" / "elsewhere" / "certificate.pem", key.parent)
    assert not (c.system / "config" / "elsewhere" / "key.pem").exists()
    daemon = subprocess.Popen([BIN / "myelin-storaged", "--config", key.parent, "--system",
                               c.system, "--store", tmp_path / "store"], env=c.environment(),
                              stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 20
        while not all(s["well"] for s in system(c, "status", "--json").json()["servers"]):
            assert time.monotonic() < deadline, system(c, "status").out
            time.sleep(0.1)
        shown = {s["name"]: s for s in system(c, "show", "--json").json()["storage"]}
        assert shown["elsewhere"]["domain"] == "site-b"
    finally:
        daemon.terminate()
        daemon.wait(20)
