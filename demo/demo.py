#!/usr/bin/python3
"""A real CT study is sealed, spread over six storage servers, forwarded to another doctor and opened
by her while three storage servers and two key servers are dead. Usage: ./run demo [FOLDER]"""
import hashlib
import os
import pathlib
import shutil
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
os.environ.setdefault("MYELIN_BIN", str(ROOT / "build/bin"))
os.environ.setdefault("MYELIN_CORPORA", str(ROOT / "build/corpora"))
sys.path.insert(0, str(ROOT / "tests/system"))
import ct_study  # noqa: E402
from cluster import CORPORA, Cluster  # noqa: E402

DEAD = ["storage-1", "storage-3", "storage-6", "key-2", "key-5"]
PICTURE = ROOT / "build/demo-slice.png"


class Steps:
    """Runs and times the steps of the story."""

    def __init__(self):
        self.took = {}

    def do(self, name, words, work):
        print(f"* {words}", flush=True)
        start = time.monotonic()
        answer = work()
        self.took[name] = time.monotonic() - start
        return answer


def digest(folder):
    """SHA-256 over all names and contents of a folder."""
    whole = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        whole.update(path.name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return whole.hexdigest()


def story(folder, steps):
    c = Cluster(folder)
    try:
        ct, opened = folder / "ct", folder / "opened by dr-bob"
        study = steps.do("make", "a CT of a head, 108 slices, is written as DICOM files",
                         lambda: ct_study.write_study(CORPORA / "Cranium.inv3", ct))
        steps.do("up", "six storage servers and five key servers start, over TLS on loopback", c.up)
        steps.do("enrol", "dr-alice and dr-bob enrol: keys, certificates, a share for each key server",
                 lambda: c.enroll("dr-alice", "dr-bob"))
        steps.do("put", "dr-alice puts the study: compress, seal, encode, disperse",
                 lambda: c.must("put", *sorted(ct.iterdir()), user="dr-alice"))
        sent = steps.do("forward", "dr-alice forwards it to dr-bob: one re-encryption key; the study stays",
                        lambda: c.must("forward", study, "--to", "dr-bob", "--json", user="dr-alice").json())
        steps.do("kill", f"killed: {', '.join(DEAD)}", lambda: c.kill(*DEAD))
        steps.do("get", "dr-bob opens it, through three of five key and three of six storage servers",
                 lambda: c.must("get", study, "--from", "dr-alice", "-o", opened, user="dr-bob"))
        ct_study.render(opened / "slice-060.dcm", PICTURE)
        stored = sum(p.stat().st_size for j in range(1, 7) for p in c.files(f"storage-{j}"))
        report(ct, opened, stored, sum(f["bytes"] for f in sent), steps.took)
        return digest(ct) == digest(opened)
    finally:
        c.end()


def report(ct, opened, stored, sent, took):
    size = sum(p.stat().st_size for p in ct.iterdir())
    rows = [
        ("the study", f"{len(list(ct.iterdir()))} files, {size / 1e6:.1f} MB"),
        ("stored on six servers", f"{stored / 1e6:.1f} MB: {stored / size:.2f} of the study, compressed and coded n/k = 6/3 = 2.0"),
        *[(f"time to {name}", f"{took[name]:.2f} s") for name in ("enrol", "put", "forward", "get")],
        ("dr-alice sent to forward", f"{sent / 1e3:.1f} kB, whatever the study's size"),
        ("killed before dr-bob opened it", ", ".join(DEAD)),
        ("SHA-256 of what dr-alice put", digest(ct)),
        ("SHA-256 of what dr-bob got", digest(opened)),
        ("equal", "yes" if digest(ct) == digest(opened) else "NO"),
        ("slice 60, as dr-bob sees it", str(PICTURE.relative_to(ROOT))),
    ]
    width = max(len(name) for name, _ in rows)
    print()
    for name, value in rows:
        print(f"  {name.ljust(width)}  {value}")


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp(prefix="myelin-demo-"))
    try:
        equal = story(folder, Steps())
    finally:
        if len(sys.argv) <= 1:
            shutil.rmtree(folder, ignore_errors=True)
    return 0 if equal else 1


if __name__ == "__main__":
    sys.exit(main())
