#!/usr/bin/python3
"""Two hospitals on this machine: two Orthancs with the plugin, one Myelin system, each in a network of its
own that nothing outside reaches. The browser gets to them by a relay on loopback. Usage: ./run hospital
[--empty] [--policy durable|spool] [FOLDER]; Control-C ends and removes all, but a FOLDER that was given."""
import argparse
import os
import pathlib
import shutil
import signal
import socket
import sys
import tempfile
import threading

ROOT = pathlib.Path(__file__).resolve().parents[1]
os.environ.setdefault("MYELIN_BIN", str(ROOT / "build/bin"))
os.environ.setdefault("MYELIN_CORPORA", str(ROOT / "build/corpora"))
sys.path.insert(0, str(ROOT / "tests/system"))
import ct_study  # noqa: E402
from cluster import CORPORA  # noqa: E402
from hospitals import Hospitals  # noqa: E402

USERS = {"a": "st-mary", "b": "st-luke"}
HTTP = {"a": 8042, "b": 8043}
DICOM = {"a": 4242, "b": 4243}


def copy(source, target):
    try:
        while data := source.recv(1 << 16):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        target.close()


def serve(listening, network, port):
    """Connections to `listening`, made outside, go to `port` inside the network."""
    while True:
        outer, _ = listening.accept()
        try:
            with network:
                inner = socket.create_connection(("127.0.0.1", port), 5)
        except OSError:
            outer.close()
            continue
        for one in (outer, inner):
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            one.settimeout(None)
        threading.Thread(target=copy, args=(outer, inner), daemon=True).start()
        threading.Thread(target=copy, args=(inner, outer), daemon=True).start()


def listen(port):
    try:
        return socket.create_server(("127.0.0.1", port))
    except OSError as error:
        sys.exit(f"hospital: port {port} of this machine: {error.strerror}; stop what uses it")


def open_doors(hospitals, doors):
    for side, (http, dicom) in doors.items():
        for listening, port in ((http, 8042), (dicom, 4242)):
            threading.Thread(target=serve, args=(listening, hospitals.networks[side], port), daemon=True).start()


def fill(hospitals, gateways):
    """A CT at A, forwarded to B: there is something to look at."""
    folder = hospitals.cluster.folder / "ct"
    ct_study.write_study(CORPORA / "Cranium.inv3", folder)
    gateways["a"].store(folder)
    study = gateways["a"].get("/studies")[0]
    gateways["a"].post("/myelin/forward", {"Study": study, "To": [USERS["b"]]})


def bring_up(folder, options, doors):
    hospitals = Hospitals(folder, users=USERS.values())
    try:
        gateways = {side: hospitals.gateway(side, user, policy=options.policy, name=f"orthanc-{side}")
                    for side, user in USERS.items()}
        open_doors(hospitals, doors)
        if not options.empty and not gateways["a"].instances():
            fill(hospitals, gateways)
    except BaseException:
        hospitals.end()
        raise
    return hospitals


def tell(folder):
    for side, user in USERS.items():
        print(f"hospital {side.upper()} ({user}):  http://127.0.0.1:{HTTP[side]}/   DICOM: 127.0.0.1:{DICOM[side]}, "
              f"AET HOSPITAL-{side.upper()}")
    print(f"files: {folder}\nControl-C ends both.", flush=True)


def main():
    parser = argparse.ArgumentParser(prog="./run hospital", description=__doc__)
    parser.add_argument("folder", nargs="?", type=pathlib.Path)
    parser.add_argument("--empty", action="store_true", help="without the CT that A has and forwards to B")
    parser.add_argument("--policy", choices=("durable", "spool"), default="durable")
    options = parser.parse_args()
    folder = (options.folder or pathlib.Path(tempfile.mkdtemp(prefix="myelin-hospital-"))).resolve()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        doors = {side: (listen(HTTP[side]), listen(DICOM[side])) for side in USERS}
        hospitals = bring_up(folder, options, doors)
        try:
            tell(folder)
            signal.pause()
        finally:
            for one in hospitals.gateways:
                one.stop()
            hospitals.end()
    except KeyboardInterrupt:
        print("ended", flush=True)
    finally:
        if options.folder is None:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
