#include "io/info_parts.h"

#include <math.h>
#include <stdlib.h>

double lam_group_value(const lam_group *group, size_t variable, int64_t i) {
    const void *data = group->data[variable];
    switch (group->variables[variable].type) {
    case LAM_DOUBLE:
        return ((const double *)data)[i];
    case LAM_FLOAT:
        return ((const float *)data)[i];
    case LAM_INT:
        return ((const int32_t *)data)[i];
    case LAM_INT64:
        return (double)((const int64_t *)data)[i];
    case LAM_BYTE:
        return ((const int8_t *)data)[i];
    case LAM_STRING:
        break;
    }
    return NAN;
}

static int by_value(const void *a, const void *b) {
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

lam_code lam_summarise(const lam_group *group, size_t variable, int64_t first, int64_t count,
                       lam_summary *summary, lam_error *error) {
    *summary = (lam_summary){.count = count, .minimum = NAN, .median = NAN, .maximum = NAN};
    double *sorted = malloc(((size_t)count + 1) * sizeof *sorted);
    if (!sorted) return lam_fail(error, LAM_MEMORY, "memory to sort values was refused");
    size_t kept = 0;
    for (int64_t i = 0; i < count; i++) {
        double value = lam_group_value(group, variable, first + i);
        if (!isnan(value)) sorted[kept++] = value + 0.0; // a -0 reads as 0
    }
    summary->missing = count - (int64_t)kept;
    if (kept) {
        qsort(sorted, kept, sizeof *sorted, by_value);
        summary->minimum = sorted[0];
        summary->median = (sorted[(kept - 1) / 2] + sorted[kept / 2]) / 2;
        summary->maximum = sorted[kept - 1];
    }
    free(sorted);
    return LAM_OK;
}
