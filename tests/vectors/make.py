#!/usr/bin/env python3
"""Golden vectors from PyTorch: what forward, loss, gradients and updates must be.

    make.py            writes networks.txt and optimizers.txt beside itself

PyTorch computes in double precision, so that the differences which
tests/native/test_golden.c sees are the rounding of our own float32 alone.
Weights and images are functions of whole numbers, exact in float32 on both
sides, so the files only hold what PyTorch answered. The format is explained at
the top of each file.

The images have ink at a few places only (as MNIST's have), and of a tensor of
many values a file holds a selection (for the first layer, the values at some
lit pixels and some dark ones) and the tensor's product with a vector of
pseudo-random numbers, which moves when any value is wrong.
"""
import pathlib
import sys

import numpy
import torch
from torch.optim import lr_scheduler

HERE = pathlib.Path(__file__).parent
PIXELS = 784
IMAGES = 40
BATCH = 16
STEPS = 20
LIT = [16 + 31 * i for i in range(24)]  # ink is here and nowhere else
CHOSEN = LIT[::3] + [0, 300]  # pixels whose weights are written
WHOLE_TENSOR = 64  # tensors up to this size are written in full
KINK_DISTANCE = 2e-5  # of relu inputs from zero, in every step

torch.set_default_dtype(torch.float64)


def mix(x):
    """32 bits that depend on all 32 bits of x ("lowbias32" of C. Wellons)."""
    x = numpy.array(x, dtype=numpy.uint32)
    x = (x ^ (x >> 16)) * numpy.uint32(0x7FEB352D)
    x = (x ^ (x >> 15)) * numpy.uint32(0x846CA68B)
    return x ^ (x >> 16)


def numbers(stream, count):
    """Multiples of 2^-11 in [-1, 1), a function of stream and position."""
    bits = mix(numpy.arange(count) + (stream << 20))
    return ((bits >> 20).astype(numpy.float64) - 2048) / 2048


def make_images():
    """bytes[IMAGES, 784] and labels: each image has ink at 9 of LIT."""
    pixels = numpy.zeros((IMAGES, PIXELS), dtype=numpy.uint8)
    for n in range(IMAGES):
        bits = mix(numpy.arange(len(LIT)) + 1000 * n + 7)
        for place in numpy.argsort(bits, kind='stable')[:9]:
            pixels[n, LIT[place]] = 1 + int(bits[place]) % 255
    return pixels, mix(numpy.arange(IMAGES) + 99).astype(numpy.int64) % 10


# ==== The run description, in PyTorch's words ===============================

ACTIVATIONS = {
    'linear': torch.nn.Identity,
    'sigmoid': torch.nn.Sigmoid,
    'tanh': torch.nn.Tanh,
    'relu': torch.nn.ReLU,
    'leaky-relu': lambda slope='0.01': torch.nn.LeakyReLU(float(slope)),
    'gelu': torch.nn.GELU,
    'softplus': torch.nn.Softplus,
    'softmax': lambda: torch.nn.Softmax(dim=1),
    'dropout': lambda rate: torch.nn.Dropout(float(rate)),
}


class Threshold(torch.autograd.Function):
    """Heaviside's step, whose gradient hands the error on as it is."""

    @staticmethod
    def forward(_context, x):
        return (x >= 0).double()

    @staticmethod
    def backward(_context, error):
        return error


class Step(torch.nn.Module):
    """Step neurons."""

    def forward(self, x):
        return Threshold.apply(x)


ACTIVATIONS['step'] = Step


class ImageNorm(torch.nn.BatchNorm2d):
    """Batch norm of the image itself: one channel of 28 x 28 places."""

    def forward(self, x):
        return super().forward(x.view(-1, 1, 28, 28)).reshape(-1, PIXELS)


def make_layer(words, width):
    """The module for one layer of `net=`, and the width behind it."""
    name, *rest = words.split()
    if name == 'dense':
        return torch.nn.Linear(width, int(rest[0])), int(rest[0])
    if name == 'batchnorm':
        momentum = float(rest[0]) if rest else 0.1
        if width == PIXELS:
            return ImageNorm(1, momentum=momentum), width
        return torch.nn.BatchNorm1d(width, momentum=momentum), width
    if name == 'layernorm':
        return torch.nn.LayerNorm(width), width
    return ACTIVATIONS[name](*rest), width


def make_network(net):
    layers, width = [], PIXELS
    for words in net.split(','):
        module, width = make_layer(words.strip(), width)
        layers.append(module)
    return torch.nn.Sequential(*layers)


