"""Two hospitals and the programs that real ones run: DCMTK's clients, DICOMweb clients (dicomweb-client and another
Orthanc's), exports, changes to studies, and every kind of file that the corpora have."""
import hashlib
import io
import json
import pathlib
import re
import zipfile

import pydicom
import pytest
from cluster import CORPORA
from gateway import REMOVAL_S, SPOOL_S
from hospitals import Hospitals
from orthanc_test import contents, ct_study, stored

SLICES = 12
HERE = pathlib.Path(__file__).resolve()
CLIENT = HERE.parents[1] / "dicomweb/client.py"
WEB_MODULES = HERE.parents[2] / "build/dicomweb"  # what ./run test fetches for it
CORPUS = [pathlib.Path(pydicom.__file__).parent / "data/test_files",
          pathlib.Path(pydicom.__file__).parent / "data/charset_files", CORPORA / "dicom"]


@pytest.fixture(scope="module")
def hospitals(tmp_path_factory):
    made = Hospitals(tmp_path_factory.mktemp("hospitals"))
    yield made
    made.end()


@pytest.fixture(scope="module")
def a(hospitals):
    return hospitals.gateway("a", "alice", policy="durable", name="orthanc-a")


@pytest.fixture(scope="module")
def b(hospitals):
    return hospitals.gateway("b", "bob", policy="spool", name="orthanc-b")


@pytest.fixture(scope="module")
def plain(hospitals):
    return hospitals.plain("a")


@pytest.fixture(autouse=True)
def empty(request):
    """Every test starts with empty hospitals, and none ends with an alarm."""
    used = [request.getfixturevalue(name) for name in ("a", "b", "plain") if name in request.fixturenames]
    for node in used:
        for patient in node.get("/patients"):
            node.delete(f"/patients/{patient}")
    yield
    for node in used:
        assert "ALARM" not in node.log()
        assert node.process is None or node.process.poll() is None, node.log()[-3000:]


@pytest.fixture(scope="module")
def ct(hospitals):
    folder = hospitals.cluster.folder / "ct"
    return folder, ct_study.write_study(CORPORA / "Cranium.inv3", folder, SLICES)


def find(node, level, **keys):
    """findscu at A; how many answers."""
    words = [word for key, value in keys.items() for word in ("-k", f"{key}={value}")]
    done = node.client("findscu", "-v", "-S", "-aec", node.aet, "-k", f"QueryRetrieveLevel={level}", *words,
                       "127.0.0.1", node.dicom)
    assert done.returncode == 0, done.stdout + done.stderr
    return len(re.findall(r"Find Response: \d+ \(Pending\)", done.stdout + done.stderr))


def test_dicom_clients_find_get_and_move_every_slice(hospitals, a, b, ct):
    folder, uid = ct
    a.store(folder)
    assert find(a, "STUDY", StudyInstanceUID=uid, PatientName="") == 1
    assert find(a, "IMAGE", StudyInstanceUID=uid, SeriesInstanceUID=f"{uid}.1", SOPInstanceUID="", Rows="") == SLICES
    sent = contents(folder)

    a.kill()  # so that nothing is in memory
    a.start()
    for client in (["getscu"], ["movescu", "-aet", "CLIENT", "-aem", "CLIENT", "--port", "11112"]):
        into = hospitals.cluster.folder / f"got-{client[0]}"
        into.mkdir()
        done = a.client(*client, "-S", "-aec", a.aet, "-od", into, "-k", "QueryRetrieveLevel=STUDY",
                        "-k", f"StudyInstanceUID={uid}", "127.0.0.1", a.dicom)
        assert done.returncode == 0, done.stdout + done.stderr + a.log()[-2000:]
        assert contents(into) == sent

    # From one hospital to the other, the old way: B stores a copy of its own.
    done = a.client("movescu", "-S", "-aec", a.aet, "-aem", b.aet, "-k", "QueryRetrieveLevel=STUDY",
                    "-k", f"StudyInstanceUID={uid}", "127.0.0.1", a.dicom)
    assert done.returncode == 0, done.stdout + done.stderr + a.log()[-2000:]
    assert stored(b) == sent


