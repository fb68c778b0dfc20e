// Which encoding a page is written in, and its text as UTF-8.
#ifndef LAM_CHARSET_H
#define LAM_CHARSET_H

#include "src/error.h"

#include <stddef.h>

enum { LAM_CHARSET_NAME = 64 };

// The encoding that a page declares in a <meta> element or an XML declaration within its first
// 4,096 bytes, in lower case, as written there. An empty name where there is none.
void lam_charset_declared(const char *page, size_t bytes, char name[LAM_CHARSET_NAME]);

// *text = the page as UTF-8, to be freed by the caller, a NUL after its *length bytes; *replaced =
// how many U+FFFD stand for what could not be decoded. A page that is valid UTF-8 is UTF-8,
// whatever it declares: text in another encoding hardly ever is valid by chance, and a wrong
// declaration is common. Any other is read as it declares where that is an encoding known to
// iconv, else as UTF-8. A byte-order mark at the beginning is left out. Errors: LAM_MEMORY.
LAM_CHECKED lam_code lam_charset_decode(const char *page, size_t bytes, char **text, size_t *length,
                                        size_t *replaced, lam_error *error);

#endif
