"""The daemons with few rights: as nobody in particular, under their own filter and under systemd's."""
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import time

import pytest

import cluster
from cluster import DONE, Cluster
from liars import LyingCluster

UNITS = pathlib.Path(__file__).resolve().parents[2] / "packaging" / "systemd"
NOBODY = 65534


def become_nobody():
    if os.getuid() == 0:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)


class NobodysCluster(Cluster):
    """All programs run as nobody, from copies that nobody can read; root's tests give him a folder."""

    def start(self, *args, user=None, **popen):
        return super().start(*args, user=user, preexec_fn=become_nobody, **popen)

    def quicken(self, user):
        """A keystore is read by whom it belongs to: not root's, and as it was made."""


@pytest.fixture
def nobodys(monkeypatch):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="myelin-nobody."))
    for program in ("myelin", "myelin-storaged", "myelin-keyd"):
        (folder / "bin").mkdir(exist_ok=True)
        shutil.copy(cluster.BIN / program, folder / "bin")
    monkeypatch.setattr(cluster, "BIN", folder / "bin")
    c = NobodysCluster(folder / "cluster")
    for path in [folder, *folder.rglob("*")]:
        if os.getuid() == 0:
            os.chown(path, NOBODY, NOBODY)
    yield c.up()
    c.end()
    shutil.rmtree(folder)


def status_of(c, server):
    lines = pathlib.Path(f"/proc/{c.pid(server)}/status").read_text().splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


def test_the_main_job_without_rights(nobodys):
    c = nobodys.enroll("alice", "bob")
    for server in ("storage-1", "key-1"):
        status = status_of(c, server)
        assert "0" not in status["Uid"].split(), status["Uid"]
        assert int(status["CapEff"], 16) == 0
        assert status["Seccomp"] == "2", "no filter"
        for task in pathlib.Path(f"/proc/{c.pid(server)}/task").iterdir():
            assert "Seccomp:\t2" in (task / "status").read_text(), f"{server}: a thread without it"
    scan = c.make("scan.bin", 3 << 20)
    os.chmod(scan, 0o644)
    c.put("alice", "scan", scan)
    c.must("put", "--disperse", "blocks", "--copies", "4", "--id", "blocks", scan, user="alice")
    c.must("forward", "scan", "--to", "bob", user="alice")
    into = c.system.parent / "out"
    c.must("get", "scan", "--from", "alice", "-o", into, user="bob")
    assert (into / "scan.bin").read_bytes() == scan.read_bytes()
    c.must("verify", user="alice")
    c.must("shares", "refresh", user="alice")
    c.kill("storage-2", "key-2")
    c.must("up", c.system, "--detach")
    c.must("audit", user="alice")
    c.must("rm", "scan", user="alice")


def test_a_server_that_starts_another_program_dies(tmp_path):
    c = LyingCluster(tmp_path / "taken", ["storage-2"], storage=3, k=1, key=1, threshold=1)
    try:
        c.up().enroll("alice")
        scan = c.make("scan.bin", 1000)
        c.put("alice", "scan", scan)
        victim = c.pid("storage-2")
        c.tell({"storage-2": "exec"})
        assert c.get("alice", "scan") == {"scan.bin": scan.read_bytes()}
        c.run("verify", user="alice")
        deadline = time.monotonic() + 10
        while pathlib.Path(f"/proc/{victim}/exe").exists():
            assert time.monotonic() < deadline, "it lives, or is another program"
            time.sleep(0.05)
    finally:
        c.end()


@pytest.mark.parametrize("daemon", ["storaged", "keyd"])
def test_the_unit_is_one_and_keeps_it_in(tmp_path, daemon):
    name = f"myelin-{daemon}.service"
    text = (UNITS / name).read_text()
    (tmp_path / name).write_text(text.replace("/usr/bin/", f"{cluster.BIN}/"))
    checked = subprocess.run(["systemd-analyze", "verify", "--man=no", tmp_path / name],
                             capture_output=True, text=True)
    assert checked.returncode == DONE and name not in checked.stderr, checked.stderr
    rated = subprocess.run(["systemd-analyze", "security", "--offline=true", "--threshold=20",
                            tmp_path / name], capture_output=True, text=True)
    assert rated.returncode == DONE, rated.stdout
    command = re.search(r"ExecStart=(.*(?:\\\n.*)*)", text)[1].replace("\\\n", " ").split()
    known = subprocess.run([cluster.BIN / f"myelin-{daemon}", "--help"], capture_output=True, text=True).stdout
    for option in (word for word in command if word.startswith("--")):
        assert f"  {option} " in known, option
