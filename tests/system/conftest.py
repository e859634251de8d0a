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
