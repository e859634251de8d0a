"""Orthanc with the plugin: what a hospital's DICOM node does, and what happens to it."""
import subprocess
import sys
import time

import pydicom
import pytest
from cluster import CORPORA, Cluster
from gateway import REMOVAL_S, SPOOL_AGAIN_S, SPOOL_S, Gateway, enter_own_network

import pathlib
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "demo"))
import ct_study  # noqa: E402

SLICES = 8


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    enter_own_network()
    with_users = Cluster(tmp_path_factory.mktemp("orthanc"))
    try:
        yield with_users.up().enroll("alice", "bob")
    finally:
        with_users.end()


@pytest.fixture
def gateway(cluster):
    """A factory of running gateways, all stopped at the end of the test."""
    made = []

    def make(user="alice", start=True, **options):
        one = Gateway(cluster, user, name=f"orthanc-{time.monotonic_ns()}", **options)
        made.append(one)
        return one.start() if start else one

    yield make
    for one in made:
        one.kill()


def study(cluster, number, slices=SLICES):
    """A folder with a study of its own, and its UID."""
    folder = cluster.folder / f"study-{number}"
    return folder, ct_study.write_study(CORPORA / "Cranium.inv3", folder, slices, f"{ct_study.STUDY}.{number}")


def pixels(data):
    return pydicom.dcmread(pydicom.filebase.DicomBytesIO(data)).PixelData


def contents(folder):
    """{SOPInstanceUID: pixels} of a folder's files."""
    return {d.SOPInstanceUID: d.PixelData for d in map(pydicom.dcmread, sorted(folder.iterdir()))}


def stored(node):
    """{SOPInstanceUID: pixels} of what Orthanc gives back; fails where it gives less than it lists."""
    found = {}
    for instance in node.instances():
        data = node.file(instance)
        assert data is not None, node.log()[-3000:]
        dicom = pydicom.dcmread(pydicom.filebase.DicomBytesIO(data))
        found[dicom.SOPInstanceUID] = dicom.PixelData
    return found


def images(cluster, user="alice"):
    return {i["id"]: i for i in cluster.must("ls", "--json", user=user).json()}


@pytest.mark.parametrize("policy", ["durable", "spool"])
def test_what_is_stored_comes_back_and_what_is_deleted_leaves_nothing(cluster, gateway, policy):
    folder, uid = study(cluster, f"1{policy == 'spool':d}")
    node = gateway(policy=policy)
    node.store(folder)
    node.store(folder)  # again: Orthanc has them, nothing is stored twice
    assert stored(node) == contents(folder)
    node.wait(lambda: images(cluster).get(uid, {}).get("objects") == SLICES, SPOOL_S)

    # Tags cost no network: the servers may all be dead.
    cluster.freeze(*(f"storage-{i}" for i in range(1, 7)))
    try:
        found = node.post("/tools/find", {"Level": "Instance", "Query": {"InstanceNumber": "3"}, "Expand": True})
        assert len(found) == 1
        assert node.get(f"/instances/{found[0]['ID']}/tags?simplify")["Rows"] == "256"
    finally:
        cluster.thaw(*(f"storage-{i}" for i in range(1, 7)))

    # WADO-RS of the whole series, after a restart, so from the servers.
    node.kill()
    node.start()
    status, body = node.request("GET", f"/dicom-web/studies/{uid}", headers={"Accept": "multipart/related"})
    assert status == 200 and body.count(b"DICM") == SLICES
    assert stored(node) == contents(folder)

    node.delete(f"/instances/{node.instances()[0]}")
    assert len(stored(node)) == SLICES - 1
    node.delete(f"/studies/{node.get('/studies')[0]}")
    node.wait(lambda: uid not in images(cluster), REMOVAL_S)
    node.store(next(folder.iterdir()))
    assert len(stored(node)) == 1
    assert "ALARM" not in node.log()


