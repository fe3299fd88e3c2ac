#include "golden.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "nn/layer.h"

static uint32_t mix(uint32_t x) {
    x = (x ^ x >> 16) * 0x7feb352du;
    x = (x ^ x >> 15) * 0x846ca68bu;
    return x ^ x >> 16;
}

double golden_number(uint32_t stream, size_t index) {
    const uint32_t bits = mix((uint32_t)index + (stream << 20));
    return ((double)(bits >> 20) - 2048) / 2048;
}

/* ==== Reading =========================================================== */

static void *allocate(size_t count, size_t item_bytes) {
    void *const block = calloc(count == 0 ? 1 : count, item_bytes);
    assert_non_null(block);
    return block;
}

static void read_image(GoldenFile *file, FILE *stream) {
    size_t number, lit;
    unsigned label;
    assert_int_equal(fscanf(stream, "%zu %u %zu", &number, &label, &lit), 3);
    assert_int_equal(number, file->image_count);
    const size_t count = ++file->image_count;
    file->pixels = realloc(file->pixels, count * IMAGE_PIXELS);
    file->labels = realloc(file->labels, count);
    assert_true(file->pixels != NULL && file->labels != NULL);
    uint8_t *const row = file->pixels + number * IMAGE_PIXELS;
    memset(row, 0, IMAGE_PIXELS);
    file->labels[number] = (uint8_t)label;
    for (size_t i = 0; i < lit; i++) {
        size_t pixel;
        unsigned byte;
        assert_int_equal(fscanf(stream, "%zu %u", &pixel, &byte), 2);
        assert_true(pixel < IMAGE_PIXELS && byte <= 255);
        row[pixel] = (uint8_t)byte;
    }
}

/* The rest of the line, without the blank before it. */
static void read_line(FILE *stream, char *text, size_t size) {
    assert_non_null(fgets(text, (int)size, stream));
    text[strcspn(text, "\n")] = '\0';
    memmove(text, text + 1, strlen(text));
}

static void read_start(GoldenCase *golden, FILE *stream) {
    assert_true(golden->start_count < GOLDEN_TENSORS_MAX);
    GoldenStart *const start = &golden->start[golden->start_count++];
    assert_int_equal(fscanf(stream, "%23s %zu %lf %lf", start->name,
                            &start->count, &start->scale, &start->offset),
                     4);
}

static void read_tensor(GoldenCase *golden, const char *kind, FILE *stream) {
    assert_true(golden->tensor_count < GOLDEN_TENSORS_MAX);
    GoldenTensor *const tensor = &golden->tensor[golden->tensor_count++];
    snprintf(tensor->kind, sizeof tensor->kind, "%s", kind);
    assert_int_equal(fscanf(stream, "%23s %zu %lf %lf %zu", tensor->name,
                            &tensor->count, &tensor->largest, &tensor->product,
                            &tensor->entries),
                     5);
    tensor->index = allocate(tensor->entries, sizeof *tensor->index);
    tensor->value = allocate(tensor->entries, sizeof *tensor->value);
    for (size_t i = 0; i < tensor->entries; i++) {
        assert_int_equal(
            fscanf(stream, "%zu %lf", &tensor->index[i], &tensor->value[i]), 2);
        assert_true(tensor->index[i] < tensor->count);
    }
}

/* A count and so many numbers; returns the count. */
static int read_numbers(double numbers[GOLDEN_STEPS_MAX], FILE *stream) {
    int count;
    assert_int_equal(fscanf(stream, "%d", &count), 1);
    assert_true(count >= 0 && count <= GOLDEN_STEPS_MAX);
    for (int i = 0; i < count; i++)
        assert_int_equal(fscanf(stream, "%lf", &numbers[i]), 1);
    return count;
}

/* One keyword of the open case, and what follows it. */
static void read_item(GoldenCase *golden, const char *word, FILE *stream) {
    if (strcmp(word, "run") == 0)
        read_line(stream, golden->run, sizeof golden->run);
    else if (strcmp(word, "start") == 0)
        read_start(golden, stream);
    else if (strcmp(word, "losses") == 0)
        golden->loss_count = read_numbers(golden->loss, stream);
    else if (strcmp(word, "rates") == 0)
        read_numbers(golden->rate, stream);
    else
        read_tensor(golden, word, stream);
}

