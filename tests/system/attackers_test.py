"""Clients that mean harm: while each goes on, an honest user's put, get and forward go through, and the
attacked servers stay within their bounds of memory and descriptors."""
import contextlib
import pathlib
import re
import resource
import socket
import ssl
import subprocess
import threading
import time

import pytest

from cluster import BIN, DENIED, DONE, INTEGRITY, OTHER, Cluster
from liars import LyingCluster
from trust_test import address, issue

STORAGE, KEY = "storage-1", "key-1"
IDLE = 10_000
SANITIZED = b"__asan_init" in (BIN / "myelin-storaged").read_bytes()
# --memory's 256 MiB, 640 connections with their threads, and the program; sanitizers keep what is freed.
RSS_MAX = (448 << 20) * (4 if SANITIZED else 1)
# Connections, those being cut, and the store's files.
FDS_MAX = 512 + 128 + 100

# The standard's generator of G2: a point that parses as any token does.
G2_POINT = bytes.fromhex(
    "93e02b6052719f607dacd3a088274f65596bd0d09920b61ab5da61bbdc7f5049334cf11213945d57e5ac7d055d042b7e"
    "024aa2b2f08f0a91260805272dc51051c6e47ad4fa403b02b4510b647ae3d1770bac0326a805bbefd48056c8c121bdb8")
IMAGE = "/v1/images/" + "ab" * 32
PUT = IMAGE + "/puts/" + "cd" * 16
WHOLE = PUT + "/whole?slot=0&slice=2056"


@pytest.fixture(scope="module")
def besieged(tmp_path_factory):
    """Three storage and three key servers, alice and bob, and mallory's certificate."""
    folder = tmp_path_factory.mktemp("besieged")
    c = Cluster(folder / "c", storage=3, k=1, key=3, threshold=2).up().enroll("alice", "bob")
    c.mallory = issue(c, "mallory", "user", folder, days=2)
    c.where = {server: address(c, server, "alice") for server in (STORAGE, KEY)}
    c.made = 0
    yield c
    c.end()


# ------------------------------------------------------------------ the honest, and the servers' bounds


def honest(c):
    """An honest user is served; on a machine that is busy with all this, at his third try at the latest."""
    for attempt in (1, 2, 3):
        try:
            return serve_honest(c)
        except AssertionError:
            if attempt == 3:
                raise


def serve_honest(c):
    """alice stores, forwards and reads, bob reads; every server takes part."""
    c.made += 1
    image, scan = f"scan {c.made}", c.make(f"scan-{c.made}.bin", 300_000)
    answer = c.must("put", "--id", image, scan, user="alice", timeout=60)
    assert STORAGE not in answer.err, answer.err
    c.must("forward", image, "--to", "bob", user="alice", timeout=60)
    for user, owner in (("alice", None), ("bob", "alice")):
        assert c.get(user, image, owner=owner) == {scan.name: scan.read_bytes()}


def rss(c, server, kind="VmRSS"):
    status = pathlib.Path(f"/proc/{c.pid(server)}/status").read_text()
    return int(re.search(rf"{kind}:\s+(\d+) kB", status)[1]) << 10


def descriptors(c, server):
    return len(list(pathlib.Path(f"/proc/{c.pid(server)}/fd").iterdir()))


def within_bounds(c):
    for server in (STORAGE, KEY):
        assert rss(c, server, "VmHWM") < RSS_MAX, f"{server}: {rss(c, server, 'VmHWM') >> 20} MiB"
        assert descriptors(c, server) < FDS_MAX, f"{server}: {descriptors(c, server)} descriptors"


