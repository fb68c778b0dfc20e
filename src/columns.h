#ifndef LAM_COLUMNS_H
#define LAM_COLUMNS_H

// Columns that lines for people may have: COLUMNS, else those of the terminal that the descriptor
// is, else 80; within fewest and most.
int lam_columns(int descriptor, int fewest, int most);

#endif
