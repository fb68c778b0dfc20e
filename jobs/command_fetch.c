#include "io/cache.h"
#include "io/fetch.h"
#include "io/fetch_list.h"
#include "io/replace_file.h"
#include "jobs/arguments.h"
#include "jobs/commands.h"
#include "lam_version.h"
#include "src/log.h"
#include "src/stop.h"
#include "src/wording.h"

#include <curl/curlver.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef enum fetch_kind { FETCH_PAGE, FETCH_TEXT, FETCH_MODEL, FETCH_NOTHING } fetch_kind;

static const char *const kinds[] = {"page", "text", "model"};

typedef struct fetch_options {
    const char *output, *list, *language, *revision, *cache;
    bool refresh;
    const char *wiki, *hub, *proxy, *contact;
    int64_t connections, tries, largest;
    double backoff, stall;
} fetch_options;

static const lam_option what_options[] = {
    {"output", LAM_OPTION_PATH, offsetof(fetch_options, output), NULL, 0, 0, NULL,
     "of pages and texts: the manifest that they are added to (default corpus.yaml); of a model: a "
     "link to make to its folder"},
    {"list", LAM_OPTION_PATH, offsetof(fetch_options, list), NULL, 0, 0, NULL,
     "a file with more titles or addresses, one a line; lines that begin with # are left out"},
    {"lang", LAM_OPTION_STRING, offsetof(fetch_options, language), "en", 0, 0, NULL,
     "of pages: the wiki's language"},
    {"revision", LAM_OPTION_STRING, offsetof(fetch_options, revision), NULL, 0, 0, NULL,
     "of one page: the number of its revision (oldid); of a model: a commit, branch or tag"},
    {"cache", LAM_OPTION_PATH, offsetof(fetch_options, cache), NULL, 0, 0, NULL,
     "the folder that keeps what was fetched (default: LAMINAR_CACHE, else laminar in "
     "XDG_CACHE_HOME or ~/.cache)"},
    {"refresh", LAM_OPTION_BOOL, offsetof(fetch_options, refresh), "no", 0, 0, NULL,
     "ask again for what is in the cache"},
    {NULL},
};

static const lam_option network_options[] = {
    {"contact", LAM_OPTION_STRING, offsetof(fetch_options, contact), NULL, 0, 0, NULL,
     "an address or page where you can be reached, sent with each request, as Wikimedia asks of "
     "programs (default: LAMINAR_CONTACT)"},
    {"connections", LAM_OPTION_INTEGER, offsetof(fetch_options, connections), "1", 1, 16, NULL,
     "to one host at a time"},
    {"tries", LAM_OPTION_INTEGER, offsetof(fetch_options, tries), "6", 1, 1000, NULL,
     "of a file without any progress, before it is given up"},
    {"backoff", LAM_OPTION_REAL, offsetof(fetch_options, backoff), "1", 0, 60, NULL,
     "seconds before the second try; doubled for each after it, up to 60"},
    {"stall", LAM_OPTION_REAL, offsetof(fetch_options, stall), "60", 1, 3600, NULL,
     "seconds below 100 bytes a second after which a connection is given up"},
    {"largest", LAM_OPTION_INTEGER, offsetof(fetch_options, largest), "auto", 1, 0x1p63, NULL,
     "bytes of a file at most, such as 20G; auto: 64M for a page, 2G for a text, 64G for a dump or "
     "weights"},
    {"proxy", LAM_OPTION_STRING, offsetof(fetch_options, proxy), NULL, 0, 0, NULL,
     "the proxy's address (default: http_proxy, https_proxy and no_proxy)"},
    {"wiki", LAM_OPTION_STRING, offsetof(fetch_options, wiki), NULL, 0, 0, NULL,
     "the wiki's address (default: LAMINAR_WIKI, else https://{lang}.wikipedia.org)"},
    {"hub", LAM_OPTION_STRING, offsetof(fetch_options, hub), NULL, 0, 0, NULL,
     "the model hub's address (default: HF_ENDPOINT, else https://huggingface.co)"},
    {NULL},
};

static const char *const examples[] = {
    "laminar fetch page 'Light-emitting diode' -o led.yaml --contact me@example.org",
    "laminar fetch page --list titles.txt --lang de -o pages.yaml",
    "laminar fetch text https://www.gutenberg.org/cache/epub/32154/pg32154.txt -o story.yaml",
    "laminar fetch model EleutherAI/pythia-70m -o models/pythia-70m",
    NULL,
};

// Under mpirun or srun there are many of this process, and one is enough.
static bool is_first_rank(void) {
    static const char *const names[] = {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK",
                                        "SLURM_PROCID"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *rank = getenv(names[i]);
        if (rank && *rank) return strcmp(rank, "0") == 0;
    }
    return true;
}

static const char *chosen(const char *given, const char *variable, const char *fallback) {
    const char *set = getenv(variable);
    return given && *given ? given : set && *set ? set : fallback;
}

