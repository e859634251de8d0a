#!/usr/bin/python3
"""Measures Myelin beside what bounds it and beside what a user would pick instead, in one run.

Usage: ./run bench [NAME...] [--runs N] [--small]
NAMES: group, cluster, alternatives, forward, study, memory, repair, hospital. Without a name, all of them. Figures are
medians; a ratio is taken between figures of this run. --small divides the sizes by 16: a trial of
the bench itself, not a measurement."""
import argparse
import contextlib
import json
import mmap
import os
import pathlib
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
os.environ.setdefault("MYELIN_BIN", str(ROOT / "build/bin"))
os.environ.setdefault("MYELIN_CORPORA", str(ROOT / "build/corpora"))
sys.path[:0] = [str(ROOT / "tests/system"), str(ROOT / "demo")]
import ct_study  # noqa: E402
import repair  # noqa: E402
from cluster import CORPORA, Cluster  # noqa: E402

MIB, GIB = 1 << 20, 1 << 30
N, K = 6, 3
LIMIT_MIB = 128
missed = []


def verdict(fine, what):
    """A target that was missed is said in the table and in the exit code."""
    if not fine:
        missed.append(what)
    return "ok" if fine else "MISSED"


def heading(text):
    print(f"\n== {text}", flush=True)


def table(rows):
    widths = [max(len(str(r[i])) for r in rows) for i in range(len(rows[0]))]
    for row in rows:
        cells = [str(c).ljust(w) if i == 0 else str(c).rjust(w) for i, (c, w) in enumerate(zip(row, widths))]
        print("  " + "  ".join(cells).rstrip(), flush=True)


def random_file(path, size):
    """`size` bytes that no codec shrinks."""
    with open(path, "wb") as out, open("/dev/urandom", "rb") as source:
        for _ in range(0, size, MIB):
            out.write(source.read(min(MIB, size)))
    return path


def claim_memory(size):
    """Takes and gives back `size` bytes. On a virtual machine, memory that was free for a while is the
    host's again, and the first touch of it costs more than all that is measured here."""
    with mmap.mmap(-1, size) as memory:
        for offset in range(0, size, mmap.PAGESIZE):
            memory[offset] = 1


def seconds(work):
    start = time.monotonic()
    work()
    return time.monotonic() - start


@contextlib.contextmanager
def work_folder(parent):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="myelin-bench-", dir=parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def running(folder, *users):
    cluster = Cluster(folder, storage=N, k=K).up()
    try:
        yield cluster.enroll(*users)
    finally:
        cluster.end()


# ------------------------------------------------------------------ (a) (b)

def bench_group(options):
    heading("GT exponentiation and re-encryption, beside plain square-and-multiply and one pairing")
    if subprocess.run([str(ROOT / "build/bench/group_bench")]).returncode != 0:
        missed.append("group")


# ------------------------------------------------------------------ (c)

def ceilings(folder):
    out = subprocess.run([str(ROOT / "build/bench/ceiling_bench"), str(folder), str(N), str(K)],
                         check=True, capture_output=True, text=True).stdout
    return json.loads(out)


def put_get_rates(cluster, source, runs, ceiling_folder):
    """One round a run, so that what the machine does meanwhile touches all figures alike."""
    size, puts, gets, limits = source.stat().st_size, [], [], []
    for i in range(runs):
        claim_memory(3 * size)
        limits.append(ceilings(ceiling_folder))
        claim_memory(3 * size)
        puts.append(seconds(lambda: cluster.put_raw(source, f"run {i}")))
        out = source.parent / "out"
        claim_memory(3 * size)
        gets.append(seconds(lambda: cluster.must("get", f"run {i}", "-o", out, user="alice")))
        same = subprocess.run(["cmp", str(source), str(out / source.name)]).returncode == 0
        assert same, "the bytes differ"
        shutil.rmtree(out)
        cluster.must("rm", f"run {i}", user="alice")
    middle = {name: statistics.median(limit[name] for limit in limits) for name in limits[0]}
    return size, statistics.median(puts), statistics.median(gets), middle


