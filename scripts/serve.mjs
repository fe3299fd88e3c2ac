/**
 * Serve dist/ on this machine and print the address.
 *
 *     HOST=127.0.0.1 node scripts/serve.mjs [PORT]
 *
 * Without a port 4173 or the next free one; HOST is the address to listen at. The
 * headers: vite.config.js.
 *
 * @module
 */
import { preview } from 'vite';

const asked = process.argv[2];
const port = asked === undefined ? 4173 : Number(asked);
if (!Number.isInteger(port) || port < 1 || port > 65535) {
  process.stdout.write(`The port must be a number from 1 to 65535, not ${asked}\n`);
  process.exit(1);
}
try {
  const server = await preview({
    preview: { host: process.env.HOST || '127.0.0.1', port, strictPort: asked !== undefined },
    logLevel: 'error',
  });
  const { local = [], network = [] } = server.resolvedUrls ?? {};
  const [address] = [...local, ...network];
  process.stdout.write(`Soma: ${address} (Ctrl+C stops it)\n`);
} catch (error) {
  const why = error instanceof Error ? error.message : error;
  process.stdout.write(`The site could not be served: ${why}\n`);
  process.exit(1);
}
