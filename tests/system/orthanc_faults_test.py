"""Two hospitals while things break: as many servers dead as may be, all of them, a killed plugin, a full disk.
What is asked every time: does any instance silently go missing?"""
import http.client
import io
import json
import shutil
import subprocess
import threading
import time
import zipfile

import pydicom
import pytest
from cluster import CORPORA
from gateway import SERVERS_S, SPOOL_AGAIN_S, SPOOL_S
from hospitals import K, KEY, STORAGE, THRESHOLD, Hospitals
from orthanc_test import contents, ct_study, stored

SLICES = 16
DEAD = [f"storage-{i + 1}" for i in range(STORAGE - K)] + [f"key-{i + 1}" for i in range(KEY - THRESHOLD)]


@pytest.fixture(scope="module")
def hospitals(tmp_path_factory):
    made = Hospitals(tmp_path_factory.mktemp("hospitals"))
    yield made
    made.end()


@pytest.fixture
def gateway(hospitals):
    """A factory; the gateways end with the test, and servers that are dead come back."""
    made = []

    def make(side, user, **options):
        made.append(hospitals.gateway(side, user, name=f"orthanc-{time.monotonic_ns()}", **options))
        return made[-1]

    yield make
    for one in made:
        one.kill()
    hospitals.cluster.up()


def study(hospitals, number, slices=SLICES):
    folder = hospitals.cluster.folder / f"study-{number}"
    return folder, ct_study.write_study(CORPORA / "Cranium.inv3", folder, slices, f"{ct_study.STUDY}.7{number}")


def answers(node, uid, number):
    """How many instances a series has by each way of asking that leaves out in silence what it cannot read."""
    one = node.get("/studies")[0]
    zipped = zipfile.ZipFile(io.BytesIO(node.request("GET", f"/studies/{one}/archive")[1]))
    status, wado = node.request("GET", f"/dicom-web/studies/{uid}", headers={"Accept": "multipart/related"})
    assert status == 200
    return [len(zipped.namelist()), wado.count(b"DICM"), len(stored(node))] == [number] * 3


def test_with_as_many_servers_dead_as_may_be_nothing_is_missing(hospitals, gateway):
    """n - k storage servers and m - t key servers: what is there is read, and the spool takes what comes."""
    a, b = gateway("a", "alice", policy="spool"), gateway("b", "bob")
    folder, uid = study(hospitals, 1)
    a.store(folder)
    a.wait(lambda: a.get("/myelin/status")["Spool"]["Attachments"] == 0, SPOOL_S)
    a.post("/myelin/forward", {"Study": a.get("/studies")[0], "To": ["bob"]})
    assert b.post("/myelin/accept", {"Owner": "alice", "Image": uid})["Imported"] == SLICES
    a.kill()
    hospitals.cluster.kill(*DEAD)
    a.start()
    for node in (a, b):
        assert answers(node, uid, SLICES), node.log()[-3000:]
        assert stored(node) == contents(folder)
    other, _ = study(hospitals, 2, 6)
    a.store(other)
    assert stored(a) == contents(folder) | contents(other)
    assert "ALARM" not in a.log() + b.log()


def test_with_all_servers_dead_the_spool_receives_and_readers_are_told(hospitals, gateway):
    a, b = gateway("a", "alice", policy="spool"), gateway("b", "bob")
    folder, uid = study(hospitals, 3)
    a.store(folder)
    a.wait(lambda: a.get("/myelin/status")["Spool"]["Attachments"] == 0, SPOOL_S)
    a.post("/myelin/forward", {"Study": a.get("/studies")[0], "To": ["bob"]})
    assert b.post("/myelin/accept", {"Owner": "alice", "Image": uid})["Imported"] == SLICES
    hospitals.cluster.down()
    late, late_uid = study(hospitals, 4, 6)
    a.store(late)
    assert of_study(a, late_uid) == contents(late)
    # What cannot be read is an error with a status of its own, an alarm and a counter; never other bytes.
    one = b.instances()[0]
    status, _ = b.request("GET", f"/instances/{one}/file", timeout=120)
    assert status >= 400
    assert "ALARM" in b.log() and b.get("/myelin/status", timeout=120)["ReadFailures"] >= 1
    # The index still counts all of them: a client that compares sees the gap.
    assert b.get(f"/studies/{b.get('/studies')[0]}/statistics")["CountInstances"] == SLICES
    hospitals.cluster.up()
    b.wait(lambda: b.file(one) is not None)
    assert stored(b) == contents(folder)
    a.wait(lambda: a.get("/myelin/status")["Spool"]["Attachments"] == 0, SPOOL_AGAIN_S)
    a.kill()
    a.start()
    assert stored(a) == contents(folder) | contents(late)


