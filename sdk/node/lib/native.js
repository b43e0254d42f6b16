// SPDX-License-Identifier: Apache-2.0
// The addon, and calls of it.
import { createRequire } from "node:module";
import process from "node:process";
import { CancelledError } from "./errors.js";
import { cancelled, makeError } from "./kinds.js";

const require = createRequire(import.meta.url);
if (process.env.MSB_LIBRARY) require("../native/lib/preload.node").load(process.env.MSB_LIBRARY);

export const native = require("../native/lib/microsandbox.node");
native.setMakeError(makeError);

/** For `await using`, also where the runtime does not know of it yet. */
export const asyncDispose = Symbol.asyncDispose ?? Symbol.for("nodejs.asyncDispose");

/** Nothing, or an AbortSignal that has not been aborted yet. */
export function checkSignal(signal) {
  if (signal === undefined || signal === null) return;
  if (!(signal instanceof AbortSignal)) throw new TypeError("signal must be an AbortSignal");
  if (signal.aborted) throw cancelled(signal);
}

/** Call a function of the addon that takes a cancel token after args. */
export async function call(name, args, signal) {
  checkSignal(signal);
  if (!signal) return native[name](...args);
  const token = native.cancelNew();
  const abort = () => native.cancelTrigger(token);
  signal.addEventListener("abort", abort, { once: true });
  try {
    return await native[name](...args, token);
  } catch (error) {
    if (error instanceof CancelledError && signal.aborted) error.cause = signal.reason;
    throw error;
  } finally {
    signal.removeEventListener("abort", abort);
    native.close(token);
  }
}

const homes = new Map();

/** The home directory, opened once for each value of MSB_HOME. */
export function home() {
  const path = process.env.MSB_HOME || null;
  let opened = homes.get(path);
  if (!opened) {
    opened = native.open(path);
    homes.set(path, opened);
    opened.catch(() => homes.delete(path));
  }
  return opened;
}

/** Bytes of a Uint8Array, or of a string in UTF-8. */
export function bytesOf(data, what = "data") {
  if (typeof data === "string") return Buffer.from(data);
  if (data instanceof Uint8Array) return data;
  throw new TypeError(`${what} must be a string or a Uint8Array`);
}

/** An object with no other keys than these. */
export function only(object, keys, what) {
  if (object === undefined || object === null) return {};
  if (typeof object !== "object" || Array.isArray(object)) {
    throw new TypeError(`${what} must be an object`);
  }
  for (const key of Object.keys(object)) {
    if (!keys.includes(key)) throw new TypeError(`${what}: unknown option '${key}'`);
  }
  return object;
}

/** A whole number of ms (or other units) that is not negative. */
export function count(value, what) {
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new TypeError(`${what} must be a whole number, not negative`);
  }
  return value;
}

export const dateOf = (ms) => (ms === null || ms < 0 ? null : new Date(ms));

export const labelsOf = (labels) => Object.entries(labels).map(([k, v]) => `${k}=${v}`);
