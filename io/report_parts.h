// The parts of io/report.h: a panel as SVG and as a table, and the page's style and script.
#ifndef LAM_REPORT_PARTS_H
#define LAM_REPORT_PARTS_H

#include "io/figure.h"
#include "src/error.h"

#include <stddef.h>
#include <stdio.h>

// Text where HTML has text or a quoted attribute's value.
void lam_html_put(FILE *out, const char *text);

// The panel as an SVG element with the names of its axes; what is under the pointer the script
// reads from the table of that id.
void lam_report_svg(FILE *out, const lam_panel *panel, const char *table_id);

// The values behind a panel, with their caption: curves over the same x in columns of one table,
// others with an x of their own each; a map with a column a layer.
LAM_CHECKED lam_code lam_report_table(FILE *out, const lam_panel *panel, const char *id,
                                      lam_error *error);

// io/report.css and io/report.js, ended by a NUL that is not counted.
extern const char lam_report_style[], lam_report_script[];
extern const size_t lam_report_style_bytes, lam_report_script_bytes;

#endif
