/* The options: every setting that determines a run, in one table.
 *
 * The page builds its controls from this table, the link, the library and the
 * documentation are made from it: a new option is a new row here and the code
 * that reads it. Order matters only for how options are shown.
 */
#ifndef SOMA_TRAIN_OPTIONS_H
#define SOMA_TRAIN_OPTIONS_H

#include "base/status.h"
#include "nn/network.h"

/* What kind of value an option takes. */
typedef enum OptionType {
    OPTION_NETWORK, /* a list of layers */
    OPTION_CHOICE,  /* one of the words in `choices`; the value is its index */
    OPTION_INTEGER,
    OPTION_NUMBER,
    OPTION_SWITCH /* on or off; 1 or 0 */
} OptionType;

/* identifier, key, type, choices, min, max, default, live, group, help */
#define OPTION_LIST(X)                                                         \
    X(NET, "net", NETWORK,                                                     \
      "",                                                                      \
      0, 0, "dense 128, relu, dense 10", false, "Network",                     \
      "The layers from the image to the ten digits, separated by "             \
      "commas.")                                                               \
    X(INIT, "init", CHOICE,                                                    \
      "auto|zeros|constant|uniform|normal|xavier|"                             \
      "xavier-uniform|he|he-uniform|orthogonal",                               \
      0, 0, "auto", false, "Network",                                          \
      "How the weights are drawn before the first step; auto takes "           \
      "he in front of relu and its family and xavier elsewhere.")              \
    X(INIT_SCALE, "init-scale", NUMBER,                                        \
      "",                                                                      \
      0, 100, "0.05", false, "Network",                                        \
      "The constant, the half-width or the deviation of the "                  \
      "initialisers constant, uniform and normal.")                            \
    X(INPUT, "input", CHOICE,                                                  \
      "unit|standard",                                                         \
      0, 0, "unit", false, "Network",                                          \
      "Pixels from 0 to 1, or shifted and scaled to mean 0 and "               \
      "deviation 1.")                                                          \
    X(LOSS, "loss", CHOICE,                                                    \
      "cross-entropy|mse|binary|perceptron",                                   \
      0, 0, "cross-entropy", false, "Learning",                                \
      "What training makes small: cross-entropy of the softmax, "              \
      "squared error, yes or no for one digit, or the mistakes of "            \
      "step neurons.")                                                         \
    X(DIGIT, "digit", INTEGER,                                                 \
      "",                                                                      \
      0, 9, "1", false, "Learning",                                            \
      "With a single output: the digit that it tells from all the "            \
      "others.")                                                               \
    X(OPTIMIZER, "optimizer", CHOICE,                                          \
      "sgd|momentum|nesterov|rmsprop|adam|adamw",                              \
      0, 0, "adam", false, "Learning",                                         \
      "How a gradient becomes a step; adam is the safe choice, sgd "           \
      "the plain one.")                                                        \
    X(LR, "lr", NUMBER,                                                        \
      "",                                                                      \
      0, 1e9, "0.001", true, "Learning",                                       \
      "The learning rate: the length of a step. About 0.001 for "              \
      "adam, 0.1 for sgd.")                                                    \
    X(BATCH, "batch", INTEGER,                                                 \
      "",                                                                      \
      1, 16777216, "64", false, "Learning",                                    \
      "Images per step; more make the gradient smoother and the "              \
      "steps fewer.")                                                          \
    X(EPOCHS, "epochs", INTEGER,                                               \
      "",                                                                      \
      1, 10000, "10", true, "Learning",                                        \
      "How often training goes through all its images.")                       \
    X(MOMENTUM, "momentum", NUMBER,                                            \
      "",                                                                      \
      0, 0.9999, "0.9", true, "Learning",                                      \
      "How much of the last direction momentum and nesterov keep.")            \
    X(BETA1, "beta1", NUMBER,                                                  \
      "",                                                                      \
      0, 0.9999, "0.9", false, "Learning",                                     \
      "How slowly adam forgets earlier gradients.")                            \
    X(BETA2, "beta2", NUMBER,                                                  \
      "",                                                                      \
      0, 0.999999, "0.999", false, "Learning",                                 \
      "How slowly adam forgets earlier squared gradients.")                    \
    X(ALPHA, "alpha", NUMBER,                                                  \
      "",                                                                      \
      0, 0.999999, "0.99", false, "Learning",                                  \
      "How slowly rmsprop forgets earlier squared gradients.")                 \
    X(EPSILON, "epsilon", NUMBER,                                              \
      "",                                                                      \
      1e-12, 1, "1e-08", false, "Learning",                                    \
      "Keeps rmsprop and adam from dividing by zero.")                         \
    X(SCHEDULE, "schedule", CHOICE,                                            \
      "constant|step|exponential|linear|cosine|one-cycle",                     \
      0, 0, "constant", false, "Schedule",                                     \
      "How the learning rate changes over the run; one-cycle rises, "          \
      "then falls to almost nothing, and is the fastest.")                     \
    X(WARMUP, "warmup", NUMBER,                                                \
      "",                                                                      \
      0, 1000, "0", false, "Schedule",                                         \
      "Epochs in which the rate climbs from almost nothing before "            \
      "the schedule begins; steadies deep networks.")                          \
    X(GAMMA, "gamma", NUMBER,                                                  \
      "",                                                                      \
      0, 1, "0.5", false, "Schedule",                                          \
      "What step and exponential multiply the rate by.")                       \
    X(STEP_EPOCHS, "step-epochs", NUMBER,                                      \
      "",                                                                      \
      0.01, 10000, "3", false, "Schedule",                                     \
      "Epochs between the drops of the schedule step.")                        \
    X(L2, "l2", NUMBER,                                                        \
      "",                                                                      \
      0, 10, "0", true, "Regularisation",                                      \
      "Adds this times each weight to its gradient, so that weights "          \
      "stay small; biases are left out.")                                      \
    X(L1, "l1", NUMBER,                                                        \
      "",                                                                      \
      0, 10, "0", true, "Regularisation",                                      \
      "Pulls every weight towards zero by the same amount, so that "           \
      "useless ones get there; biases are left out.")                          \
    X(DECAY, "decay", NUMBER,                                                  \
      "",                                                                      \
      0, 10, "0.01", true, "Regularisation",                                   \
      "Weight decay of adamw, apart from the gradient; biases are "            \
      "left out.")                                                             \
    X(SMOOTHING, "smoothing", NUMBER,                                          \
      "",                                                                      \
      0, 0.9, "0", false, "Regularisation",                                    \
      "Label smoothing: cross-entropy asks for a little less than "            \
      "certainty.")                                                            \
    X(MAX_NORM, "max-norm", NUMBER,                                            \
      "",                                                                      \
      0, 1000, "0", true, "Regularisation",                                    \
      "Longest weight vector that a unit may have, 2 to 4 is usual "           \
      "with dropout; 0 means no limit.")                                       \
    X(CLIP, "clip", NUMBER,                                                    \
      "",                                                                      \
      0, 1e6, "0", true, "Regularisation",                                     \
      "Longest gradient, over all weights together, that a step "              \
      "follows; longer ones are shortened; 0 means no limit.")                 \
    X(SHIFT, "shift", NUMBER,                                                  \
      "",                                                                      \
      0, 14, "0", false, "Augmentation",                                       \
      "Augmentation: moves every training image by up to so many "             \
      "pixels.")                                                               \
    X(ROTATE, "rotate", NUMBER,                                                \
      "",                                                                      \
      0, 180, "0", false, "Augmentation",                                      \
      "Augmentation: turns every training image by up to so many "             \
      "degrees.")                                                              \
    X(SCALE, "scale", NUMBER,                                                  \
      "",                                                                      \
      0, 0.9, "0", false, "Augmentation",                                      \
      "Augmentation: stretches or shrinks by up to this share, each "          \
      "axis by itself.")                                                       \
    X(SHEAR, "shear", NUMBER,                                                  \
      "",                                                                      \
      0, 60, "0", false, "Augmentation",                                       \
      "Augmentation: slants every training image by up to so many "            \
      "degrees.")                                                              \
    X(ELASTIC, "elastic", NUMBER,                                              \
      "",                                                                      \
      0, 1000, "0", false, "Augmentation",                                     \
      "Augmentation: strength of the elastic distortion; Simard "              \
      "used 34.")                                                              \
    X(ELASTIC_SIGMA, "elastic-sigma", NUMBER,                                  \
      "",                                                                      \
      1, 28, "4", false, "Augmentation",                                       \
      "How smooth the elastic distortion is, in pixels; Simard used "          \
      "4.")                                                                    \
    X(VALIDATION, "validation", INTEGER,                                       \
      "",                                                                      \
      0, 16777216, "5000", false, "Data",                                      \
      "Training images that are held out and only used to judge; "             \
      "the seed picks them.")                                                  \
    X(LIMIT, "limit", INTEGER,                                                 \
      "",                                                                      \
      0, 16777216, "0", false, "Data",                                         \
      "Train on only this many images, which makes overfitting easy "          \
      "to see; 0 means all.")                                                  \
    X(SHUFFLE, "shuffle", SWITCH,                                              \
      "",                                                                      \
      0, 1, "on", false, "Data",                                               \
      "Visit the images in a new random order in every epoch.")                \
    X(DROP_LAST, "drop-last", SWITCH,                                          \
      "",                                                                      \
      0, 1, "off", false, "Data",                                              \
      "Leave out the smaller last batch of an epoch.")                         \
    X(SEED, "seed", INTEGER,                                                   \
      "",                                                                      \
      0, 4294967295.0, "1", false, "Data",                                     \
      "Where all random numbers start: the same seed gives the same "          \
      "run.")                                                                  \
    X(STEPS, "steps", INTEGER,                                                 \
      "",                                                                      \
      0, 1000000000, "0", true, "Stopping",                                    \
      "Stop after this many steps; 0 means no limit but the epochs.")          \
    X(SECONDS, "seconds", NUMBER,                                              \
      "",                                                                      \
      0, 1000000, "0", true, "Stopping",                                       \
      "Stop after this many seconds of training; 0 means no limit.")           \
    X(TARGET, "target", NUMBER,                                                \
      "",                                                                      \
      0, 1, "0", true, "Stopping",                                             \
      "Stop when the accuracy on the validation images reaches this "          \
      "share; 0 means never.")                                                 \
    X(PATIENCE, "patience", INTEGER,                                           \
      "",                                                                      \
      0, 10000, "0", false, "Stopping",                                        \
      "Early stopping: epochs without a better validation loss "               \
      "before the run stops and goes back to its best weights; 0 "             \
      "means off.")                                                            \
    X(MIN_DELTA, "min-delta", NUMBER,                                          \
      "",                                                                      \
      0, 10, "0", true, "Stopping",                                            \
      "How much better the validation loss must be to count for "              \
      "early stopping.")

