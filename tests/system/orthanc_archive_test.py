"""An archive that has images already: Myelin switched on, the migration stopped, resumed and undone; and the
index made again, in PostgreSQL, from what the storage servers have."""
import json
import os
import pathlib
import pwd
import shutil
import subprocess
import tempfile
import time

import pytest
from cluster import CORPORA
from gateway import REMOVAL_S, SPOOL_S, TWICE_S
from hospitals import Hospitals
from orthanc_test import contents, ct_study, images, stored

SLICES = 10
POSTGRES = pathlib.Path("/usr/lib/postgresql/15/bin")


@pytest.fixture(scope="module")
def hospitals(tmp_path_factory):
    made = Hospitals(tmp_path_factory.mktemp("hospitals"))
    yield made
    made.end()


def study(hospitals, number, slices=SLICES):
    folder = hospitals.cluster.folder / f"study-{number}"
    return folder, ct_study.write_study(CORPORA / "Cranium.inv3", folder, slices, f"{ct_study.STUDY}.8{number}")


def files(folder):
    return [p for p in folder.glob("??/??/*") if p.is_file()]


def migrate(node, count=1000, **more):
    return node.post("/myelin/migrate", {"Count": count, **more})


def test_an_archive_is_moved_in_while_it_is_used_and_out_again(hospitals):
    before = hospitals.plain("a", name="archive", http=8042, dicom=4242)
    archive = before.folder / "files"
    folder, uid = study(hospitals, 1)
    for path in sorted(folder.iterdir()):
        before.post("/instances", path.read_bytes())
    reported = before.instances()[0]
    assert before.request("PUT", f"/instances/{reported}/attachments/1025", b"a report")[0] == 200
    before.stop()
    expected = contents(folder)

    # Switched on: everything is there, nothing is moved yet.
    node = hospitals.gateway("a", "alice", name="archive", Archive=str(archive))
    assert stored(node) == expected and len(files(archive)) == SLICES + 1
    assert node.request("POST", "/myelin/migrate", {"Count": 0})[0] == 400
    assert migrate(node, 4) == {"Moved": 4, "Skipped": 0, "IsDone": False}
    assert stored(node) == expected and len(files(archive)) == SLICES - 3
    node.kill()
    node.start()
    # Instances are deleted on the way, until one of them was still a plain file: none comes back. (Not the one
    # with two files.)
    left = len(files(archive))
    while len(files(archive)) == left:
        one = next(i for i in node.instances() if i != reported)
        del expected[node.get(f"/instances/{one}/simplified-tags")["SOPInstanceUID"]]
        node.delete(f"/instances/{one}")
    assert len(files(archive)) == left - 1
    while not migrate(node, 3)["IsDone"]:
        assert stored(node) == expected
    assert files(archive) == []
    node.wait(lambda: images(hospitals.cluster).get(uid, {}).get("objects", 0) >= len(expected), SPOOL_S)
    node.kill()
    node.start()
    assert stored(node) == expected

    # Undone, with what came since.
    other, _ = study(hospitals, 2, 3)
    node.store(other)
    assert migrate(node, 5, Undo=True) == {"Moved": 5, "Skipped": 0, "IsDone": False}
    node.kill()
    node.start()
    assert stored(node) == expected | contents(other)
    assert migrate(node, Undo=True)["IsDone"]
    assert stored(node) == expected | contents(other)
    node.wait(lambda: uid not in images(hospitals.cluster), REMOVAL_S)
    node.stop()
    assert "ALARM" not in node.log()
    after = hospitals.plain("a", name="archive", http=8042, dicom=4242)
    assert stored(after) == expected | contents(other)
    after.stop()


def attached(node, instance):
    """{name: bytes as Orthanc gives them} of all attachments of an instance."""
    return {name: node.request("GET", f"/instances/{instance}/attachments/{name}/data")[1]
            for name in node.get(f"/instances/{instance}/attachments")}


