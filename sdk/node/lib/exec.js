// SPDX-License-Identifier: Apache-2.0
// Commands in a guest.
import { ExecFailedError } from "./errors.js";
import { asyncDispose, bytesOf, call, count, native, only } from "./native.js";
import { list, map, rlimit, shape, text, flag, number } from "./options.js";
import { Builder, nested } from "./parts.js";
import { Puller } from "./stream.js";

const NONE = new Uint8Array(0);
const UNLIMITED = 18446744073709551615n;
const SIGKILL = 9;

export class ExecOptionsBuilder extends Builder {
  arg(arg) { return this.push("args", arg); }
  args(args) { return this.push("args", ...args); }
  cwd(path) { return this.set("cwd", path); }
  user(user) { return this.set("user", user); }
  env(key, value) { return this.put("env", key, value); }
  envs(env) {
    for (const [k, v] of Object.entries(env)) this.put("env", k, v);
    return this;
  }

  timeout(ms) { return this.set("timeout", ms); }
  stdinNull() { return this.set("stdin", "null"); }
  stdinPipe() { return this.set("stdin", "pipe"); }
  stdinBytes(data) { return this.set("stdin", bytesOf(data, "stdin")); }
  /** A terminal, of 24 rows and 80 columns unless size is {rows, cols}. */
  tty(on = true, size = {}) { return this.set("tty", on).set("size", size); }
  rlimit(resource, value) { return this.rlimitRange(resource, value, value); }
  rlimitRange(resource, soft, hard) { return this.push("rlimits", { resource, soft, hard }); }
  /** Keep so much of each stream when output is collected. */
  outputMax(bytes) { return this.set("outputMax", bytes); }
  signal(signal) { return this.set("signal", signal); }
}

const any = (v) => v;
const texts = list(text);
const optionsShape = shape({
  args: texts, cwd: text, user: text, env: map(text), timeout: number, stdin: any, tty: flag,
  size: shape({ rows: number, cols: number }), rlimits: list(rlimit), outputMax: number, signal: any,
});

function limitOf(value) {
  if (value === "unlimited") return UNLIMITED.toString();
  return count(value, "a limit").toString();
}

function stdinOf(stdin) {
  if (stdin === undefined || stdin === null || stdin === "null") return NONE;
  if (stdin === "pipe") return null;
  if (stdin instanceof Uint8Array) return stdin;
  throw new TypeError("stdin must be 'null', 'pipe' or a Uint8Array");
}

/** Arguments of the addon's functions, and the AbortSignal. */
function prepare(sandbox, what, args, options) {
  const o = optionsShape(options ?? {}, "");
  const env = Object.entries(o.env ?? {}).flat();
  const limits = (o.rlimits ?? []).flatMap(({ resource, soft, hard = soft }) =>
    [resource, limitOf(soft), limitOf(hard)]);
  const argv = what.script === undefined
    ? [text(what.command, "the command"), ...texts(args, "args"), ...(o.args ?? [])] : [];
  return [[
    sandbox, argv, what.script === undefined ? null : text(what.script, "the script"), env,
    o.cwd ?? null, o.user ?? null, limits, count(o.timeout ?? 0, "timeout"), stdinOf(o.stdin),
    o.tty ?? false, o.size?.rows ?? 24, o.size?.cols ?? 80,
    o.output_max === undefined ? -1 : count(o.output_max, "outputMax"),
  ], o.signal];
}

export const execOptions = (f) => nested(new ExecOptionsBuilder(), f, "exec options");

export async function execRun(sandbox, what, args, options) {
  return new ExecOutput(await call("execRun", ...prepare(sandbox, what, args, options)));
}

export async function execStart(sandbox, owner, what, args, options) {
  const handle = await call("execStart", ...prepare(sandbox, what, args, options));
  return new ExecHandle(handle, owner, options?.stdin === "pipe");
}

/** How a command has ended: `code` is -1 when a signal ended it. */
export class ExitStatus {
  constructor(code, signal = 0) {
    this.code = code;
    this.signal = signal;
  }

  get success() {
    return this.code === 0;
  }
}

/** What a command has written, and how it has ended. */
export class ExecOutput {
  #stdout;
  #stderr;

  constructor({ code, signal, truncated, stdout, stderr }) {
    this.status = new ExitStatus(code, signal);
    this.truncated = truncated;
    this.#stdout = stdout;
    this.#stderr = stderr;
  }