@pytest.mark.parametrize("policy", ["durable", "spool"])
def test_a_killed_orthanc_loses_nothing_that_it_acknowledged(cluster, gateway, policy):
    folder, _ = study(cluster, f"2{policy == 'spool':d}")
    node = gateway(policy=policy)
    sending = subprocess.Popen(["storescu", "+sd", "-v", "-aec", node.aet, "127.0.0.1", str(node.dicom), str(folder)],
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    acknowledged = 0
    for line in sending.stdout:
        acknowledged += "Received Store Response (Success)" in line
        if acknowledged == 5:
            break
    node.kill()
    sending.stdout.read()
    sending.wait(10)
    node.start()
    kept = stored(node)
    assert len(kept) >= 5 and kept.items() <= contents(folder).items()
    node.store(folder)
    assert stored(node) == contents(folder)
    node.stop()
    node.start()
    assert stored(node) == contents(folder)


def test_the_spool_waits_for_dead_servers_and_survives_a_kill(cluster, gateway):
    folder, uid = study(cluster, 3)
    too_much, _ = study(cluster, 31)
    node = gateway(policy="spool", SpoolLimitMB=2, SpoolWaitSeconds=1)
    cluster.down()
    try:
        node.store(folder)
        assert stored(node) == contents(folder)
        assert len(list((node.state / "spool").iterdir())) == SLICES
        secret = next(iter(contents(folder).values()))[:64]
        assert not any(secret in p.read_bytes() for p in (node.state / "spool").iterdir())
        node.kill()
        node.start()  # Orthanc starts without any server
        assert stored(node) == contents(folder)
        backlog = node.get("/myelin/status")["Spool"]
        assert backlog["Attachments"] == SLICES and "storage" in backlog["Trouble"]
        node.store(too_much, code=None)  # 132 KB each: the last does not fit into 2 MB
        assert len(node.instances()) == 2 * SLICES - 1 and "the spool is full" in node.log()
    finally:
        cluster.up()
    node.wait(lambda: not list((node.state / "spool").iterdir()), SPOOL_AGAIN_S)
    assert images(cluster)[uid]["objects"] == SLICES
    assert contents(folder).items() <= stored(node).items()


def test_without_servers_durable_refuses_and_orthanc_still_starts(cluster, gateway):
    folder, _ = study(cluster, 4, slices=1)
    cluster.down()
    try:
        node = gateway(policy="durable")
        node.store(folder, code=None)
        assert node.instances() == []
        assert "could not be stored" in node.log()
    finally:
        cluster.up()
    node.store(folder)
    assert stored(node) == contents(folder)


@pytest.mark.parametrize("wrong, says", [
    ({"WritePolici": "spool"}, "WritePolici"), ({"policy": "sometimes"}, "WritePolicy"),
    ({"SpoolLimitMB": "many"}, "SpoolLimitMB"), ({"User": "nobody"}, "nobody"),
    ({"Rules": [{"Modality": "CT"}]}, "ForwardTo"), ({"PassphraseFile": "/nowhere"}, "/nowhere")])
def test_a_wrong_configuration_is_refused_by_name(gateway, wrong, says):
    node = gateway(start=False, **wrong)
    node.spawn()
    node.wait(lambda: "Orthanc has stopped" in node.log())
    assert says in node.log() and "server listening" not in node.log()


def test_broken_dicom_is_refused_and_odd_dicom_is_kept(cluster, gateway):
    node = gateway()
    folder, _ = study(cluster, 5, slices=1)
    good = next(folder.iterdir()).read_bytes()
    for broken in (b"no DICOM at all", good[:200], b"\0" * 128 + b"DICM" + b"\xff" * 500, b""):
        status, _ = node.request("POST", "/instances", broken)
        assert status >= 400
    dicom = pydicom.dcmread(next(folder.iterdir()))
    dicom.PatientName = "<script>alert(1)</script>^\u2028"
    dicom.StudyInstanceUID = "../../1.2.3' OR 1=1"
    dicom.SOPInstanceUID = dicom.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4.5"
    odd = folder / "odd.dcm"
    dicom.save_as(odd)
    status, body = node.request("POST", "/instances", odd.read_bytes())
    assert status == 200, body
    assert stored(node)["1.2.3.4.5"] == dicom.PixelData
    status, _ = node.request("PUT", f"/instances/{node.instances()[0]}/attachments/1025", b"a report")
    assert status == 200
    status, body = node.request("GET", f"/instances/{node.instances()[0]}/attachments/1025/data")
    assert (status, body) == (200, b"a report")
    node.kill()
    node.start()
    assert stored(node)["1.2.3.4.5"] == dicom.PixelData
    assert node.request("GET", f"/instances/{node.instances()[0]}/attachments/1025/data")[1] == b"a report"
