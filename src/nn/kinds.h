/* Every kind of layer; the table in layer.c lists them for `net=`. */
#ifndef SOMA_NN_KINDS_H
#define SOMA_NN_KINDS_H

#include "nn/layer.h"

extern const LayerKind layer_dense; /* dense.c */

extern const LayerKind layer_linear; /* activation.c */
extern const LayerKind layer_step;
extern const LayerKind layer_sigmoid;
extern const LayerKind layer_tanh;
extern const LayerKind layer_relu;
extern const LayerKind layer_leaky_relu;
extern const LayerKind layer_gelu;
extern const LayerKind layer_softplus;

extern const LayerKind layer_softmax; /* softmax.c */
extern const LayerKind layer_dropout; /* dropout.c */

extern const LayerKind layer_batchnorm; /* batchnorm.c */
extern const LayerKind layer_layernorm; /* layernorm.c */

#endif