  get code() { return this.status.code; }
  get signal() { return this.status.signal; }
  get success() { return this.status.success; }
  stdout() { return this.#stdout.toString("utf8"); }
  stderr() { return this.#stderr.toString("utf8"); }
  stdoutBytes() { return this.#stdout; }
  stderrBytes() { return this.#stderr; }
}

/** Standard input of a command. */
export class ExecSink {
  #exec;
  #last = Promise.resolve();
  #room;
  #flushing = false;
  #closed = false;

  constructor(exec) {
    this.#exec = exec;
  }

  #writable() {
    this.#room ??= native.wait(this.#exec, true).finally(() => (this.#room = undefined));
    return this.#room;
  }

  // What the library has taken but could not send yet goes out when there is room for it.
  async #flush() {
    if (this.#flushing) return;
    this.#flushing = true;
    try {
      while (native.execWantsWrite(this.#exec)) {
        await this.#writable();
        native.execWrite(this.#exec, NONE, 0);
      }
    } catch {
      // the command has ended, or was closed: whoever receives learns how
    } finally {
      this.#flushing = false;
    }
  }

  async #write(data) {
    let at = 0;
    for (;;) {
      at += native.execWrite(this.#exec, data, at);
      if (at === data.length) break;
      await this.#writable();
    }
    this.#flush();
  }

  // One after the other, whoever calls.
  #then(f) {
    const done = this.#last.then(f);
    this.#last = done.catch(() => {});
    return done;
  }

  /** Fulfilled when all of it has been taken. */
  async write(data) {
    const bytes = bytesOf(data);
    if (bytes.length > 0) await this.#then(() => this.#write(bytes));
  }

  async close() {
    if (this.#closed) return;
    this.#closed = true;
    await this.#then(() => {
      native.execCloseStdin(this.#exec);
      this.#flush();
    });
  }

  async [asyncDispose]() {
    await this.close().catch(() => {});
  }
}

/** What a command that could not be started is told as. */
function failedEvent(error) {
  const { kind = "other", errno_name: errnoName = null, stage = null } = error.details;
  return {
    kind: "failed",
    failure: { kind, errno: error.errno || null, errnoName, message: error.message, stage },
    error,
  };
}

/** A command that runs. */
export class ExecHandle {
  #exec;
  #owner; // not collected, and with it stopped, before this
  #puller;
  #piped;
  #end = null;

  constructor(exec, owner, piped) {
    this.#exec = exec;
    this.#owner = owner;
    this.#piped = piped;
    this.id = String(native.execId(exec));
    this.#puller = new Puller(exec, (x) => this.#next(x));
  }

  #next(x) {
    if (this.#end !== null) return null;
    try {
      const event = native.execNext(x);
      if (event?.kind === "exited") this.#end = event;
      return event;
    } catch (error) {
      if (!(error instanceof ExecFailedError)) throw error;
      this.#end = failedEvent(error);
      return this.#end;
    }
  }

  /** The next event, or null after the last one. options.signal ends the wait, not the command. */
  async recv(options) {
    const { signal } = only(options, ["signal"], "options");
    return this.#puller.pull(signal);
  }

  async *[Symbol.asyncIterator]() {
    for (;;) {
      const event = await this.recv();
      if (event === null) return;
      yield event;
    }
  }

  /** Its standard input, once, if it was started with a pipe; else null. */
  async takeStdin() {
    if (!this.#piped) return null;
    this.#piped = false;
    return new ExecSink(this.#exec);
  }

  /** How it ended. Output until then is dropped. */
  async wait(options) {
    while (this.#end === null) {
      if ((await this.recv(options)) === null && this.#end === null) {
        throw new Error("the command has no events any more");
      }
    }
    if (this.#end.kind === "failed") throw this.#end.error;
    return new ExitStatus(this.#end.code, this.#end.signal);
  }

  /** Everything from now to its end. */
  async collect(options) {
    const { signal } = only(options, ["signal"], "options");
    if (this.#puller.busy) throw new Error("somebody receives from this command");
    this.#puller.ended = true;
    const output = new ExecOutput(await call("execCollect", [this.#exec], signal));
    this.#end = { kind: "exited", code: output.code, signal: output.signal };
    return output;
  }

  /** Send a signal, by its number. */
  async signal(number) {
    native.execSignal(this.#exec, number, 0);
  }

  async kill() {
    await this.signal(SIGKILL);
  }

  /** Size of its terminal. */
  async resize(rows, cols) {
    native.execResize(this.#exec, rows, cols);
  }

  /** Give it up: what has not ended is killed. */
  close() {
    this.#puller.close();
    this.#owner = null;
  }

  async [asyncDispose]() {
    this.close();
  }
}
