#!/usr/bin/python3
"""An Orthanc with the plugin beside one without, which stores plain files: both on the same disk, in the same
network namespace, with the same clients, TCP_NODELAY on both ends, in turns, in one run. Usage: ./run bench
hospital [--runs N]. Needs root for the namespaces."""
import argparse
import os
import pathlib
import shutil
import signal
import statistics
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
os.environ.setdefault("MYELIN_BIN", str(ROOT / "build/bin"))
os.environ.setdefault("MYELIN_CORPORA", str(ROOT / "build/corpora"))
sys.path[:0] = [str(ROOT / "tests/system"), str(ROOT / "demo")]
import ct_study  # noqa: E402
from cluster import CORPORA  # noqa: E402
from hospital_viewer import SERVE_FOLDERS, pages_as_files, scroll as scroll_viewer  # noqa: E402
from hospitals import DICOMWEB, Hospitals  # noqa: E402

SLICES, FORWARDED = 108, 300
SLICES_A_SECOND = 20  # a reader who holds the key down
STORE_TARGETS = {"spool": 1.3, "durable": 3.0}
READ_TARGET, SCROLL_TARGET, ACCEPT_TARGET = 3.0, 2.0, 1.0


class Bench:
    """The gateways by name, "plain" first, and what was measured."""

    def __init__(self, folder, runs):
        self.runs, self.missed, self.number = runs, [], 0
        self.folder = folder
        self.hospitals = Hospitals(folder / "system")
        try:
            self.nodes = self.start()
        except BaseException:
            self.hospitals.end()
            raise

    def start(self):
        h = self.hospitals
        plain = h.plain("a", http=8050, dicom=4250, MaximumStorageCacheSize=0,
                        Plugins=[str(DICOMWEB), SERVE_FOLDERS], **pages_as_files(self.folder / "pages"))
        return {"plain": plain, "spool": h.gateway("a", "alice", name="spool", policy="spool"),
                "durable": h.gateway("a", "carol", name="durable", http=8043, dicom=4243, policy="durable"),
                "accepted": h.gateway("b", "bob", name="accepted")}

    def study(self, slices=SLICES):
        """A new study's folder and UID."""
        self.number += 1
        folder = self.folder / f"ct-{self.number}"
        return folder, ct_study.write_study(CORPORA / "Cranium.inv3", folder, slices, f"{ct_study.STUDY}.9{self.number}")

    def row(self, what, base, times, target, unit=1000):
        """Medians side by side, and whether the ratio is what it should be."""
        middle, plain = statistics.median(times), statistics.median(base)
        ratio = middle / plain
        fine = ratio <= target
        if not fine:
            self.missed.append(what)
        print(f"  {what:<34} {plain * unit:>9.1f} {middle * unit:>9.1f} {ratio:>7.2f}   <= {target:<4} "
              f"{'ok' if fine else 'MISSED'}", flush=True)

    def restart(self, node):
        node.stop()
        node.start()


def timed(work):
    start = time.monotonic()
    value = work()
    return time.monotonic() - start, value


def heading(text):
    print(f"\n== {text}\n  {'':<34} {'plain ms':>9} {'Myelin ms':>9} {'ratio':>7}   target", flush=True)


def sent(node):
    node.wait(lambda: node.get("/myelin/status")["Spool"]["Attachments"] == 0, within=120)


def bench_store(bench):
    heading(f"C-STORE of a CT of {SLICES} slices; plain: files on the same disk")
    times = {"plain": [], "spool": [], "durable": []}
    for _ in range(bench.runs):
        folder, uid = bench.study()
        for name in times:
            times[name].append(bench.nodes[name].store(folder))
            if name == "spool":
                sent(bench.nodes[name])  # so that it does not take from the next one
    for name, target in STORE_TARGETS.items():
        bench.row(f"store, {name}", times["plain"], times[name], target)
    return folder, uid


def wado(node, uid, slices):
    status, body = node.request("GET", f"/dicom-web/studies/{uid}", headers={"Accept": "multipart/related"}, timeout=120)
    assert status == 200 and body.count(b"DICM") == slices, (status, body.count(b"DICM"))