def scales(name, tensor):
    """(scale, offset) of the starting values of a parameter."""
    if tensor.dim() > 1:
        fan_in = tensor.shape[1]
        return (0.5 if fan_in == PIXELS else 2.0 ** -round(
            numpy.log2(fan_in) / 2 - 0.5)), 0.0
    if name.endswith('.weight'):
        return 0.25, 1.0
    return 0.125, 0.0


def start(network, input_scaling):
    """Set every parameter; returns the lines that say how."""
    lines = []
    for stream, (name, tensor) in enumerate(network.named_parameters()):
        scale, offset = scales(name, tensor)
        if input_scaling == 'standard' and tuple(tensor.shape[1:]) == (PIXELS,):
            scale /= 8
        values = numbers(stream, tensor.numel()) * scale + offset
        assert numpy.array_equal(values.astype(numpy.float32), values)
        with torch.no_grad():
            tensor.copy_(torch.tensor(values).view(tensor.shape))
        lines.append(f'start {name} {tensor.numel()} {scale!r} {offset!r}')
    return lines


def make_loss(run):
    """Loss of (z, labels) with reduction 'mean'."""
    kind = run.get('loss', 'cross-entropy')
    if kind == 'cross-entropy':
        return torch.nn.CrossEntropyLoss(
            label_smoothing=float(run.get('smoothing', 0)))
    digit = int(run.get('digit', 1))

    def target(z, labels):
        if z.shape[1] == 1:
            return (labels == digit).double().view(-1, 1)
        return torch.nn.functional.one_hot(labels, 10).double()

    if kind == 'perceptron':  # Rosenblatt's rule is the gradient of half of it
        return lambda z, t: (z - target(z, t)).square().sum() / len(z)
    loss = {'mse': torch.nn.MSELoss, 'binary': torch.nn.BCEWithLogitsLoss}[kind]
    return lambda z, t: loss()(z, target(z, t))


def make_rates(run):
    """The learning rate of every step, by PyTorch's schedulers."""
    rate, steps = float(run['lr']), int(run.get('steps', STEPS))
    per_epoch = -(-IMAGES // int(run.get('batch', BATCH)))
    warmup = int(float(run.get('warmup', 0)) * per_epoch)
    rest = steps - warmup
    gamma = float(run.get('gamma', 0.5))
    make = {
        'constant': lambda o: lr_scheduler.ConstantLR(o, 1.0),
        'step': lambda o: lr_scheduler.StepLR(
            o, int(float(run.get('step-epochs', 3)) * per_epoch), gamma),
        'exponential': lambda o: lr_scheduler.ExponentialLR(
            o, gamma ** (1 / per_epoch)),
        'linear': lambda o: lr_scheduler.LinearLR(o, 1.0, 0.0, rest),
        'cosine': lambda o: lr_scheduler.CosineAnnealingLR(o, rest),
        'one-cycle': lambda o: lr_scheduler.OneCycleLR(
            o, rate, rest, cycle_momentum=False),
    }
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=rate)
    scheduler = make[run.get('schedule', 'constant')](optimizer)
    rates = []
    for step in range(rest):
        rates.append(optimizer.param_groups[0]['lr'])
        optimizer.step()
        if step + 1 < rest:
            scheduler.step()
    return [(t + 1) / warmup * rates[0] for t in range(warmup)] + rates


def make_optimizer(run, network):
    """Penalties apply to weights only, as Soma does by default."""
    kind = run['optimizer']
    weights = [p for p in network.parameters() if p.dim() > 1]
    others = [p for p in network.parameters() if p.dim() == 1]
    decay = float(run.get('decay', 0.01 if kind == 'adamw' else 0))
    decay += float(run.get('l2', 0))
    groups = [{'params': weights, 'weight_decay': decay},
              {'params': others, 'weight_decay': 0.0}]
    momentum = float(run.get('momentum', 0.9))
    common = {'lr': float(run['lr'])}
    adam = dict(common, betas=(float(run.get('beta1', 0.9)),
                               float(run.get('beta2', 0.999))),
                eps=float(run.get('epsilon', 1e-8)))
    make = {
        'sgd': lambda: torch.optim.SGD(groups, **common),
        'momentum': lambda: torch.optim.SGD(groups, momentum=momentum,
                                            **common),
        'nesterov': lambda: torch.optim.SGD(groups, momentum=momentum,
                                            nesterov=True, **common),
        'rmsprop': lambda: torch.optim.RMSprop(
            groups, alpha=float(run.get('alpha', 0.99)),
            eps=float(run.get('epsilon', 1e-8)), **common),
        'adam': lambda: torch.optim.Adam(groups, **adam),
        'adamw': lambda: torch.optim.AdamW(groups, **adam),
    }
    return make[kind]()


