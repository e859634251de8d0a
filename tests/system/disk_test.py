"""Disks that are full, that cannot be read, that changed a bit, or that were put back from a backup."""
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "faults"))
from cluster import DENIED, DONE, INTEGRITY, NOT_FOUND, Cluster, flip  # noqa: E402
from crash_world import STORAGE, World, environment  # noqa: E402


# ------------------------------------------------------------------ full

@pytest.fixture
def small_disk():
    """Mounts small file systems; a full disk is then a real one."""
    mounted = []

    def mount(folder, size):
        folder.mkdir(parents=True, exist_ok=True)
        privileged = [] if os.geteuid() == 0 else ["sudo", "-n"]
        subprocess.run([*privileged, "mount", "-t", "tmpfs", "-o", f"size={size},mode=0777", "tmpfs",
                        str(folder)], check=True)
        mounted.append((privileged, folder))

    yield mount
    for privileged, folder in mounted:
        subprocess.run([*privileged, "umount", "-l", str(folder)], check=True)


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
    """Others have filled the storage servers' disk: what is there is served, rm and revoke work, and rm makes
    room again."""
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
        for i in range(3):
            c.must("rm", f"image {i}", user="alice")
        assert (c.store("storage-1") / "spare").exists(), "no spare for the next time"
        c.put("alice", "again", "--compress", "none", paths[0])
        assert c.get("alice", "again") == {"0.bin": paths[0].read_bytes()}
    finally:
        c.end()
