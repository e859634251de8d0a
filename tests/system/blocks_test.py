"""Decentralised dispersal: the owner sends blocks, the storage servers encode; what comes of it is no different."""
import itertools
import re
import signal

import pytest

from cluster import DONE, NOT_FOUND, TOO_FEW, USAGE, flip
from trust_test import address, request

SERVERS = [f"storage-{j}" for j in range(1, 7)]


def put_blocks(c, user, image, *paths, copies=None, **expect):
    return c.put(user, image, "--disperse", "blocks", *(["--copies", copies] if copies else []), *paths, **expect)


def received(c):
    """Bytes of request bodies that each storage server has received."""
    found = {}
    for server in SERVERS:
        folder = c.system / "config" / server
        _, text = request(address(c, server, "alice"), folder / "certificate.pem", folder / "key.pem", "/metrics")
        found[server] = int(re.search(r"^myelin_http_received_bytes_total (\d+)", text, re.M).group(1))
    return found


@pytest.mark.parametrize("copies", [None, 4, 5])
def test_every_choice_of_k_servers_decodes(make_cluster, copies):
    c = make_cluster().enroll("alice", "bob")
    files = [c.make("large.bin", 2500000), c.make("small.bin", 17)]
    want = {f.name: f.read_bytes() for f in files}
    put_blocks(c, "alice", "scan", *files, copies=copies)
    c.must("forward", "scan", "--to", "bob", user="alice")
    c.must("verify", "scan", user="alice")
    for dead in itertools.combinations(SERVERS, 3):
        c.kill(*dead)
        assert c.get("bob", "scan", owner="alice") == want, dead
        c.up()
    c.kill("storage-1", "storage-3", "storage-6", "key-2", "key-5")
    assert c.get("alice", "scan") == want
    c.kill("storage-2")
    c.get("alice", "scan", code=TOO_FEW)


def test_nobody_can_tell_which_way(make_cluster):
    """Either way objects are added either way; what is listed, and what lies on the disks, is of one kind."""
    c = make_cluster().enroll("alice")
    paths = [c.make(f"{i}.bin", 300000 + i) for i in range(4)]
    want = {p.name: p.read_bytes() for p in paths}
    put_blocks(c, "alice", "blocks first", paths[0], paths[1])
    c.put("alice", "blocks first", paths[2])
    put_blocks(c, "alice", "blocks first", paths[3], copies=4)
    c.put("alice", "symbols first", paths[0], paths[1])
    put_blocks(c, "alice", "symbols first", paths[2])
    c.put("alice", "symbols first", paths[3])
    shown = []
    for image in ("blocks first", "symbols first"):
        assert c.get("alice", image) == want
        c.must("verify", image, user="alice")
        show = c.must("show", image, "--json", user="alice").json()
        shown.append(sorted((o["name"], o["size"]) for o in show["objects"]))
    assert shown[0] == shown[1]
    for server in SERVERS:
        sizes = [sorted(p.stat().st_size for p in folder.glob("*.slices"))
                 for folder in (c.store(server) / "images").glob("*/*")]
        assert len(sizes) == 2 and sizes[0] == sizes[1], sizes
        assert not list((c.store(server) / "staging").glob("*"))
    for server in ("storage-2", "storage-4", "storage-5"):
        flip(c.files(server, kind="slices")[0])
    assert c.get("alice", "blocks first") == want and c.get("alice", "symbols first") == want


def test_what_each_server_is_sent(make_cluster):
    c = make_cluster().enroll("alice")
    size = 6 << 20
    sent = {}
    for how, copies in (("symbols", None), ("blocks", 4), ("blocks", 6)):
        path = c.make(f"{how} {copies}.bin", size)
        before = received(c)
        c.put("alice", path.name, "--compress", "none", "--disperse", how,
              *(["--copies", copies] if copies else []), path)
        after = received(c)
        sent[how, copies] = [(after[s] - before[s]) / size for s in SERVERS]
        print(how, copies, ["%.3f" % x for x in sent[how, copies]])
    assert all(abs(x - 1 / 3) < 0.01 for x in sent["symbols", None])
    assert all(abs(x - 4 / 6) < 0.01 for x in sent["blocks", 4])  # two of three blocks each
    assert all(abs(x - 1) < 0.01 for x in sent["blocks", 6])


