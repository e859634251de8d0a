"""Servers that are dead, hung, full or corrupted: what was acknowledged stays, and the guilty are named."""
import os
import re
import signal
import time

import pytest

from cluster import DENIED, DONE, INTEGRITY, NOT_FOUND, OTHER, TOO_FEW, Cluster, flip, truncate

SIZE = 5 << 20


@pytest.fixture
def loaded(make_cluster):
    """Six servers, an image of two objects, forwarded to bob; (cluster, contents)."""
    c = make_cluster().enroll("alice", "bob")
    files = [c.make("large.bin", SIZE), c.make("small.bin", 1234)]
    c.put("alice", "scan", *files)
    c.must("forward", "scan", "--to", "bob", user="alice")
    return c, {f.name: f.read_bytes() for f in files}


def symbol_of(c, server):
    """The file that holds the server's slices of the large object."""
    return c.files(server)[0]


def test_hung_servers_do_not_hang_a_reader(loaded):
    c, want = loaded
    c.freeze("storage-1", "storage-4", "key-1", "key-4")
    start = time.monotonic()
    assert c.get("alice", "scan") == want
    assert c.get("bob", "scan", owner="alice") == want
    assert time.monotonic() - start < 40
    c.thaw("storage-1", "storage-4", "key-1", "key-4")


def test_a_server_that_hangs_while_it_serves(make_cluster):
    c = make_cluster().enroll("alice")
    big = c.make("big.bin", 96 << 20)
    c.put("alice", "big", big)
    out = c.folder / "frozen"
    process = c.start_until(4 << 20, "get", "big", "-o", out, user="alice")
    c.freeze("storage-2", "storage-5")
    _, err = process.communicate(timeout=120)
    c.thaw("storage-2", "storage-5")
    assert process.returncode == DONE, err
    assert (out / "big.bin").read_bytes() == big.read_bytes()


def test_put_goes_on_without_a_hung_or_dead_server(make_cluster):
    c = make_cluster().enroll("alice")
    path = c.make("p.bin", 3 << 20)
    c.freeze("storage-3")
    answer = c.must("put", "--id", "one hung", path, user="alice")
    assert "storage-3" in answer.err
    c.thaw("storage-3")
    c.kill("storage-2")
    answer = c.must("put", "--id", "one dead", path, user="alice")
    assert "storage-2" in answer.err
    c.kill("storage-4")
    answer = c.put("alice", "two dead", path, code=TOO_FEW)
    assert "storage-2" in answer.err and "storage-4" in answer.err
    c.up()
    c.get("alice", "two dead", code=NOT_FOUND)
    for image in ("one hung", "one dead"):
        assert c.get("alice", image) == {"p.bin": path.read_bytes()}


def test_put_while_a_server_dies(make_cluster):
    c = make_cluster().enroll("alice")
    big = c.make("big.bin", 96 << 20)
    process = c.start_until(4 << 20, "put", "--id", "dying", "--compress", "none", big, user="alice")
    c.kill("storage-5")
    _, err = process.communicate(timeout=120)
    assert process.returncode == DONE, err
    assert "storage-5" in err
    c.kill("storage-1", "storage-2")
    assert c.get("alice", "dying") == {"big.bin": big.read_bytes()}


@pytest.mark.parametrize("damage", [flip, truncate, lambda p: truncate(p, 0), os.unlink])
def test_damaged_slices_are_named_and_worked_around(loaded, damage):
    c, want = loaded
    c.must("verify", "scan", user="alice")
    for server in ("storage-1", "storage-2", "storage-3"):
        damage(symbol_of(c, server))
        assert c.get("alice", "scan") == want
    answer = c.must("verify", "scan", user="alice", code=INTEGRITY)
    said = answer.out + answer.err
    for j in range(1, 7):
        assert (f"storage-{j}" in said) == (j <= 3), said
    damage(symbol_of(c, "storage-4"))
    answer = c.run("get", "scan", "-o", c.folder / "never", user="alice")
    assert answer.code in (TOO_FEW, INTEGRITY), answer
    assert not (c.folder / "never").exists()