def read_images(pixels, run):
    x = torch.tensor(pixels.astype(numpy.float64)) / 255
    return (x - 0.1307) / 0.3081 if run.get('input') == 'standard' else x


# ==== Writing ===============================================================

def tensor_lines(kind, name, tensor, least=0.0):
    """`kind name count largest product entries`, then index and value."""
    values = tensor.detach().numpy().reshape(-1)
    places = range(values.size)
    if values.size > WHOLE_TENSOR:
        places = range(0, values.size, 3)
    if tensor.dim() == 2 and tensor.shape[1] == PIXELS:
        places = [r * PIXELS + p for r in range(tensor.shape[0])
                  for p in CHOSEN]
    product = float(numpy.dot(values, numbers(500, values.size)))
    size = max(float(numpy.abs(values).max()), least)
    lines = [f'{kind} {name} {values.size} {size:.9g} {product:.12g} '
             f'{len(places)}']
    # .9g pins down a float32; the values themselves are not rounded to one.
    lines += [f'{at} {values[at]:.9g}' for at in places]
    return lines


class Kinks:
    """Watches what goes into relu and its like: near zero, float32 and double
    could decide differently."""

    def __init__(self, network):
        self.nearest = numpy.inf
        for module in network:
            if isinstance(module, (torch.nn.ReLU, torch.nn.LeakyReLU, Step)):
                module.register_forward_pre_hook(self.see)

    def see(self, _module, inputs):
        self.nearest = min(self.nearest, inputs[0].abs().min().item())


def network_case(name, run, images, labels):
    """Forward, loss and gradients of the first BATCH images."""
    network = make_network(run['net'])
    lines = ['', f'case {name}', 'run ' + describe(run)]
    lines += start(network, run.get('input'))
    kinks = Kinks(network)
    x = read_images(images, run)[:BATCH]
    z = network(x)
    loss = make_loss(run)(z, torch.tensor(labels[:BATCH]))
    loss.backward()
    lines += tensor_lines('output', 'training', z)
    lines += ['losses 1', f'{loss.item():.12g}']
    # A bias before batch norm has gradient 0, as a sum of terms that cancel:
    # what rounding leaves of it is measured by the other gradients.
    least = max(p.grad.abs().max().item() for p in network.parameters()) / 20
    for key, tensor in network.named_parameters():
        lines += tensor_lines('gradient', key, tensor.grad, least)
    assert kinks.nearest > KINK_DISTANCE, (name, kinks.nearest)
    return lines + ['end']


def penalise(run, network):
    """What PyTorch leaves to the caller: clipping, then L1 on the weights."""
    if 'clip' in run:
        length = torch.nn.utils.clip_grad_norm_(network.parameters(),
                                                float(run['clip']))
        assert length > float(run['clip'])
    for tensor in network.parameters():
        if tensor.dim() > 1:
            tensor.grad += float(run.get('l1', 0)) * tensor.detach().sign()


def limit(run, network):
    """Shorten each unit's weights to max-norm."""
    for tensor in network.parameters():
        if 'max-norm' in run and tensor.dim() > 1:
            tensor.data = tensor.data.renorm(2, 0, float(run['max-norm']))


def optimizer_case(name, run, images, labels):
    """STEPS updates over batches in file order: losses and final weights."""
    network = make_network(run['net'])
    lines = ['', f'case {name}', 'run ' + describe(run)]
    lines += start(network, run.get('input'))
    kinks = Kinks(network)
    loss_of, optimizer = make_loss(run), make_optimizer(run, network)
    x, batch = read_images(images, run), int(run['batch'])
    half = 0.5 if run.get('loss') == 'perceptron' else 1
    losses, row, rates = [], 0, make_rates(run)
    for step in range(STEPS):
        end = min(row + batch, IMAGES)
        for group in optimizer.param_groups:
            group['lr'] = rates[step]
        optimizer.zero_grad()
        loss = loss_of(network(x[row:end]), torch.tensor(labels[row:end]))
        (loss * half).backward()
        penalise(run, network)
        optimizer.step()
        limit(run, network)
        losses.append(loss.item())
        row = end % IMAGES
    lines.append(f'rates {STEPS}')
    lines += [f'{rate:.17g}' for rate in rates[:STEPS]]
    lines.append(f'losses {STEPS}')
    lines += [f'{loss:.12g}' for loss in losses]
    for key, tensor in network.named_parameters():
        lines += tensor_lines('final', key, tensor)
    assert kinks.nearest > KINK_DISTANCE, (name, kinks.nearest)
    print(f'{name}: losses {losses[0]:.4f} .. {losses[-1]:.4f}, nearest kink '
          f'{kinks.nearest:.1e}')
    if 'batchnorm' in run['net']:
        network.eval()
        lines += tensor_lines('output', 'evaluation', network(x[:BATCH]))
    return lines + ['end']


