#include <fcntl.h>
#include <string.h>
#include <time.h>

#include <dcmtk/config/osconfig.h>
#include <dcmtk/dcmdata/dcistrma.h>
#include <dcmtk/dcmdata/dctk.h>

#include <mutex>
#include <new>

extern "C" { /* the headers are C's */
#include "codec/dicom.h"
}

namespace {

/* What a hostile header may cost: bytes taken from the file; calls for them, each of some 50 bytes
 * of memory; stack, since DCMTK recurses into sequences; processor time, since it sorts elements
 * that are out of order one by one. */
constexpr uint64_t READ_BYTES_MAX = 8u << 20;
constexpr uint64_t DEFLATED_BYTES_MAX = 64u << 10;
constexpr unsigned READ_CALLS_MAX = 800000;
constexpr unsigned CALLS_BETWEEN_CLOCKS = 256;
constexpr int64_t CPU_NS_MAX = 1000000000;
constexpr ptrdiff_t STACK_BYTES_MAX = 256 << 10;
/* Longer values are skipped, not loaded; no value that is asked for is longer. */
constexpr Uint32 VALUE_BYTES_MAX = 1024;

int64_t cpu_ns() {
    struct timespec now = {};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<int64_t>(now.tv_sec) * 1000000000 + now.tv_nsec;
}

/* Gives DCMTK a source's bytes within those bounds; beyond them the file seems broken. */
class SourceProducer final : public DcmProducer {
  public:
    explicit SourceProducer(const struct codec_source *source)
        : source_(source), stack_(reinterpret_cast<const char *>(__builtin_frame_address(0))) {
    }

    void limitBytes(uint64_t bytes) {
        bytes_left_ = bytes;
    }
    result error() const {
        return error_;
    }

    OFBool good() const override {
        return status_.good();
    }
    OFCondition status() const override {
        return status_;
    }
    OFBool eos() override {
        return position_ >= source_->size;
    }
    offile_off_t avail() override {
        return static_cast<offile_off_t>(source_->size - position_);
    }
    offile_off_t read(void *buffer, offile_off_t length) override;
    offile_off_t skip(offile_off_t length) override;
    void putback(offile_off_t length) override;

  private:
    bool affords(uint64_t bytes);