def guarded(c, server, reason):
    """How often the server has refused or cut for that reason."""
    status, text = request(c, server, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
    assert status == 200, text
    return int(re.search(rf'myelin_http_guarded_total{{reason="{reason}"}} (\d+)', text.decode())[1])


def restart(c, server, *options):
    """Starts a daemon as `myelin up` does, with options of its own."""
    c.kill(server)
    log = c.system / f"{server}.log"
    written = log.stat().st_size
    program = BIN / ("myelin-keyd" if server.startswith("key") else "myelin-storaged")
    with open(log, "a") as out:
        process = subprocess.Popen(
            [program, "--config", c.system / "config" / server, "--system", c.system / "system.myelin",
             "--store", c.system / server, *options],
            stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True, env=c.environment())
    (c.system / "run" / f"{server}.pid").write_text(f"{process.pid}\n")
    deadline = time.monotonic() + 20
    while "event=ready" not in log.read_text()[written:]:
        assert time.monotonic() < deadline and process.poll() is None, log.read_text()[written:]
        time.sleep(0.02)


# ------------------------------------------------------------------ raw clients


def dial(c, server):
    return socket.create_connection(c.where[server], timeout=20)


def dial_tls(c, server):
    """A connection with mallory's certificate, which is the system's own."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.load_cert_chain(*c.mallory)
    return context.wrap_socket(dial(c, server))


def read_answer(sock):
    """(status, body), or None where the server hung up."""
    data = b""
    try:
        while b"\r\n\r\n" not in data:
            more = sock.recv(65536)
            if not more:
                return None
            data += more
        head, _, body = data.partition(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head, re.I)
        while length and len(body) < int(length[1]):
            more = sock.recv(65536)
            if not more:
                return None
            body += more
        return int(head.split()[1]), body
    except (ssl.SSLError, ConnectionError, TimeoutError):
        return None


def request(c, server, data):
    with dial_tls(c, server) as sock:
        with contextlib.suppress(ssl.SSLError, ConnectionError):
            sock.sendall(data)
        return read_answer(sock)


def is_cut(sock, seconds):
    sock.settimeout(seconds)
    try:
        return sock.recv(1) == b""
    except TimeoutError:
        return False
    except (ssl.SSLError, ConnectionError):
        return True


@contextlib.contextmanager
def many(make, count):
    """`count` sockets, closed at the end; the servers may have cut any of them meanwhile."""
    with contextlib.ExitStack() as stack:
        made = []
        for i in range(count):
            with contextlib.suppress(OSError):
                made.append(stack.enter_context(make(i)))
        yield made


# ------------------------------------------------------------------ connections


def test_ten_thousand_idle_connections(besieged):
    c = besieged
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, IDLE + 1000)), hard))

    def idle(i):
        sock = dial(c, (STORAGE, KEY)[i % 2])
        if i % 3 == 0:
            sock.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")  # a handshake's beginning
        return sock

    try:
        with many(idle, IDLE) as made:
            assert len(made) == IDLE
            honest(c)
            within_bounds(c)
            for server in (STORAGE, KEY):
                assert guarded(c, server, "evicted") > 1000
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    honest(c)


def hello():
    """The first message of a handshake, which has a server do its half of the arithmetic."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    out = ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), out).do_handshake()
    return out.read()


def test_a_flood_of_handshakes(besieged):
    """From one address, each begun and left, as fast as it can be done: all but some are turned away before
    any arithmetic, and users at other addresses notice nothing."""
    c = besieged
    first, stop, count = hello(), threading.Event(), [0, 0]

    def flood(i):
        while not stop.is_set():
            with contextlib.suppress(OSError):
                with socket.create_connection(c.where[(STORAGE, KEY)[i]], 5, source_address=("127.0.0.2", 0)) as sock:
                    sock.sendall(first)
                    count[i] += 1

    threads = [threading.Thread(target=flood, args=(i,)) for i in range(2)]
    start = time.monotonic()
    for thread in threads:
        thread.start()
    try:
        honest(c)
        deadline = time.monotonic() + 30
        while min(guarded(c, server, "address_rate") for server in (STORAGE, KEY)) < 200:
            assert time.monotonic() < deadline, count
            time.sleep(0.2)
        honest(c)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    took = time.monotonic() - start
    for i, server in enumerate((STORAGE, KEY)):
        begun = count[i] - guarded(c, server, "address_rate")
        assert begun <= 500 + 50 * (took + 1), f"{server}: {begun} of {count[i]} handshakes in {took:.0f} s"
    within_bounds(c)
    honest(c)


def test_a_users_many_connections(besieged):
    """With a certificate of the system, and a request made on each before it falls idle."""
    c = besieged

    def busy(i):
        sock = dial_tls(c, STORAGE)
        sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        return sock

    with many(busy, 300) as made:
        answers = [read_answer(sock) for sock in made]
        refused = [a for a in answers if a is not None and a[0] == 503]
        assert refused and b"mallory has" in refused[0][1]
        assert sum(a is not None and a[0] == 200 for a in answers) >= 100
        honest(c)
        within_bounds(c)


def test_slow_clients(besieged):
    """Handshakes that stall, headers and bodies that drip: all are cut, none is served, nobody waits."""
    c = besieged
    stop = threading.Event()
    drips = [b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: ",
             b"POST " + PUT.encode() + b" HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n"]

    def slow(i):
        sock = dial_tls(c, (STORAGE, KEY)[i // 2 % 2])
        sock.sendall(drips[i % 2])
        return sock

    def stalled(i):
        sock = dial(c, (STORAGE, KEY)[i % 2])
        sock.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
        return sock

    def drip(socks):
        while not stop.wait(0.5):
            for sock in socks:
                with contextlib.suppress(OSError):
                    sock.send(b"x")

    with many(slow, 100) as headers_and_bodies, many(stalled, 100) as handshakes:
        dripping = threading.Thread(target=drip, args=(headers_and_bodies,))
        dripping.start()
        try:
            honest(c)
            within_bounds(c)
            deadline = time.monotonic() + 14
            for sock in handshakes + headers_and_bodies[::2]:
                assert is_cut(sock, max(0.1, deadline - time.monotonic()))
            assert guarded(c, STORAGE, "slow") >= 25 and guarded(c, KEY, "slow") >= 25
        finally:
            stop.set()
            dripping.join()


# ------------------------------------------------------------------ requests


def field(number, data):
    """A protobuf field of bytes."""
    length, out = len(data), b""
    while length >= 128:
        out, length = out + bytes([length & 127 | 128]), length >> 7
    return bytes([number << 3 | 2]) + out + bytes([length]) + data


def post(path, body, headers=b""):
    return (b"POST " + path.encode() + b" HTTP/1.1\r\nHost: x\r\nContent-Length: " +
            str(len(body)).encode() + b"\r\n" + headers + b"\r\n" + body)


def deep(levels):
    body = b""
    for _ in range(levels):
        body = field(2, body)
    return body


HUGE = {
    "a header of 1 MiB": b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: " + b"a" * (1 << 20) + b"\r\n\r\n",
    "10,000 headers": b"GET /healthz HTTP/1.1\r\n" + b"A: b\r\n" * 10_000 + b"\r\n",
    "a target of 1 MiB": b"GET /" + b"a" * (1 << 20) + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "no end of a header": b"GET / HTTP/1.1\r\nX: " + b"\x00\xff" * 100_000,
    "a length of 2^63": b"POST " + PUT.encode() + b" HTTP/1.1\r\nHost: x\r\n"
                        b"Content-Length: 9223372036854775808\r\n\r\n",
    "a length of 1 TiB": b"POST " + PUT.encode() + b" HTTP/1.1\r\nHost: x\r\n"
                         b"Content-Length: 1099511627776\r\n\r\n",
    "chunks without end": b"POST /v1/open HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" +
                          b"10000\r\n" + b"x" * 0x10000 + b"\r\n",
    "a chunk of 2^64": b"POST /v1/open HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                       b"10000000000000000\r\nxx",
    "dots in the path": b"GET /v1/images/%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n",
    "a slash in a name": b"GET /v1/users/..%2f..%2fseal.key HTTP/1.1\r\nHost: x\r\n\r\n",
    "a zero in a name": b"GET /v1/users/alice%00 HTTP/1.1\r\nHost: x\r\n\r\n",
    "ten thousand objects": post(PUT, b"".join(field(3, b"") for _ in range(60_000))),
    "a whole put of 1 MiB and a byte": post(WHOLE, b"x" * ((1 << 20) + 1)),
    "a whole put of nothing": post(WHOLE, b"\x12\x00" * (1 << 19)),
    "a whole put of garbage": post(WHOLE, field(1, G2_POINT) + field(2, field(1, b"o" * 16) + field(2, b"s")) +
                                   field(3, b"\xff" * 500_000)),
    "a whole put in no slot": post(WHOLE.replace("slot=0", "slot=4294967296"), field(1, b"x")),
    "messages in messages": post(PUT, deep(5000)),
    "an offer of nothing": post("/v1/care/check", b"\x0a\x00" * (1 << 20)),
}


@pytest.mark.parametrize("name", HUGE)
def test_requests_that_are_too_much(besieged, name):
    c = besieged
    for server in (STORAGE, KEY):
        answer = request(c, server, HUGE[name])
        assert answer is None or 400 <= answer[0] < 500, answer
        assert b"passwd" not in (answer or (0, b""))[1]
    within_bounds(c)
    assert request(c, STORAGE, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")[0] == 200


def test_long_bodies_from_many(besieged):
    """Bodies of the longest message there is, 32 MiB, that unpack to all that parsing allows."""
    c = besieged
    body = post(PUT + "/prepare", b"\x22\x00" * (16 << 20))
    with many(lambda i: dial_tls(c, STORAGE), 24) as socks:
        def send(sock):
            with contextlib.suppress(OSError):
                sock.sendall(body)
        threads = [threading.Thread(target=send, args=(sock,)) for sock in socks]
        for thread in threads:
            thread.start()
        honest(c)
        answers = [read_answer(sock) for sock in socks]
        for thread in threads:
            thread.join()
    assert all(a is None or a[0] in (400, 404, 422, 503) for a in answers), answers
    assert any(a is not None and a[0] == 503 for a in answers)
    within_bounds(c)


def test_a_flood_of_costly_requests(besieged):
    """Openings without end from one user with a valid certificate, while another is served. The rate
    is one that any machine's flood is beyond."""
    c = besieged
    restart(c, KEY, "--user-rate", "50")
    stop = threading.Event()
    statuses = []
    opening = post("/v1/open", field(1, b"alice") + field(2, G2_POINT))

    def flood():
        with dial_tls(c, KEY) as sock:
            while not stop.is_set():
                sock.sendall(opening)
                answer = read_answer(sock)
                if answer is None:
                    return
                statuses.append(answer[0])

    threads = [threading.Thread(target=flood) for _ in range(24)]
    for thread in threads:
        thread.start()
    try:
        deadline = time.monotonic() + 30
        while 503 not in statuses:
            assert time.monotonic() < deadline, f"{len(statuses)} requests and no refusal"
            time.sleep(0.05)
        honest(c)
        within_bounds(c)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert 200 not in statuses
    assert guarded(c, KEY, "user_rate") + guarded(c, KEY, "user_running") > 0


# ------------------------------------------------------------------ an owner who lies to a recipient


@pytest.fixture(scope="module")
def lying(tmp_path_factory):
    c = LyingCluster(tmp_path_factory.mktemp("lying"), [], storage=3, k=1, key=1, threshold=1)
    yield c.up().enroll("alice", "bob")
    c.end()


def lie_to_bob(c, lie, image, *paths):
    made = c.lying_owner(lie, "alice", "put", "--id", image, *map(str, paths))
    assert made.returncode == DONE, made.stderr
    c.must("forward", image, "--to", "bob", user="alice")


def test_a_bomb(lying):
    """A few kilobytes that unpack to far more than the owner says: cut off, in little memory."""
    c = lying
    bomb = c.folder / "bomb"
    with open(bomb, "wb") as file:
        file.truncate(512 << 20)
    lie_to_bob(c, "size=1000", "bomb", bomb)
    into = c.folder / "out" / "bomb"
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    answer = c.must("get", "bomb", "--from", "alice", "-o", into, user="bob", code=INTEGRITY)
    assert "bomb" in answer.err or "size" in answer.err or "longer" in answer.err, answer.err
    assert not into.exists()
    after = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    assert SANITIZED or after <= max(before, 300 << 10), f"{after >> 10} MiB"


@pytest.mark.parametrize("name", ["../escaped", "/tmp/escaped", "a/../../escaped", "a//b", ".", "..",
                                  "new\x01line", "\x1b]0;title\x07"])
def test_names_that_lead_elsewhere(lying, name):
    c = lying
    image = f"name {name!r}"
    lie_to_bob(c, f"name={name}", image, c.make("harmless", 1000))
    answer = c.get("bob", image, owner="alice", code=INTEGRITY)
    assert "not safe" in answer.err or "not a relative path" in answer.err
    assert "\x1b" not in answer.err and "\x01" not in answer.err
    assert not list(c.folder.rglob("escaped")) and not pathlib.Path("/tmp/escaped").exists()


def test_hidden_names(lying):
    c = lying
    home = c.folder / "in" / "home"
    (home / ".ssh").mkdir(parents=True)
    (home / ".ssh" / "authorized_keys").write_text("mine\n")
    c.put("alice", "hidden", home)
    c.must("forward", "hidden", "--to", "bob", user="alice")
    answer = c.get("bob", "hidden", owner="alice", code=DENIED)
    assert "authorized_keys" in answer.err and "--hidden" in answer.err
    into = c.folder / "out" / "hidden"
    c.must("get", "hidden", "--from", "alice", "--hidden", "-o", into, user="bob")
    assert (into / ".ssh/authorized_keys").read_text() == "mine\n"
    c.must("get", "hidden", "-o", c.folder / "out" / "own", user="alice")


def test_links_in_the_output_folder(lying):
    c = lying
    tree = c.folder / "in" / "tree"
    (tree / "deep").mkdir(parents=True)
    (tree / "deep" / "x").write_text("x\n")
    c.put("alice", "linked", tree)
    c.must("forward", "linked", "--to", "bob", user="alice")
    into, elsewhere = c.folder / "out" / "linked", c.folder / "elsewhere"
    into.mkdir(parents=True)
    elsewhere.mkdir()
    (into / "deep").symlink_to(elsewhere)
    answer = c.must("get", "linked", "--from", "alice", "-o", into, user="bob", code=OTHER)
    assert "link" in answer.err
    assert not list(elsewhere.iterdir())


def test_escapes_are_shown_not_acted_on(lying):
    c = lying
    image, name = "\x1b[31mred\x9b\u202egnp.exe", "\u202ecod\u200b.exe"
    path = c.make(name, 100)
    c.must("put", "--id", image, path, user="alice")
    c.must("forward", image, "--to", "bob", user="alice")
    c.must("get", image, "--from", "alice", "-o", c.folder / "out" / "shown", user="bob")
    texts = [answer.out + answer.err for answer in (
        c.must(*words, user=user) for user, words in (
            ("alice", ["ls"]), ("bob", ["inbox"]), ("alice", ["show", image]), ("bob", ["audit"]),
            ("alice", ["verify", image])))]
    texts.append(c.must("get", image + "x", user="bob", code=3).err)
    for text in texts:
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e]", text), repr(text)
    assert "\\x1b[31mred" in texts[0]
    assert any(item["id"] == image for item in c.must("ls", "--json", user="alice").json())