def bench_cluster(options):
    places = [("disk", ROOT / "build"), ("/dev/shm", pathlib.Path("/dev/shm"))]
    for place, parent in places:
        heading(f"put and get of {options.gib / GIB:.2g} GiB, n={N} k={K}, codec none, stores on {place}")
        with work_folder(parent) as stores, work_folder("/dev/shm") as local, \
                running(stores / "c", "alice") as cluster:
            cluster.put_raw = lambda path, image, c=cluster: c.must(
                "put", "--id", image, "--compress", "none", path, user="alice")
            source = random_file(local / "image.bin", options.gib)
            size, put, get, limit = put_get_rates(cluster, source, options.runs, stores)
        moved = size * N // K
        put_parts = [("AES-256-GCM", size, "aead"), ("SHA-256 of slices, client and server", 2 * moved, "hash"),
                     ("erasure code", size, "code"), ("TLS 1.3 over loopback", moved, "tls"),
                     ("durable writes", moved, "write")]
        get_parts = [("AES-256-GCM", size, "aead"), ("SHA-256 of slices", size, "hash"),
                     ("erasure code", size, "code"), ("TLS 1.3 over loopback", size, "tls")]
        print(f"  each alone, on {limit['cores']:.0f} cores:")
        table([("", "GB/s"), *[(what, f"{limit[key] / 1e9:.2f}") for what, _, key in put_parts]])
        rows = [("", "s", "MB/s", "ceiling s", "of ceiling", "target", "")]
        for name, took, parts in (("put", put, put_parts), ("get", get, get_parts)):
            ceiling = sum(amount / limit[key] for _, amount, key in parts)
            rows.append((name, f"{took:.2f}", f"{size / took / 1e6:.0f}", f"{ceiling:.2f}",
                         f"{ceiling / took:.2f}", ">= 0.50", verdict(ceiling / took >= 0.5, f"{name} {place}")))
        table(rows)


# ------------------------------------------------------------------ beside rclone and age

def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@contextlib.contextmanager
def webdav(folder):
    """One WebDAV server over TLS, as rclone serves it."""
    port, root = free_port(), folder / "dav"
    root.mkdir()
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ed25519", "-nodes", "-days", "2", "-subj",
                    "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout",
                    str(folder / "dav.key"), "-out", str(folder / "dav.crt")], check=True, capture_output=True)
    server = subprocess.Popen(["rclone", "serve", "webdav", str(root), "--addr", f"127.0.0.1:{port}",
                               "--cert", str(folder / "dav.crt"), "--key", str(folder / "dav.key"),
                               "--config", "/dev/null"], stderr=subprocess.DEVNULL)
    try:
        for _ in range(100):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            time.sleep(0.1)
        yield f"https://localhost:{port}", folder / "dav.crt"
    finally:
        server.kill()
        server.wait()


def rclone_config(folder, url):
    secret = subprocess.run(["rclone", "obscure", "correct horse battery"], check=True,
                            capture_output=True, text=True).stdout.strip()
    path = folder / "rclone.conf"
    path.write_text(f"[dav]\ntype = webdav\nurl = {url}\nvendor = other\n"
                    f"[sealed]\ntype = crypt\nremote = dav:\npassword = {secret}\n")
    return path


def shell(command):
    subprocess.run(["bash", "-o", "pipefail", "-ec", command], check=True, capture_output=True)


def alternatives(folder, source, url, certificate):
    """(name, put, get) as callables."""
    config = rclone_config(folder, url)
    rclone = f"rclone --config {config} --ca-cert {certificate}"
    key = folder / "age.key"
    shell(f"age-keygen -o {key}")
    reader = subprocess.run(["age-keygen", "-y", str(key)], check=True, capture_output=True,
                            text=True).stdout.strip()
    curl = f"curl -sSf --cacert {certificate}"
    return [
        ("rclone crypt, 1 server", lambda: shell(f"{rclone} copyto --ignore-times {source} sealed:image"),
         lambda: shell(f"{rclone} copyto sealed:image {folder}/out")),
        ("age + curl, 1 server", lambda: shell(f"age -r {reader} {source} | {curl} -T - {url}/image.age"),
         lambda: shell(f"{curl} {url}/image.age | age -d -i {key} -o {folder}/out")),
    ]


