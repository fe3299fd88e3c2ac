/* Every kind of layer, each defined in the file of its name. */
#ifndef SOMA_NN_KINDS_H
#define SOMA_NN_KINDS_H

#include "nn/layer.h"

extern const LayerKind layer_dense; /* dense.c */
extern const LayerKind layer_relu;  /* activation.c */

#endif