def test_a_dicomweb_client_stores_finds_and_retrieves(a, plain, ct):
    folder, uid = ct
    for path in sorted(folder.iterdir()):
        plain.post("/instances", path.read_bytes())
    server = "/dicom-web/servers/gateway"
    plain.post(f"{server}/stow", {"Resources": plain.get("/studies"), "Synchronous": True})
    assert stored(a) == contents(folder)
    found = plain.post(f"{server}/qido", {"Uri": f"/studies/{uid}/series/{uid}.1/instances"})
    assert len(found) == SLICES
    found = plain.post(f"{server}/qido", {"Uri": "/studies", "Arguments": {"PatientID": "EX-1"}})
    assert len(found) == 1
    for patient in plain.get("/patients"):
        plain.delete(f"/patients/{patient}")
    a.kill()
    a.start()
    got = plain.post(f"{server}/retrieve", {"Resources": [{"Study": uid}], "Synchronous": True})
    assert int(got["ReceivedInstancesCount"]) == SLICES, got
    assert stored(plain) == contents(folder)


def web_client(node, folder=""):
    """What dicomweb-client stores and gets of everything that the node has."""
    out = node.folder / "dicomweb.json"
    done = node.client("/usr/bin/python3", CLIENT, "http://127.0.0.1:8042/dicom-web", folder, out, timeout=120,
                       path=WEB_MODULES)
    assert done.returncode == 0, done.stdout + done.stderr[-3000:] + node.log()[-2000:]
    return json.loads(out.read_text())


def seen(folder, uid):
    """The same of a folder with one study, as it must be."""
    hashes = {sop: hashlib.sha256(data).hexdigest() for sop, data in contents(folder).items()}
    listed = sorted(hashes)
    first = {"pixels": hashes[listed[0]], "frames": [hashes[listed[0]]], "rendered": [256, 256, True],
             "metadata": listed[0]}
    series = {"instances": listed, "pixels": hashes, "metadata": listed, "one": {listed[0]: first}}
    return {uid: {"count": len(listed), "pixels": hashes, "streamed": hashes, "instances": listed, "metadata": listed,
                  "series": {f"{uid}.1": series}}}


def test_dicomweb_client_stores_finds_and_retrieves_at_both_hospitals(hospitals, a, b, ct):
    """QIDO-RS, WADO-RS and STOW-RS by a client that is not Orthanc's: own studies, and accepted ones."""
    folder, uid = ct
    assert web_client(a, folder) == {"stored": SLICES, "studies": seen(folder, uid)}
    a.post("/myelin/forward", {"Study": a.get("/studies")[0], "To": ["bob"]})
    assert b.post("/myelin/accept", {"Owner": "alice", "Image": uid})["Imported"] == SLICES
    own = hospitals.cluster.folder / "own"
    own_uid = ct_study.write_study(CORPORA / "Cranium.inv3", own, 3, f"{ct_study.STUDY}.55")
    both = {"stored": 3, "studies": seen(folder, uid) | seen(own, own_uid)}
    assert web_client(b, own) == both
    b.wait(lambda: b.get("/myelin/status")["Spool"]["Attachments"] == 0, SPOOL_S)
    for node in (a, b):  # so that nothing is in memory
        node.kill()
        node.start()
    assert web_client(a) == {"stored": 0, "studies": seen(folder, uid)}
    assert web_client(b) == {**both, "stored": 0}


def archive(node, path):
    status, body = node.request("GET", path)
    assert status == 200, body
    return zipfile.ZipFile(io.BytesIO(body))


def test_exports_have_every_slice(a, ct):
    folder, uid = ct
    a.store(folder)
    study = a.get("/studies")[0]
    exported = archive(a, f"/studies/{study}/archive")
    found = [pydicom.dcmread(exported.open(name)) for name in exported.namelist()]
    assert {d.SOPInstanceUID: d.PixelData for d in found} == contents(folder) and len(found) == SLICES
    media = archive(a, f"/studies/{study}/media")
    directory = pydicom.dcmread(media.open("DICOMDIR"))
    listed = ["/".join(r.ReferencedFileID) for r in directory.DirectoryRecordSequence if r.DirectoryRecordType == "IMAGE"]
    assert len(listed) == SLICES and sorted([*listed, "DICOMDIR"]) == sorted(media.namelist())
    assert all(media.read(name)[128:132] == b"DICM" for name in listed)


def count(node, study):
    """Of instances, as the index and as the storage area have them."""
    listed = node.get(f"/studies/{study}/statistics")["CountInstances"]
    assert len(archive(node, f"/studies/{study}/archive").namelist()) == listed
    return listed