    const struct codec_source *source_;
    const char *stack_;
    uint64_t position_ = 0;
    uint64_t bytes_left_ = READ_BYTES_MAX;
    unsigned calls_left_ = READ_CALLS_MAX;
    int64_t started_ns_ = cpu_ns();
    OFCondition status_ = EC_Normal;
    result error_ = OK;
};

bool SourceProducer::affords(uint64_t bytes) {
    const char *here = reinterpret_cast<const char *>(__builtin_frame_address(0));
    ptrdiff_t depth = stack_ > here ? stack_ - here : here - stack_;
    bool is_late = calls_left_ % CALLS_BETWEEN_CLOCKS == 0 && cpu_ns() - started_ns_ > CPU_NS_MAX;
    if (bytes > bytes_left_ || calls_left_ == 0 || depth > STACK_BYTES_MAX || is_late) {
        status_ = EC_StreamNotifyClient;
        return false;
    }
    bytes_left_ -= bytes;
    calls_left_--;
    return true;
}

offile_off_t SourceProducer::read(void *buffer, offile_off_t length) {
    if (!good() || buffer == nullptr || length <= 0)
        return 0;
    uint64_t wanted = static_cast<uint64_t>(length), left = source_->size - position_;
    size_t taken = static_cast<size_t>(wanted < left ? wanted : left);
    if (!affords(taken))
        return 0;
    error_ = codec_source_read(source_, position_, static_cast<uint8_t *>(buffer), taken);
    if (error_ != OK) {
        status_ = EC_InvalidStream;
        return 0;
    }
    position_ += taken;
    return static_cast<offile_off_t>(taken);
}

offile_off_t SourceProducer::skip(offile_off_t length) {
    if (!good() || length <= 0 || !affords(0))
        return 0;
    uint64_t wanted = static_cast<uint64_t>(length), left = source_->size - position_;
    uint64_t taken = wanted < left ? wanted : left;
    position_ += taken;
    return static_cast<offile_off_t>(taken);
}

void SourceProducer::putback(offile_off_t length) {
    if (length < 0 || static_cast<uint64_t>(length) > position_)
        status_ = EC_PutbackFailed;
    else
        position_ -= static_cast<uint64_t>(length);
}

class SourceStream final : public DcmInputStream {
  public:
    explicit SourceStream(SourceProducer *producer) : DcmInputStream(producer) {
    }
    DcmInputStreamFactory *newFactory() const override;
};

/* That there is a factory makes DCMTK skip long values; nobody asks for one of them later. */
class NoStreamFactory final : public DcmInputStreamFactory {
  public:
    DcmInputStream *create() const override {
        return nullptr;
    }
    DcmInputStreamFactory *clone() const override {
        return new NoStreamFactory;
    }
    DcmInputStreamFactoryType ident() const override {
        return DFT_DcmInputFileStreamFactory;
    }
};

DcmInputStreamFactory *SourceStream::newFactory() const {
    return new NoStreamFactory;
}

void silence() {
    static std::once_flag once;
    std::call_once(once,
                   [] { OFLog::getLogger("dcmtk.dcmdata").setLogLevel(OFLogger::OFF_LOG_LEVEL); });
}

/* A short string value, its padding taken off; "" where it is missing or long. Elements that some
 * software wrote with VR UN hold the same characters. */
OFString text_of(DcmItem &item, const DcmTagKey &tag) {
    DcmElement *element = nullptr;
    OFString text;
    Uint8 *bytes = nullptr;
    if (item.findAndGetElement(tag, element).bad() || element->getLength() > VALUE_BYTES_MAX)
        return text;
    if (element->ident() == EVR_UN && element->getUint8Array(bytes).good() && bytes != nullptr)
        text.assign(reinterpret_cast<const char *>(bytes), element->getLength());
    else if (!element->isaString() || element->getOFString(text, 0).bad())
        return OFString();
    size_t end = text.find_last_not_of(OFString(" \0", 2));
    return end == OFString_npos ? OFString() : text.substr(0, end + 1);
}

/* The same of a UID. */
void copy_uid(DcmItem &item, const DcmTagKey &tag, char out[DICOM_UID_MAX + 1]) {
    OFString uid = text_of(item, tag);
    if (!uid.empty() && uid.length() <= DICOM_UID_MAX &&
        uid.find_first_not_of("0123456789.") == OFString_npos)
        memcpy(out, uid.c_str(), uid.length() + 1);
}

Uint16 number_of(DcmItem &item, const DcmTagKey &tag) {
    Uint16 number = 0;
    return item.findAndGetUint16(tag, number).good() ? number : static_cast<Uint16>(0);
}

void copy_geometry(DcmItem &item, struct dicom_info *out) {
    out->rows = number_of(item, DCM_Rows);
    out->columns = number_of(item, DCM_Columns);
    out->samples = number_of(item, DCM_SamplesPerPixel);
    out->bits_allocated = number_of(item, DCM_BitsAllocated);
    out->bits_stored = number_of(item, DCM_BitsStored);
    out->is_signed = number_of(item, DCM_PixelRepresentation) == 1;
    out->is_planar = number_of(item, DCM_PlanarConfiguration) == 1;
    OFString photometric = text_of(item, DCM_PhotometricInterpretation);
    if (photometric.length() <= DICOM_PHOTOMETRIC_MAX)
        memcpy(out->photometric, photometric.c_str(), photometric.length() + 1);
    OFString frames = text_of(item, DCM_NumberOfFrames);
    unsigned long parsed = strtoul(frames.c_str(), nullptr, 10);
    out->frames = parsed >= 1 && parsed <= UINT32_MAX ? static_cast<uint32_t>(parsed) : 1;
}

/* DCMTK stopped behind some element's tag and length, at `value_at`: is it the pixel data's? The
 * file's own bytes decide. */
result locate_pixels(const struct codec_source *source, const DcmXfer &syntax, uint64_t value_at,
                     struct dicom_info *out) {
    uint8_t head[12]; /* explicit VR: tag, VR, two zeros, length */
    const size_t head_len = syntax.isExplicitVR() ? 12 : 8;
    if (value_at < head_len || value_at > source->size)
        return OK;
    TRY(codec_source_read(source, value_at - head_len, head, head_len));
    static const uint8_t little[4] = {0xe0, 0x7f, 0x10, 0x00}, big[4] = {0x7f, 0xe0, 0x00, 0x10};
    bool is_big = syntax.isBigEndian();
    if (memcmp(head, is_big ? big : little, 4) != 0)
        return OK;
    if (head_len == 12 && memcmp(head + 4, "OW", 2) != 0 && memcmp(head + 4, "OB", 2) != 0)
        return OK;
    const uint8_t *l = head + head_len - 4;
    uint32_t length = is_big
                          ? load_be32(l)
                          : static_cast<uint32_t>(l[3]) << 24 | static_cast<uint32_t>(l[2]) << 16 |
                                static_cast<uint32_t>(l[1]) << 8 | l[0];
    out->header_len = value_at;
    out->is_encapsulated = length == UINT32_MAX; /* a sequence of fragments */
    if (out->is_encapsulated || syntax.isEncapsulated())
        return OK;
    out->has_native_pixels = true;
    out->pixel_offset = value_at;
    out->pixel_len = length;
    return OK;
}

result read_header(const struct codec_source *source, struct dicom_info *out) {
    SourceProducer producer(source);
    SourceStream stream(&producer);
    DcmMetaInfo meta;
    DcmDataset dataset;
    meta.transferInit();
    meta.read(stream, EXS_Unknown, EGL_noChange, VALUE_BYTES_MAX);
    meta.transferEnd();
    copy_uid(meta, DCM_TransferSyntaxUID, out->transfer_syntax);
    /* DCMTK has a transfer syntax whose UID is empty; here that means "not said". */
    DcmXfer syntax(EXS_Unknown);
    if (out->transfer_syntax[0] != '\0')
        syntax = DcmXfer(out->transfer_syntax);
    bool is_deflated = syntax.getStreamCompression() == ESC_zlib;
    if (is_deflated)
        producer.limitBytes(DEFLATED_BYTES_MAX);
    dataset.transferInit();
    OFCondition read = dataset.readUntilTag(stream, syntax.getXfer(), EGL_noChange, VALUE_BYTES_MAX,
                                            DCM_PixelData);
    dataset.transferEnd();
    TRY(producer.error());
    copy_uid(dataset, DCM_StudyInstanceUID, out->study_uid);
    copy_uid(dataset, DCM_SOPInstanceUID, out->sop_instance_uid);
    copy_geometry(dataset, out);
    DcmXfer actual(dataset.getOriginalXfer());
    out->is_big_endian = actual.isBigEndian();
    if (read.bad() || is_deflated)
        return OK;
    return locate_pixels(source, actual, static_cast<uint64_t>(stream.tell()), out);
}

enum dicom_start { NOT_DICOM, MAYBE_DICOM, SURELY_DICOM };

/* Before any parsing: most files are not DICOM, and DCMTK would guess. */
result look_at_start(const struct codec_source *source, enum dicom_start *out_start) {
    uint8_t start[132] = {0};
    size_t len = source->size < sizeof start ? static_cast<size_t>(source->size) : sizeof start;
    *out_start = NOT_DICOM;
    TRY(codec_source_read(source, 0, start, len));
    if (memcmp(start + 128, "DICM", 4) == 0)
        *out_start = SURELY_DICOM;
    else if (len >= 8 && (memcmp(start, "\x02\0\0\0", 4) == 0 || memcmp(start, "\x08\0", 2) == 0 ||
                          memcmp(start, "\0\x08", 2) == 0))
        *out_start = MAYBE_DICOM;
    return OK;
}

} /* namespace */

extern "C" result dicom_probe(const struct codec_source *source, struct dicom_info *out_info) {
    memset(out_info, 0, sizeof *out_info);
    enum dicom_start start;
    TRY(look_at_start(source, &start));
    if (start == NOT_DICOM)
        return OK;
    try {
        silence();
        struct dicom_info info = {};
        TRY(read_header(source, &info));
        info.is_dicom = start == SURELY_DICOM || info.sop_instance_uid[0] != '\0';
        if (info.is_dicom)
            *out_info = info;
    } catch (const std::bad_alloc &) {
        return FAIL(NO_MEMORY, "reading %s: no memory for its DICOM header", source->name);
    } catch (...) { /* a library's opinion of a broken file */
        out_info->is_dicom = start == SURELY_DICOM;
    }
    return OK;
}

extern "C" result dicom_probe_path(const char *path, struct dicom_info *out_info) {
    memset(out_info, 0, sizeof *out_info);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return FAIL(errno == ENOENT ? NOT_FOUND : IO, "reading %s: %s", path, strerror(errno));
    struct codec_source source;
    result probed = codec_source_file(fd, path, &source);
    if (probed == OK)
        probed = dicom_probe(&source, out_info);
    close(fd);
    return probed;
}
