"""Two gateways: a study goes from one hospital to another without being moved."""
import base64
import collections
import json
import pathlib
import subprocess
import sys

import pydicom
import pytest
from cluster import BIN, preload
from gateway import INBOX_S, RULES_S, SPOOL_S
from orthanc_test import SLICES, cluster, contents, gateway, images, stored, study  # noqa: F401


@pytest.fixture
def alice(gateway):  # noqa: F811
    return gateway("alice")


@pytest.fixture
def bob(gateway):  # noqa: F811
    return gateway("bob", http=8043, dicom=4243)


def patient(folder, name, birth):
    """The same study of another person: the PatientID stays."""
    for path in folder.iterdir():
        dicom = pydicom.dcmread(path)
        dicom.PatientName, dicom.PatientBirthDate = name, birth
        dicom.save_as(path)


def openings(cluster):  # noqa: F811
    """How often bob opened something, by key server."""
    entries = cluster.must("audit", "--json", user="bob").json()
    return collections.Counter(e["server"] for e in entries if e["action"] == "open" and e["user"] == "bob")


def test_a_study_is_forwarded_accepted_viewed_and_revoked(cluster, alice, bob):  # noqa: F811
    folder, uid = study(cluster, 21)
    alice.store(folder)
    assert alice.get("/myelin/users") == ["alice", "bob"]
    own = alice.get("/studies")[0]
    for wrong, code in (({"Study": own, "To": ["nobody"]}, 404), ({"Study": own, "To": []}, 400),
                        ({"Study": "../../x", "To": ["bob"]}, 400), ({"To": ["bob"]}, 400),
                        ({"Study": own, "To": ["alice"]}, 400)):
        assert set(alice.post("/myelin/forward", wrong, code=code)) == {"Error", "Message"}
    status, _ = alice.request("POST", "/myelin/forward", json.dumps({"Study": own, "To": ["bob"]}).encode(),
                              headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert status == 400, "a form on a foreign page forwards nothing"
    assert alice.request("GET", "/myelin/forward")[0] == 405
    assert alice.post("/myelin/forward", {"Study": own, "To": ["bob"]})["State"] == "forwarded"
    assert [i["Recipients"] for i in alice.get("/myelin/images") if i["Image"] == uid] == [["bob"]]

    inbox = [i for i in bob.get("/myelin/inbox") if i["Image"] == uid]
    assert [(i["Owner"], i["Objects"], i["Accepted"]) for i in inbox] == [("alice", SLICES, 0)]
    opened = openings(cluster)
    report = bob.post("/myelin/accept", {"Owner": "alice", "Image": uid})
    assert (report["Imported"], report["Existing"], report["Skipped"]) == (SLICES, 0, 0)
    assert bob.post("/myelin/accept", {"Owner": "alice", "Image": uid})["Existing"] == SLICES
    assert bob.get(f"/studies/{report['Study']}/statistics")["CountInstances"] == SLICES
    kept = sum(p.stat().st_size for p in bob.state.rglob("*") if p.is_file())
    assert kept < 100_000, f"{kept} bytes for {SLICES} slices: pixels were kept"

    # Pixels come on the first view, and are what was stored, byte for byte.
    assert stored(bob) == contents(folder)
    assert sorted(map(bob.file, bob.instances())) == sorted(map(alice.file, alice.instances()))
    once = openings(cluster) - opened
    assert set(once.values()) == {1} and len(once) >= cluster.threshold, f"opened once, at enough key servers: {once}"
    bob.kill()
    bob.start()
    assert stored(bob) == contents(folder)
    assert {e["Action"] for e in alice.get(f"/myelin/audit?image={uid}") if e["User"] == "bob"} == {"open"}
    assert bob.post("/myelin/forward", {"Study": report["Study"], "To": ["alice"]}, code=404)

    # Bob forgets it, and takes it again.
    bob.delete(f"/studies/{report['Study']}")
    assert uid in images(cluster)
    assert bob.post("/myelin/accept", {"Owner": "alice", "Image": uid})["Imported"] == SLICES

    # A revoked study leaves the index, with a notice; a study of his own stays.
    other, _ = study(cluster, 22, slices=1)
    bob.store(other)
    assert alice.post("/myelin/revoke", {"Study": own, "From": "bob"})["Revoked"] == "bob"
    bob.wait(lambda: len(bob.instances()) == 1, INBOX_S)
    assert any("no longer forwards" in n["Text"] for n in bob.get("/myelin/status")["Notices"])
    assert stored(bob) == contents(other)
    bob.post("/myelin/accept", {"Owner": "alice", "Image": uid}, code=404)
    alice.delete(f"/studies/{own}")


def test_another_person_under_the_same_patient_id_is_not_merged_silently(cluster, alice, bob):  # noqa: F811
    folder, uid = study(cluster, 23, slices=2)
    alice.store(folder)
    alice.post("/myelin/forward", {"Study": alice.get("/studies")[0], "To": ["bob"]})
    mine, _ = study(cluster, 24, slices=1)
    patient(mine, "DOE^JANE", "19700101")
    bob.store(mine)
    refused = bob.post("/myelin/accept", {"Owner": "alice", "Image": uid}, code=409)
    assert "DOE^JANE" in refused["Message"] and "Example^Head" in refused["Message"]
    assert len(bob.instances()) == 1
    assert bob.post("/myelin/accept", {"Owner": "alice", "Image": uid, "MergePatient": True})["Imported"] == 2


def test_a_header_that_is_not_the_file_s_is_found_out(cluster, bob):  # noqa: F811
    folder, _ = study(cluster, 28, slices=1)
    subprocess.run([sys.executable, str(pathlib.Path(__file__).with_name("library_client.py")), "false header",
                    str(cluster.folder), str(next(folder.iterdir()))], check=True, timeout=60,
                   env=cluster.environment(**preload(BIN.parent / "lib" / "libmyelin.so"), MYELIN_BIN=str(BIN)))
    assert bob.post("/myelin/accept", {"Owner": "alice", "Image": "false"})["Imported"] == 1
    assert bob.file(bob.instances()[0]) is None
    assert "is not what its header says" in bob.log() and bob.get("/myelin/status")["IntegrityFailures"] >= 1


def test_all_kinds_of_files_are_accepted(cluster, alice, bob):  # noqa: F811
    """Compressed, big-endian, with a tail behind the pixels, without pixels: all come as they were."""
    from pydicom.data import get_testdata_file
    names = ["CT_small.dcm", "MR_small_bigendian.dcm", "MR_small_implicit.dcm", "JPEG2000.dcm", "MR_small_RLE.dcm",
             "image_dfl.dcm", "reportsi.dcm", "rtplan.dcm", "SC_rgb_jpeg_dcmtk.dcm", "liver_1frame.dcm"]
    sent = {}
    for name in names:
        data = open(get_testdata_file(name), "rb").read()
        status, answer = alice.request("POST", "/instances", data)
        if status == 200 and json.loads(answer)["Status"] == "Success":
            sent[json.loads(answer)["ID"]] = data
    assert len(sent) >= 8
    for one in alice.get("/studies"):
        uid = alice.get(f"/studies/{one}")["MainDicomTags"]["StudyInstanceUID"]
        alice.post("/myelin/forward", {"Study": one, "To": ["bob"]})
        bob.post("/myelin/accept", {"Owner": "alice", "Image": uid, "MergePatient": True})
    for instance, data in sent.items():
        assert bob.file(instance) == data, bob.log()[-2000:]


def test_rules_forward_what_matches_once_it_is_sent(cluster, gateway, bob):  # noqa: F811
    rules = [{"Modality": "CT", "ReferringPhysician": "HOUSE*", "ForwardTo": "bob"},
             {"Modality": "MR", "ForwardTo": "nobody"}]
    node = gateway("alice", policy="spool", Rules=rules)
    plain, plain_uid = study(cluster, 25, slices=1)
    folder, uid = study(cluster, 26, slices=2)
    for path in folder.iterdir():
        dicom = pydicom.dcmread(path)
        dicom.ReferringPhysicianName = "House^Gregory"
        dicom.save_as(path)
    node.store(plain)
    node.store(folder)
    node.wait(lambda: any(i["Image"] == uid for i in bob.get("/myelin/inbox")), SPOOL_S + RULES_S)
    assert all(i["Image"] != plain_uid for i in bob.get("/myelin/inbox"))


def test_rights_are_respected_and_a_lost_map_is_rebuilt(cluster, gateway):  # noqa: F811
    node = gateway("alice", start=False, Rights={"Forward": ["chief"], "Accept": ["chief"]},
                   orthanc={"AuthenticationEnabled": True, "RegisteredUsers": {"chief": "c", "nurse": "n"}})

    def login(name):
        return {"Authorization": "Basic " + base64.b64encode(f"{name}:{name[0]}".encode()).decode()}
    ask, node.get = node.get, lambda path, **more: ask(path, headers=login("nurse"), **more)
    node.start()
    folder, uid = study(cluster, 27, slices=3)
    node.store(folder)
    body = {"Study": node.get("/studies")[0], "To": ["bob"]}
    assert node.request("POST", "/myelin/forward", body)[0] == 401
    assert node.request("POST", "/myelin/forward", body, headers=login("nurse"))[0] == 403
    assert node.request("POST", "/myelin/forward", body, headers=login("chief"))[0] == 200
    assert node.get("/myelin/status")["User"] == "alice"
    node.kill()

    (node.state / "map").unlink()
    node.start()
    instance = f"/instances/{node.get('/instances')[0]}/file"
    assert node.request("GET", instance, headers=login("chief"))[0] >= 400
    status, answer = node.request("POST", "/myelin/rebuild", {}, headers=login("chief"))
    assert status == 200 and json.loads(answer)["Restored"] >= 3
    assert node.request("GET", instance, headers=login("chief"))[0] == 200
    damaged = bytearray((node.state / "map").read_bytes())
    node.kill()
    damaged[200] ^= 1
    (node.state / "map").write_bytes(bytes(damaged) + b"\0" * 70000)
    node.start()
    assert "ALARM: the map is damaged" in node.log() and (node.state / "map.damaged").exists()
    assert node.request("POST", "/myelin/rebuild", {}, headers=login("chief"))[0] == 200
    assert node.request("GET", instance, headers=login("chief"))[0] == 200
