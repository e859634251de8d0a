"""Claim (b): a forward's cost does not depend on the image; doing the same by hand does."""
import statistics

import bench
import claims_svg as svg
from claims_common import MIB, measure, size, stated, table


def forward(options):
    sizes = [MIB * s for s in ((1, 8) if options.quick else (1, 4, 16, 64, 256))]
    rounds = 1 if options.quick else 5
    found = {s: [] for s in sizes}
    stores = {}
    with bench.work_folder("/dev/shm") as local, bench.running(local / "c", "alice", "bob") as cluster:
        for s in sizes:
            before = sum(f.stat().st_size for f in cluster.files("storage-1"))
            cluster.must("put", "--id", str(s), "--compress", "none", bench.random_file(local / f"{s}.bin", s), user="alice")
            (local / f"{s}.bin").unlink()
            stores[s] = sum(f.stat().st_size for f in cluster.files("storage-1")) - before
        for _ in range(rounds):
            for s in sizes:
                found[s].append((*bench.forward_once(cluster, str(s)), bench.by_hand(cluster, str(s), local)))
    rows, points = [], []
    for s in sizes:
        took, sent, again = (statistics.median(column) for column in zip(*found[s]))
        made = measure("claims_storage_bench", s, bench.N, bench.K)
        moved = made["sealed"] + bench.N * made["slices"]
        points.append((s, took, sent, again, moved))
        rows.append([size(s), f"{took:.3f}", f"{sent:.0f}", f"{again:.3f}", f"{moved:.0f}", f"{again / took:.1f}",
                     f"{moved / sent:.0f}", f"{stores[s] / made['slices']:.4f}"])
        stated(made["slices"] <= stores[s] <= made["slices"] * 1.01 + 64 * 1024,
               f"storage-1 holds {stores[s]} bytes of an image of {s}, {made['slices']} of them slices")
    forward_figure(options, points)
    times = [p[1] for p in points]
    sent = [p[2] for p in points]
    out = "![Forwarding against doing it by hand](claims-forward.svg)\n\n"
    out += table(["image", "forward, s", "owner's bytes", "by hand, s", "bytes by hand", "time, x", "bytes, x",
                  "disk of storage-1, x slices"], rows)
    return out + "\n" + stated(max(sent) <= 1.1 * min(sent) and max(times) <= (3 if options.quick else 1.5) * min(times),
                               f"The owner sends {min(sent):.0f} to {max(sent):.0f} bytes and waits {min(times):.3f} to "
                               f"{max(times):.3f} s whatever the size. By hand he downloads k slices of every segment, "
                               "decrypts, encrypts and uploads n; loopback flatters that, since its bytes cost nothing.") + "\n"


def forward_figure(options, points):
    limits = (points[0][0] / MIB, points[-1][0] / MIB)

    def panel(title, label, ours, other, low, high):
        def make(box):
            p = svg.Panel(box, title, "image, MiB", label, limits, (low, high), True, True)
            p.line([(x[0] / MIB, ours(x)) for x in points], svg.BLUE, "forward", marks=True)
            p.line([(x[0] / MIB, other(x)) for x in points], svg.RED, "download, decrypt, encrypt, upload", marks=True)
            return p
        return make

    slowest, fastest = max(max(p[1], p[3]) for p in points), min(min(p[1], p[3]) for p in points)
    most = max(p[4] for p in points)
    svg.figure(options.out / "claims-forward.svg", f"Forwarding an image, n = {bench.N}, k = {bench.K}", [[
        panel("time", "seconds", lambda p: p[1], lambda p: p[3], fastest / 2, slowest * 2),
        panel("owner's traffic", "KiB", lambda p: p[2] / 1024, lambda p: p[4] / 1024, 1, most / 512)]], (440, 310))
