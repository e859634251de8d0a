"""Disks that are full, that cannot be read, that changed a bit, or that were put back from a backup."""
import os
import pathlib
import random
import re
import shutil
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "faults"))
import crash_kinds  # noqa: E402
from cluster import DENIED, INTEGRITY, NOT_FOUND, Cluster  # noqa: E402
from crash_world import STORAGE, World  # noqa: E402

SAMPLE = 1 if "asan" in os.environ.get("MYELIN_BIN", "") else 3  # of the files


# ------------------------------------------------------------------ full

def fill(folder):
    """To the last byte."""
    with open(folder / "ballast", "wb", buffering=0) as file:
        for block in (65536, 4096, 1):
            try:
                while file.write(bytes(block)) == block:
                    pass
            except OSError:
                pass
    with pytest.raises(OSError):
        (folder / "one more").write_bytes(b"x" * 4096)
    (folder / "one more").unlink(missing_ok=True)


def test_a_full_disk_is_emptied_by_its_users(tmp_path, small_disk):
    """Others have filled the storage servers' disk: what is there is served, rm and revoke work, and rm
    makes room again, of an image or of an object."""
    c = Cluster(tmp_path / "c", storage=1, k=1, key=1, threshold=1)
    small_disk(c.system / "storage-1", "24m")
    try:
        c.up().enroll("alice", "bob")
        paths = [c.make(f"{i}.bin", 2 << 20) for i in range(3)]
        for i, path in enumerate(paths):
            c.put("alice", f"image {i}", "--compress", "none", path)
        c.must("forward", "image 0", "--to", "bob", user="alice")
        fill(c.store("storage-1"))
        assert c.get("alice", "image 1") == {"1.bin": paths[1].read_bytes()}
        answer = c.put("alice", "too much", paths[0], code=5)
        assert re.search("disk is full|No space", answer.err), answer.err
        assert not list((c.store("storage-1") / "staging").iterdir()), "a refused put leaves something"
        c.must("revoke", "image 0", "--from", "bob", user="alice")
        assert c.run("get", "image 0", "--from", "alice", "-o", tmp_path / "no", user="bob").code in (DENIED, NOT_FOUND)
        c.must("rm", "image 0", "--object", "0.bin", user="alice")
        c.put("alice", "more", "--compress", "none", c.make("half.bin", 500_000))  # in its place
        for image in ("image 0", "image 1", "image 2", "more"):
            c.must("rm", image, user="alice")
        assert (c.store("storage-1") / "spare").exists(), "no spare for the next time"
        c.put("alice", "again", "--compress", "none", paths[0])
        assert c.get("alice", "again") == {"0.bin": paths[0].read_bytes()}
    finally:
        c.end()


# ------------------------------------------------------------------ damaged, unreadable

@pytest.fixture(scope="module")
def rich(tmp_path_factory):
    """A system with a file of every kind."""
    world = World(tmp_path_factory.mktemp("rich"))
    crash_kinds.enrich(world)
    yield world
    world.end()


def test_files_of_every_kind(rich):
    """Each file is of a kind of the table, the table has no kind without a file, and some of them are damaged;
    `./run torture crash` goes through all."""
    found = crash_kinds.files(rich)
    known = {name for name, _, _ in crash_kinds.KINDS}
    made = {name for name, _ in found.values()}
    assert known - made <= crash_kinds.PASSING, f"no file of the kinds {known - made}"
    seed = random.SystemRandom().randrange(1 << 32)
    rng = random.Random(seed)
    for path in rng.sample(sorted(found), SAMPLE):
        how = rng.choice(["flip", "truncate", "empty", "remove"])
        try:
            crash_kinds.damage_round(rich, path, how, rng, found[path][1])
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {how} of {path}: {error}") from error


def test_readings_that_fail(rich):
    for server in (STORAGE, "key-1"):
        number = random.randrange(1, 50)
        try:
            crash_kinds.read_round(rich, server, number, lasting=number % 2 == 0)
        except AssertionError as error:
            raise AssertionError(f"reading {number} of {server}: {error}") from error


# ------------------------------------------------------------------ put back from a backup

def test_an_old_backup_of_some_servers(make_cluster):
    """One storage server and one key server come back as they were long ago: what was removed, deleted and revoked
    since stays so, what was put and forwarded since is whole, and refreshed shares do not mix with the old one."""
    c = make_cluster().enroll("alice", "bob", "carol")
    old, new = c.make("old.bin", 20_000), c.make("new.bin", 30_000)
    c.put("alice", "removed", old)
    c.put("alice", "kept", old, new)
    c.must("forward", "kept", "--to", "carol", user="alice")
    servers = ("storage-2", "key-2")
    c.down()
    for server in servers:
        shutil.copytree(c.store(server), c.folder / "backup" / server)
    c.up()
    c.must("rm", "removed", user="alice")
    c.must("rm", "kept", "--object", "new.bin", user="alice")
    c.must("revoke", "kept", "--from", "carol", user="alice")
    c.put("alice", "since", new)
    c.must("forward", "since", "--to", "bob", user="alice")
    c.must("shares", "refresh", user="alice")
    assert c.get("alice", "since") == {"new.bin": new.read_bytes()}
    c.down()
    for server in servers:
        shutil.rmtree(c.store(server))
        shutil.copytree(c.folder / "backup" / server, c.store(server))
    c.up()
    c.get("alice", "removed", code=NOT_FOUND)
    assert {i["id"] for i in c.must("ls", "--json", user="alice").json()} == {"kept", "since"}
    assert c.run("get", "kept", "--from", "alice", "-o", c.folder / "no", user="carol").code in (DENIED, NOT_FOUND)
    for user, owner in (("alice", None), ("bob", "alice")):
        assert c.get(user, "since", owner=owner) == {"new.bin": new.read_bytes()}
    assert c.get("alice", "kept") == {"old.bin": old.read_bytes()}
    c.must("audit", user="alice", code=INTEGRITY)  # the old server's log lacks entries that alice has seen
    c.must("shares", "refresh", user="alice")
    c.put("alice", "removed", new)
    assert c.get("alice", "removed") == {"new.bin": new.read_bytes()}
