// SPDX-License-Identifier: Apache-2.0
// What comes from a descriptor of the library, item by item.
import { cancelled } from "./kinds.js";
import { checkSignal, native } from "./native.js";

// So many items may come without the event loop having its turn.
const IN_A_ROW = 64;

/**
 * Items of a native object. `take` gives the next one, undefined when there is none now, or null
 * when there will be none. An error is given once, and ends it.
 */
export class Puller {
  #handle;
  #take;
  #waiting = [];
  #pumping = false;
  #row = 0;
  ended = false;

  constructor(handle, take) {
    this.#handle = handle;
    this.#take = take;
  }

  get busy() {
    return this.#pumping;
  }

  #next() {
    if (this.ended) return null;
    try {
      const item = this.#take(this.#handle);
      if (item === null) this.ended = true;
      return item;
    } catch (error) {
      this.ended = true;
      throw error;
    }
  }

  /** The next item, or null after the last one. With a signal, one can stop waiting for it. */
  async pull(signal) {
    checkSignal(signal);
    if (!this.#pumping && ++this.#row < IN_A_ROW) {
      const item = this.#next();
      if (item !== undefined) return item;
    }
    return new Promise((resolve, reject) => {
      const waiter = { resolve, reject };
      if (signal) this.#until(signal, waiter);
      this.#waiting.push(waiter);
      if (!this.#pumping) this.#pump();
    });
  }

  #until(signal, waiter) {
    const { resolve, reject } = waiter;
    const abort = () => {
      this.#waiting = this.#waiting.filter((w) => w !== waiter);
      reject(cancelled(signal));
      // nobody is left to wait for: the loop is not kept alive for it
      if (this.#waiting.length === 0 && this.#handle !== null) native.wake(this.#handle);
    };
    signal.addEventListener("abort", abort, { once: true });
    const done = (f) => (v) => {
      signal.removeEventListener("abort", abort);
      f(v);
    };
    waiter.resolve = done(resolve);
    waiter.reject = done(reject);
  }

  async #pump() {
    this.#pumping = true;
    if (this.#row >= IN_A_ROW) await new Promise(setImmediate);
    while (this.#waiting.length > 0) {
      this.#row = 0;
      let item;
      try {
        item = this.#next();
        if (item === undefined) {
          await native.wait(this.#handle, false);
          continue;
        }
      } catch (error) {
        this.ended = true;
        this.#waiting.shift().reject(error);
        continue;
      }
      this.#waiting.shift().resolve(item);
    }
    this.#pumping = false;
  }

  /** Whoever waits gets null. */
  close() {
    if (this.#handle === null) return;
    this.ended = true;
    native.close(this.#handle);
    this.#handle = null;
  }
}
