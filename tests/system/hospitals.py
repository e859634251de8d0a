"""Two hospitals and one Myelin system, each in a network of its own:

    middle  10.77.0.1                 the storage and key servers
    a       10.77.1.2 -- 10.77.1.1    hospital A's Orthanc and its clients
    b       10.77.2.2 -- 10.77.2.1    hospital B's
    a 10.77.3.1 -- 10.77.3.2 b        so that one can send to the other by DICOM

Networks need root; they go when this process ends."""
import contextlib
import ctypes
import os
import signal
import subprocess

from cluster import Cluster
from gateway import DICOMWEB, Gateway, enter_own_network

MIDDLE, STORAGE, K, KEY, THRESHOLD = "10.77.0.1", 6, 3, 5, 3
PEER = {"a": "10.77.3.1", "b": "10.77.3.2"}
CLONE_NEWNET, PR_SET_PDEATHSIG = 0x40000000, 1


def run(*words):
    subprocess.run(words, check=True)


class Network:
    """A namespace that a sleeping process holds; `with network:` is inside, for this thread."""
    libc = ctypes.CDLL(None, use_errno=True)

    def __init__(self):
        def own():
            self.libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            enter_own_network()
        self.holder = subprocess.Popen(["sleep", "infinity"], preexec_fn=own)
        self.inside = os.open(f"/proc/{self.holder.pid}/ns/net", os.O_RDONLY)
        self.outside = []

    def __enter__(self):
        self.outside.append(os.open("/proc/thread-self/ns/net", os.O_RDONLY))
        self.set(self.inside)

    def __exit__(self, *_):
        before = self.outside.pop()
        self.set(before)
        os.close(before)

    def set(self, space):
        if self.libc.setns(space, CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")

    def address(self, device, address):
        with self:
            run("ip", "address", "add", address, "dev", device)
            run("ip", "link", "set", device, "up")

    def end(self):
        self.holder.kill()
        self.holder.wait()
        os.close(self.inside)


class HospitalGateway(Gateway):
    """A gateway whose clients are inside its hospital."""

    def __init__(self, network, *args, **more):
        self.network = network
        super().__init__(*args, **more)

    def spawn(self):
        with self.network:
            return super().spawn()

    def start(self):
        with self.network:
            return super().start()

    def request(self, *args, **more):
        with self.network:
            return super().request(*args, **more)

    def store(self, *args, **more):
        with self.network:
            return super().store(*args, **more)

    def client(self, *words, timeout=60, path="", **more):
        """A program beside this Orthanc, of DICOM or in Python (`path`: its modules); gives what it did."""
        with self.network:
            return subprocess.run([str(w) for w in words], capture_output=True, text=True, timeout=timeout,
                                  env={**os.environ, "TCP_NODELAY": "1", "PYTHONPATH": str(path)}, **more)


class Hospitals:
    """Networks and the system; gateways are made with `gateway`. The thread that makes it moves into the
    middle network."""

    def __init__(self, folder, users=("alice", "bob", "carol")):
        enter_own_network()
        run("ip", "address", "add", f"{MIDDLE}/32", "dev", "lo")
        self.networks = {"a": Network(), "b": Network()}
        self.gateways = []
        self.cluster = Cluster(folder, storage=STORAGE, k=K, key=KEY, threshold=THRESHOLD)
        self.cluster.shape += ["--addresses", ",".join(f"{MIDDLE}:{7500 + i}" for i in range(STORAGE + KEY))]
        try:
            self.join()
            self.cluster.up().enroll(*users)
        except BaseException:
            self.end()
            raise

    def join(self):
        for i, (name, network) in enumerate(self.networks.items(), start=1):
            run("ip", "link", "add", f"to-{name}", "type", "veth", "peer", "name", "line", "netns", str(network.holder.pid))
            run("ip", "address", "add", f"10.77.{i}.1/24", "dev", f"to-{name}")
            run("ip", "link", "set", f"to-{name}", "up")
            network.address("line", f"10.77.{i}.2/24")
            with network:
                run("ip", "route", "add", "default", "via", f"10.77.{i}.1")
        a, b = self.networks["a"], self.networks["b"]
        with a:
            run("ip", "link", "add", "peer", "type", "veth", "peer", "name", "peer", "netns", str(b.holder.pid))
        a.address("peer", PEER["a"] + "/24")
        b.address("peer", PEER["b"] + "/24")

    def gateway(self, side, user, start=True, orthanc=None, **more):
        """Hospital `side`'s Orthanc; it knows the other one as a DICOM modality and by DICOMweb."""
        other = "b" if side == "a" else "a"
        knows = {"DicomAet": f"HOSPITAL-{side.upper()}",
                 "DicomModalities": {"other": [f"HOSPITAL-{other.upper()}", PEER[other], 4242],
                                     "client": ["CLIENT", "127.0.0.1", 11112]},
                 "DicomWeb": {"Servers": {"other": {"Url": f"http://{PEER[other]}:8042/dicom-web/"}}},
                 "DicomAlwaysAllowFind": True, "DicomAlwaysAllowGet": True, "DicomAlwaysAllowMove": True,
                 **(orthanc or {})}
        one = HospitalGateway(self.networks[side], self.cluster, user, orthanc=knows, **more)
        one.aet = knows["DicomAet"]
        self.gateways.append(one)
        return one.start() if start else one

    def plain(self, side, name="plain", http=8050, dicom=4250, start=True, **orthanc):
        """An Orthanc without Myelin: what the others are compared with, and a DICOMweb client of theirs,
        whom it knows as the server "gateway"."""
        servers = {"gateway": {"Url": "http://127.0.0.1:8042/dicom-web/", "HasDelete": True}}
        knows = {"Plugins": [str(DICOMWEB)], "DicomAet": "PLAIN", "DicomWeb": {"Servers": servers},
                 "DicomAlwaysAllowFind": True, "DicomAlwaysAllowGet": True, **orthanc}
        one = HospitalGateway(self.networks[side], self.cluster, "nobody", name=name, http=http, dicom=dicom, orthanc=knows)
        del one.configuration["Myelin"]
        one.aet, one.sanitizer = knows["DicomAet"], {}
        self.gateways.append(one)
        return one.start() if start else one

    def end(self):
        for one in self.gateways:
            with contextlib.suppress(Exception):
                one.kill()
        self.cluster.end()
        for network in self.networks.values():
            network.end()
