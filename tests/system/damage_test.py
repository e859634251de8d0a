"""Damaged files at the servers, and disks of the user's own that are full or in use: right bytes come back or an
error, and the guilty are named."""
import os
import re

import pytest

from cluster import INTEGRITY, NOT_FOUND, OTHER, TOO_FEW, flip, truncate


@pytest.fixture
def loaded(saved):
    """As for other modules; but no server mends what a test damages, as each would a second after its start."""
    c, want = saved
    c.load("loaded")
    for j in range(1, 7):
        (c.store(f"storage-{j}") / "scrub.pause").touch()
    try:
        yield c.up(), want
    finally:
        c.end()


def symbol_of(c, server):
    """The file that holds the server's slices of the large object."""
    return c.files(server)[0]


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


def test_unreadable_and_empty_files(loaded):
    c, _ = loaded
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
    assert answer.json()["received_bytes"] < len(want["large.bin"]) / 4, "what was there already came again"
    assert (out / "large.bin").stat().st_ino == before.st_ino
    c.must("get", "scan", "-o", out, user="alice")  # all is there
    flip(out / "small.bin")
    bytes_mine = (out / "small.bin").read_bytes()
    assert "small.bin" in c.must("get", "scan", "-o", out, user="alice", code=OTHER).err
    assert (out / "small.bin").read_bytes() == bytes_mine
