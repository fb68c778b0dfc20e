#include "rsa_shared.h"

#include <math.h>
#include <string.h>

// A row's length below this, against what its mean took away, is rounding.
static const double alike = 1e-12;

// values [row] = each row's sum, or sum of squares, over all ranks.
static lam_code sum_rows(const lam_grid *grid, const lam_matrix *x, bool squares, double *values,
                         lam_error *error) {
    memset(values, 0, (size_t)x->rows * sizeof *values);
    for (int64_t j = 0; j < x->own_columns; j++) {
        const double *at = lam_matrix_column(x, j);
        for (int64_t i = 0; i < x->own_rows; i++)
            values[lam_grid_row(grid, i)] += squares ? at[i] * at[i] : at[i];
    }
    return grid->sum(grid, values, x->rows, error);
}

// Makes each row's length 1, or all of it 0 where it has no direction.
static lam_code direct(const lam_grid *grid, lam_similarity_kind kind, lam_matrix *x, double *mean,
                       double *length, int64_t *undirected, lam_error *error) {
    memset(mean, 0, (size_t)x->rows * sizeof *mean);
    if (kind == LAM_CORRELATION) LAM_TRY(sum_rows(grid, x, false, mean, error));
    for (int64_t i = 0; i < x->rows; i++) mean[i] /= (double)x->columns;
    for (int64_t j = 0; j < x->own_columns; j++)
        for (int64_t i = 0; i < x->own_rows; i++)
            lam_matrix_column(x, j)[i] -= mean[lam_grid_row(grid, i)];
    LAM_TRY(sum_rows(grid, x, true, length, error));
    *undirected = 0;
    for (int64_t i = 0; i < x->rows; i++) {
        length[i] = sqrt(length[i]);
        if (length[i] <= alike * fabs(mean[i]) * sqrt((double)x->columns)) length[i] = 0;
        *undirected += length[i] == 0;
    }
    for (int64_t j = 0; j < x->own_columns; j++)
        for (int64_t i = 0; i < x->own_rows; i++) {
            const double by = length[lam_grid_row(grid, i)];
            double *at = lam_matrix_column(x, j) + i;
            *at = by > 0 ? *at / by : 0;
        }
    return LAM_OK;
}

lam_code lam_similarity_shared(const lam_grid *grid, lam_similarity_kind kind, const float *x,
                               int64_t words, int64_t width, lam_matrix *similarity,
                               int64_t *undirected, lam_arena *arena, lam_error *error) {
    lam_arena scratch = {0};
    lam_matrix rows;
    lam_code code = lam_matrix_create(grid, words, words, similarity, arena, error);
    if (code == LAM_OK) code = lam_matrix_create(grid, words, width, &rows, &scratch, error);
    double *mean = lam_arena_alloc(&scratch, (size_t)words, sizeof *mean, error);
    double *length = lam_arena_alloc(&scratch, (size_t)words, sizeof *length, error);
    if (code == LAM_OK && !(mean && length)) code = LAM_MEMORY;
    code = grid->agree(grid, code, error);
    if (code == LAM_OK) code = grid->scatter(grid, x, &rows, error);
    if (code == LAM_OK) code = direct(grid, kind, &rows, mean, length, undirected, error);
    if (code == LAM_OK) code = grid->gram(grid, false, &rows, similarity, error);
    lam_arena_destroy(&scratch);
    return code;
}

// --- what is said of the pairs

typedef struct shared_work {
    const lam_grid *grid;
    const lam_categories *categories;
    int components;
    lam_matrix pairs[LAM_RSA_COMPONENTS]; // [word, word], those below the diagonal
    double mean[LAM_RSA_COMPONENTS], least[LAM_RSA_COMPONENTS], most[LAM_RSA_COMPONENTS];
    double *sums; // [category + SUMS]
    double *ends; // [rank, 2]
    double *bins; // [LAM_RSA_SHARED_BINS]
    int64_t *first;
    lam_rsa_shared *to;
    lam_error *error;
} shared_work;