def describe(run):
    return ' '.join(f'{key}={value}' for key, value in run.items())


HEADER = f'''\
# Written by make.py with PyTorch {torch.__version__} (in double precision),
# NumPy {numpy.__version__}, Python {sys.version.split()[0]}.
# image N LABEL COUNT, then COUNT times: pixel byte
# case NAME / run DESCRIPTION / ... / end
# start NAME COUNT SCALE OFFSET: the parameter's values are
#   OFFSET + SCALE * number(stream = its position among the parameters, index)
#   where number(s, i) = mix(i + s * 2^20) / 2^20 / 2048 - 1, by whole numbers,
#   and mix is the 32-bit mixer of make.py and test_golden.c
# output, gradient, final NAME COUNT LARGEST PRODUCT ENTRIES, then ENTRIES
#   times: index value; PRODUCT is with number(500, index)
# losses COUNT and rates COUNT, then the values'''


def image_lines(images, labels):
    lines = []
    for n in range(IMAGES):
        lit = numpy.flatnonzero(images[n])
        ink = ' '.join(f'{p} {images[n, p]}' for p in lit)
        lines.append(f'image {n} {labels[n]} {len(lit)} {ink}')
    return lines


def write(name, make_case, cases):
    images, labels = make_images()
    lines = [HEADER, *image_lines(images, labels)]
    for case, run in cases.items():
        lines += make_case(case, run, images, labels)
    (HERE / name).write_text('\n'.join(lines) + '\n', encoding='ascii')


# ==== The cases =============================================================

SMALL = 'dense 6, relu, dense 10'

NETWORKS = {
    'one dense layer': {'net': 'dense 10'},
    'deep relu network': {
        'net': 'dense 5, relu, dense 13, relu, dense 7, relu, dense 10'},
    'label smoothing': {'net': SMALL, 'smoothing': 0.1},
    'mse, linear output': {'net': SMALL + ', linear', 'loss': 'mse'},
    'mse, sigmoid output': {'net': SMALL + ', sigmoid', 'loss': 'mse'},
    'mse, tanh output': {'net': SMALL + ', tanh', 'loss': 'mse'},
    'mse, softmax output': {'net': SMALL + ', softmax', 'loss': 'mse'},
    'mse, one output': {
        'net': 'dense 6, relu, dense 1, sigmoid', 'loss': 'mse', 'digit': 3},
    'mse, standard input': {'net': SMALL, 'loss': 'mse', 'input': 'standard'},
    'binary loss': {
        'net': 'dense 6, relu, dense 1', 'loss': 'binary', 'digit': 3},
    'softmax inside': {'net': 'dense 6, softmax, dense 10'},
    'batchnorm': {'net': 'dense 6, batchnorm, relu, dense 10'},
    'batchnorm twice': {
        'net': 'dense 7, batchnorm, tanh, dense 5, batchnorm 0.3, dense 10'},
    'batchnorm of the image': {'net': 'batchnorm, dense 10'},
    'layernorm': {'net': 'dense 6, layernorm, relu, dense 10'},
    'layernorm of the image': {'net': 'layernorm, dense 10'},
    'dropout of nothing': {'net': 'dense 6, dropout 0, relu, dense 10'},
    'everything at once': {
        'net': 'dense 9, batchnorm, gelu, dense 8, layernorm, leaky-relu 0.2, '
               'dense 7, softplus, dense 10', 'smoothing': 0.2,
        'input': 'standard'},
}
for activation in ('relu', 'leaky-relu', 'leaky-relu 0.3', 'gelu', 'softplus',
                   'tanh', 'sigmoid', 'linear'):
    net = f'dense 6, {activation}, dense 10'
    NETWORKS[activation] = {'net': net}
    if activation in ('relu', 'tanh', 'gelu'):
        NETWORKS[activation + ', standard input'] = {
            'net': net, 'input': 'standard'}

