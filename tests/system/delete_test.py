"""Objects of an image that stays are deleted: their space is free on every storage server, also on those that
were away, and nothing brings them back, neither a repair nor slots that move nor a restart."""
import contextlib
import time

import pytest

from cluster import DONE, INTEGRITY, NOT_FOUND, OTHER, TOO_FEW, USAGE, Cluster

N, K = 5, 2
ALL = [f"storage-{i}" for i in range(1, N + 1)]
SIZES = {"large.bin": 1_300_000, "middle.bin": 60_000, "small.bin": 700}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    c = Cluster(tmp_path_factory.mktemp("delete"), storage=N, k=K, key=3, threshold=2)
    try:
        yield c.up().enroll("alice", "bob")
    finally:
        c.end()


@pytest.fixture(autouse=True)
def everyone_runs(world):
    yield
    world.must("up", world.system, "--detach")


def put(c, image):
    """{name: bytes}"""
    files = [c.make(name, size) for name, size in SIZES.items()]
    before = {p.name for p in c.store(ALL[0]).glob("images/*/*")}
    c.put("alice", image, *files)
    after = {p.name for p in c.store(ALL[0]).glob("images/*/*")}
    return {f.name: f.read_bytes() for f in files}, (after - before).pop()


def rm(c, image, *names, **expect):
    return c.must("rm", image, "--object", *names, user="alice", **expect)


def slices(c, server, folder):
    """What the server has of an image's objects; some may go meanwhile."""
    total = 0
    for path in c.store(server).glob(f"images/*/{folder}/*.slices"):
        with contextlib.suppress(FileNotFoundError):
            total += path.stat().st_size
    return total


def figures(c):
    status = c.must("status", "--json", user="alice").json()
    return {s["name"]: s["figures"]["symbol_bytes"] for s in status["servers"] if s["role"] == "storage"}


def wait_for(what, seconds=30):
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.1)


def test_space_is_free_everywhere(world):
    c = world
    files, folder = put(c, "one")
    c.must("forward", "one", "--to", "bob", user="alice")
    used, counted = {s: slices(c, s, folder) for s in ALL}, figures(c)
    rm(c, "one", "large.bin")
    files.pop("large.bin")
    for server in ALL:
        assert slices(c, server, folder) < used[server] / 10
    assert all(n - figures(c)[s] > SIZES["large.bin"] / K for s, n in counted.items())
    assert c.get("alice", "one") == files
    assert c.get("bob", "one", "alice") == files
    shown = c.must("show", "one", "--json", user="alice").json()
    assert {o["name"] for o in shown["objects"]} == set(files)
    listed = next(i for i in c.must("ls", "--json", user="alice").json() if i["id"] == "one")
    forwarded = next(i for i in c.must("inbox", "--json", user="bob").json() if i["id"] == "one")
    assert listed["objects"] == forwarded["objects"] == 2
    assert listed["sealed_bytes"] == forwarded["sealed_bytes"] < SIZES["large.bin"] / 10
    c.must("verify", user="alice")
    c.must("repair", user="alice")
    left = {s: slices(c, s, folder) for s in ALL}
    c.must("down", c.system)
    c.must("up", c.system, "--detach")
    assert {s: slices(c, s, folder) for s in ALL} == left
    assert c.get("bob", "one", "alice") == files
    c.must("verify", user="alice")


def test_what_is_refused(world):
    c = world
    files, _ = put(c, "refused")
    c.must("forward", "refused", "--to", "bob", user="alice")
    rm(c, "refused", "none.bin", code=NOT_FOUND)
    rm(c, "refused", "small.bin", "none.bin", code=NOT_FOUND)
    c.must("rm", "nothing", "--object", "small.bin", user="alice", code=NOT_FOUND)
    c.must("rm", "refused", "--object", "small.bin", user="bob", code=NOT_FOUND)  # he has no such image
    rm(c, "refused", "../small.bin", code=USAGE)
    c.must("rm", "refused", "--object", user="alice", code=USAGE)
    assert c.get("alice", "refused") == files
    rm(c, "refused", "small.bin")
    rm(c, "refused", "small.bin")  # once more changes nothing
    again = c.make("small.bin", 900, seed=1)
    assert "deleted" in c.must("put", "--id", "refused", again, user="alice", code=OTHER).err
    rm(c, "refused", "large.bin", "middle.bin")
    assert "deleted all" in c.get("alice", "refused", code=NOT_FOUND).err
    c.must("verify", "refused", user="alice")
    more = c.make("more.bin", 900)
    c.put("alice", "refused", more)  # an image without objects still is one
    assert c.get("bob", "refused", "alice") == {"more.bin": more.read_bytes()}
    c.must("rm", "refused", user="alice")
    c.put("alice", "refused", again)  # put again it is another
    assert c.get("alice", "refused") == {"small.bin": again.read_bytes()}


def test_one_that_was_away_learns_it(world):
    c = world
    files, folder = put(c, "away")
    c.kill("storage-2", "storage-4")
    used = slices(c, "storage-2", folder)
    rm(c, "away", "large.bin", "small.bin", code=TOO_FEW)  # k of them would still show it
    c.must("up", c.system, "--detach")
    c.kill("storage-2")
    answer = rm(c, "away", "large.bin", "small.bin")
    assert "storage-2" in answer.err and "not told" in answer.err
    assert slices(c, "storage-2", folder) == used
    c.must("up", c.system, "--detach")
    kept = {"middle.bin": files["middle.bin"]}
    c.freeze("storage-1", "storage-3", "storage-5")  # whichever two answer
    c.thaw("storage-1")
    assert c.get("alice", "away") == kept
    c.thaw("storage-3", "storage-5")
    wait_for(lambda: slices(c, "storage-2", folder) < used / 10)  # its first look
    c.must("verify", "away", user="alice")
    assert c.get("alice", "away") == kept


def test_verify_tells_and_repair_mends(world):
    c = world
    _, folder = put(c, "stale")
    (c.store("storage-3") / "scrub.pause").touch()
    c.kill("storage-3")
    used = slices(c, "storage-3", folder)
    rm(c, "stale", "large.bin")
    c.must("up", c.system, "--detach")
    answer = c.must("verify", "stale", user="alice", code=INTEGRITY)
    assert "storage-3" in answer.out and "stale" in answer.out and "deleted" in answer.out, answer
    c.must("repair", "stale", user="alice")
    assert slices(c, "storage-3", folder) < used / 10
    c.must("verify", "stale", user="alice")
    (c.store("storage-3") / "scrub.pause").unlink()


def test_lost_stores_and_moving_slots(world):
    """A server that lost all gets what is left, and so does one that comes new."""
    c = world
    files, folder = put(c, "moves")
    rm(c, "moves", "large.bin")
    left = slices(c, "storage-1", folder)
    c.kill("storage-1")
    for path in c.files("storage-1", f"/{folder}/"):
        path.unlink()
    c.must("up", c.system, "--detach")
    c.must("repair", "moves", user="alice")
    assert slices(c, "storage-1", folder) == left
    c.must("system", "--system", c.system, "replace", "storage-5", "storage-6")
    c.must("up", c.system, "--detach")
    wait_for(lambda: slices(c, "storage-6", folder) == left and slices(c, "storage-5", folder) == 0, 60)
    wait_for(lambda: c.run("system", "--system", c.system, "settle").code == DONE, 60)
    kept = {name: files[name] for name in ("middle.bin", "small.bin")}
    assert c.get("alice", "moves") == kept
    c.must("verify", "moves", user="alice")
