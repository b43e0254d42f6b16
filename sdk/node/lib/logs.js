// SPDX-License-Identifier: Apache-2.0
// Logs and metrics of sandboxes.
import { asyncDispose, call, count, home, native, only } from "./native.js";
import { Puller } from "./stream.js";

const sources = { stdout: 1, stderr: 2, output: 4, system: 8, all: 15 };
const NS_PER_MS = 1000000n;

function sourceMask(names) {
  if (names === undefined || names === null) return 0;
  if (!Array.isArray(names)) throw new TypeError("sources must be an array");
  return names.reduce((mask, name) => {
    if (!Object.hasOwn(sources, name)) throw new TypeError(`unknown log source '${name}'`);
    return mask | sources[name];
  }, 0);
}

/** A Date or ms since 1970 as text of ns; a bigint is ns. */
function timeNs(time, what) {
  if (time === undefined || time === null) return null;
  if (typeof time === "bigint") return time.toString();
  const ms = time instanceof Date ? time.getTime() : time;
  if (!Number.isFinite(ms)) throw new TypeError(`${what} must be a Date or a number`);
  return (BigInt(Math.round(ms * 1000)) * NS_PER_MS / 1000n).toString();
}

/** One line or piece of output. */
export class LogEntry {
  constructor({ timeNs, source, session, data, cursor }) {
    this.timestamp = new Date(Number(timeNs / NS_PER_MS));
    this.timestampNs = timeNs;
    this.source = source;
    this.sessionId = session || null;
    this.data = data;
    this.cursor = cursor;
  }

  text() {
    return this.data.toString("utf8");
  }
}

const readKeys = ["tail", "since", "until", "sources", "signal"];

export async function readLogs(name, options) {
  const o = only(options, readKeys, "log options");
  const tail = o.tail === undefined || o.tail === null ? -1 : count(o.tail, "tail");
  const entries = await call("logs", [
    await home(), name, sourceMask(o.sources), timeNs(o.since, "since"), timeNs(o.until, "until"),
    tail, null, false,
  ], o.signal);
  return entries.map((e) => new LogEntry(e));
}

const streamKeys = ["sources", "since", "fromCursor", "until", "follow", "signal"];

async function openStream(name, options) {
  const o = only(options, streamKeys, "log options");
  if (o.since !== undefined && o.fromCursor !== undefined && o.since !== null && o.fromCursor !== null) {
    throw new TypeError("log options: since and fromCursor exclude each other");
  }
  return new LogStream(await call("logOpen", [
    await home(), name, sourceMask(o.sources), timeNs(o.since, "since"), timeNs(o.until, "until"),
    -1, o.fromCursor ?? null, o.follow ?? false,
  ], o.signal));
}

/** A promise of the stream that can also be iterated itself. */
export function logStream(name, options) {
  const opened = openStream(name, options);
  opened[Symbol.asyncIterator] = async function* iterate() {
    yield* await opened;
  };
  return opened;
}

/** Entries as they come. */
export class LogStream {
  #puller;

  constructor(log) {
    this.#puller = new Puller(log, (l) => native.logNext(l));
  }

  /** The next entry, or null at the end. options.signal ends the wait. */
  async recv(options) {
    const { signal } = only(options, ["signal"], "options");
    const entry = await this.#puller.pull(signal);
    return entry === null ? null : new LogEntry(entry);
  }

  async *[Symbol.asyncIterator]() {
    try {
      for (let entry; (entry = await this.recv()) !== null;) yield entry;
    } finally {
      this.close();
    }
  }

  close() {
    this.#puller.close();
  }

  async [asyncDispose]() {
    this.close();
  }
}

function metricsOf({ name, startedMs, sampledMs, ...fields }) {
  return { ...fields, timestamp: new Date(sampledMs), started: new Date(startedMs) };
}

export async function readMetrics(sandbox) {
  return metricsOf(await native.metrics(sandbox));
}

/** Of all sandboxes that run, by name. */
export async function allSandboxMetrics() {
  const samples = await native.metricsAll(await home());
  return new Map(samples.map((m) => [m.name, metricsOf(m)]));
}

/** A sample every so often. It does not end by itself. */
export class MetricsStream {
  #sandbox;
  #interval;
  #last = Promise.resolve();
  #due = 0;
  #wake = null;
  #closed = false;

  constructor(sandbox, intervalMs) {
    this.#sandbox = sandbox;
    this.#interval = Math.max(1, count(intervalMs, "intervalMs"));
  }

  #sleep(ms) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  async #next() {
    const ms = this.#due - performance.now();
    if (ms > 0 && !this.#closed) await this.#sleep(ms);
    if (this.#closed) return null;
    this.#due = performance.now() + this.#interval;
    return readMetrics(this.#sandbox());
  }

  /** The next sample, or null once closed. */
  recv() {
    const next = this.#last.then(() => this.#next());
    this.#last = next.catch(() => {});
    return next;
  }

  async *[Symbol.asyncIterator]() {
    try {
      for (let sample; (sample = await this.recv()) !== null;) yield sample;
    } finally {
      this.close();
    }
  }

  close() {
    this.#closed = true;
    this.#wake?.();
  }

  async [asyncDispose]() {
    this.close();
  }
}