typedef enum OptionId {
#define OPTION_ENUM(id, ...) OPTION_##id,
    OPTION_LIST(OPTION_ENUM)
#undef OPTION_ENUM
        OPTION_COUNT
} OptionId;

/* One row of the table. Texts are static. */
typedef struct Option {
    const char *key;
    OptionType type;
    const char *choices; /* "a|b|c" */
    double min, max;     /* inclusive, for numbers */
    const char *initial; /* the default, as text */
    bool live;           /* may change during a run */
    const char *group;   /* heading under which the page shows it */
    const char *help;    /* one sentence */
} Option;

/* A value for every option. */
typedef struct Options {
    double value[OPTION_COUNT];   /* number, choice index, 0 or 1 */
    char net[NETWORK_TEXT_MAX];   /* of OPTION_NET */
} Options;

/* Row `id` of the table. */
const Option *option_row(OptionId id);

/* The option with that key, or OPTION_COUNT. */
OptionId option_find(const char *key, size_t length);

/* All defaults. */
Options options_default(void);

/* Set one option from text (not zero-terminated). Refused with a sentence when
 * the key is unknown or the value is not allowed; nothing changes then. */
Status options_set(Options *options, const char *key, size_t key_length,
                   const char *value, size_t value_length, Fault *fault);

/* Read `key=value key=value …` over the values that are there. Pairs are
 * separated by white space or '&'; a value runs to the next key. A key may
 * come once. On failure `options` is left as it was. */
Status options_read(Options *options, const char *text, Fault *fault);

/* The value of one option as canonical text; returns its length. */
size_t options_print_value(const Options *options, OptionId id, char *text,
                           size_t size);

/* One `key=value` a line: all of them, or only those that differ from the
 * default. Returns the length, cut to size - 1. */
size_t options_print(const Options *options, bool all, char *text,
                     size_t size);

/* Why no value of the option would change the run beside the others, as a
 * sentence, or "": "Only the optimiser rmsprop uses it." The value is kept all
 * the same. Nothing is said for a network that cannot be read. */
const char *options_note(const Options *options, OptionId id);

/* The option's value as a whole number. */
static inline size_t options_count(const Options *options, OptionId id) {
    return (size_t)options->value[id];
}

#endif
