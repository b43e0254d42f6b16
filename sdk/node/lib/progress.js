// SPDX-License-Identifier: Apache-2.0
// A sandbox that is being created, and what its image's pull tells meanwhile.

/** An iterable of events that ends when the sandbox is there, or has failed. */
export class PullProgressCreate {
  #events = [];
  #waiting = [];
  #ended = false;
  #sandbox;

  /** start gets a function for events, and gives a promise of the sandbox. */
  constructor(start) {
    this.#sandbox = start((event) => this.#add(event));
    const end = () => this.#end();
    this.#sandbox.then(end, end);
  }

  #add(event) {
    const next = this.#waiting.shift();
    if (next) next(event);
    else this.#events.push(event);
  }

  #end() {
    this.#ended = true;
    for (const next of this.#waiting.splice(0)) next(null);
  }

  /** The same as iterating over this object. */
  get progress() {
    return this;
  }

  /** The next event, or null after the last one. */
  async recv() {
    if (this.#events.length > 0) return this.#events.shift();
    if (this.#ended) return null;
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  async *[Symbol.asyncIterator]() {
    for (let event; (event = await this.recv()) !== null;) yield event;
  }

  awaitSandbox() {
    return this.#sandbox;
  }
}
