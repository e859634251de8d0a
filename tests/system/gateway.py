"""A real Orthanc with the plugin, in a network of its own: Orthanc listens on every address there is."""
import ctypes
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

from cluster import BIN, preload

PLUGIN = BIN.parent / "lib" / "libmyelin-orthanc.so"
ORTHANC = shutil.which("Orthanc", path="/usr/sbin:/usr/bin")
DICOMWEB = pathlib.Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
CLONE_NEWNET = 0x40000000

# What the plugin promises to do by itself, and how soon; docs/ORTHANC.md, "How soon".
INBOX_S = 1  # as these gateways are configured
SPOOL_S, SPOOL_AGAIN_S, TWICE_S, REMOVAL_S, RULES_S, SERVERS_S = 3, 30, 13, 4, 3, 3


def enter_own_network():
    """This process and its children get a loopback of their own, which goes when they end."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


class Gateway:
    """Orthanc as `user` of a cluster."""

    def __init__(self, cluster, user, name=None, http=8042, dicom=4242, policy="durable", orthanc=None, **myelin):
        self.cluster, self.user, self.http, self.dicom = cluster, user, http, dicom
        self.folder = cluster.folder / (name or f"orthanc-{user}")
        self.state = self.folder / "myelin"
        self.aet = f"GW{http}"
        self.process = None
        self.sanitizer = preload(PLUGIN)
        self.own_s = 30 if self.sanitizer else 10  # what a busy machine may take for work on top of a promise
        self.configuration = {
            "Name": user, "StorageDirectory": str(self.folder / "files"),
            "IndexDirectory": str(self.folder / "index"), "HttpPort": http, "DicomPort": dicom,
            "DicomAet": self.aet, "RemoteAccessAllowed": True, "AuthenticationEnabled": False,
            "DicomAlwaysAllowStore": True, "MaximumStorageCacheSize": 0, "StableAge": 1,
            "Plugins": [str(PLUGIN), str(DICOMWEB)],
            "Myelin": {"System": str(cluster.system), "User": user, "Home": str(cluster.home),
                       "PassphraseFile": str(cluster.passphrase), "Folder": str(self.state),
                       "WritePolicy": policy, "InboxSeconds": INBOX_S, **myelin},
            # What an Orthanc with a sanitizer in it cannot do: switch the locale, tune malloc.
            **({"Locale": "C", "MallocArenaMax": 0} if self.sanitizer else {}),
            **(orthanc or {})}

    # -------------------------------------------------------------- life

    def spawn(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "orthanc.json").write_text(json.dumps(self.configuration))
        log = open(self.folder / "log", "ab")
        self.process = subprocess.Popen(
            [ORTHANC, str(self.folder / "orthanc.json")], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            env={**self.cluster.environment(), **self.sanitizer, "TCP_NODELAY": "1"})
        log.close()
        return self.process

    def start(self):
        self.spawn()
        end = time.monotonic() + 2 * self.own_s
        while True:
            assert self.process.poll() is None, f"Orthanc ended: {self.log()[-3000:]}"
            try:
                with socket.create_connection(("127.0.0.1", self.dicom), 1), \
                        socket.create_connection(("127.0.0.1", self.http), 1):
                    self.get("/system")
                    return self
            except (OSError, urllib.error.URLError):
                assert time.monotonic() < end, f"Orthanc does not answer: {self.log()[-3000:]}"
                time.sleep(0.05)

    def stop(self, number=signal.SIGTERM, timeout=20):
        if self.process is None:
            return
        stops = self.log().count("Orthanc has stopped")
        if self.process.poll() is None:
            self.process.send_signal(number)
        if self.sanitizer and number != signal.SIGKILL:
            # With a sanitizer's locale functions, libraries that end after Orthanc wait for ever.
            self.wait(lambda: self.log().count("Orthanc has stopped") > stops or self.process.poll() is not None,
                      timeout)
            self.process.kill()
        self.process.wait(timeout)
        self.process = None

    def kill(self):
        self.stop(signal.SIGKILL)

    def log(self):
        return (self.folder / "log").read_text(errors="replace")

    # -------------------------------------------------------------- REST

    def request(self, method, path, body=None, headers=(), timeout=60):
        """Status, body."""
        if body is not None and not isinstance(body, bytes):
            body, headers = json.dumps(body).encode(), {"Content-Type": "application/json", **dict(headers)}
        request = urllib.request.Request(f"http://127.0.0.1:{self.http}{path}", method=method, data=body,
                                         headers=dict(headers))
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def get(self, path, **more):
        status, body = self.request("GET", path, **more)
        assert status == 200, (path, status, body, self.log()[-2000:])
        return json.loads(body)

    def post(self, path, body, code=200, **more):
        status, answer = self.request("POST", path, body, **more)
        assert code is None or status == code, (path, status, answer, self.log()[-2000:])
        return json.loads(answer) if answer else None

    def delete(self, path):
        status, body = self.request("DELETE", path)
        assert status == 200, (path, status, body)

    # -------------------------------------------------------------- DICOM

    def store(self, *files, code=0, timeout=120):
        """C-STORE by storescu; gives the time it took."""
        start = time.monotonic()
        done = subprocess.run(["storescu", "+sd", "+r", "-aec", self.aet, "127.0.0.1", str(self.dicom),
                               *map(str, files)], env={**os.environ, "TCP_NODELAY": "1"},
                              capture_output=True, text=True, timeout=timeout)
        assert code is None or done.returncode == code, done.stdout + done.stderr + self.log()[-2000:]
        return time.monotonic() - start

    def instances(self):
        return self.get("/instances")

    def file(self, instance):
        status, body = self.request("GET", f"/instances/{instance}/file")
        return body if status == 200 else None

    def wait(self, what, within=0):
        """Until it is true: what the plugin does within so many seconds."""
        end = time.monotonic() + within + self.own_s
        while not (value := what()):
            assert time.monotonic() < end, self.log()[-3000:]
            time.sleep(0.05)
        return value
