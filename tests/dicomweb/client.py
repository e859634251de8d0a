"""A DICOMweb client of other people's making (dicomweb-client), in a process of its own with its own pydicom:

    client.py BASE-URL FOLDER OUT       stores the FOLDER's files (none: ""), then asks for all there is in every
                                        way that DICOMweb has, and writes what it got to the JSON file OUT
"""
import hashlib
import io
import json
import pathlib
import sys

import numpy
import pydicom
from dicomweb_client.api import DICOMwebClient
from PIL import Image

SOP, SERIES, STUDY = "00080018", "0020000E", "0020000D"


def value(found, tag):
    return found[tag]["Value"][0]


def digest(data):
    return hashlib.sha256(data).hexdigest()


def pixels(dicoms):
    """{SOPInstanceUID: digest of its pixels}; two of one UID are an error."""
    found = {}
    for dicom in dicoms:
        assert dicom.SOPInstanceUID not in found
        found[dicom.SOPInstanceUID] = digest(dicom.PixelData)
    return found


def store(client, folder):
    files = [pydicom.dcmread(path) for path in sorted(pathlib.Path(folder).iterdir())]
    answer = client.store_instances(files)
    assert not answer.get("FailedSOPSequence"), answer
    return len(answer.ReferencedSOPSequence)


def one_instance(client, study, series, sop):
    """An instance in each way that it can be had."""
    dicom = client.retrieve_instance(study, series, sop)
    raw = (("application/octet-stream", "1.2.840.10008.1.2.1"),)
    frames = client.retrieve_instance_frames(study, series, sop, [1], media_types=raw)
    rendered = client.retrieve_instance_rendered(study, series, sop, media_types=("image/png",))
    picture = numpy.asarray(Image.open(io.BytesIO(rendered)))
    return {"pixels": digest(dicom.PixelData), "frames": [digest(frame) for frame in frames],
            "rendered": [*picture.shape, int(picture.min()) < int(picture.max())],
            "metadata": value(client.retrieve_instance_metadata(study, series, sop), SOP)}


def all_series(client, study):
    got = {}
    for found in client.search_for_series(study):
        series = value(found, SERIES)
        listed = sorted(value(i, SOP) for i in client.search_for_instances(study, series))
        got[series] = {
            "instances": listed, "pixels": pixels(client.retrieve_series(study, series)),
            "metadata": sorted(value(m, SOP) for m in client.retrieve_series_metadata(study, series)),
            "one": {listed[0]: one_instance(client, study, series, listed[0])}}
    return got


def look(client):
    got = {}
    for found in client.search_for_studies(fields=["NumberOfStudyRelatedInstances"]):
        study = value(found, STUDY)
        got[study] = {
            "count": value(found, "00201208"), "pixels": pixels(client.retrieve_study(study)),
            "streamed": pixels(client.iter_study(study)),
            "instances": sorted(value(i, SOP) for i in client.search_for_instances(study)),
            "metadata": sorted(value(m, SOP) for m in client.retrieve_study_metadata(study)),
            "series": all_series(client, study)}
    return got


def main(url, folder, out):
    client = DICOMwebClient(url=url)
    stored = store(client, folder) if folder else 0
    pathlib.Path(out).write_text(json.dumps({"stored": stored, "studies": look(client)}))


main(*sys.argv[1:])