def share(bench, folder, uid):
    """The study at B too; how long accepting took."""
    a, b = bench.nodes["spool"], bench.nodes["accepted"]
    study = next(s for s in a.get("/studies") if a.get(f"/studies/{s}")["MainDicomTags"]["StudyInstanceUID"] == uid)
    a.post("/myelin/forward", {"Study": study, "To": ["bob"]})
    took, report = timed(lambda: b.post("/myelin/accept", {"Owner": "alice", "Image": uid}, timeout=300))
    assert report["Imported"] == len(list(folder.iterdir())), report
    return took


def bench_read(bench, folder, uid):
    heading("the series back by WADO-RS, every Orthanc just started")
    share(bench, folder, uid)
    times = {name: [] for name in bench.nodes}
    for _ in range(bench.runs):
        for name, node in bench.nodes.items():
            bench.restart(node)
            times[name].append(timed(lambda: wado(node, uid, SLICES))[0])
    for name in ("durable", "spool", "accepted"):
        bench.row(f"read, {name}", times["plain"], times[name], READ_TARGET)


def scroll(node, instances):
    """The time to each slice's last byte, asked for at a reader's pace."""
    times, start = [], time.monotonic()
    for i, instance in enumerate(instances):
        time.sleep(max(0.0, start + i / SLICES_A_SECOND - time.monotonic()))
        took, data = timed(lambda: node.file(instance))
        assert data is not None
        times.append(took)
    return sorted(times)[int(0.95 * len(times))]


def bench_scroll(bench, uid):
    heading(f"scrolling, {SLICES_A_SECOND} slices a second after a start: 95th percentile from request to last byte")
    times = {name: [] for name in bench.nodes}
    for _ in range(bench.runs):
        for name, node in bench.nodes.items():
            bench.restart(node)
            found = node.post("/tools/find", {"Level": "Instance", "Query": {"StudyInstanceUID": uid}, "Expand": True})
            found.sort(key=lambda i: int(i["MainDicomTags"]["InstanceNumber"]))
            times[name].append(scroll(node, [i["ID"] for i in found]))
    for name in ("durable", "spool", "accepted"):
        bench.row(f"scroll, {name}", times["plain"], times[name], SCROLL_TARGET)


def bench_viewer(bench, uid):
    heading(f"the viewer in Chromium, {SLICES_A_SECOND} keys a second after a start: 95th percentile from key to picture")
    times = {name: [] for name in bench.nodes}
    for _ in range(bench.runs):
        for name, node in bench.nodes.items():
            bench.restart(node)
            study = node.post("/tools/find", {"Level": "Study", "Query": {"StudyInstanceUID": uid}})[0]
            times[name].append(scroll_viewer(node, study, SLICES_A_SECOND))
    for name in ("durable", "spool", "accepted"):
        bench.row(f"viewer, {name}", times["plain"], times[name], SCROLL_TARGET)


def bench_accept(bench):
    heading(f"accepting a forwarded study of {FORWARDED} slices; plain: receiving its files by C-STORE")
    base, times = [], []
    for _ in range(bench.runs):
        folder, uid = bench.study(FORWARDED)
        base.append(bench.nodes["plain"].store(folder))
        bench.nodes["spool"].store(folder)
        sent(bench.nodes["spool"])
        times.append(share(bench, folder, uid))
    bench.row("accept", base, times, ACCEPT_TARGET)


def main():
    parser = argparse.ArgumentParser(prog="./run bench hospital", description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that everything is ended
    folder = pathlib.Path(tempfile.mkdtemp(prefix="myelin-bench-", dir=ROOT / "build"))
    bench = Bench(folder, options.runs)
    try:
        bench_accept(bench)
        latest = bench_store(bench)
        bench_read(bench, *latest)
        bench_scroll(bench, latest[1])
        bench_viewer(bench, latest[1])
        assert not any("ALARM" in node.log() for node in bench.nodes.values())
    finally:
        bench.hospitals.end()
        shutil.rmtree(folder, ignore_errors=True)
    print(f"  targets missed: {', '.join(bench.missed) or 'none'}")
    return 1 if bench.missed else 0


if __name__ == "__main__":
    sys.exit(main())
