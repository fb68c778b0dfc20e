#include "logistic_newton.h"

#include <math.h>

enum { MOST_STEPS = 200, MOST_HALVINGS = 40 };

bool lam_logistic_invert(const lam_logistic_sums *sums, int lane, lam_covariance *covariance) {
    double i0 = sums->information[0][lane], i1 = sums->information[1][lane],
           i2 = sums->information[2][lane];
    double determinant = i0 * i2 - i1 * i1;
    if (!(determinant > 0 && determinant < INFINITY)) return false;
    *covariance = (lam_covariance){i2 / determinant, -i1 / determinant, i0 / determinant};
    return isfinite(covariance->intercept) && isfinite(covariance->slope);
}

// The score of the likelihood with Jeffreys' prior: each row adds h (1/2 - p) (1, x), where h =
// w (1, x) C (1, x)' is its leverage and C the covariance (Heinze and Schemper 2002, eq. 2).
static void add_prior(const lam_logistic_sums *sums, int k, const lam_covariance *c,
                      double score[2]) {
    double m0 = sums->moment[0][k], m1 = sums->moment[1][k], m2 = sums->moment[2][k],
           m3 = sums->moment[3][k];
    score[0] += c->intercept * m0 + 2 * c->both * m1 + c->slope * m2;
    score[1] += c->intercept * m1 + 2 * c->both * m2 + c->slope * m3;
}

// Takes lane k from the sums at the point tried to the next point to try. False: it has ended.
static bool climb_lane(lam_climb *s, const lam_logistic_sums *sums, int k, bool firth) {
    lam_covariance c;
    bool valid = lam_logistic_invert(sums, k, &c);
    double objective = sums->log_likelihood[k];
    if (firth && valid) objective -= 0.5 * log(c.intercept * c.slope - c.both * c.both);
    // The sums are good to about 1e-16 a row: what is lost in that is not a fall.
    double slack = 1e-12 * (1 + fabs(objective));
    if (!valid || !(objective >= s->objective[k] - slack)) {
        s->length[k] /= 2;
        return s->length[k] > ldexp(1, -MOST_HALVINGS);
    }
    s->intercept[k] += s->length[k] * s->intercept_step[k];
    s->slope[k] += s->length[k] * s->slope_step[k];
    s->objective[k] = objective;
    s->log_likelihood[k] = sums->log_likelihood[k];
    s->covariance[k] = c;
    double score[2] = {sums->score[0][k], sums->score[1][k]};
    if (firth) add_prior(sums, k, &c, score);
    double a = c.intercept * score[0] + c.both * score[1],
           b = c.both * score[0] + c.slope * score[1];
    s->intercept_step[k] = a, s->slope_step[k] = b, s->length[k] = 1;
    if (!(score[0] * a + score[1] * b <= s->tolerance)) return true;
    s->intercept[k] += a, s->slope[k] += b;
    s->converged[k] = true;
    return false;
}

void lam_logistic_climb(const lam_lanes *x, const double *sign, int64_t rows, bool firth,
                        lam_climb *climb) {
    bool going[LAM_LANES], any = false;
    for (int k = 0; k < LAM_LANES; k++) {
        going[k] = climb->active[k], any |= going[k];
        climb->converged[k] = false;
        climb->length[k] = 1;
    }
    for (int step = 0; any && step < MOST_STEPS; step++) {
        lam_lanes a = climb->intercept + climb->length * climb->intercept_step,
                  b = climb->slope + climb->length * climb->slope_step;
        lam_logistic_sums sums;
        lam_logistic_sum(x, sign, rows, &a, &b, firth, &sums);
        any = false;
        for (int k = 0; k < LAM_LANES; k++) {
            if (going[k]) going[k] = climb_lane(climb, &sums, k, firth);
            any |= going[k];
        }
    }
}

static void plain_step(const lam_logistic_sums *sums, int k, int64_t rows, lam_plain *plain) {
    const double ridge = 1e-10, tolerance = 1e-8, n = (double)rows;
    double i0 = sums->information[0][k] / n + ridge, i1 = sums->information[1][k] / n,
           i2 = sums->information[2][k] / n + ridge;
    double g0 = sums->score[0][k] / n, g1 = sums->score[1][k] / n;
    double determinant = i0 * i2 - i1 * i1;
    double a = (i2 * g0 - i1 * g1) / determinant, b = (i0 * g1 - i1 * g0) / determinant;
    plain->intercept[k] += a, plain->slope[k] += b;
    plain->steps[k]++;
    plain->done[k] =
        plain->steps[k] == LAM_PLAIN_STEPS || !(fabs(a) > tolerance || fabs(b) > tolerance);
}

void lam_logistic_plain(const lam_lanes *x, const double *sign, int64_t rows, int steps,
                        lam_plain *plain) {
    for (int step = 0; step < steps; step++) {
        bool all = true;
        for (int k = 0; k < LAM_LANES; k++) all &= plain->done[k];
        if (all) return;
        lam_logistic_sums sums;
        lam_logistic_sum(x, sign, rows, &plain->intercept, &plain->slope, false, &sums);
        for (int k = 0; k < LAM_LANES; k++)
            if (!plain->done[k]) plain_step(&sums, k, rows, plain);
    }
}