def whole(node, path, body=None, accept="*/*"):
    """How many instances an answer has; None where it is an error, or is no whole ZIP file or multipart."""
    method, headers = ("GET", {"Accept": accept}) if body is None else ("POST", {})
    status, answer = node.request(method, path, body, headers=headers)
    if status != 200:
        return None
    if answer.startswith(b"--"):
        boundary = answer[2:answer.index(b"\r\n")]
        return answer.count(b"DICM") if answer.endswith(b"--" + boundary + b"--\r\n") else None
    if not zipfile.is_zipfile(io.BytesIO(answer)):
        return None
    return sum(not name.endswith("DICOMDIR") for name in zipfile.ZipFile(io.BytesIO(answer)).namelist())


def exports(node, uid, *ways):
    """How many instances each way to get a whole study gives."""
    patient, one, series = (node.get(f"/{level}")[0] for level in ("patients", "studies", "series"))
    dicom = "multipart/related; type=application/dicom"
    known = {"patient archive": lambda: whole(node, f"/patients/{patient}/archive"),
             "study archive": lambda: whole(node, f"/studies/{one}/archive"),
             "series media": lambda: whole(node, f"/series/{series}/media"),
             "create": lambda: whole(node, "/tools/create-archive", {"Resources": [one], "Synchronous": True}),
             "job": lambda: finished(node, one),
             "study wado": lambda: whole(node, f"/dicom-web/studies/{uid}", accept=dicom),
             "series wado": lambda: whole(node, f"/dicom-web/studies/{uid}/series/{uid}.1", accept=dicom),
             "getscu": lambda: received(node, uid, "getscu"),
             "movescu": lambda: received(node, uid, "movescu", "-aet", "CLIENT", "-aem", "CLIENT", "--port", "11112")}
    return {way: known[way]() for way in ways or known}


def finished(node, study):
    """A job that makes an archive; None where it does not get to its end."""
    status, answer = node.request("POST", f"/studies/{study}/archive", {"Asynchronous": True})
    if status != 200:
        return None
    job = json.loads(answer)["ID"]
    state = node.wait(lambda: next((s for s in [node.get(f"/jobs/{job}")["State"]] if s in ("Success", "Failure")), None))
    return whole(node, f"/jobs/{job}/archive") if state == "Success" else None


def received(node, uid, program, *words):
    """What a DICOM client got; None where it was told that not all went well."""
    into = node.folder / f"got-{time.monotonic_ns()}"
    into.mkdir()
    done = node.client(program, "-v", *words, "-S", "-aec", node.aet, "-od", into, "-k", "QueryRetrieveLevel=STUDY",
                       "-k", f"StudyInstanceUID={uid}", "127.0.0.1", node.dicom)
    if "Failed: UnableToProcess" in done.stdout + done.stderr:
        return None
    return len(list(into.iterdir()))


def slices(cluster, number):
    """The files with a server's slices, in an order that is the same at all servers."""
    return sorted(cluster.store(f"storage-{number}").rglob("*.slices"), key=lambda path: path.name)


