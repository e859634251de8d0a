"""libmyelin as a program in another language sees it: objects from memory, images held open."""
import pathlib
import subprocess
import sys

import pytest
from cluster import BIN, Cluster, preload

CLIENT = pathlib.Path(__file__).with_name("library_client.py")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with_users = Cluster(tmp_path_factory.mktemp("library"))
    try:
        yield with_users.up().enroll("alice", "bob")
    finally:
        with_users.end()


@pytest.mark.parametrize("subject", ["objects", "system"])
def test_the_library_from_another_language(cluster, subject):
    done = subprocess.run([sys.executable, str(CLIENT), subject, str(cluster.folder)], text=True,
                          env=cluster.environment(**preload(BIN.parent / "lib" / "libmyelin.so"),
                                                  MYELIN_BIN=str(BIN)),
                          capture_output=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
