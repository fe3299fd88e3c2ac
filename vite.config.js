/**
 * The site: web/ bundled into dist/, a folder of static files that works from any
 * host and any sub-path. Engine and data come from build/public (scripts/site.mjs).
 */
import { existsSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';
import { fillReference, readTables } from './scripts/reference.mjs';

const at = (/** @type {string} */ path) => fileURLToPath(new URL(path, import.meta.url));

/** The lab and every lesson is a page of its own. */
function pages() {
  const lessons = existsSync(at('web/lessons')) ? readdirSync(at('web/lessons')) : [];
  return [
    at('web/index.html'),
    at('web/reference.html'),
    ...lessons.filter((name) => name.endsWith('.html')).map((name) =>
      at(`web/lessons/${name}`)),
  ];
}

/** The page of settings and layers is filled from the engine's tables. */
const reference = {
  name: 'soma-reference',
  transformIndexHtml: {
    order: /** @type {const} */ ('pre'),
    handler: async (/** @type {string} */ html, /** @type {{filename: string}} */ page) => (
      page.filename.endsWith('reference.html')
        ? fillReference(html, await readTables(at('.'))) : html),
  },
};

/* With these a page is cross-origin isolated: the engine may use threads.
 * SOMA_ISOLATED=0 serves as a plain static host does (serve.sh --no-headers). */
const isolation = process.env.SOMA_ISOLATED === '0' ? {} : {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
};

/* Workers do not inherit the policy that the page states in its <meta>. */
const headers = {
  ...isolation,
  'Content-Security-Policy': "script-src 'self' 'wasm-unsafe-eval'; object-src 'none'",
  'X-Content-Type-Options': 'nosniff',
};

export default defineConfig({
  root: at('web'),
  base: './',
  publicDir: at('build/public'),
  plugins: [reference],
  build: {
    outDir: at('dist'),
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    target: 'es2022',
    rolldownOptions: { input: pages() },
  },
  worker: { format: 'es' },
  // A file that is not there is a 404, not the front page.
  appType: 'mpa',
  server: { headers: isolation },
  preview: { headers },
});