def bench_alternatives(options):
    heading(f"{options.gib / GIB:.2g} GiB beside what a user would pick instead (one server, no redundancy, "
            "nobody to forward to)")
    rows = [("", "put s", "get s", "bytes stored", "put, x Myelin", "get, x Myelin")]
    with work_folder(ROOT / "build") as stores, work_folder("/dev/shm") as local, \
            running(stores / "c", "alice") as cluster, webdav(stores) as (url, certificate):
        source = random_file(local / "image.bin", options.gib)
        rivals = [("Myelin, 6 servers, any 3 open", lambda: cluster.must(
            "put", "--id", "i", "--compress", "none", source, user="alice"),
            lambda: cluster.must("get", "i", "-o", local / "got", user="alice"))]
        rivals += alternatives(local, source, url, certificate)
        took = {name: ([], []) for name, _, _ in rivals}
        for _ in range(options.runs):
            for name, put, get in rivals:
                claim_memory(3 * options.gib)
                took[name][0].append(seconds(put))
                claim_memory(3 * options.gib)
                took[name][1].append(seconds(get))
                for left in (local / "got", local / "out"):
                    shutil.rmtree(left) if left.is_dir() else left.unlink(missing_ok=True)
            cluster.must("rm", "i", user="alice")
        ours = [statistics.median(t) for t in took[rivals[0][0]]]
        for i, (name, _, _) in enumerate(rivals):
            put, get = (statistics.median(t) for t in took[name])
            rows.append((name, f"{put:.2f}", f"{get:.2f}", f"{N / K if i == 0 else 1:.1f} x",
                         f"{put / ours[0]:.2f}", f"{get / ours[1]:.2f}"))
    table(rows)


# ------------------------------------------------------------------ (d)

FORWARDS = 25  # a forward takes a fifth of a second: many, in turn, so that noise touches all sizes alike


def forward_once(cluster, image):
    """(seconds, bytes that the owner sent)."""
    start = time.monotonic()
    answer = cluster.must("forward", image, "--to", "bob", "--json", user="alice").json()
    return time.monotonic() - start, sum(f["bytes"] for f in answer)


def by_hand(cluster, image, local):
    """Seconds of download + decrypt + encrypt + upload of the same image."""
    out = local / "plain"

    def work():
        cluster.must("get", image, "-o", out, user="alice")
        cluster.must("put", "--id", f"copy of {image}", "--compress", "none", *out.iterdir(), user="alice")

    took = seconds(work)
    shutil.rmtree(out)
    cluster.must("rm", f"copy of {image}", user="alice")
    return took


def bench_forward(options):
    heading("forward, beside download + decrypt + encrypt + upload of the same image")
    rows = [("image", "forward s", "owner's bytes", "by hand s", "by hand x")]
    medians = []
    with work_folder("/dev/shm") as local, running(local / "c", "alice", "bob") as cluster:
        sizes = [MIB, 32 * MIB, options.gib]
        for size in sizes:
            source = random_file(local / f"{size}.bin", size)
            cluster.must("put", "--id", f"{size}", "--compress", "none", source, user="alice")
            source.unlink()
        forwards = {size: [] for size in sizes}
        for _ in range(FORWARDS):
            for size in sizes:
                forwards[size].append(forward_once(cluster, f"{size}"))
        again = {size: statistics.median(by_hand(cluster, f"{size}", local) for _ in range(options.runs))
                 for size in sizes}
    for size in sizes:
        took, sent = (statistics.median(column) for column in zip(*forwards[size]))
        medians.append((took, sent))
        rows.append((f"{size // MIB} MiB", f"{took:.3f}", f"{sent:.0f}", f"{again[size]:.2f}",
                     f"{again[size] / took:.1f}"))
    table(rows)
    for what, column in (("time", 0), ("owner's bytes", 1)):
        values = [m[column] for m in medians]
        ratio = max(values) / min(values)
        print(f"  {what}: largest / smallest = {ratio:.2f}, target <= 1.10: {verdict(ratio <= 1.1, 'forward ' + what)}")


# ------------------------------------------------------------------ (e)