// Beside a sum a category: over all other pairs, over them by the sizes of their categories.
enum { BETWEEN, BLOCKS, SUMS };

// The first own row below the diagonal in own column j. Own rows ascend.
static int64_t first_below(const shared_work *w, const lam_matrix *a, int64_t j) {
    const int64_t column = lam_grid_column(w->grid, j);
    int64_t low = 0, high = a->own_rows;
    while (low < high) {
        const int64_t middle = (low + high) / 2;
        if (lam_grid_row(w->grid, middle) > column)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

static double size_of(const lam_categories *c, int32_t g) {
    return (double)(c->start[g + 1] - c->start[g]);
}

static lam_code find_ends(shared_work *w, int k, double least, double most) {
    const lam_grid *grid = w->grid;
    const int ranks = grid->rows * grid->columns, rank = grid->row * grid->columns + grid->column;
    memset(w->ends, 0, 2 * (size_t)ranks * sizeof *w->ends);
    // A rank without pairs has none to offer: what it says is beyond any similarity.
    w->ends[2 * rank] = fmin(least, 2), w->ends[2 * rank + 1] = fmax(most, -2);
    LAM_TRY(grid->sum(grid, w->ends, 2 * ranks, w->error));
    w->least[k] = INFINITY, w->most[k] = -INFINITY;
    for (int r = 0; r < ranks; r++) {
        w->least[k] = fmin(w->least[k], w->ends[2 * r]);
        w->most[k] = fmax(w->most[k], w->ends[2 * r + 1]);
    }
    if (!(w->most[k] - w->least[k] > LAM_RSA_ALIKE * fmax(fabs(w->least[k]), fabs(w->most[k]))))
        w->to->flags[k] |= LAM_RSA_FLAT;
    return LAM_OK;
}

// Sums of one component's pairs, into w->sums, and their least and largest.
static lam_code sum_pairs(shared_work *w, int k) {
    const lam_grid *grid = w->grid;
    const lam_categories *c = w->categories;
    const lam_matrix *a = &w->pairs[k];
    double least = INFINITY, most = -INFINITY, *other = w->sums + c->count;
    memset(w->sums, 0, (size_t)(c->count + SUMS) * sizeof *w->sums);
    for (int64_t j = 0; j < a->own_columns; j++) {
        const double *at = lam_matrix_column(a, j);
        const int32_t g = c->of[lam_grid_column(grid, j)];
        double within = 0, between = 0, blocks = 0;
        for (int64_t i = first_below(w, a, j); i < a->own_rows; i++) {
            const int32_t h = c->of[lam_grid_row(grid, i)];
            least = at[i] < least ? at[i] : least, most = at[i] > most ? at[i] : most;
            if (h == g)
                within += at[i];
            else
                between += at[i], blocks += at[i] / size_of(c, h);
        }
        w->sums[g] += within, other[BETWEEN] += between, other[BLOCKS] += blocks / size_of(c, g);
    }
    LAM_TRY(grid->sum(grid, w->sums, c->count + SUMS, w->error));
    return find_ends(w, k, least, most);
}

// The mean squared deviations of both kinds of pairs, pooled.
static lam_code pooled_variance(shared_work *w, int k, const lam_contrast *made, double *variance) {
    const lam_categories *c = w->categories;
    const lam_matrix *a = &w->pairs[k];
    double squares = 0;
    for (int64_t j = 0; j < a->own_columns; j++) {
        const double *at = lam_matrix_column(a, j);
        const int32_t g = c->of[lam_grid_column(w->grid, j)];
        double column = 0;
        for (int64_t i = first_below(w, a, j); i < a->own_rows; i++) {
            const bool within = c->of[lam_grid_row(w->grid, i)] == g;
            const double apart = at[i] - (within ? made->pair_within : made->pair_between);
            column += apart * apart;
        }
        squares += column;
    }
    LAM_TRY(w->grid->sum(w->grid, &squares, 1, w->error));
    *variance = squares / (double)(lam_pair_count(c->words) - 2);
    return LAM_OK;
}

// As lam_contrast_of has it; leaves the mean of all pairs in w->mean.
static lam_code contrast(shared_work *w, int k, double *within_category) {
    const lam_categories *c = w->categories;
    const double *other = w->sums + c->count;
    double all_within = 0, count_within = 0, variance;
    lam_contrast *made = &w->to->contrast[k];
    LAM_TRY(sum_pairs(w, k));
    *made =
        (lam_contrast){.between = other[BLOCKS] * 2 / ((double)c->count * (double)(c->count - 1))};
    for (int32_t g = 0; g < c->count; g++) {
        const double pairs = size_of(c, g) * (size_of(c, g) - 1) / 2;
        within_category[g] = w->sums[g] / pairs;
        made->within += within_category[g] / (double)c->count;
        all_within += w->sums[g], count_within += pairs;
    }
    const double count = (double)lam_pair_count(c->words);
    w->mean[k] = (all_within + other[BETWEEN]) / count;
    made->pair_within = all_within / count_within;
    made->pair_between = other[BETWEEN] / (count - count_within);
    made->difference = made->within - made->between;
    made->selectivity = made->between != 0 ? made->within / made->between : NAN;
    if (!(made->between > 0)) made->flags |= LAM_RSA_RATIO;
    LAM_TRY(pooled_variance(w, k, made, &variance));
    const double most = fmax(fabs(w->least[k]), fabs(w->most[k]));
    made->cohens_d = NAN;
    if (sqrt(variance) > LAM_RSA_ALIKE * most)
        made->cohens_d = (made->pair_within - made->pair_between) / sqrt(variance);
    else
        made->flags |= LAM_RSA_SPREAD;
    w->to->flags[k] |= made->flags;
    return LAM_OK;
}

// Pearson's correlation of every two components' pairs about their means.
static lam_code correlate(shared_work *w, double correlation[LAM_RSA_PAIRS]) {
    double sums[LAM_RSA_COMPONENTS][LAM_RSA_COMPONENTS] = {0};
    for (int k = 0; k < LAM_RSA_COMPONENTS; k++)
        for (int l = 0; l <= k; l++) {
            const lam_matrix *a = &w->pairs[k], *b = &w->pairs[l];
            for (int64_t j = 0; j < a->own_columns; j++) {
                const double *x = lam_matrix_column(a, j), *y = lam_matrix_column(b, j);
                double column = 0;
                for (int64_t i = first_below(w, a, j); i < a->own_rows; i++)
                    column += (x[i] - w->mean[k]) * (y[i] - w->mean[l]);
                sums[k][l] += column;
            }
        }
    LAM_TRY(w->grid->sum(w->grid, sums[0], LAM_RSA_COMPONENTS * LAM_RSA_COMPONENTS, w->error));
    for (int p = 0; p < LAM_RSA_PAIRS; p++) {
        const int a = lam_rsa_pair[p][0], b = lam_rsa_pair[p][1];
        const int32_t flags = w->to->flags[a] | w->to->flags[b];
        correlation[p] = flags & (LAM_RSA_UNDIRECTED | LAM_RSA_FLAT)
                             ? NAN
                             : sums[a > b ? a : b][a > b ? b : a] / sqrt(sums[a][a] * sums[b][b]);
    }
    return LAM_OK;
}

// Bins in two steps: equal ones, and each of those cut in as many as its share of the pairs asks
// for.
enum { COARSE = LAM_RSA_SHARED_BINS / 4 };

typedef struct shared_bins {
    double least, width;  // of the coarse ones
    const int64_t *first; // [COARSE + 1] fine bins
} shared_bins;

static int64_t bin_of(const shared_bins *bins, double value) {
    const double place = (value - bins->least) / bins->width;
    const int64_t coarse = (int64_t)place < COARSE ? (int64_t)place : COARSE - 1,
                  first = bins->first[coarse], count = bins->first[coarse + 1] - first;
    const int64_t fine = (int64_t)((place - (double)coarse) * (double)count);
    return first + (fine < count ? fine : count - 1);
}

// w->bins [count] = how many pairs of the component fall into each.
static lam_code count_pairs(shared_work *w, int k, const shared_bins *bins, int64_t count) {
    const lam_matrix *a = &w->pairs[k];
    memset(w->bins, 0, (size_t)count * sizeof *w->bins);
    for (int64_t j = 0; j < a->own_columns; j++)
        for (int64_t i = first_below(w, a, j); i < a->own_rows; i++)
            w->bins[bin_of(bins, lam_matrix_column(a, j)[i])]++;
    return w->grid->sum(w->grid, w->bins, count, w->error);
}

// Puts ranks in the place of one component's similarities: the mean rank of their bin.
static lam_code rank(shared_work *w, int k) {
    const lam_matrix *a = &w->pairs[k];
    const double pairs = (double)lam_pair_count(w->categories->words);
    const shared_bins bins = {w->least[k], (w->most[k] - w->least[k]) / (COARSE - 1), w->first};
    if (w->to->flags[k] & (LAM_RSA_UNDIRECTED | LAM_RSA_FLAT)) return LAM_OK;
    for (int64_t b = 0; b <= COARSE; b++) w->first[b] = b;
    LAM_TRY(count_pairs(w, k, &bins, COARSE));
    for (int64_t b = 0; b < COARSE; b++)
        w->first[b + 1] =
            w->first[b] + 1 + (int64_t)(w->bins[b] / pairs * (LAM_RSA_SHARED_BINS - COARSE));
    LAM_TRY(count_pairs(w, k, &bins, w->first[COARSE]));
    double before = 0;
    for (int64_t b = 0; b < w->first[COARSE]; b++) {
        const double count = w->bins[b];
        w->bins[b] = before + (count + 1) / 2;
        before += count;
    }
    for (int64_t j = 0; j < a->own_columns; j++)
        for (int64_t i = first_below(w, a, j); i < a->own_rows; i++) {
            double *at = lam_matrix_column(a, j) + i;
            *at = w->bins[bin_of(&bins, *at)];
        }
    w->mean[k] = (pairs + 1) / 2;
    return LAM_OK;
}

static lam_code make_work(shared_work *w, lam_arena *arena) {
    const int ranks = w->grid->rows * w->grid->columns;
    LAM_ALLOC(w->sums, arena, w->categories->count + SUMS, w->error);
    LAM_ALLOC(w->ends, arena, 2 * ranks, w->error);
    if (w->components == 1) return LAM_OK;
    LAM_ALLOC(w->bins, arena, LAM_RSA_SHARED_BINS, w->error);
    LAM_ALLOC(w->first, arena, COARSE + 1, w->error);
    return LAM_OK;
}

lam_code lam_rsa_measure_shared(const lam_grid *grid, lam_similarity_kind kind,
                                const lam_categories *categories, int components, const float *rows,
                                int64_t width, lam_rsa_shared *to, double *within_category,
                                lam_arena *arena, lam_error *error) {
    shared_work w = {
        .grid = grid, .categories = categories, .components = components, .to = to, .error = error};
    *to = (lam_rsa_shared){0};
    LAM_TRY(grid->agree(grid, make_work(&w, arena), error));
    for (int k = 0; k < components; k++) {
        const int64_t words = categories->words;
        int64_t undirected;
        LAM_TRY(lam_similarity_shared(grid, kind, rows ? rows + k * words * width : NULL, words,
                                      width, &w.pairs[k], &undirected, arena, error));
        if (undirected > 0)
            to->flags[k] |= LAM_RSA_UNDIRECTED;
        else
            LAM_TRY(contrast(&w, k, within_category + k * categories->count));
    }
    if (components == 1) return LAM_OK;
    LAM_TRY(correlate(&w, to->rsa));
    for (int k = 0; k < components; k++) LAM_TRY(rank(&w, k));
    return correlate(&w, to->spearman);
}
