"""What Orthanc deletes of a study that stays leaves the storage servers too, and a recipient's Orthanc."""
import pydicom
from orthanc_test import SLICES, cluster, contents, gateway, images, stored, study  # noqa: F401

SERVERS = [f"storage-{i}" for i in range(1, 7)]


def two_series(cluster, number):  # noqa: F811
    """A study whose first half is a series and whose second is another; the SOP instances of each."""
    folder, uid = study(cluster, number)
    series = ([], [])
    for i, path in enumerate(sorted(folder.iterdir())):
        dicom = pydicom.dcmread(path)
        half = 2 * i // SLICES
        dicom.SeriesInstanceUID = f"{uid}.{half + 1}"
        dicom.save_as(path)
        series[half].append(dicom.SOPInstanceUID)
    return folder, uid, series


def slices(cluster):  # noqa: F811
    return [sum(p.stat().st_size for p in cluster.store(s).glob("images/*/*/*.slices")) for s in SERVERS]


def find(node, level, **query):
    found = node.post("/tools/find", {"Level": level, "Query": query})
    assert len(found) == 1, (level, query, found)
    return f"/{dict(Instance='instances', Series='series', Study='studies')[level]}/{found[0]}"


def objects(cluster, uid):  # noqa: F811
    return images(cluster).get(uid, {}).get("objects")


def without(files, *gone):
    return {sop: pixels for sop, pixels in files.items() if sop not in gone}


def test_an_instance_and_a_series_are_deleted(cluster, gateway):  # noqa: F811
    folder, uid, (first, second) = two_series(cluster, 91)
    files = contents(folder)
    node = gateway(policy="spool")
    before = slices(cluster)
    node.store(folder)
    node.wait(lambda: objects(cluster, uid) == SLICES)
    full = [a - b for a, b in zip(slices(cluster), before)]

    node.delete(find(node, "Instance", SOPInstanceUID=first[0]))
    node.wait(lambda: objects(cluster, uid) == SLICES - 1)
    assert stored(node) == without(files, first[0])
    assert all(a - b < 0.95 * f for a, b, f in zip(slices(cluster), before, full))

    # A series, while no server can be told; Orthanc is killed before one can.
    cluster.down()
    try:
        node.delete(find(node, "Series", SeriesInstanceUID=f"{uid}.2"))
        assert node.get("/myelin/status")["Spool"]["Deletions"] == SLICES // 2
        node.wait(lambda: "could not be deleted yet" in node.log())
        node.kill()
        node.start()
        assert node.get("/myelin/status")["Spool"]["Deletions"] == SLICES // 2
    finally:
        cluster.up()
    node.wait(lambda: objects(cluster, uid) == SLICES // 2 - 1, 90)
    node.wait(lambda: node.get("/myelin/status")["Spool"]["Deletions"] == 0)
    assert node.get("/myelin/status")["DeletedObjects"] == SLICES // 2
    assert all(a - b < 0.5 * f for a, b, f in zip(slices(cluster), before, full))
    left = without(files, first[0], *second)
    assert stored(node) == left
    cluster.must("verify", uid, user="alice")

    # What comes again is stored again; and the whole study goes as ever.
    node.store(folder)
    assert stored(node) == files
    node.wait(lambda: objects(cluster, uid) == SLICES)
    node.kill()
    node.start()
    assert stored(node) == files
    node.delete(find(node, "Study", StudyInstanceUID=uid))
    node.wait(lambda: uid not in images(cluster))
    assert slices(cluster) == before
    assert "ALARM" not in node.log()


def test_a_recipient_loses_what_the_owner_deleted(cluster, gateway):  # noqa: F811
    folder, uid, (first, second) = two_series(cluster, 92)
    files = contents(folder)
    alice, bob = gateway("alice"), gateway("bob", http=8043, dicom=4243)
    alice.store(folder)
    alice.post("/myelin/forward", {"Study": alice.get("/studies")[0], "To": ["bob"]})
    assert bob.post("/myelin/accept", {"Owner": "alice", "Image": uid})["Imported"] == SLICES
    assert stored(bob) == files
    alice.delete(find(alice, "Instance", SOPInstanceUID=first[0]))
    alice.delete(find(alice, "Series", SeriesInstanceUID=f"{uid}.2"))
    bob.wait(lambda: len(bob.instances()) == SLICES // 2 - 1)
    assert stored(bob) == without(files, first[0], *second) == stored(alice)
    assert any("alice deleted" in n["Text"] and uid in n["Text"] for n in bob.get("/myelin/status")["Notices"])
    assert bob.get(f"{find(bob, 'Study', StudyInstanceUID=uid)}/statistics")["CountSeries"] == 1
    bob.delete(find(bob, "Study", StudyInstanceUID=uid))  # his index's business alone
    assert bob.post("/myelin/accept", {"Owner": "alice", "Image": uid})["Imported"] == SLICES // 2 - 1
    assert stored(alice) == without(files, first[0], *second)


def test_what_is_deleted_and_stored_again_is_whole_at_a_recipient(cluster, gateway):  # noqa: F811
    folder, uid, (first, _) = two_series(cluster, 94)
    files = contents(folder)
    alice, bob = gateway("alice"), gateway("bob", http=8043, dicom=4243)
    # A study that lives again before its objects are deleted: none of the old ones is forwarded.
    alice.store(folder)
    alice.delete(find(alice, "Study", StudyInstanceUID=uid))
    alice.store(folder)
    assert alice.get("/myelin/status")["Spool"]["Deletions"] == SLICES
    alice.post("/myelin/forward", {"Study": alice.get("/studies")[0], "To": ["bob"]})
    assert alice.get("/myelin/status")["Spool"]["Deletions"] == 0 and objects(cluster, uid) == SLICES
    assert bob.post("/myelin/accept", {"Owner": "alice", "Image": uid})["Imported"] == SLICES
    assert stored(bob) == files

    # An instance of an accepted study: it is another object then, which comes with the next acceptance.
    again = next(path for path in folder.iterdir() if pydicom.dcmread(path).SOPInstanceUID == first[0])
    alice.delete(find(alice, "Instance", SOPInstanceUID=first[0]))
    alice.store(again)
    alice.wait(lambda: alice.get("/myelin/status")["Spool"]["Deletions"] == 0)
    assert bob.post("/myelin/accept", {"Owner": "alice", "Image": uid})["Imported"] == 1
    bob.kill()
    bob.start()
    assert stored(bob) == files == stored(alice)
    assert "ALARM" not in alice.log() + bob.log()


def test_what_others_put_into_the_image_stays(cluster, gateway):  # noqa: F811
    folder, uid, (first, _) = two_series(cluster, 93)
    node = gateway()
    node.store(folder)
    note = cluster.make("note.txt", 500)
    cluster.put("alice", uid, note)
    node.delete(find(node, "Instance", SOPInstanceUID=first[0]))
    node.wait(lambda: objects(cluster, uid) == SLICES)  # with the note
    node.delete(find(node, "Study", StudyInstanceUID=uid))
    node.wait(lambda: objects(cluster, uid) == 1)
    assert cluster.get("alice", uid) == {"note.txt": note.read_bytes()}
