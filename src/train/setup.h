/* What the options say to each part of a trainer, and whether they go
 * together. */
#ifndef SOMA_TRAIN_SETUP_H
#define SOMA_TRAIN_SETUP_H

#include "data/augment.h"
#include "data/batcher.h"
#include "nn/loss.h"
#include "nn/optimizer.h"
#include "nn/schedule.h"
#include "train/options.h"

BatcherSettings setup_batcher(const Options *options);
AugmentSettings setup_augment(const Options *options);
LossSettings setup_loss(const Options *options);
OptimizerSettings setup_optimizer(const Options *options);

/* The schedule of a run with that many steps in an epoch. */
Schedule setup_schedule(const Options *options, uint64_t epoch_steps);

/* Steps of the whole run: all epochs, or the option `steps` if it is less. */
uint64_t setup_total_steps(const Options *options, uint64_t epoch_steps);

/* Read the network and check that the options go together:
 *
 *   STATUS_BAD_SHAPE        the last layer has neither ten outputs nor the one
 *                           that some losses take
 *   STATUS_BAD_COMBINATION  softmax before cross-entropy, step without the
 *                           perceptron rule, batch norm with a batch that
 *                           does not fit into one chunk
 *   and every refusal of network_parse. */
Status setup_network(const Options *options, Network *network, Fault *fault);

/* setup_network without keeping the network. */
Status setup_check(const Options *options, Fault *fault);

#endif
