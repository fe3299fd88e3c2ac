/**
 * How a failure reaches JavaScript: one class with code, sentence and place.
 *
 * @module
 */

/**
 * Something was not allowed, or could not be done. Nothing that was there
 * before the call is lost.
 */
export class CoreError extends Error {
  /**
   * @param {string} code      name of the status, "OUT_OF_RANGE"
   * @param {string} sentence  what is wrong and what is allowed
   * @param {string} [place]   "lr", "net, layer 3", "byte 17"; may be empty
   */
  constructor(code, sentence, place = '') {
    super(sentence);
    this.name = 'CoreError';
    /** Name of the status. */
    this.code = code;
    /** Where: a key, a layer, an argument; may be empty. */
    this.place = place;
  }
}

/**
 * Any thrown value as code, place and sentence.
 * @param {unknown} error
 * @returns {{code: string, place: string, sentence: string}}
 */
export function describeError(error) {
  if (error instanceof CoreError) {
    return { code: error.code, place: error.place, sentence: error.message };
  }
  const sentence = error instanceof Error ? error.message : String(error);
  return { code: 'UNEXPECTED', place: '', sentence };
}
