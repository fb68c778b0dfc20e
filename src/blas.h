// OpenBLAS, where that is the BLAS in use: what it has to be told before it is loaded.
#ifndef LAM_BLAS_H
#define LAM_BLAS_H

#include <stdbool.h>

// The kernels that were chosen for this processor ("SkylakeX"), for reports; "unknown" where
// another library stands in for OpenBLAS.
const char *lam_blas_kernels(void);

// From now on BLAS and LAPACK work on the thread that calls them alone: their bits must not depend
// on the number of threads. For whoever is about to call them.
void lam_blas_use_one_thread(void);

// OpenBLAS chooses kernels and starts threads when the program is loaded, as the environment says:
// kernels for processors of 2004 where it does not know the processor (Debian's 0.3.21 with newer
// ones of Intel's), and a thread a processor, to which signals would be delivered that stop.h has
// asked for. Sets the environment so that it chooses better; true where something had to be set:
// then the program is to be started again. Kernels that the user chose (OPENBLAS_CORETYPE) stay.
bool lam_blas_settle(void);

#endif
