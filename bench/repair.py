"""Repair at one server beside its optimum: k slices read for each slice written, and the time of just
fetching these with curl from the same servers."""
import pathlib
import re
import subprocess
import time


class Peer:
    """Asks storage servers as another one of them does, with its certificate."""

    def __init__(self, cluster, name):
        self.cluster = cluster
        config = cluster.system / "config" / name
        self.curl = ["curl", "-sS", "--fail", "--cert", config / "certificate.pem", "--key",
                     config / "key.pem", "--cacert", cluster.system / "manager" / "ca.crt.pem"]

    def port(self, server):
        return re.findall(r"event=ready name=\S+ port=(\d+)", self.cluster.log(server))[-1]

    def start(self, server, path, *options):
        port = self.port(server)
        return subprocess.Popen([*map(str, self.curl), "--resolve", f"{server}:{port}:127.0.0.1", *options,
                                 f"https://{server}:{port}/v1/images/{path}"], stdout=subprocess.PIPE)

    def ask(self, server, path, *options):
        process = self.start(server, path, *options)
        out, _ = process.communicate()
        if process.returncode != 0:
            raise SystemExit(f"curl {server} {path}: exit {process.returncode}")
        return out


def numbers(message):
    """The plain numbers of a protobuf message, by field."""
    def varint(at):
        value = shift = 0
        while True:
            byte = message[at]
            value |= (byte & 127) << shift
            at, shift = at + 1, shift + 7
            if byte < 128:
                return value, at
    found, at = {}, 0
    while at < len(message):
        key, at = varint(at)
        value, at = varint(at)
        if key & 7 == 2:
            at += value
        else:
            found[key >> 3] = value
    return found


def repair_once(peer, victim, image):
    """(seconds, bytes read from others, bytes written)"""
    read = written = 0
    after = ""
    start = time.monotonic()
    while True:
        answer = peer.ask(victim, f"{image}/repair{after}", "-X", "POST")
        found = numbers(answer)
        read, written = read + found.get(2, 0), written + found.get(3, 0)
        if b"\x22\x10" != answer[-18:-16]:  # the field `after`, which says that there is more
            return time.monotonic() - start, read, written
        after = "?after=" + answer[-16:].hex()


def fetch_once(peer, sources, image, objects):
    """Seconds to fetch all slices of these servers, all at once, to nowhere."""
    start = time.monotonic()
    for name in objects:
        processes = [peer.start(server, f"{image}/objects/{name}/symbol", "-o", "/dev/null") for server in sources]
        if any(process.wait() != 0 for process in processes):
            raise SystemExit("curl: a slice could not be fetched")
    return time.monotonic() - start


def measure(cluster, victim, sources, image, runs):
    """The best of `runs`: repair's time, bytes read and written, and the time of the fetch alone."""
    folder = next(cluster.store(victim).glob(f"images/*/{image}"))
    objects = [p.name.split(".")[0] for p in folder.glob("*.slices")]
    peer, repairs, fetches = Peer(cluster, sources[0]), [], []
    victim_peer = Peer(cluster, victim)
    for _ in range(runs):
        for path in folder.glob("*.slices"):
            pathlib.Path(path).unlink()
        repairs.append(repair_once(peer, victim, image))
        fetches.append(fetch_once(victim_peer, sources, image, objects))
    return min(repairs), min(fetches)
