#include "jobs/passage.h"

#include "src/kde.h"
#include "src/log.h"
#include "src/strip.h"

// The last token looks at one that is neither itself nor the first.
enum { FEWEST_TOKENS = 3 };

lam_code lam_passage_resolve(const lam_profile_run *run, const char *bandwidth, lam_error *error) {
    lam_input *input = run->input;
    lam_bandwidth parsed;
    if (!lam_bandwidth_parse(bandwidth, &parsed))
        return lam_fail(error, LAM_USAGE,
                        "'%s.bandwidth': '%s' is not scott, silverman or a number above 0",
                        run->profile->name, bandwidth);
    if (input->length < FEWEST_TOKENS)
        return lam_fail(error, LAM_USAGE,
                        "%s: sequences of %lld tokens are too short: choose a length of %d or more",
                        run->profile->name, (long long)input->length, FEWEST_TOKENS);
    if (run->mode == LAM_PUBLISHED) input->sequences = 1;
    return LAM_OK;
}

lam_code lam_passage_take(const lam_profile_run *run, const lam_source *source,
                          lam_sequences *sequences, lam_arena *arena, lam_error *error) {
    const lam_input *input = run->input;
    lam_running text = source->text;
    int64_t count = text.document[text.documents], length = input->length,
            wanted = input->sequences, stripped[2] = {0};
    if (text.documents == 1) {
        LAM_TRY(lam_tokens_strip(source->tokenizer, text.token, count, &text.token, &count, arena,
                                 error));
        stripped[1] = count;
        text.document = stripped;
    }
    if (count < FEWEST_TOKENS)
        return lam_fail(error, LAM_INPUT, "%lld tokens, where %s needs %d or more",
                        (long long)count, run->profile->name, FEWEST_TOKENS);
    if (count < length && text.documents == 1) {
        lam_log(LAM_VERBOSE, "%s: %s has %lld tokens and is taken whole, as one sequence",
                run->profile->name, lam_input_text(input), (long long)count);
        length = count, wanted = 1;
    }
    return lam_sequences_take(sequences, &text, wanted, length,
                              input->select == LAM_JOB_SELECT_RANDOM, run->seed, arena, error);
}