def bench_study(options):
    heading("a study of 300 DICOM files of 130 KB")
    rows = [("codec", "put s", "files/s", "get s", "files/s")]
    with work_folder(ROOT / "build") as stores, work_folder("/dev/shm") as local, \
            running(stores / "c", "alice") as cluster:
        study = ct_study.write_study(CORPORA / "Cranium.inv3", local / "ct", slices=300)
        files = sorted((local / "ct").iterdir())
        for codec in ("none", "zstd", "shuffle", "auto"):
            puts, gets = [], []
            for _ in range(options.runs):
                puts.append(seconds(lambda: cluster.must("put", "--compress", codec, *files, user="alice")))
                gets.append(seconds(lambda: cluster.must("get", study, "-o", local / "out", user="alice")))
                assert len(list((local / "out").iterdir())) == 300
                shutil.rmtree(local / "out")
                cluster.must("rm", study, user="alice")
            put, get = statistics.median(puts), statistics.median(gets)
            rows.append((codec, f"{put:.2f}", f"{300 / put:.0f}", f"{get:.2f}", f"{300 / get:.0f}"))
    table(rows)


# ------------------------------------------------------------------ (f)

def peak_of(command, cluster):
    """Runs a client; its peak resident memory in MiB."""
    process = cluster.start(*command, user="alice")
    process.stdout.close()
    process.stderr.close()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, command
    return usage.ru_maxrss / 1024


def peak_of_daemon(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def bench_memory(options):
    heading(f"peak memory of every process, put and get of {4 * options.gib / GIB:.2g} GiB")
    with work_folder(ROOT / "build") as stores, running(stores / "c", "alice") as cluster:
        source = random_file(stores / "image.bin", 4 * options.gib)
        peaks = {
            "myelin put": peak_of(["put", "--id", "i", "--compress", "none", source], cluster),
            "myelin get": peak_of(["get", "i", "-o", stores / "out"], cluster),
        }
        servers = [f"storage-{j + 1}" for j in range(N)] + [f"key-{j + 1}" for j in range(5)]
        peaks |= {server: peak_of_daemon(cluster.pid(server)) for server in servers}
    rows = [("process", "MiB", f"target <= {LIMIT_MIB}")]
    rows += [(name, f"{peak:.0f}", verdict(peak <= LIMIT_MIB, f"memory {name}")) for name, peak in peaks.items()]
    table(rows)


# ------------------------------------------------------------------ repair

def bench_repair(options):
    size = options.gib // 4
    heading(f"repair of one server's slices of an image of {size / MIB:.0f} MiB, n = {N}, k = {K}")
    with work_folder(ROOT / "build") as folder, running(folder / "c", "alice") as cluster:
        source = random_file(folder / "image.bin", size)
        cluster.must("put", "--id", "i", "--compress", "none", source, user="alice")
        image = next(cluster.store("storage-2").glob("images/*/*")).name
        sources = [f"storage-{i}" for i in (1, 3, 4)][:K]
        (took, read, written), fetched = repair.measure(cluster, "storage-2", sources, image, options.runs)
    ratio = read / written
    table([("", "repair", "optimum", "ratio", ""),
           ("bytes read per byte written", f"{ratio:.3f}", f"{K}", f"{ratio / K:.3f}",
            verdict(ratio <= 1.01 * K, "repair traffic")),
           ("seconds, beside fetching k slices alone", f"{took:.2f}", f"{fetched:.2f}", f"{took / fetched:.2f}", "")])


def bench_hospital(options):
    """In a process of its own: it moves into other network namespaces."""
    command = [str(ROOT / "tests/torture/as_root.sh"), "/usr/bin/python3", str(ROOT / "bench/hospital.py"),
               "--runs", str(options.runs)]
    if subprocess.run(command).returncode != 0:
        missed.append("hospital")


BENCHES = {"group": bench_group, "cluster": bench_cluster, "alternatives": bench_alternatives,
           "forward": bench_forward, "study": bench_study, "memory": bench_memory, "repair": bench_repair,
           "hospital": bench_hospital}


def main():
    parser = argparse.ArgumentParser(prog="./run bench", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", choices=[*BENCHES, []])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--small", action="store_true")
    options = parser.parse_args()
    options.gib = GIB // 16 if options.small else GIB
    model = [l.split(":")[1].strip() for l in open("/proc/cpuinfo") if l.startswith("model name")]
    print(f"{len(model)} x {model[0]}; medians of {options.runs} runs")
    for name in options.names or BENCHES:
        BENCHES[name](options)
    print(f"\n{len(missed)} targets missed" + (": " + ", ".join(missed) if missed else ""))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
