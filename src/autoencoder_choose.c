// The k largest values of every row, or of a batch, over all latents of a team: the bits of the
// least that stays are found from the highest down, by counting how many values are above each of a
// few trials.
#include "autoencoder_work.h"

#include <math.h>
#include <string.h>

enum { KEY_BITS = 31, LEVEL_BITS = 3, LEVELS = LAM_KEY_LEVELS };

_Static_assert(LEVELS == (1 << LEVEL_BITS) - 1, "a round decides so many bits");

// counts [block, row, level] of all blocks. Collective.
static lam_code count_round(lam_autoencoder *a, const lam_path *path, int64_t count, int shift,
                            lam_error *error) {
    const lam_autoencoder_work *w = a->work;
    const int64_t pieces = lam_pieces(count, LAM_ROW_PIECE);
#pragma omp parallel for schedule(dynamic) num_threads(w->threads)
    for (int64_t i = 0; i < a->own_blocks * pieces; i++) {
        const int64_t block = i / pieces, row = i % pieces * LAM_ROW_PIECE;
        const int64_t rows = lam_least(count - row, LAM_ROW_PIECE);
        int32_t found[LEVELS * LAM_ROW_PIECE];
        lam_autoencoder_count(lam_autoencoder_latents_of(a, block), rows,
                              lam_autoencoder_piece(a, path, block, i % pieces)->z,
                              w->choice.least + row, shift, found);
        double *to = w->choice.counts + ((a->first_block + block) * count + row) * LEVELS;
        for (int64_t r = 0; r < rows; r++)
            for (int level = 0; level < LEVELS; level++)
                to[r * LEVELS + level] = found[level * LAM_ROW_PIECE + r];
    }
    return a->team->share(a->team, a->blocks, w->choice.counts, count * LEVELS, error);
}

// total [level] += the counts of one row.
static void add_row(const lam_autoencoder *a, int64_t count, int64_t row, double *total) {
    for (int64_t block = 0; block < a->blocks; block++)
        for (int level = 0; level < LEVELS; level++)
            total[level] += a->work->choice.counts[(block * count + row) * LEVELS + level];
}

static uint32_t raise(uint32_t least, const double *total, double kept, int shift) {
    uint32_t level = LEVELS;
    while (level > 0 && total[level - 1] < kept) level--;
    const uint32_t raised = least + (level << shift);
    return raised < LAM_KEY_MOST ? raised : LAM_KEY_MOST;
}

// One round. The first only finds how many values there are to choose from: none that is 0 stays.
static lam_code round_of(lam_autoencoder *a, const lam_path *path, int64_t count, bool of_batch,
                         bool first, int shift, lam_error *error) {
    lam_choice *c = &a->work->choice;
    LAM_TRY(count_round(a, path, count, shift, error));
    double batch[LEVELS] = {0};
    for (int64_t row = 0; of_batch && row < count; row++) add_row(a, count, row, batch);
    for (int64_t row = 0; row < count; row++) {
        double total[LEVELS] = {0};
        if (!of_batch) add_row(a, count, row, total);
        const double *found = of_batch ? batch : total;
        if (!first)
            c->least[row] = raise(c->least[row], found, c->kept[row], shift);
        else if (found[0] < c->kept[row])
            c->kept[row] = found[0];
    }
    return LAM_OK;
}

// quota: what of those that equal the least still has room, in the order of blocks. Of a batch the
// room is one for all rows.
static lam_code set_quotas(lam_autoencoder *a, const lam_path *path, int64_t count, bool of_batch,
                           lam_error *error) {
    lam_choice *c = &a->work->choice;
    for (int64_t row = 0; row < count; row++) c->least[row]--; // level 0 is then the least itself
    LAM_TRY(count_round(a, path, count, 0, error));
    double above = 0;
    for (int64_t row = 0; row < count; row++) {
        double total[LEVELS] = {0};
        add_row(a, count, row, total);
        c->least[row]++;
        if (!of_batch) c->kept[row] -= total[1];
        above += total[1];
    }
    if (of_batch) c->kept[0] -= above;
    for (int64_t block = 0; block < a->blocks; block++)
        for (int64_t row = 0; row < count; row++) {
            const double *found = c->counts + (block * count + row) * LEVELS;
            double *room = &c->kept[of_batch ? 0 : row], equal = found[0] - found[1];
            const double taken = equal < *room ? equal : *room;
            const int64_t own = block - a->first_block;
            *room -= taken;
            if (own >= 0 && own < a->own_blocks)
                c->quota[own * a->work->pieces * LAM_ROW_PIECE + row] = (int32_t)taken;
        }
    return LAM_OK;
}

static void keep(lam_autoencoder *a, const lam_path *path, int64_t count) {
    const lam_autoencoder_work *w = a->work;
    const int64_t pieces = lam_pieces(count, LAM_ROW_PIECE);
#pragma omp parallel for schedule(dynamic) num_threads(w->threads)
    for (int64_t i = 0; i < a->own_blocks * pieces; i++) {
        const int64_t block = i / pieces, row = i % pieces * LAM_ROW_PIECE;
        const int64_t rows = lam_least(count - row, LAM_ROW_PIECE);
        const int64_t latents = lam_autoencoder_latents_of(a, block);
        int32_t *quota = w->choice.quota + block * w->pieces * LAM_ROW_PIECE + row;
        lam_piece *piece = lam_autoencoder_piece(a, path, block, i % pieces);
        for (int64_t j = 0; j < latents; j++)
            lam_autoencoder_keep(rows, w->choice.least + row, quota, piece->z + j * LAM_ROW_PIECE);
        lam_autoencoder_list(latents, row, rows, lam_autoencoder_most(a, latents, rows), piece);
    }
}

lam_code lam_autoencoder_choose(lam_autoencoder *a, const lam_path *path, int64_t count, int64_t k,
                                bool of_batch, lam_error *error) {
    lam_choice *c = &a->work->choice;
    const double kept = (double)k * (of_batch ? (double)count : 1);
    for (int64_t row = 0; row < count; row++) c->kept[row] = kept;
    memset(c->least, 0, (size_t)(a->work->pieces * LAM_ROW_PIECE) * sizeof *c->least);
    LAM_TRY(round_of(a, path, count, of_batch, true, 0, error));
    for (int shift = KEY_BITS - LEVEL_BITS; shift > -LEVEL_BITS; shift -= LEVEL_BITS)
        LAM_TRY(round_of(a, path, count, of_batch, false, shift > 0 ? shift : 0, error));
    LAM_TRY(set_quotas(a, path, count, of_batch, error));
    keep(a, path, count);
    return LAM_OK;
}

float lam_autoencoder_least_chosen(const lam_autoencoder *a) {
    float least;
    memcpy(&least, a->work->choice.least, sizeof least);
    return isfinite(least) ? least : 0;
}
