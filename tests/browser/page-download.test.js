/**
 * Protects: how little a visitor downloads: all program that is loaded until a first run
 * has ended stays within 150 kB of gzip, and one engine is fetched, not all.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { openSite } from './site.js';
import { ready, waitForState } from './lab.js';

const MOST_BYTES = 150_000;
const ASIDE = /^data\/|\.woff2$/;

/** Size in bytes of a file of the site as a host sends it. */
function gzipped(file) {
  const bytes = readFileSync(path.join(import.meta.dirname, '../../dist', file));
  return gzipSync(bytes, { level: 9 }).length;
}

test.each([true, false])('the program is small (isolated: %s)', async (isolated) => {
  const site = await openSite({ isolated });
  try {
    const page = await site.open('#epochs=1');
    await ready(page);
    await page.getByRole('button', { name: 'Train', exact: true }).click();
    await waitForState(page, 'progress.phase', 'finished', 60000);
    await expect.poll(() => page.locator('.uplot').count()).toBeGreaterThan(0);
    const program = [...site.served].filter((file) => !ASIDE.test(file));
    expect(program.filter((file) => file.endsWith('.wasm')).length).toBe(1);
    expect(program.some((file) => /worker-.*\.js$/.test(file))).toBe(true);
    const bytes = program.reduce((sum, file) => sum + gzipped(file), 0);
    expect(bytes).toBeLessThanOrEqual(MOST_BYTES);
  } finally {
    await site.close();
  }
});
