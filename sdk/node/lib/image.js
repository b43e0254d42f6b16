// SPDX-License-Identifier: Apache-2.0
// Images in the cache.
import { call, dateOf, home, native, only } from "./native.js";

const policies = ["if-missing", "always", "never"];

/** What is told while an image is pulled, under the names of this package. */
const kinds = {
  resolving: ({ reference }) => ({ kind: "resolving", reference }),
  resolved: ({ reference, layerCount, total }) =>
    ({ kind: "resolved", reference, layerCount, totalDownloadBytes: total }),
  download: ({ layer, bytes, total }) =>
    ({ kind: "layerDownloadProgress", layerIndex: layer, downloadedBytes: bytes, totalBytes: total }),
  unpack: ({ layer, bytes, total }) =>
    ({ kind: "layerMaterializeProgress", layerIndex: layer, bytesRead: bytes, totalBytes: total }),
  waiting: ({ layer }) => ({ kind: "layerWaiting", layerIndex: layer }),
  cached: ({ layer }) => ({ kind: "layerCached", layerIndex: layer }),
  layer: ({ layer }) => ({ kind: "layerMaterializeComplete", layerIndex: layer }),
  merging: ({ layerCount }) => ({ kind: "stitchMergingTrees", layerCount }),
  note: ({ message }) => ({ kind: "note", message }),
  done: () => ({ kind: "complete" }),
};

/** A function for the addon, which tells events in its own form. */
export const progressTo = (f) => (event) => f(kinds[event.kind](event));

const camel = (key) => key.replace(/_([a-z])/g, (_, c) => c.toUpperCase());

/** An image in the cache, as of when it was asked for. */
export class ImageHandle {
  constructor(image) {
    this.reference = image.reference;
    this.manifestDigest = image.digest;
    this.sizeBytes = image.sizeBytes < 0 ? null : image.sizeBytes;
    this.architecture = image.architecture;
    this.os = image.os;
    this.layerCount = image.layers.length;
    this.createdAt = dateOf(image.createdMs);
    this.lastUsedAt = dateOf(image.lastUsedMs);
  }

  inspect() {
    return Image.inspect(this.reference);
  }

  remove(options) {
    return Image.remove(this.reference, options);
  }
}

function detailOf(image) {
  const { config } = JSON.parse(image.json);
  return {
    handle: new ImageHandle(image),
    config: config ? Object.fromEntries(Object.entries(config).map(([k, v]) => [camel(k), v])) : null,
    layers: image.layers,
  };
}

const pullKeys = ["policy", "force", "insecure", "caCerts", "username", "password", "progress", "signal"];

export const Image = Object.freeze({
  async get(reference) {
    return new ImageHandle(await native.imageGet(await home(), reference));
  },

  async list() {
    return (await native.imageList(await home())).map((image) => new ImageHandle(image));
  },

  async inspect(reference) {
    return detailOf(await native.imageGet(await home(), reference));
  },

  /** options.force: also one that a sandbox was made from, which then loses only its name. */
  async remove(reference, options) {
    const { force = false } = only(options, ["force"], "options");
    await native.imageRemove(await home(), reference, force);
  },

  /** Remove what no sandbox was made from. */
  async prune() {
    return native.imagePrune(await home());
  },

  /** The same: how many images were removed. */
  async gc() {
    return (await Image.prune()).manifests;
  },

  /**
   * Get an image into the cache; true when it was there. options: policy, force, insecure, caCerts
   * (path), username, password, progress (a function that gets each event), signal.
   */
  async pull(reference, options) {
    const o = only(options, pullKeys, "pull options");
    const policy = policies.indexOf(o.policy ?? "if-missing");
    if (policy < 0) throw new TypeError(`pull options: policy must be one of ${policies.join(", ")}`);
    return call("imagePull", [
      await home(), reference, policy, o.force ?? false, o.insecure ?? false, o.caCerts ?? null,
      o.username ?? null, o.password ?? null, o.progress ? progressTo(o.progress) : null,
    ], o.signal);
  },
});
