import os
import subprocess

import pytest

from cluster import Cluster


@pytest.fixture
def make_cluster(tmp_path):
    """A factory of running systems, all stopped at the end of the test."""
    made = []

    def make(**shape):
        cluster = Cluster(tmp_path / f"cluster{len(made)}", **shape)
        made.append(cluster)
        return cluster.up()

    yield make
    for cluster in made:
        cluster.end()


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """One running system for a module's tests, with alice, bob and carol enrolled."""
    cluster = Cluster(tmp_path_factory.mktemp("shared")).up().enroll("alice", "bob", "carol")
    yield cluster
    cluster.end()


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Six servers, an image of two objects, forwarded to bob; (cluster, contents). Nobody runs."""
    c = Cluster(tmp_path_factory.mktemp("saved"))
    files = [c.make("large.bin", 5 << 20), c.make("small.bin", 1234)]
    try:
        c.up().enroll("alice", "bob")
        c.put("alice", "scan", *files)
        c.must("forward", "scan", "--to", "bob", user="alice")
    finally:
        c.end()
    c.save("loaded")
    return c, {f.name: f.read_bytes() for f in files}


@pytest.fixture
def loaded(saved):
    """The same for every test, whatever the one before has made of it; all run."""
    c, want = saved
    c.load("loaded")
    try:
        yield c.up(), want
    finally:
        c.end()


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