// What goes into a header must stay in its line.
static bool is_printable(const char *text) {
    for (; *text; text++)
        if (*text < ' ' || *text > '~') return false;
    return true;
}

static lam_code user_agent(const fetch_options *options, fetch_kind kind, const char **text,
                           lam_arena *arena, lam_error *error) {
    const char *contact = chosen(options->contact, "LAMINAR_CONTACT", NULL);
    if (contact && (!is_printable(contact) || strpbrk(contact, "()")))
        return lam_fail(error, LAM_USAGE, "--contact is to be an address in plain letters");
    if (!contact && kind == FETCH_PAGE && !options->wiki && !getenv("LAMINAR_WIKI"))
        lam_log(LAM_NORMAL, "say where you can be reached by --contact or LAMINAR_CONTACT: "
                            "Wikimedia asks it of programs, and may refuse those without");
    *text = lam_arena_format(arena, error, "laminar/" LAM_VERSION " (%s) libcurl/" LIBCURL_VERSION,
                             contact ? contact : "no contact given");
    return *text ? LAM_OK : LAM_MEMORY;
}

static lam_code set_up(const fetch_options *options, fetch_kind kind, lam_fetch *fetch,
                       lam_arena *arena, lam_error *error) {
    const char *token = getenv("HF_TOKEN");
    *fetch =
        (lam_fetch){.network = {.proxy = options->proxy,
                                .connections = options->connections,
                                .tries = options->tries,
                                .backoff = options->backoff,
                                .stall = options->stall},
                    .wiki = chosen(options->wiki, "LAMINAR_WIKI", "https://{lang}.wikipedia.org"),
                    .hub = chosen(options->hub, "HF_ENDPOINT", "https://huggingface.co"),
                    .token = token && *token ? token : NULL,
                    .largest = options->largest,
                    .refresh = options->refresh,
                    .arena = arena};
    if (fetch->token && (!is_printable(token) || strlen(token) > 4096))
        return lam_fail(error, LAM_USAGE, "HF_TOKEN holds no token: it is one line of letters");
    LAM_TRY(user_agent(options, kind, &fetch->network.user_agent, arena, error));
    LAM_TRY(lam_cache_folder(options->cache, &fetch->cache, arena, error));
    return lam_cache_open(fetch->cache, error);
}

// Makes the folders above path where they are missing; what cannot be made shows in what comes
// next.
static lam_code make_above(const char *path, lam_arena *arena) {
    const char *slash = strrchr(path, '/');
    lam_error ignored;
    if (!slash || slash == path) return LAM_OK;
    const char *above = lam_arena_text(arena, path, (size_t)(slash - path), &ignored);
    return above ? lam_cache_make_folder(above, &ignored) : LAM_MEMORY;
}

// Makes (or turns) the link path to a folder, and what is missing above it; what is no link is left
// alone. folder NULL: only sees whether that could be done.
static lam_code make_link(const char *path, const char *folder, lam_arena *arena,
                          lam_error *error) {
    struct stat info;
    const char *fresh = lam_arena_format(arena, error, "%s.%ld.tmp", path, (long)getpid());
    if (!fresh) return LAM_MEMORY;
    if (lstat(path, &info) == 0 && !S_ISLNK(info.st_mode))
        return lam_fail(error, LAM_IO, "%s is there and is no link: choose another -o", path);
    bool made = symlink(folder ? folder : ".", fresh) == 0;
    if (!made && errno == ENOENT && make_above(path, arena) == LAM_OK)
        made = symlink(folder ? folder : ".", fresh) == 0;
    if (made && folder && rename(fresh, path) == 0) return LAM_OK;
    int number = errno;
    unlink(fresh);
    if (made && !folder) return LAM_OK;
    return lam_fail(error, LAM_IO, "the link %s cannot be made: %s: choose another -o", path,
                    strerror(number));
}

static lam_code fetch_model(const lam_fetch *fetch, const fetch_options *options,
                            const lam_strings *names, lam_error *error) {
    const char *folder, *link = options->output;
    if (names->count != 1)
        return lam_fail(error, LAM_USAGE, "one model at a time: laminar fetch model NAME");
    if (link) LAM_TRY(make_link(link, NULL, fetch->arena, error));
    LAM_TRY(lam_fetch_model(fetch, names->item[0], options->revision, &folder, error));
    if (link) LAM_TRY(make_link(link, folder, fetch->arena, error));
    puts(link ? link : folder);
    return LAM_OK;
}

static lam_code page_revision(const fetch_options *options, size_t titles, int64_t *revision,
                              lam_error *error) {
    char *end;
    *revision = 0;
    if (!options->revision) return LAM_OK;
    errno = 0;
    *revision = strtoll(options->revision, &end, 10);
    if (errno || *end || *revision < 1)
        return lam_fail(error, LAM_USAGE, "'--revision': '%s' is not the number of a revision",
                        lam_excerpt_of(options->revision).text);
    if (titles == 1) return LAM_OK;
    return lam_fail(error, LAM_USAGE, "--revision is one page's, and %zu are asked for", titles);
}