def test_studies_are_anonymised_changed_merged_and_split(a, ct):
    folder, uid = ct
    a.store(folder)
    own = a.get("/studies")[0]
    anonymous = a.post(f"/studies/{own}/anonymize", {"Synchronous": True})["ID"]
    assert (count(a, own), count(a, anonymous)) == (SLICES, SLICES)
    tags = a.get(f"/studies/{anonymous}/shared-tags?simplify")
    assert "Example" not in json.dumps(tags)
    changed = a.post(f"/studies/{own}/modify", {"Replace": {"StudyDescription": "second opinion"},
                                                "Synchronous": True, "KeepSource": True})["ID"]
    assert (count(a, own), count(a, changed)) == (SLICES, SLICES)
    assert a.get(f"/studies/{changed}/shared-tags?simplify")["StudyDescription"] == "second opinion"
    pixels = set(contents(folder).values())
    a.post(f"/studies/{own}/merge", {"Resources": [changed], "Synchronous": True, "KeepSource": False})
    assert count(a, own) == 2 * SLICES and changed not in a.get("/studies")
    series = a.get(f"/studies/{own}")["Series"]
    split = a.post(f"/studies/{own}/split", {"Series": series[:1], "Synchronous": True, "KeepSource": False})
    assert count(a, own) == count(a, split["TargetStudy"]) == SLICES
    a.kill()
    a.start()
    everything = stored(a)
    assert len(everything) == 3 * SLICES and set(everything.values()) == pixels
    a.wait(lambda: len(a.get("/myelin/images")) == 3, REMOVAL_S)


def corpus():
    """{path: bytes} of every file of the corpora."""
    files = [p for folder in CORPUS for p in sorted(folder.rglob("*.dcm"))]
    assert len(files) > 110, "the corpora are incomplete"
    return {path: path.read_bytes() for path in files}


def upload(node, files):
    """{Orthanc's ID: bytes} of what it took; {path: status}."""
    kept, statuses = {}, {}
    for path, data in files.items():
        status, answer = node.request("POST", "/instances", data)
        statuses[path] = (status, json.loads(answer).get("Status"))
        if statuses[path] == (200, "Success"):
            kept[json.loads(answer)["ID"]] = data
    return kept, statuses


def looks(node, instance):
    """What a viewer gets of an instance: errors too, but for the address in them."""
    status, listed = node.request("GET", f"/instances/{instance}/frames")
    frames = json.loads(listed) if status == 200 else []
    paths = ["tags", "preview", *(f"frames/{f}/raw" for f in frames[:1] + frames[1:][-1:])]
    got = [node.request("GET", f"/instances/{instance}/{path}") for path in paths]
    return [status, frames, *((code, body if code == 200 else "") for code, body in got)]


def test_every_kind_of_file_is_as_in_a_plain_orthanc_and_at_the_other_hospital(a, b, plain):
    files = corpus()
    kept, statuses = upload(a, files)
    as_plain, plain_statuses = upload(plain, files)
    assert statuses == plain_statuses and kept == as_plain
    syntaxes = {a.request("GET", f"/instances/{i}/metadata/TransferSyntax")[1].decode() for i in kept}
    assert len(kept) > 75 and len(syntaxes) >= 11, (len(kept), syntaxes)
    a.kill()
    a.start()
    for instance, data in kept.items():
        assert a.file(instance) == data
        assert looks(a, instance) == looks(plain, instance)
    for study in a.get("/studies"):
        assert count(a, study) == plain.get(f"/studies/{study}/statistics")["CountInstances"]
    own = a.get("/studies")
    for study in own:
        a.post("/myelin/forward", {"Study": study, "To": ["bob"]}, code=None)
    for image in b.get("/myelin/inbox"):
        b.post("/myelin/accept", {"Owner": "alice", "Image": image["Image"], "MergePatient": True})
    shared = set(b.instances())
    assert len(shared) >= 0.9 * len(kept)
    for instance in shared:
        assert b.file(instance) == kept[instance]
        assert looks(b, instance) == looks(plain, instance)


def test_a_dicom_client_sends_files_as_they_are(a, plain):
    """dcmsend proposes each of the seven that its files have; what arrives is what a plain Orthanc gets."""
    for node in (a, plain):
        done = node.client("dcmsend", "+sd", "+r", "--no-uid-checks", "--decompress-never", "-aec", node.aet,
                           "127.0.0.1", node.dicom, CORPORA / "dicom")
        assert done.returncode == 0, done.stdout + done.stderr
    assert sorted(a.instances()) == sorted(plain.instances()) and len(a.instances()) > 25
    syntaxes = {a.request("GET", f"/instances/{i}/metadata/TransferSyntax")[1] for i in a.instances()}
    assert len(syntaxes) >= 7, syntaxes
    a.kill()
    a.start()
    for instance in a.instances():
        assert looks(a, instance) == looks(plain, instance)
