"""The pages in a real browser: two hospitals, a study that goes from one to the other and back."""
import json
import os
import pathlib
import subprocess
import sys

import pydicom
import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "system"), str(HERE.parents[1] / "demo")]
import ct_study  # noqa: E402
from cluster import BIN, CORPORA, Cluster  # noqa: E402
from gateway import Gateway, enter_own_network  # noqa: E402

SLICES = 24
WEBVIEWER = "/usr/share/orthanc/plugins/libOrthancWebViewer.so"
SCREENSHOTS = BIN.parent / "screenshots"
ATTACK = "<img src=x onerror='window.attacked=1'>"
COMPRESSED = ["JPEG2000.dcm", "MR_small_RLE.dcm", "MR_small_jpeg_ls_lossless.dcm", "SC_rgb_jpeg_dcmtk.dcm",
              "JPGExtended.dcm", "image_dfl.dcm", "SC_rgb_rle_2frame.dcm"]
NO_PICTURE = ["reportsi.dcm", "MR_truncated.dcm"]  # a report, and pixels that end too early


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    enter_own_network()
    made = Cluster(tmp_path_factory.mktemp("browser"))
    try:
        yield made.up().enroll("alice", "bob", "carol")
    finally:
        made.end()


def upload(node, folder):
    """Puts a folder's files into Orthanc; gives its study."""
    for path in sorted(folder.iterdir()):
        answer = node.post("/instances", path.read_bytes())
    return answer["ParentStudy"]


def ct(cluster, number, slices=SLICES, **tags):
    """A folder with a CT of its own."""
    folder = cluster.folder / f"ct-{number}"
    uid = ct_study.write_study(CORPORA / "Cranium.inv3", folder, slices, f"{ct_study.STUDY}.{number}")
    for path in sorted(folder.iterdir()) if tags else []:
        dicom = pydicom.dcmread(path)
        for name, value in tags.items():
            setattr(dicom, name, value)
        dicom.save_as(path)
    return folder, uid


def compressed(cluster):
    """One study, a series for each way to compress, and two without a picture."""
    from pydicom.data import get_testdata_file
    folder = cluster.folder / "compressed"
    folder.mkdir()
    for number, name in enumerate(COMPRESSED + NO_PICTURE, 1):
        dicom = pydicom.dcmread(get_testdata_file(name))
        dicom.StudyInstanceUID = f"{ct_study.STUDY}.9"
        dicom.SeriesInstanceUID = f"{ct_study.STUDY}.9.{number}"
        dicom.PatientID, dicom.PatientName, dicom.SeriesNumber, dicom.SeriesDescription = "C", "Compressed", number, name
        dicom.save_as(folder / name)
    return folder


def browse(name, **given):
    """Runs a script in Chromium with what it is given."""
    SCREENSHOTS.mkdir(exist_ok=True)
    done = subprocess.run(["node", str(HERE / name), json.dumps({"screenshots": str(SCREENSHOTS), **given})],
                          capture_output=True, text=True, timeout=240 if "asan" in str(BIN) else 120, env={**os.environ, "HOME": "/tmp"})
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-6000:]
    print(done.stdout)


def test_a_study_is_forwarded_viewed_and_revoked_in_the_browser(cluster):
    alice = Gateway(cluster, "alice")
    alice.configuration["Plugins"].append(WEBVIEWER)
    bob = Gateway(cluster, "bob", http=8043, dicom=4243)
    try:
        alice.start()
        bob.start()
        folder, uid = ct(cluster, 1)
        hostile, _ = ct(cluster, 2, PatientName="<b>Bold</b>^<script>alert(1)</script>", PatientID=ATTACK[:60], StudyDescription=ATTACK,
                                  SeriesDescription="</script><script>window.attacked=1</script>", Modality="<b>CT</b>")
        namesake, namesake_uid = ct(cluster, 3, slices=1, PatientName="Other^Person", PatientBirthDate="19700101")
        given = {"a": f"http://127.0.0.1:{alice.http}", "b": f"http://127.0.0.1:{bob.http}", "slices": SLICES,
                 "study": upload(alice, folder), "hostile": upload(alice, hostile), "uid": uid,
                 "namesake": upload(alice, namesake), "namesakeUid": namesake_uid, "compressed": upload(alice, compressed(cluster)),
                 "compressedCount": len(COMPRESSED), "noPictureCount": len(NO_PICTURE), "attack": ATTACK}
        odd = cluster.make("odd", 1000)
        cluster.put("alice", ATTACK, odd)
        cluster.must("forward", ATTACK, "--to", "bob", user="alice")
        browse("pages.mjs", **given)
    finally:
        alice.kill()
        bob.kill()
