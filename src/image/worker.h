/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is said between a program and the image worker, `msb-image`. The worker
 * does everything that touches a stranger's bytes: one operation per process.
 *
 * Launch. argv = {"msb-image"}; the caller's environment, unchanged (proxies,
 * HOME, DOCKER_CONFIG, PATH for credential helpers, variables that hold
 * passwords); a session of its own; stdin, stdout and stderr are /dev/null.
 *   3  the request: a memory file, at offset 0, with one JSON object
 *   4  the events: write end of a pipe or a socket. The worker ends when its
 *      other end is closed, at any time and without leaving anything half-made.
 *   5  load: what to read: a file or a pipe at its current offset, or a
 *      directory;
 *      save: an empty file open for reading and writing, which the caller
 *      renames into place (or unlinks) afterwards. Not there for pull;
 *      compress, expand, extract: what to read.
 *   6  compress, expand, fetch: an empty file to write;
 *      extract: an empty directory.
 * It may be killed at any instant: a partial download stays in tmp/ of the
 * store for the next attempt, everything else is whole or absent.
 *
 * Request. worker_request_format() makes it. Unknown keys are an error.
 *   {"op": "pull" | "load" | "save" | "compress" | "expand" |
 *        "fetch" | "extract",
 *    "home": absolute path; the state lies there,
 *    "cache": absolute path of the store; default: cache/ in home,
 *    "config_home": where config.json lies, and secrets/ unless that says
 *        otherwise; default: home,
 *  pull:
 *    "reference": canonical text of an image reference,
 *    "arch": "amd64" ...; default: the host's,
 *    "policy": "if-missing" (default) | "always", which asks the registry what
 *        the name stands for now and still reuses layers that are there,
 *    "force": true downloads and builds all layers again,
 *    "insecure": true for plain http (also: config.json),
 *    "ca_certs": absolute path of a PEM bundle, besides the usual roots and
 *        config.json's,
 *    "auth": {"username", "password"} instead of stored credentials,
 *  load:
 *    "input": what descriptor 5 is, for messages,
 *    "references": further names of the archive's first image,
 *    "arch"
 *  save:
 *    "format": "docker" | "oci",
 *    "references": what to save, at least one
 *  compress, expand: nothing more. A file becomes a zstd frame; or what is one,
 *    or compressed with gzip, or neither, is written as it was before.
 *  fetch:
 *    "url": http or https; what it leads to is written to the file,
 *    "document": true for a short one, whose progress is of no interest,
 *    "ca_certs"
 *  extract: nothing more. A tar archive, compressed or not, is unpacked.}
 *  fetch and extract leave the store alone; a "download" of a fetch is of
 *  layer 0, which no "resolved" has told.
 *
 * Events. Lines of one JSON object with one member, whose name is the event's.
 * No line is longer than WORKER_LINE_MAX. "layer" is an index below the number
 * of layers of the last "resolved", the lowest layer first.
 *   {"resolving": {"reference"}}
 *       asking the registry, or reading the next image of an archive
 *   {"resolved": {"reference", "manifest_digest", "layers": [{"digest",
 *       "size"}...], "total"}}
 *       sizes are compressed bytes, total is their sum
 *   {"download": {"layer", "bytes", "total"}}
 *       bytes that are there so far, resumed ones included; it may go back to
 *       a smaller number when a download starts again. Several times a second
 *       at most; the last one of a layer may be left out.
 *   {"unpack": {"layer", "bytes", "total"}}
 *       compressed bytes that went into the layer's image, likewise. May come
 *       between its "download"s.
 *   {"layer": {"layer", "state": "waiting" | "cached" | "done"}}
 *       waiting: another process is working on it. cached: it was there.
 *       done: it is there now. Each layer gets one "cached" or "done", unless
 *       the operation fails.
 *   {"merging": {}}
 *       all layers are there; the image is being put together
 *   {"note": {"message"}}
 *       a person may want to know: a retry, an odd platform
 *  the last line is one of
 *   {"done": {"images": [{"references": [canonical...], "manifest_digest",
 *       "cached"}...], "bytes"}}
 *       pull: one image with one reference; cached: nothing was downloaded or
 *       built. bytes: downloaded, read or written.
 *   {"error": {"kind", "errno", "message"}}
 *       kind as err_kind_name() gives it
 * If the worker ends without either it has crashed or was killed. It holds the
 * shared lock of the store while it works; who needs the image afterwards takes
 * that lock before it starts the worker.
 */
#ifndef MSB_IMAGE_WORKER_H
#define MSB_IMAGE_WORKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

#define WORKER_PROGRAM "msb-image"
#define WORKER_REQUEST_FD 3
#define WORKER_EVENT_FD 4
#define WORKER_FILE_FD 5
#define WORKER_OUT_FD 6
#define WORKER_EXPAND_MAX (256ull << 30)
#define WORKER_REQUEST_MAX (1u << 20)
#define WORKER_LINE_MAX (256u << 10)

enum worker_op {
	WORKER_PULL,
	WORKER_LOAD,
	WORKER_SAVE,
	WORKER_COMPRESS,
	WORKER_EXPAND,
	WORKER_FETCH,
	WORKER_EXTRACT,
	WORKER_OP_COUNT
};

struct worker_request {
	enum worker_op op;
	char *home, *config_home, *cache;
	char *reference;
	char *arch;
	bool always, force, insecure;
	char *ca_certs;
	char *username, *password;
	char *input;
	char *url;
	bool document;
	bool docker; /* format of save */
	struct strv references;
};

void worker_request_fini(struct worker_request *r);
/*
 * malloc'ed JSON text; NULL when out of memory or when a text is not UTF-8.
 * NULL members are left out.
 */
char *worker_request_format(const struct worker_request *r);
/* Nothing to free on failure. */
int worker_request_parse(const char *text, size_t len,
			 struct worker_request *ret, struct err *err);

enum worker_event_type {
	WORKER_RESOLVING,
	WORKER_RESOLVED,
	WORKER_DOWNLOAD,
	WORKER_UNPACK,
	WORKER_LAYER,
	WORKER_MERGING,
	WORKER_NOTE,
	WORKER_DONE,
	WORKER_ERROR,
	WORKER_EVENT_COUNT
};

enum worker_layer_state {
	WORKER_LAYER_WAITING,
	WORKER_LAYER_CACHED,
	WORKER_LAYER_DONE,
	WORKER_LAYER_STATE_COUNT
};

struct worker_layer {
	char *digest; /* of the compressed layer */
	uint64_t size;
};

struct worker_image {
	struct strv references;
	char *manifest_digest;
	bool cached;
};

/* The members that an event has are told above; the rest is zero. */
struct worker_event {
	enum worker_event_type type;
	char *reference, *manifest_digest;
	struct worker_layer *layers;
	size_t nlayers;
	uint64_t total, bytes;
	size_t layer;
	enum worker_layer_state state;
	char *message;
	struct worker_image *images;
	size_t nimages;
	struct err err; /* WORKER_ERROR */
};

void worker_event_fini(struct worker_event *e);
/* malloc'ed line with its newline; NULL when out of memory. */
char *worker_event_format(const struct worker_event *e);
/*
 * A line, with or without its newline; -EPROTO when it is not what the above
 * says. The worker works on hostile bytes: its words are checked, too. Nothing
 * to free on failure.
 */
int worker_event_parse(const char *line, size_t len, struct worker_event *ret);

#endif
