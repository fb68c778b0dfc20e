// One function, several instruction sets: the loader picks the best that the machine has.
#ifndef LAM_VECTOR_H
#define LAM_VECTOR_H

// Before a function whose loops are worth compiling for AVX-512 and AVX2 too. It works through
// indirect functions: GCC and glibc only, and not with the address and thread sanitizers, whose
// start comes after the choice is made. Not for functions that hold OpenMP parallel regions: the
// regions' bodies would be compiled for the baseline alone.
#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 12 && defined(__x86_64__) &&           \
    defined(__gnu_linux__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define LAM_VECTORISED __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define LAM_VECTORISED
#endif

#endif