RULES = {
    'sgd': {'optimizer': 'sgd', 'lr': 0.5},
    'sgd with l2': {'optimizer': 'sgd', 'lr': 0.5, 'l2': 0.01},
    'momentum': {'optimizer': 'momentum', 'lr': 0.1},
    'momentum 0.5 with l2': {
        'optimizer': 'momentum', 'lr': 0.1, 'momentum': 0.5, 'l2': 0.02},
    'nesterov': {'optimizer': 'nesterov', 'lr': 0.1},
    'nesterov with l2': {'optimizer': 'nesterov', 'lr': 0.1, 'l2': 0.01},
    'rmsprop': {'optimizer': 'rmsprop', 'lr': 0.01},
    'rmsprop, other constants, l2': {
        'optimizer': 'rmsprop', 'lr': 0.02, 'alpha': 0.9, 'epsilon': 0.001,
        'l2': 0.01},
    'adam': {'optimizer': 'adam', 'lr': 0.01},
    'adam, other constants, l2': {
        'optimizer': 'adam', 'lr': 0.02, 'beta1': 0.8, 'beta2': 0.95,
        'epsilon': 0.001, 'l2': 0.01},
    'adamw': {'optimizer': 'adamw', 'lr': 0.01},
    'adamw, more decay': {'optimizer': 'adamw', 'lr': 0.01, 'decay': 0.3},
}

SPECIAL = {
    'adam on mse': {'loss': 'mse', 'optimizer': 'adam', 'lr': 0.01},
    'l1': {'optimizer': 'sgd', 'lr': 0.5, 'l1': 0.002},
    'l1 and l2 with adam': {
        'optimizer': 'adam', 'lr': 0.01, 'l1': 0.002, 'l2': 0.01},
    'clipping': {'optimizer': 'sgd', 'lr': 0.5, 'clip': 0.1},
    'clipping with momentum and l2': {
        'optimizer': 'momentum', 'lr': 0.2, 'clip': 0.06, 'l2': 0.01},
    'max-norm': {'optimizer': 'sgd', 'lr': 0.5, 'max-norm': 0.8},
    'batchnorm, with its running averages': {
        'net': 'dense 6, batchnorm, relu, dense 10', 'optimizer': 'sgd',
        'lr': 0.2},
    'batchnorm of the image, momentum 0.4, adamw': {
        'net': 'batchnorm 0.4, dense 6, tanh, dense 10', 'optimizer': 'adamw',
        'lr': 0.005},
    'layernorm': {
        'net': 'dense 6, layernorm, relu, dense 10', 'optimizer': 'adam',
        'lr': 0.005},
    'perceptron rule': {
        'net': 'dense 10, step', 'loss': 'perceptron', 'optimizer': 'sgd',
        'lr': 0.125, 'batch': 1},
    'perceptron rule, one neuron, batches': {
        'net': 'dense 1, step', 'loss': 'perceptron', 'optimizer': 'sgd',
        'lr': 0.7, 'digit': 9},
    'binary loss': {
        'net': 'dense 6, tanh, dense 1', 'loss': 'binary', 'digit': 3,
        'optimizer': 'adam', 'lr': 0.02},
}

SCHEDULES = {
    'step schedule': {'schedule': 'step', 'step-epochs': 2, 'gamma': 0.3},
    'exponential schedule': {'schedule': 'exponential', 'gamma': 0.7},
    'linear schedule': {'schedule': 'linear'},
    'cosine schedule': {'schedule': 'cosine'},
    'one-cycle schedule': {'schedule': 'one-cycle'},
    'warm-up': {'warmup': 2},
    'warm-up before cosine': {'schedule': 'cosine', 'warmup': 1},
    'warm-up before one-cycle': {'schedule': 'one-cycle', 'warmup': 1},
}


def optimizer_cases():
    cases = {}
    for name, rule in RULES.items():
        cases[name] = rule
        slower = 0.1 if rule['optimizer'] in ('sgd', 'momentum',
                                              'nesterov') else 0.05
        cases[name + ', standard input'] = {
            **rule, 'input': 'standard', 'lr': round(rule['lr'] * slower, 6)}
    cases.update(SPECIAL)
    for name, schedule in SCHEDULES.items():
        cases[name] = {'optimizer': 'momentum', 'lr': 0.2, **schedule}
    shared = {'net': SMALL, 'batch': BATCH, 'steps': STEPS, 'epochs': 7}
    return {name: {**shared, **run} for name, run in cases.items()}


if __name__ == '__main__':
    write('networks.txt', network_case, NETWORKS)
    write('optimizers.txt', optimizer_case, optimizer_cases())
