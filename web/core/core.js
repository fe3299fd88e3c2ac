/**
 * The engine as JavaScript sees it: exported functions, texts, numbers and
 * memory. Everything above works with ordinary values; only this file makes
 * views of wasm memory, and none outlives the function that made it, because a
 * growing memory leaves old views empty.
 *
 * Memory for arguments is borrowed: small blocks come from one scratch block
 * that is there from the start, so that nothing is allocated while training.
 *
 * @module
 */

import { CoreError } from './errors.js';

/**
 * @typedef {Record<string, (...values: number[]) => number>} Functions
 *   the exported functions by name, without underscore
 * @typedef {'soma_fault_name'|'soma_fault_place'|'soma_fault_sentence'} FaultPart
 */

const SCRATCH_BYTES = 64 * 1024;
const ALIGNMENT = 64;

/** Longest text that is handed in; run descriptions are far shorter. */
const TEXT_MAX = 32 * 1024;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export class Core {
  /** @type {Functions} */
  #raw;
  /** @type {WebAssembly.Memory} */
  #memory;
  /** @type {CoreError | null} why nothing can be called any more */
  #dead = null;
  #scratch = 0;
  #used = 0;
  /** @type {number[]} large blocks borrowed at the moment */
  #blocks = [];

  /**
   * @param {Functions} functions
   * @param {WebAssembly.Memory} memory
   */
  constructor(functions, memory) {
    this.#raw = functions;
    this.#memory = memory;
    this.#scratch = this.call('soma_alloc', SCRATCH_BYTES) >>> 0;
    if (this.#scratch === 0) {
      throw new CoreError('OUT_OF_MEMORY', 'There is no memory for the engine.');
    }
  }

  /** Bytes of wasm memory at the moment. */
  get memoryBytes() {
    return this.#memory.buffer.byteLength;
  }

  /**
   * Call an exported function. A trap is a bug of the engine and leaves it in an
   * unknown state: from then on every call is refused.
   * @param {string} name
   * @param {...number} values
   */
  call(name, ...values) {
    this.mustLive();
    try {
      return this.#raw[name](...values);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#dead = new CoreError(
        'ENGINE_CRASHED',
        `The engine stopped in ${name}: ${reason}. It must be loaded again.`,
        name,
      );
      throw this.#dead;
    }
  }

  /** Throws when the engine cannot be called any more. */
  mustLive() {
    if (this.#dead) throw this.#dead;
  }

  /**
   * What a function of (handle, which) returns for which = 0 .. count - 1; many
   * calls at the price of few.
   * @param {string} name
   * @param {number} handle
   * @param {number} count
   */
  numbers(name, handle, count) {
    this.call(name, handle, 0);
    const read = this.#raw[name];
    return Array.from({ length: count }, (_, which) => read(handle, which));
  }

  /**
   * From now on refuse every call with this error.
   * @param {CoreError} error
   */
  close(error) {
    this.#dead ??= error;
  }

  // ---- Results ----

  /**
   * A zero-terminated text in wasm memory.
   * @param {number} pointer
   */
  text(pointer) {
    if (pointer === 0) return '';
    const start = pointer >>> 0;
    const bytes = new Uint8Array(this.#memory.buffer);
    return decoder.decode(bytes.slice(start, bytes.indexOf(0, start)));
  }

  /**
   * Call a function that returns a text.
   * @param {string} name
   * @param {...number} values
   */
  textOf(name, ...values) {
    return this.text(this.call(name, ...values));
  }

  /** The engine's last failure. */
  fault() {
    /** @param {FaultPart} part */
    const part = (part) => this.textOf(part);
    return new CoreError(
      part('soma_fault_name'),
      part('soma_fault_sentence'),
      part('soma_fault_place'),
    );
  }

  /**
   * Call a function that returns a status or a count, and throw its failure.
   * @param {string} name
   * @param {...number} values
   */
  checked(name, ...values) {
    const result = this.call(name, ...values);
    if (result < 0) throw this.fault();
    return result;
  }

  /**
   * Call a function that returns a pointer, and throw when it is NULL.
   * @param {string} name
   * @param {...number} values
   */
  created(name, ...values) {
    const pointer = this.call(name, ...values) >>> 0;
    if (pointer === 0) throw this.fault();
    return pointer;
  }

  // ---- Memory ----

  /**
   * Run `body` and give back everything that it borrowed.
   * @template T
   * @param {() => T} body
   * @returns {T}
   */
  borrow(body) {
    const used = this.#used;
    const blocks = this.#blocks.length;
    try {
      return body();
    } finally {
      this.#used = used;
      while (this.#blocks.length > blocks) {
        const block = this.#blocks.pop() ?? 0;
        if (!this.#dead) this.call('soma_free', block);
      }
    }
  }

  /**
   * Room for that many bytes, 64-byte aligned; only inside `borrow`.
   * @param {number} bytes
   */
  room(bytes) {
    const size = Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
    if (size <= SCRATCH_BYTES - this.#used) {
      this.#used += size;
      return this.#scratch + this.#used - size;
    }
    const block = size < 2 ** 32 ? this.call('soma_alloc', size) >>> 0 : 0;
    if (block === 0) {
      throw new CoreError(
        'OUT_OF_MEMORY',
        `There is no memory for another ${Math.ceil(size / 1e6)} MB.`,
      );
    }
    this.#blocks.push(block);
    return block;
  }

  /**
   * A borrowed copy of a text.
   * @param {string} text
   * @param {string} place  what the text is, should it be refused
   */
  putText(text, place) {
    if (text.length > TEXT_MAX || text.includes('\0')) {
      const why = text.length > TEXT_MAX
        ? `is ${text.length} characters long; at most ${TEXT_MAX} are allowed`
        : 'contains a zero character, which is not allowed';
      throw new CoreError('BAD_TEXT', `The text for ${place} ${why}.`, place);
    }
    const bytes = encoder.encode(text);
    const pointer = this.room(bytes.length + 1);
    this.writeBytes(pointer, bytes);
    new Uint8Array(this.#memory.buffer)[pointer + bytes.length] = 0;
    return pointer;
  }

  /**
   * A borrowed copy of bytes or floats.
   * @param {Uint8Array | Float32Array} values
   */
  put(values) {
    const pointer = this.room(values.byteLength);
    if (values instanceof Float32Array) {
      new Float32Array(this.#memory.buffer, pointer, values.length).set(values);
    } else {
      this.writeBytes(pointer, values);
    }
    return pointer;
  }

  /**
   * @param {number} pointer
   * @param {Uint8Array} bytes
   */
  writeBytes(pointer, bytes) {
    new Uint8Array(this.#memory.buffer, pointer >>> 0, bytes.length).set(bytes);
  }

  /**
   * A copy of bytes in wasm memory.
   * @param {number} pointer
   * @param {number} count
   */
  bytes(pointer, count) {
    return new Uint8Array(this.#memory.buffer, pointer >>> 0, count).slice();
  }

  /**
   * A copy of floats in wasm memory.
   * @param {number} pointer
   * @param {number} count
   */
  floats(pointer, count) {
    return new Float32Array(this.#memory.buffer, pointer >>> 0, count).slice();
  }

  /**
   * A copy of unsigned integers in wasm memory.
   * @param {number} pointer
   * @param {number} count
   */
  integers(pointer, count) {
    return new Uint32Array(this.#memory.buffer, pointer >>> 0, count).slice();
  }

  /**
   * A number of 64 bits in wasm memory.
   * @param {number} pointer
   */
  double(pointer) {
    return new Float64Array(this.#memory.buffer, pointer >>> 0, 1)[0];
  }

  /**
   * Call a function that returns a rank and writes that many dimensions.
   * @param {string} name
   * @param {...number} values  its arguments but the last
   */
  shapeOf(name, ...values) {
    return this.borrow(() => {
      const shape = this.room(16);
      const rank = this.checked(name, ...values, shape);
      return [...this.integers(shape, rank)];
    });
  }
}