def test_a_compressed_archive_with_attachments_of_all_kinds_is_moved_in_and_out(hospitals):
    """Orthanc's own compression, headers that it keeps apart (type 3), and files of users' types."""
    before = hospitals.plain("a", name="compressed", http=8042, dicom=4242, StorageCompression=True)
    archive = before.folder / "files"
    folder, uid = study(hospitals, 6, 4)
    for path in sorted(folder.iterdir()):
        before.post("/instances", path.read_bytes())
    reported = before.instances()[0]
    for kind in (1024, 1025, 65535):
        assert before.request("PUT", f"/instances/{reported}/attachments/{kind}", b"a report %d" % kind)[0] == 200
    assert before.request("PUT", f"/studies/{before.get('/studies')[0]}/attachments/2000", bytes(50_000))[0] == 200
    large = os.urandom(1_500_000)
    assert before.request("PUT", f"/instances/{reported}/attachments/1026", large)[0] == 200
    expected = {instance: attached(before, instance) for instance in before.instances()}
    assert set(expected[reported]) >= {"dicom", "dicom-until-pixel-data", "1024", "1025", "65535"}
    before.stop()
    count = len(files(archive))
    assert count == 4 + 4 + 3 + 1 + 1

    # What is larger than the plugin is to take stays a plain file, and new such files are refused.
    node = hospitals.gateway("a", "alice", name="compressed", Archive=str(archive), AttachmentLimitMB=1)
    moved = migrate(node, 5)
    assert (moved["Moved"], moved["IsDone"]) == (5, False)
    assert {instance: attached(node, instance) for instance in node.instances()} == expected
    assert migrate(node) == {"Moved": count - 6, "Skipped": 1, "IsDone": True} and len(files(archive)) == 1
    assert {instance: attached(node, instance) for instance in node.instances()} == expected
    status, why = node.request("PUT", f"/instances/{reported}/attachments/1027", large)
    assert status == 413 and "AttachmentLimitMB" in json.loads(why)["Message"]
    node.kill()
    del node.configuration["Myelin"]["AttachmentLimitMB"]
    node.start()
    assert migrate(node) == {"Moved": 1, "Skipped": 0, "IsDone": True} and files(archive) == []
    assert {instance: attached(node, instance) for instance in node.instances()} == expected
    assert stored(node) == contents(folder)
    one = node.get("/studies")[0]
    assert "not this gateway's own" in node.post("/myelin/forward", {"Study": one, "To": ["bob"]}, code=404)["Message"]

    # What Orthanc uncompresses becomes an image like any other.
    for instance in node.instances():
        assert node.request("POST", f"/instances/{instance}/attachments/dicom/uncompress", b"")[0] == 200
    node.wait(lambda: images(hospitals.cluster).get(uid, {}).get("objects") == 4, TWICE_S)
    assert node.post("/myelin/forward", {"Study": one, "To": ["bob"]})["To"] == ["bob"]
    node.kill()
    node.start()
    assert {instance: attached(node, instance) for instance in node.instances()} == expected

    assert migrate(node, Undo=True)["IsDone"] and len(files(archive)) == count
    node.stop()
    assert "ALARM" not in node.log()
    after = hospitals.plain("a", name="compressed", http=8042, dicom=4242)
    assert {instance: attached(after, instance) for instance in after.instances()} == expected
    assert stored(after) == contents(folder)
    after.stop()


@pytest.fixture
def postgres(hospitals):
    """A server of hospital A's own; gives what Orthanc is told of it."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="myelin-postgres-"))
    user = pwd.getpwnam("postgres")
    os.chown(folder, user.pw_uid, user.pw_gid)
    with hospitals.networks["a"]:
        def run(*words):
            return ["runuser", "-u", "postgres", "--", str(POSTGRES / words[0]), *words[1:]]
        subprocess.run(run("initdb", "-D", f"{folder}/data", "-A", "trust", "--no-sync"), check=True, capture_output=True)
        server = subprocess.Popen(run("postgres", "-D", f"{folder}/data", "-k", str(folder), "-h", "127.0.0.1"),
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.monotonic() + 30
        while subprocess.run(run("pg_isready", "-h", str(folder)), capture_output=True).returncode != 0:
            assert time.monotonic() < end and server.poll() is None
            time.sleep(0.1)
    yield {"EnableIndex": True, "EnableStorage": False, "Host": "127.0.0.1", "Port": 5432, "Database": "postgres",
           "Username": "postgres", "Password": ""}
    with hospitals.networks["a"]:
        subprocess.run(run("pg_ctl", "-D", f"{folder}/data", "stop", "-m", "immediate"), capture_output=True)
    server.wait(30)
    shutil.rmtree(folder, ignore_errors=True)


def test_a_new_index_in_postgresql_has_everything(hospitals, postgres):
    # Carol has nothing else in Myelin, whatever the tests before left.
    old = hospitals.gateway("a", "carol", name="sqlite", policy="spool")
    folder, uid = study(hospitals, 3)
    old.store(folder)
    shared, _ = study(hospitals, 4, 2)
    old.store(shared)
    expected = contents(folder) | contents(shared)
    listed = sorted(old.instances())
    old.wait(lambda: old.get("/myelin/status")["Spool"]["Attachments"] == 0, SPOOL_S)
    old.stop()

    plugins = [*old.configuration["Plugins"], "/usr/share/orthanc/plugins/libOrthancPostgreSQLIndex.so"]
    node = hospitals.gateway("a", "carol", name="postgres", orthanc={"Plugins": plugins, "PostgreSQL": postgres})
    assert node.instances() == []
    moved = node.post("/myelin/reindex", {})
    assert (moved["Imported"], moved["Existing"], moved["Skipped"]) == (len(expected), 0, 0)
    assert sorted(node.instances()) == listed
    assert stored(node) == expected
    again = node.post("/myelin/reindex", {})
    assert (again["Imported"], again["Existing"]) == (0, len(expected))
    node.kill()
    node.start()
    assert stored(node) == expected
    # What is stored and deleted from now on is as ever.
    more, _ = study(hospitals, 5, 2)
    node.store(more)
    assert stored(node) == expected | contents(more)
    one = next(s for s in node.get("/studies") if node.get(f"/studies/{s}")["MainDicomTags"]["StudyInstanceUID"] == uid)
    node.delete(f"/studies/{one}")
    node.wait(lambda: uid not in images(hospitals.cluster, "carol"), REMOVAL_S)
    assert stored(node) == contents(shared) | contents(more)
    assert "ALARM" not in node.log()
    node.stop()
