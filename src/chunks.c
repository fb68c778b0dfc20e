#include "chunks.h"

#include "forward.h"

lam_code lam_chunks_cut(const lam_sequences *sequences, int64_t most, lam_chunks *chunks,
                        lam_arena *arena, lam_error *error) {
    int64_t batches = 0, largest = 0;
    for (int64_t s = 0; s < sequences->count; batches++) {
        const lam_batch batch = lam_batch_from(sequences, s);
        if (batch.count > largest) largest = batch.count;
        s += batch.count;
    }
    // So many micro-batches a chunk, at most.
    const int64_t each = most == 0 ? batches : most > largest ? most / largest : 1;
    *chunks = (lam_chunks){.count = batches > each ? (batches + each - 1) / each : 1};
    LAM_ALLOC(chunks->first, arena, chunks->count + 1, error);
    int64_t chunk = 1;
    for (int64_t s = 0, batch = 0; s < sequences->count; batch++) {
        if (chunk < chunks->count && batch == chunk * batches / chunks->count)
            chunks->first[chunk++] = s;
        s += lam_batch_from(sequences, s).count;
    }
    chunks->first[chunks->count] = sequences->count;
    return LAM_OK;
}
