#include "columns.h"

#include <stdlib.h>
#include <sys/ioctl.h>

int lam_columns(int descriptor, int fewest, int most) {
    const char *text = getenv("COLUMNS");
    int columns = text ? atoi(text) : 0;
    struct winsize size;
    if (columns <= 0 && ioctl(descriptor, TIOCGWINSZ, &size) == 0) columns = size.ws_col;
    if (columns <= 0) columns = 80;
    return columns < fewest ? fewest : columns > most ? most : columns;
}
