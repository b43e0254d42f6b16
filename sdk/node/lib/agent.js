// SPDX-License-Identifier: Apache-2.0
// Frames to and from a guest's agent: CBOR is the program's own.
import { asyncDispose, call, count, home, native, only } from "./native.js";
import { Puller } from "./stream.js";

export const FLAG_TERMINAL = 1;
export const FLAG_SESSION_START = 2;
export const FLAG_SHUTDOWN = 4;
const CONNECT_MS = 10000;

/** (flags, body, options) or ({flags, body}, options). */
function frameOf(flags, body, options) {
  if (typeof flags === "object" && flags !== null) {
    const { id, flags: f = 0, body: b, ...rest } = flags;
    const [unknown] = Object.keys(rest);
    if (unknown !== undefined) throw new TypeError(`frame: unknown key '${unknown}'`);
    return [f, b, body, id];
  }
  return [flags, body, options];
}

export class AgentClient {
  #agent;
  #info;

  constructor(agent) {
    this.#agent = agent;
    this.#info = native.agentInfo(agent);
  }

  /** Of a running sandbox. options: timeoutMs (10000), signal. */
  static async connectSandbox(name, options) {
    const { timeoutMs = CONNECT_MS, signal } = only(options, ["timeoutMs", "signal"], "options");
    return new AgentClient(await call("agentConnect",
      [await home(), name, count(timeoutMs, "timeoutMs")], signal));
  }

  /** To a socket. */
  static async connect(path, options) {
    const { timeoutMs = CONNECT_MS, signal } = only(options, ["timeoutMs", "signal"], "options");
    return new AgentClient(await call("agentConnectPath",
      [path, count(timeoutMs, "timeoutMs")], signal));
  }

  /** Ids of this client's own: first to end - 1. */
  get idRange() {
    return { first: this.#info.first, end: this.#info.end };
  }

  /** The body of core.ready. */
  readyBytes() {
    return Buffer.from(this.#info.ready);
  }

  ready() {
    return this.readyBytes();
  }

  /** Send a body, and give the first frame that answers. options: timeoutMs, signal. */
  async request(...args) {
    const [flags, body, options] = frameOf(...args);
    const { timeoutMs = -1, signal } = only(options, ["timeoutMs", "signal"], "options");
    return call("agentRequest", [this.#agent, flags, body, timeoutMs], signal);
  }

  /** The same, where more than one frame answers. */
  async stream(...args) {
    const [flags, body, options] = frameOf(...args);
    const { signal } = only(options, ["signal"], "options");
    return new AgentStream(await call("agentStream", [this.#agent, flags, body], signal));
  }

  /** A further frame of a session: (id, flags, body), or ({id, flags, body}). */
  async send(id, flags, body) {
    if (typeof id === "object" && id !== null) [flags, body, , id] = frameOf(id);
    await native.agentSend(this.#agent, id, flags, body, null);
  }

  close() {
    native.agentClose(this.#agent);
  }

  async [asyncDispose]() {
    this.close();
    native.close(this.#agent);
  }
}

/** Frames that answer one request. */
export class AgentStream {
  #puller;

  constructor(stream) {
    this.id = native.agentStreamId(stream);
    this.#puller = new Puller(stream, (s) => native.agentNext(s));
  }

  /** The next frame, or null after the last one. options.signal ends the wait. */
  async recv(options) {
    const { signal } = only(options, ["signal"], "options");
    return this.#puller.pull(signal);
  }

  async next() {
    const value = await this.recv();
    return value === null ? { value: undefined, done: true } : { value, done: false };
  }

  async return(value) {
    this.close();
    return { value, done: true };
  }

  [Symbol.asyncIterator]() {
    return this;
  }

  close() {
    this.#puller.close();
  }

  async [asyncDispose]() {
    this.close();
  }
}