GoldenFile *golden_open(const char *name) {
    char path[512], word[16], line[512];
    snprintf(path, sizeof path, "%s/vectors/%s", SOMA_TESTS_DIR, name);
    FILE *const stream = fopen(path, "r");
    if (stream == NULL) fail_msg("cannot open %s", path);
    GoldenFile *const file = allocate(1, sizeof *file);
    GoldenCase *open = NULL;
    while (fscanf(stream, "%15s", word) == 1) {
        if (word[0] == '#') {
            assert_non_null(fgets(line, sizeof line, stream));
        } else if (strcmp(word, "image") == 0) {
            read_image(file, stream);
        } else if (strcmp(word, "case") == 0) {
            assert_true(file->case_count < GOLDEN_CASES_MAX && open == NULL);
            open = &file->cases[file->case_count++];
            read_line(stream, open->name, sizeof open->name);
        } else if (strcmp(word, "end") == 0) {
            open = NULL;
        } else {
            assert_non_null(open);
            read_item(open, word, stream);
        }
    }
    assert_true(open == NULL && file->case_count > 0);
    fclose(stream);
    return file;
}

void golden_close(GoldenFile *file) {
    for (int i = 0; i < file->case_count; i++)
        for (int j = 0; j < file->cases[i].tensor_count; j++) {
            free(file->cases[i].tensor[j].index);
            free(file->cases[i].tensor[j].value);
        }
    free(file->pixels);
    free(file->labels);
    free(file);
}

/* ==== Using ============================================================= */

Dataset *golden_dataset(const GoldenFile *file) {
    Dataset *dataset = NULL;
    Fault fault = {0};
    assert_int_equal(dataset_create(file->image_count, 0, &dataset, &fault),
                     STATUS_OK);
    assert_int_equal(dataset_write(dataset, SET_TRAIN, 0, file->image_count,
                                   file->pixels, file->labels, &fault),
                     STATUS_OK);
    return dataset;
}

/* The case's starting values into the trainer's parameters. */
static void start_parameters(Trainer *trainer, const GoldenCase *golden) {
    assert_int_equal(trainer->network.parameter_count, golden->start_count);
    for (int i = 0; i < golden->start_count; i++) {
        const GoldenStart *const start = &golden->start[i];
        const Parameter *const p = network_parameter(&trainer->network, i);
        assert_string_equal(p->name, start->name);
        assert_int_equal(p->count, start->count);
        float *const values = allocate(start->count, sizeof *values);
        for (size_t at = 0; at < start->count; at++)
            values[at] = (float)(start->offset +
                                 start->scale * golden_number((uint32_t)i, at));
        trainer_write_parameter(trainer, i, values);
        free(values);
    }
}

Trainer *golden_trainer(const GoldenCase *golden, Dataset *dataset,
                        Pool *pool) {
    char run[1024];
    Fault fault = {0};
    Trainer *trainer = NULL;
    snprintf(run, sizeof run, "%s validation=0 shuffle=off", golden->run);
    if (trainer_create(dataset, pool, run, &trainer, &fault) != STATUS_OK)
        fail_msg("%s: %s", golden->name, fault.sentence);
    start_parameters(trainer, golden);
    return trainer;
}

double golden_distance(const GoldenTensor *tensor, const float *values) {
    double worst = 0, product = 0, size = 0;
    for (size_t i = 0; i < tensor->entries; i++) {
        const double value = (double)values[tensor->index[i]];
        worst = fmax(worst, fabs(value - tensor->value[i]));
        if (!isfinite(value)) return INFINITY;
    }
    for (size_t at = 0; at < tensor->count; at++) {
        const double factor = golden_number(GOLDEN_PRODUCT, at);
        product += factor * (double)values[at];
        size += factor * factor;
    }
    /* Independent errors of size e move the product by about e·√Σr². */
    worst = fmax(worst, fabs(product - tensor->product) / sqrt(size));
    return worst / tensor->largest;
}
