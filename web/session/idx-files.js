/**
 * Which of the dropped IDX files is which: by what their headers say and by
 * their names, as the original files and their descendants are called.
 *
 * @module
 */

import { CoreError } from '../core/errors.js';
import { readIdxFile } from '../data/idx-file.js';

/**
 * @typedef {import('../core/data.js').IdxFiles} IdxFiles
 * @typedef {{name: string, bytes: Uint8Array}} NamedBytes
 *
 * @typedef {Record<string, NamedBytes>} Roles   role in IdxFiles → file
 */

const TEST_NAME = /t10k|test/i;

/**
 * @param {string} sentence
 * @returns {never}
 */
function refuse(sentence) {
  throw new CoreError('BAD_FILE', sentence, 'files');
}

/**
 * @param {NamedBytes} file
 * @returns {'Images' | 'Labels'}
 */
function kindOf({ name, bytes }) {
  if (bytes[3] === 3) return 'Images';
  if (bytes[3] === 1) return 'Labels';
  return refuse(`${name} is not an IDX file of images or labels.`);
}

/**
 * The role of each file.
 * @param {NamedBytes[]} files
 * @returns {Roles}
 */
function assignRoles(files) {
  /** @type {Roles} */
  const roles = {};
  for (const file of files) {
    const role = (TEST_NAME.test(file.name) ? 'test' : 'train') + kindOf(file);
    if (roles[role]) {
      refuse(`${roles[role].name} and ${file.name} look like the same part of the `
        + "data; test files have 't10k' or 'test' in their names.");
    }
    roles[role] = file;
  }
  for (const set of ['train', 'test']) {
    const [images, labels] = [roles[`${set}Images`], roles[`${set}Labels`]];
    if (images && !labels) refuse(`The labels that belong to ${images.name} are missing.`);
    if (labels && !images) refuse(`The images that belong to ${labels.name} are missing.`);
  }
  if (!roles.trainImages) refuse('There are no training images among the files.');
  return roles;
}

/**
 * A refusal that speaks of a role tells the file that plays it instead: a person
 * knows that one.
 * @param {unknown} error
 * @param {Roles} roles
 */
function withFileName(error, roles) {
  if (!(error instanceof CoreError)) return error;
  const { code, place, message } = error;
  const name = roles[place]?.name;
  if (name === undefined || !message.startsWith(place)) return error;
  return new CoreError(code, `${name}${message.slice(place.length)}`, name);
}

/**
 * Read and unpack the files, find their roles, and hand them on.
 * @param {File[]} files
 * @param {(idx: IdxFiles) => void} give   may refuse them by throwing
 */
export async function readIdxFiles(files, give) {
  const roles = assignRoles(await Promise.all(files.map(async (file) => ({
    name: file.name,
    bytes: await readIdxFile(file),
  }))));
  const entries = Object.entries(roles).map(([role, { bytes }]) => [role, bytes]);
  try {
    give(Object.fromEntries(entries));
  } catch (error) {
    throw withFileName(error, roles);
  }
}