static lam_code fetch_texts(const lam_fetch *fetch, const fetch_options *options, fetch_kind kind,
                            const lam_strings *names, lam_error *error) {
    const char *path = options->output ? options->output : "corpus.yaml";
    lam_corpus corpus = {0};
    int64_t revision;
    LAM_TRY(page_revision(options, names->count, &revision, error));
    if (access(path, F_OK) == 0) LAM_TRY(lam_corpus_read(path, &corpus, fetch->arena, error));
    LAM_TRY(lam_replace_check(path, error));
    corpus.cache = fetch->cache;
    if (kind == FETCH_PAGE)
        LAM_TRY(lam_fetch_pages(fetch, names, options->language, revision, &corpus, error));
    else
        LAM_TRY(lam_fetch_texts(fetch, names, &corpus, error));
    LAM_TRY(lam_corpus_write(path, &corpus, error));
    lam_log(LAM_NORMAL, "wrote %s: %zu entries, their files in %s", path, corpus.count,
            fetch->cache);
    return LAM_OK;
}

// The names on the command line and those of --list.
static lam_code gather(const fetch_options *options, const lam_strings *operands,
                       lam_strings *names, lam_arena *arena, lam_error *error) {
    lam_strings listed = {0};
    if (options->list) LAM_TRY(lam_fetch_list(options->list, &listed, arena, error));
    LAM_ALLOC(names->item, arena, operands->count - 1 + listed.count, error);
    for (size_t i = 1; i < operands->count; i++) names->item[names->count++] = operands->item[i];
    for (size_t i = 0; i < listed.count; i++) names->item[names->count++] = listed.item[i];
    return LAM_OK;
}

static lam_code fetch_all(const lam_command *command, const lam_strings *operands, lam_arena *arena,
                          lam_error *error) {
    const fetch_options *options = command->groups->options;
    fetch_kind kind = FETCH_PAGE;
    lam_nearest nearest = {.wanted = operands->item[0]};
    lam_strings names = {0};
    lam_fetch fetch;
    for (size_t i = 0; i < FETCH_NOTHING; i++) lam_nearest_offer(&nearest, kinds[i]);
    while (kind < FETCH_NOTHING && strcmp(operands->item[0], kinds[kind]) != 0) kind++;
    if (kind == FETCH_NOTHING) {
        lam_fail(error, LAM_USAGE, "'%s' is not page, text or model%s",
                 lam_excerpt_of(operands->item[0]).text, lam_nearest_hint(&nearest).text);
        return lam_usage_hint(command, error);
    }
    LAM_TRY(gather(options, operands, &names, arena, error));
    if (!names.count) {
        lam_fail(error, LAM_USAGE, "what is to be fetched is missing");
        return lam_usage_hint(command, error);
    }
    if (kind == FETCH_TEXT && options->revision)
        return lam_fail(error, LAM_USAGE, "--revision is a page's or a model's, not a text's");
    LAM_TRY(set_up(options, kind, &fetch, arena, error));
    return kind == FETCH_MODEL ? fetch_model(&fetch, options, &names, error)
                               : fetch_texts(&fetch, options, kind, &names, error);
}

static lam_code fetch(const lam_command *command, const lam_arguments *arguments, lam_arena *arena,
                      lam_error *error) {
    if (!is_first_rank()) return LAM_OK;
    LAM_TRY(lam_stop_begin(error));
    lam_code code = fetch_all(command, &arguments->operands, arena, error);
    if (code == LAM_INTERRUPTED)
        lam_fail(error, code, "ended by %s; what has come is kept: the same command goes on",
                 lam_stop_name());
    return code;
}

lam_code lam_command_fetch(int argc, const char *const *argv, lam_error *error) {
    fetch_options options = {0};
    const lam_option_group groups[] = {
        {"Options", what_options, &options}, {"Network", network_options, &options}, {0}};
    const lam_command command = {
        .name = "fetch",
        .operands = "page TITLE... | text URL... | model NAME [options]",
        .summary = "Fetch Wikipedia pages, texts or a model's checkpoint beforehand: what was "
                   "fetched is pinned, verified and kept in a cache folder, and no run ever asks "
                   "the network. Pages and texts are listed in a manifest that a job names as its "
                   "text; a model becomes a checkpoint folder. What breaks off is continued by the "
                   "same command. HF_TOKEN is sent to the model hub alone; CURL_CA_BUNDLE names "
                   "certificates to trust.",
        .fewest = 1,
        .most = SIZE_MAX,
        .groups = groups,
        .examples = examples};
    return lam_command_alone(&command, fetch, argc, argv, error);
}