def test_every_file_of_n_minus_k_servers_flipped(loaded):
    """Manifests, envelopes, records of every kind: whatever the file, right bytes come back."""
    c, want = loaded
    for server in ("storage-2", "storage-5"):
        for path in c.files(server):
            if path.stat().st_size > 0:
                flip(path)
    assert c.get("alice", "scan") == want
    assert c.get("bob", "scan", owner="alice") == want
    answer = c.must("verify", "scan", user="alice", code=INTEGRITY)
    assert "storage-2" in answer.out + answer.err and "storage-5" in answer.out + answer.err


def test_every_file_of_n_minus_k_servers_truncated(loaded):
    c, want = loaded
    for server in ("storage-1", "storage-6"):
        for path in c.files(server):
            truncate(path)
    assert c.get("alice", "scan") == want
    assert c.get("bob", "scan", owner="alice") == want
    c.down()
    c.up()
    assert c.get("bob", "scan", owner="alice") == want


def test_a_damaged_share(loaded):
    c, want = loaded
    for server in ("key-1", "key-2"):
        for path in c.files(server, kind="alice"):
            flip(path)
    assert c.get("alice", "scan") == want
    c.down()
    c.up()
    assert c.get("alice", "scan") == want
    for path in c.files("key-3", kind="alice"):
        truncate(path)
    answer = c.get("alice", "scan", code=TOO_FEW)
    for server in ("key-1", "key-2", "key-3"):
        assert server in answer.err
    own = c.make("bobs own.bin", 1000)
    c.put("bob", "own", own)
    assert c.get("bob", "own") == {own.name: own.read_bytes()}


def test_sigkill_of_everyone_loses_nothing(loaded):
    c, want = loaded
    c.kill(*[f"storage-{j}" for j in range(1, 7)], *[f"key-{j}" for j in range(1, 6)])
    c.up()
    assert c.get("alice", "scan") == want
    assert c.get("bob", "scan", owner="alice") == want
    c.must("verify", user="alice")


def test_sigkill_of_servers_during_puts(make_cluster):
    """Whatever put said done before the servers died is there after they come back."""
    c = make_cluster().enroll("alice")
    everyone = [f"storage-{j}" for j in range(1, 7)]
    for round_number in range(3):
        done, path = [], c.make("k.bin", 2 << 20, seed=round_number)
        process = c.start("put", "--id", f"during {round_number}", path, user="alice")
        time.sleep(0.05 + 0.15 * round_number)
        c.kill(*everyone)
        process.communicate(timeout=120)
        if process.returncode == DONE:
            done.append(f"during {round_number}")
        c.up()
        for image in done:
            assert c.get("alice", image) == {"k.bin": path.read_bytes()}
        answer = c.run("get", f"during {round_number}", "-o", c.folder / f"r{round_number}", user="alice")
        assert answer.code in (DONE, NOT_FOUND), answer
        if answer.code == DONE:
            assert (c.folder / f"r{round_number}/k.bin").read_bytes() == path.read_bytes()
        else:
            put_after_a_crash(c, f"during {round_number}", path)


def put_after_a_crash(c, image, path):
    """A put that died between prepare and commit keeps others of its image away for half a minute."""
    deadline = time.monotonic() + 90
    while (answer := c.run("put", "--id", image, path, user="alice")).code != DONE:
        assert "try again in half a minute" in answer.err and time.monotonic() < deadline, answer.err
        time.sleep(1)


