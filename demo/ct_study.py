#!/usr/bin/python3
"""Writes the real CT of a head in Debian's invesalius-examples as a DICOM study, one file a slice.

Usage: ct_study.py CRANIUM.inv3 FOLDER [--slices N] [--study UID]
The voxels (108 x 256 x 256, signed 16 bit) are the scanner's; names and UIDs are made up here."""
import argparse
import pathlib
import sys
import tarfile

import numpy
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
STUDY = "1.2.826.0.1.3680043.10.1337.1"
SHAPE, SPACING_MM, THICKNESS_MM = (108, 256, 256), 0.957031, 1.5


def voxels(path):
    """The volume as int16 of SHAPE."""
    with tarfile.open(path) as archive:
        member = next(m for m in archive.getmembers() if m.name.endswith("matrix.dat"))
        data = archive.extractfile(member).read()
    volume = numpy.frombuffer(data, dtype="<i2").reshape(SHAPE)
    return volume[:, ::-1, :]  # stored with its rows upside down


def instance(path, pixels, number, study):
    """One CT slice as a DICOM file at `path`."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CT_IMAGE
    meta.MediaStorageSOPInstanceUID = f"{study}.1.{number}"
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = f"{STUDY}.0"
    ds = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    ds.is_little_endian, ds.is_implicit_VR = True, False
    ds.SOPClassUID, ds.SOPInstanceUID = CT_IMAGE, meta.MediaStorageSOPInstanceUID
    ds.StudyInstanceUID, ds.SeriesInstanceUID = study, f"{study}.1"
    ds.FrameOfReferenceUID = f"{study}.2"
    ds.PatientName, ds.PatientID, ds.PatientBirthDate, ds.PatientSex = "Example^Head", "EX-1", "", "O"
    ds.StudyID, ds.SeriesNumber, ds.InstanceNumber = "1", 1, number
    ds.StudyDate, ds.StudyTime, ds.AccessionNumber, ds.ReferringPhysicianName = "20120914", "151208", "", ""
    ds.Modality, ds.Manufacturer, ds.PatientPosition = "CT", "", "HFS"
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.PixelSpacing, ds.SliceThickness = [SPACING_MM, SPACING_MM], THICKNESS_MM
    ds.ImagePositionPatient = [0, 0, (number - 1) * THICKNESS_MM]
    ds.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.Rows, ds.Columns = pixels.shape
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 1
    ds.RescaleIntercept, ds.RescaleSlope, ds.WindowCenter, ds.WindowWidth = 0, 1, 40, 400
    ds.PixelData = numpy.ascontiguousarray(pixels).tobytes()
    ds.save_as(str(path), write_like_original=False)


def write_study(source, folder, slices=SHAPE[0], study=STUDY):
    """`slices` files in `folder` (the volume again from its start where there are more than 108)."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    volume = voxels(source)
    for i in range(slices):
        instance(folder / f"slice-{i + 1:03}.dcm", volume[i % len(volume)], i + 1, study)
    return study


def render(dicom, png, center=40, width=400):
    """A slice through a soft-tissue window as an 8-bit PNG, for the eye."""
    import pydicom
    from PIL import Image
    pixels = pydicom.dcmread(dicom).pixel_array.astype("f4")
    grey = (pixels - (center - width / 2)) * (255 / width)
    Image.fromarray(grey.clip(0, 255).astype("u1")).resize((512, 512)).save(png)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source")
    parser.add_argument("folder")
    parser.add_argument("--slices", type=int, default=SHAPE[0])
    parser.add_argument("--study", default=STUDY)
    given = parser.parse_args()
    sys.stdout.write(write_study(given.source, given.folder, given.slices, given.study) + "\n")
