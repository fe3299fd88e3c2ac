/* Train natively and print the fingerprint of the weights, so that the tests
 * of the wasm builds can compare bits with the native build.
 *
 *     fingerprint FOLDER RUN STEPS THREADS
 *
 * FOLDER holds the four unpacked IDX files of MNIST; RUN is a run description.
 * Prints one line: fingerprint, loss of the last batch. Exit code 1 and the
 * sentence on stderr when anything is refused.
 */
#include <stdio.h>
#include <stdlib.h>

#include "data/idx.h"
#include "train/trainer.h"

typedef struct File {
    uint8_t *bytes;
    IdxView view;
} File;

static void give_up(const char *sentence) {
    fprintf(stderr, "%s\n", sentence);
    exit(1);
}

static void check(Status status, const Fault *fault) {
    if (status != STATUS_OK) give_up(fault->sentence);
}

static File read_idx(const char *folder, const char *name, IdxKind kind) {
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *const stream = fopen(path, "rb");
    if (stream == NULL) give_up(path);
    fseek(stream, 0, SEEK_END);
    const size_t size = (size_t)ftell(stream);
    rewind(stream);
    File file = {.bytes = malloc(size)};
    if (file.bytes == NULL || fread(file.bytes, 1, size, stream) != size)
        give_up(path);
    fclose(stream);
    Fault fault = {0};
    check(idx_parse_kind(file.bytes, size, kind, &file.view, &fault), &fault);
    return file;
}

static void write_set(Dataset *dataset, SetKind set, const File *images,
                      const File *labels) {
    Fault fault = {0};
    check(dataset_write(dataset, set, 0, images->view.count,
                        images->view.items, labels->view.items, &fault),
          &fault);
}

static Dataset *read_mnist(const char *folder) {
    const File files[] = {
        read_idx(folder, "train-images-idx3-ubyte", IDX_IMAGES),
        read_idx(folder, "train-labels-idx1-ubyte", IDX_LABELS),
        read_idx(folder, "t10k-images-idx3-ubyte", IDX_IMAGES),
        read_idx(folder, "t10k-labels-idx1-ubyte", IDX_LABELS),
    };
    Fault fault = {0};
    Dataset *dataset = NULL;
    check(dataset_create(files[0].view.count, files[2].view.count, &dataset,
                         &fault),
          &fault);
    write_set(dataset, SET_TRAIN, &files[0], &files[1]);
    write_set(dataset, SET_TEST, &files[2], &files[3]);
    for (int i = 0; i < 4; i++) free(files[i].bytes);
    return dataset;
}

int main(int argc, char **argv) {
    if (argc != 5) give_up("fingerprint FOLDER RUN STEPS THREADS");
    Dataset *const dataset = read_mnist(argv[1]);
    Pool *const pool = pool_create(atoi(argv[4]));
    if (pool == NULL) give_up("no threads");
    Fault fault = {0};
    Trainer *trainer = NULL;
    check(trainer_create(dataset, pool, argv[2], &trainer, &fault), &fault);
    const int steps = atoi(argv[3]);
    for (int i = 0; i < steps; i++)
        check(trainer_step(trainer, &fault), &fault);
    printf("%016llx %.17g\n",
           (unsigned long long)trainer_fingerprint(trainer),
           metrics_loss(&trainer->batch));
    trainer_destroy(trainer);
    pool_destroy(pool);
    dataset_destroy(dataset);
    return 0;
}
