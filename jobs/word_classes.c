#include "jobs/word_classes.h"

#include <string.h>

static lam_code check_class(const char *profile, const lam_target_class *class, const char *name,
                            lam_error *error) {
    if (class->words.count + class->contains.count == 0)
        return lam_fail(error, LAM_USAGE, "%s.%s has no words: name some, or leave the key out",
                        profile, name);
    const lam_strings *list[] = {&class->words, &class->contains, &class->not_before};
    static const char *const key[] = {"", "_contains", "_not_before"};
    for (int k = 0; k < 3; k++)
        for (size_t i = 0; i < list[k]->count; i++)
            if (strspn(list[k]->item[i], k == 0 ? " \t\r\n" : "") == strlen(list[k]->item[i]))
                return lam_fail(error, LAM_USAGE, "%s.%s%s holds an empty text: take it out",
                                profile, name, key[k]);
    return LAM_OK;
}

lam_code lam_word_classes_check(const lam_profile_run *run, const lam_word_classes *classes,
                                lam_error *error) {
    const char *profile = run->profile->name;
    LAM_TRY(check_class(profile, &classes->negative, "negative_class", error));
    LAM_TRY(check_class(profile, &classes->positive, "positive_class", error));
    if (classes->before + 1 + classes->after <= run->model->positions) return LAM_OK;
    return lam_fail(error, LAM_USAGE,
                    "%s: a window of %lld tokens before a word and %lld after it is more than the "
                    "model's %lld positions: choose a smaller before or after",
                    profile, (long long)classes->before, (long long)classes->after,
                    (long long)run->model->positions);
}

lam_code lam_word_classes_take(const lam_profile_run *run, const lam_word_classes *classes,
                               int64_t least, const lam_source *source, lam_sequences *windows,
                               lam_arena *arena, lam_error *error) {
    const char *profile = run->profile->name;
    lam_target_rule rule = {
        {classes->negative, classes->positive}, classes->before, classes->after};
    lam_targets targets;
    lam_code code =
        lam_targets_find(&rule, source->tokenizer, &source->text, &targets, arena, error);
    if (code != LAM_OK) return lam_fail_within(error, "%s", profile);
    for (int c = 0; c < 2; c++) {
        const char *name = c ? "positive" : "negative";
        if (targets.count[c] < classes->folds)
            return lam_fail(error, LAM_INPUT,
                            "%s: the text has %lld targets of the %s class, fewer than the %lld "
                            "folds: choose a longer text or fewer folds",
                            profile, (long long)targets.count[c], name, (long long)classes->folds);
        if (targets.count[c] < least)
            return lam_fail(error, LAM_INPUT,
                            "%s: the text has %lld targets of the %s class, fewer than the %lld "
                            "that are needed: choose a longer text",
                            profile, (long long)targets.count[c], name, (long long)least);
    }
    return lam_targets_windows(&rule, &targets, source->text.token, windows, arena, error);
}
