// A grid of all ranks for matrices that outgrow one (src/grid.h), by ScaLAPACK.
#ifndef LAM_MPI_GRID_H
#define LAM_MPI_GRID_H

#include "mpi/comm.h"
#include "src/grid.h"

typedef struct lam_mpi_grid {
    lam_grid grid; // what the mathematics sees
    const lam_comm *comm;
    int handle, context; // BLACS'
    int source;          // the rank that scatters: the caller's to set
} lam_mpi_grid;

// A grid of so many rows of ranks (they divide the ranks; 0: as square as can be), with blocks of
// block x block. comm is kept by reference, and so is *grid by what uses it: it stays where it is.
// Collective.
void lam_mpi_grid_create(lam_mpi_grid *grid, const lam_comm *comm, int rows, int block);

// Collective.
void lam_mpi_grid_destroy(lam_mpi_grid *grid);

#endif