def damage_one_object(cluster, but):
    """At so many servers that it is lost: the rest of its study, and other studies, are well."""
    for number in range(1, STORAGE - K + 2):
        own = [path for path in slices(cluster, number) if path not in but]
        assert len(own) == 6
        data = bytearray(own[3].read_bytes())
        data[len(data) // 2] ^= 1
        own[3].write_bytes(bytes(data))


def test_a_study_that_cannot_be_had_whole_is_refused_or_broken_off(hospitals, gateway):
    """No way to ask for a study ends well with an instance missing."""
    folder, uid = study(hospitals, 10, 6)
    a = gateway("a", "alice")
    before = {path for number in range(1, STORAGE + 1) for path in slices(hospitals.cluster, number)}
    a.store(folder)
    all_of_it = exports(a, uid)
    assert set(all_of_it.values()) == {6}, all_of_it

    # Too few servers, and the first instances in memory: told before anything is sent.
    hospitals.cluster.kill(*(f"storage-{i + 1}" for i in range(STORAGE - K + 1)))
    a.kill()
    a.start()
    none = exports(a, uid, "patient archive", "create", "study wado", "getscu")
    assert set(none.values()) == {None}, none
    one, first = a.get("/studies")[0], a.instances()[0]
    status, why = a.request("GET", f"/instances/{first}/file")
    assert status == 503 and "too few of the servers" in json.loads(why)["Message"]
    assert a.request("GET", f"/dicom-web/studies/{uid}", headers={"Accept": "multipart/related"})[0] == 503
    a.wait(lambda: a.request("GET", f"/studies/{one}/archive")[0] == 500, SERVERS_S)
    for header in (a.state / "headers").glob("*/*"):
        header.unlink()
    assert a.request("GET", f"/dicom-web/studies/{uid}/instances")[0] == 503
    assert a.request("POST", "/tools/find", {"Level": "Instance", "Query": {"Rows": "256"}})[0] == 503
    assert any("export was refused" in notice["Text"] for notice in a.get("/myelin/status")["Notices"])

    # All servers, and one instance lost: broken off where it is missing.
    hospitals.cluster.up()
    damage_one_object(hospitals.cluster, before)
    a.kill()
    a.start()
    lost = exports(a, uid, "study archive", "series media", "job", "series wado", "movescu")
    assert set(lost.values()) == {None}, lost
    assert any("export was broken off" in notice["Text"] for notice in a.get("/myelin/status")["Notices"])


def of_study(node, uid):
    """{SOPInstanceUID: pixels} of one study."""
    found = node.post("/tools/find", {"Level": "Instance", "Query": {"StudyInstanceUID": uid}})
    read = [pydicom.dcmread(io.BytesIO(node.file(instance))) for instance in found]
    return {dicom.SOPInstanceUID: dicom.PixelData for dicom in read}


@pytest.mark.parametrize("policy", ["durable", "spool"])
def test_a_killed_plugin_has_all_that_it_acknowledged(hospitals, gateway, policy):
    a = gateway("a", "alice", policy=policy)
    folder, uid = study(hospitals, 5 if policy == "spool" else 6)
    for after in (3, 9):  # killed twice on the way
        with a.network:
            sending = subprocess.Popen(["storescu", "+sd", "-v", "-aec", a.aet, "127.0.0.1", str(a.dicom), str(folder)],
                                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        acknowledged = 0
        for line in sending.stdout:
            acknowledged += "Received Store Response (Success)" in line
            if acknowledged == after:
                a.kill()
        sending.wait(20)
        a.start()
        kept = stored(a)
        assert len(kept) >= acknowledged >= after and kept.items() <= contents(folder).items()
    a.store(folder)
    assert stored(a) == contents(folder)
    assert answers(a, uid, SLICES)


def accept_and_kill(node, uid):
    """Kills a gateway that has accepted some of a study; whether it was before it had all of it."""
    outcome = []

    def accept():
        try:
            outcome.append(node.post("/myelin/accept", {"Owner": "alice", "Image": uid}))
        except (OSError, http.client.HTTPException):
            pass  # it was killed
    accepting = threading.Thread(target=accept)
    accepting.start()
    while len(node.instances()) < 2:
        pass
    node.kill()
    accepting.join(20)
    node.start()
    return not outcome


def test_a_killed_plugin_accepts_the_rest(hospitals, gateway):
    a, b = gateway("a", "alice"), gateway("b", "bob")
    folder, uid = study(hospitals, 8, 3 * SLICES)
    a.store(folder)
    a.post("/myelin/forward", {"Study": a.get("/studies")[0], "To": ["bob"]})
    for _ in range(10):  # who is faster is chance
        if accept_and_kill(b, uid):
            break
        b.delete(f"/studies/{b.get('/studies')[0]}")
    else:
        pytest.fail("accepting was over before the kill every time")
    report = b.post("/myelin/accept", {"Owner": "alice", "Image": uid})
    assert report["Imported"] + report["Existing"] == 3 * SLICES
    assert stored(b) == contents(folder)
    assert answers(b, uid, 3 * SLICES)


def test_a_full_spool_disk_refuses_and_keeps_what_it_took(hospitals, gateway):
    """A disk of its own under the spool, so small that the study does not fit, and no server to send to."""
    hospitals.cluster.down()
    a = gateway("a", "alice", policy="spool", start=False)
    spool = a.state / "spool"
    spool.mkdir(parents=True, mode=0o700)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1500k,mode=700", "none", str(spool)], check=True)
    try:
        a.start()
        folder, uid = study(hospitals, 9)
        a.store(folder, code=None)
        taken = stored(a)
        assert 0 < len(taken) < SLICES and taken.items() <= contents(folder).items()
        assert "could not be stored" in a.log()
        assert len(a.instances()) == len(taken), "what was refused is not in the index"
        a.kill()
        a.start()
        assert stored(a) == taken
        hospitals.cluster.up()
        a.wait(lambda: not list(spool.iterdir()), SPOOL_AGAIN_S)
        a.wait(lambda: a.store(folder, code=None) and len(a.instances()) == SLICES)
        assert stored(a) == contents(folder)
        a.kill()
    finally:
        a.kill()
        subprocess.run(["umount", "-l", str(spool)], check=True)
        shutil.rmtree(spool, ignore_errors=True)
