// What a run keeps of its work in its run folder, for --resume: finished layers, and every so often
// the states of its layers while sequences pass, or later of the one that this rank is at. Files
// are written by a thread of their own. Where they cannot be, a line says so, and the run goes on
// with what was kept before.
#ifndef LAM_KEEPER_H
#define LAM_KEEPER_H

#include "io/run_writer.h"
#include "src/schema.h"
#include "src/state.h"

typedef struct lam_keeper {
    const lam_run_folder *folder;
    double interval; // seconds between two states; 0: none are kept
    bool resumed;    // there may be what an earlier run kept
    lam_run_writer *writer;
    bool states;                  // whether they are kept
    bool told;                    // of a finished layer that could not be
    bool writing_state;           // what the writer was given last is a state
    double since;                 // when the last state was kept, or the layer began
    double spent;                 // seconds on the last of what layers have seen
    int64_t times;                // that a state was kept, or what all layers have seen
    double held, bytes;           // seconds that this held the rank up, and bytes of it, in all
    int64_t kept;                 // the position of the layer's last state, -1: none
    char name[LAM_RUN_FILE_NAME]; // the layer's
} lam_keeper;

// folder must outlive it. Without a thread to be had, a line says that nothing is kept.
void lam_keeper_create(lam_keeper *keeper, const lam_run_folder *folder, double interval,
                       bool resumed);

// Waits for what is being written, whose copy is gone then, and takes what came of it.
void lam_keeper_settle(lam_keeper *keeper);

// Waits likewise; a verbose run says what keeping states has taken.
void lam_keeper_destroy(lam_keeper *keeper);

// Keeps a finished layer; its states are gone then.
void lam_keeper_layer(lam_keeper *keeper, const char *profile, int64_t layer,
                      const lam_group *groups, size_t count);

// The layer begins: *found says whether it was put back to where an earlier run kept it last, of
// which a line tells; if not, state's memory holds anything. Collective over the state's team. The
// team's errors; LAM_MEMORY.
LAM_CHECKED lam_code lam_keeper_restore(lam_keeper *keeper, const char *profile, int64_t layer,
                                        lam_state *state, bool *found, lam_error *error);

// Offers the layer's state: it is copied and kept where the interval is over, or now. Collective
// over the state's team; the team's errors.
LAM_CHECKED lam_code lam_keeper_state(lam_keeper *keeper, const lam_state *state, bool now,
                                      lam_error *error);

// While sequences pass: whether what the layers have seen of them is to be kept now, as far as this
// rank knows; and what a rank does where all agree on it. Between begin and end it hands over its
// blocks of each layer's state; those of position `kept`, -1: none, stay. They wait in memory until
// they are written (io/run_writer.h).
bool lam_keeper_due(lam_keeper *keeper);
void lam_keeper_begin_seen(lam_keeper *keeper);
void lam_keeper_seen(lam_keeper *keeper, const char *profile, int64_t layer, int64_t kept,
                     const lam_state *state);
void lam_keeper_end_seen(lam_keeper *keeper);

#endif