def test_servers_that_are_dead_hung_or_die_meanwhile(make_cluster):
    c = make_cluster(storage=8, k=3).enroll("alice")  # a quorum of 6
    small, big = c.make("small.bin", 3 << 20), c.make("big.bin", 64 << 20)
    c.kill("storage-3")
    answer = put_blocks(c, "alice", "one dead", small, code=DONE)
    assert "storage-3" in answer.err
    c.freeze("storage-5")
    answer = put_blocks(c, "alice", "one dead, one hung", small, code=DONE)
    assert "storage-3" in answer.err and "storage-5" in answer.err
    c.thaw("storage-5")
    process = c.start_until(4 << 20, "put", "--id", "one dead, one dies", "--disperse", "blocks", "--compress", "none",
                            big, user="alice")
    c.kill("storage-8")
    _, err = process.communicate(timeout=120)
    assert process.returncode == DONE, err
    assert "storage-3" in err and "storage-8" in err
    c.kill("storage-1")
    answer = put_blocks(c, "alice", "three dead", small, code=TOO_FEW)
    for server in ("storage-1", "storage-3", "storage-8"):
        assert server in answer.err
    c.get("alice", "three dead", code=NOT_FOUND)
    c.kill("storage-2")
    for image, path in (("one dead", small), ("one dead, one hung", small), ("one dead, one dies", big)):
        assert c.get("alice", image) == {path.name: path.read_bytes()}


def test_a_put_that_is_killed_leaves_nothing(make_cluster):
    c = make_cluster().enroll("alice")
    big = c.make("big.bin", 64 << 20)
    process = c.start_until(4 << 20, "put", "--id", "gone", "--disperse", "blocks", "--compress", "none", big, user="alice")
    process.send_signal(signal.SIGKILL)
    process.wait()
    c.get("alice", "gone", code=NOT_FOUND)
    put_blocks(c, "alice", "gone", big)
    assert c.get("alice", "gone") == {big.name: big.read_bytes()}


def test_impossible_copies_are_refused_with_the_reason(shared):
    c = shared
    path = c.make("x.bin", 1000)
    for copies, reason in (("0", "1 to 255"), ("-1", "1 to 255"), ("256", "1 to 255"), ("many", "1 to 255"),
                           ("7", "n = 6"), ("3", "n - k + 1 = 4"), ("1", "n - k + 1 = 4")):
        answer = put_blocks(c, "alice", "never", path, copies=copies, code=USAGE)
        assert reason in answer.err, answer.err
    c.put("alice", "never", "--copies", 4, path, code=USAGE)
    c.put("alice", "never", "--disperse", "symbols", "--copies", 4, path, code=USAGE)
    assert "'blocks'" in c.put("alice", "never", "--disperse", "block", path, code=USAGE).err
    c.get("alice", "never", code=NOT_FOUND)


@pytest.mark.parametrize("shape", [(1, 1), (3, 3), (4, 1), (14, 10)])
def test_other_shapes(make_cluster, shape):
    n, k = shape
    c = make_cluster(storage=n, k=k, key=1, threshold=1).enroll("alice")
    path = c.make("s.bin", 1234567)
    for copies in {n - k + 1, n}:
        put_blocks(c, "alice", f"with {copies}", path, copies=copies)
    c.kill(*[f"storage-{j}" for j in range(1, n - k + 1)])
    for copies in {n - k + 1, n}:
        assert c.get("alice", f"with {copies}") == {path.name: path.read_bytes()}
