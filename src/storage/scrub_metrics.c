#include "storage/scrub_private.h"
#include "storage/storage_state.h"

result scrub_metrics_text(struct scrub *scrub, struct bytes *out_text) {
    const struct storage_metric metrics[] = {
        {"scrub_images_total", "counter", "Images mended or found good.", (double)scrub->images},
        {"scrub_bytes_total", "counter", "Bytes of the store read and compared.",
         (double)scrub->bytes},
        {"scrub_found_total", "counter", "Slices' files and symbols found lost or bad.",
         (double)scrub->found},
        {"scrub_repaired_total", "counter", "Files, symbols and records made good.",
         (double)scrub->repaired},
        {"scrub_failed_total", "counter", "Files and symbols that could not be made good.",
         (double)scrub->failed},
        {"scrub_dropped_total", "counter", "Slots given up to their new holders.",
         (double)scrub->dropped},
        {"scrub_read_bytes_total", "counter", "Bytes of slices fetched from other servers.",
         (double)scrub->read},
        {"scrub_written_bytes_total", "counter", "Bytes of slices and symbols written.",
         (double)scrub->written},
        {"scrub_looks_total", "counter", "Times that all other servers were asked what is new.",
         (double)scrub->looks},
        {"scrub_passes_total", "counter", "Times that the whole store was read.",
         (double)scrub->passes},
        {"scrub_last_pass_timestamp_seconds", "gauge", "When the last pass ended; 0: none did.",
         (double)scrub->last_pass_ms / 1e3},
        {"scrub_last_pass_seconds", "gauge", "How long the last pass took.",
         (double)scrub->last_pass_took_ms / 1e3},
        {"scrub_running", "gauge", "1 while a pass is under way.", scrub->is_passing ? 1 : 0},
        {"scrub_paused", "gauge", "1 while the file scrub.pause is there.",
         scrub->is_paused ? 1 : 0},
        {"slots_moving", "gauge", "Slots still to come or to go, at the last look.",
         (double)scrub->moving},
        {"settled_version", "gauge",
         "The last version of the system description by which all slots were in their places.",
         (double)scrub->settled_version},
    };
    for (size_t i = 0; i < sizeof metrics / sizeof *metrics; i++)
        TRY(storage_metric_append(out_text, &metrics[i]));
    return OK;
}
