"""Servers that are dead, hung or full, or die meanwhile: what was acknowledged stays."""
import os
import re
import signal
import time

from cluster import DENIED, DONE, NOT_FOUND, TOO_FEW, Cluster


def test_hung_servers_do_not_hang_a_reader(loaded):
    c, want = loaded
    c.freeze("storage-1", "storage-4", "key-1", "key-4")
    start = time.monotonic()
    assert c.get("alice", "scan") == want
    assert c.get("bob", "scan", owner="alice") == want
    assert time.monotonic() - start < 40
    c.thaw("storage-1", "storage-4", "key-1", "key-4")


def test_a_server_that_hangs_while_it_serves(loaded):
    c, _ = loaded
    big = c.make("big.bin", 96 << 20)
    c.put("alice", "big", big)
    out = c.folder / "frozen"
    process = c.start_until(4 << 20, "get", "big", "-o", out, user="alice")
    c.freeze("storage-2", "storage-5")
    _, err = process.communicate(timeout=120)
    c.thaw("storage-2", "storage-5")
    assert process.returncode == DONE, err
    assert (out / "big.bin").read_bytes() == big.read_bytes()


def test_put_goes_on_without_a_hung_or_dead_server(loaded):
    c, _ = loaded
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


def test_put_while_a_server_dies(loaded):
    c, _ = loaded
    big = c.make("big.bin", 96 << 20)
    process = c.start_until(4 << 20, "put", "--id", "dying", "--compress", "none", big, user="alice")
    c.kill("storage-5")
    _, err = process.communicate(timeout=120)
    assert process.returncode == DONE, err
    assert "storage-5" in err
    c.kill("storage-1", "storage-2")
    assert c.get("alice", "dying") == {"big.bin": big.read_bytes()}


def test_sigkill_of_everyone_loses_nothing(loaded):
    c, want = loaded
    c.kill(*[f"storage-{j}" for j in range(1, 7)], *[f"key-{j}" for j in range(1, 6)])
    c.up()
    assert c.get("alice", "scan") == want
    assert c.get("bob", "scan", owner="alice") == want
    c.must("verify", user="alice")


def test_sigkill_of_servers_during_puts(loaded):
    """Whatever put said done before the servers died is there after they come back."""
    c, _ = loaded
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


def test_signals_end_daemons_cleanly(loaded):
    c, _ = loaded
    pids = [c.pid("storage-1"), c.pid("key-1")]
    c.signal(signal.SIGTERM, "storage-1", "key-1")
    deadline = time.monotonic() + 10
    while any(os.path.exists(f"/proc/{p}") for p in pids) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(os.path.exists(f"/proc/{p}") for p in pids)
    c.up()
    c.enroll("carol")