def test_full_disks(tmp_path, small_disk):
    c = Cluster(tmp_path / "c")
    small_disk(c.system / "storage-1", "6m")
    try:
        c.up().enroll("alice")
        path = c.make("f.bin", 24 << 20)
        small = c.make("s.bin", 3000)
        answer = c.must("put", "--id", "one full", "--compress", "none", path, user="alice")
        assert "storage-1" in answer.err and re.search("disk is full|No space", answer.err)
        assert c.get("alice", "one full") == {"f.bin": path.read_bytes()}
        c.must("put", "--id", "small", small, user="alice")
        c.down()
        for j in range(2, 7):
            small_disk(c.system / f"storage-{j}", "6m")
        c.up()
        answer = c.put("alice", "all full", "--compress", "none", path, code=TOO_FEW)
        assert re.search("disk is full|No space", answer.err)
        c.get("alice", "all full", code=NOT_FOUND)
        c.must("put", "--id", "still works", small, user="alice")
        assert c.get("alice", "still works") == {"s.bin": small.read_bytes()}
    finally:
        c.end()


def test_unreadable_and_empty_files(shared):
    c = shared
    empty = c.make("empty.bin", 0)
    answer = c.put("alice", "bad input", empty, c.make("fine.bin", 10), code=2)
    assert "empty.bin" in answer.err
    answer = c.put("alice", "bad input", c.folder / "in/missing.bin", code=7)
    assert "missing.bin" in answer.err
    c.get("alice", "bad input", code=NOT_FOUND)


def test_local_disk_of_a_reader_full(loaded, small_disk):
    c, _ = loaded
    small_disk(c.folder / "tiny", "1m")
    answer = c.must("get", "scan", "-o", c.folder / "tiny/out", user="alice", code=7)
    assert re.search("disk is full|No space", answer.err)
    assert list((c.folder / "tiny").iterdir()) == []


def test_the_user_never_overwrites(loaded):
    c, want = loaded
    out = c.folder / "mine"
    out.mkdir()
    (out / "large.bin").write_text("my own notes")
    answer = c.must("get", "scan", "-o", out, user="alice", code=OTHER)
    assert "large.bin" in answer.err
    assert [(p.name, p.read_text()) for p in out.iterdir()] == [("large.bin", "my own notes")]
    (out / "large.bin").write_bytes(want["large.bin"])  # as a get leaves it that was killed between two names
    before = (out / "large.bin").stat()
    answer = c.must("get", "scan", "-o", out, "--json", user="alice")
    assert {p.name: p.read_bytes() for p in out.iterdir()} == want
    assert answer.json()["received_bytes"] < SIZE / 4, "what was there already came again"
    assert (out / "large.bin").stat().st_ino == before.st_ino
    c.must("get", "scan", "-o", out, user="alice")  # all is there
    flip(out / "small.bin")
    bytes_mine = (out / "small.bin").read_bytes()
    assert "small.bin" in c.must("get", "scan", "-o", out, user="alice", code=OTHER).err
    assert (out / "small.bin").read_bytes() == bytes_mine


def test_revocation_reaches_both_kinds_of_server(loaded):
    c, _ = loaded
    assert c.must("revoke", "scan", "--from", "bob", user="alice").err == ""
    assert c.must("revoke", "scan", "--from", "bob", user="alice").err == ""  # again, for who missed it
    answer = c.must("revoke", "scan", "--from", "bop", user="alice", code=NOT_FOUND)
    assert "no user bop" in answer.err and "'scan' was not forwarded to bop" in answer.err
    c.enroll("carol")
    answer = c.must("revoke", "scan", "--from", "carol", user="alice", code=NOT_FOUND)
    assert "not forwarded to carol" in answer.err and "no user" not in answer.err
    c.must("forward", "scan", "--to", "carol", user="alice")
    c.get("carol", "scan", owner="alice")
    answer = c.run("get", "scan", "--from", "alice", "-o", c.folder / "no", user="bob")
    assert answer.code in (DENIED, NOT_FOUND)
    assert c.must("inbox", "--json", user="bob").json() == []


def test_signals_end_daemons_cleanly(make_cluster):
    c = make_cluster()
    pids = [c.pid("storage-1"), c.pid("key-1")]
    c.signal(signal.SIGTERM, "storage-1", "key-1")
    deadline = time.monotonic() + 10
    while any(os.path.exists(f"/proc/{p}") for p in pids) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(os.path.exists(f"/proc/{p}") for p in pids)
    c.up()
    c.enroll("alice")
