// How fast this machine computes, by short measurements, for laminar doctor. Figures are the best
// of several rounds, of all OpenMP threads together unless said otherwise; they say what the
// machine does now, beside whatever else runs on it.
#ifndef LAM_SPEED_H
#define LAM_SPEED_H

#include "error.h"

#include <stdbool.h>

typedef struct lam_speed {
    double registers; // multiply-adds (two operations) in registers alone, operations a second: the
                      // most that products in single precision can reach
    double registers_one; // the same of one thread
    double products;      // lam_product_run, single precision, operations a second
    double blas;          // dgemm on one thread, double precision, operations a second
    double memory;        // bytes a second that a = b + c x d moves
    bool wrong;           // a product came out wrong
    int lanes;            // the vectors of registers: "512 bits"
} lam_speed;

// Takes about a second, and 100 MB. LAM_MEMORY, and what products fail with.
LAM_CHECKED lam_code lam_speed_measure(lam_speed *speed, lam_error *error);

#endif
