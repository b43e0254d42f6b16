/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The seam between the runtime and whatever runs the guest. Start a machine
 * from a description, learn of its exit, kill it. Nothing above this header
 * knows which engine is behind it, and no device does either.
 */
#ifndef MSB_ENGINE_ENGINE_H
#define MSB_ENGINE_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "loop/loop.h"
#include "virtio/device.h"

enum engine_kind { ENGINE_AUTO, ENGINE_KVM, ENGINE_UML, ENGINE_KIND_COUNT };

/* How a one-vCPU uml machine runs guest processes. */
enum engine_uml_mode { UML_MODE_AUTO, UML_MODE_PTRACE, UML_MODE_SECCOMP };

struct machine_exit {
	bool clean;	/* the guest powered itself off */
	int code;	/* exit status of the engine, or -1 */
	int signal;	/* signal that ended it, or 0 */
	char text[200]; /* one line for people */
};

struct machine_events {
	void *ctx;
	/* Console bytes before the virtio console works, and panics. */
	void (*on_kernel_log)(void *ctx, const void *data, size_t len);
	/* Once, on the loop's thread; the machine may be freed in it. */
	void (*on_exit)(void *ctx, const struct machine_exit *e);
};

struct machine_desc {
	unsigned vcpus;
	unsigned memory_mib;
	const char *kernel_path; /* uncompressed guest kernel */
	int initramfs_fd; /* borrowed; cpio archive, read from offset 0 */
	const char *extra_cmdline;	/* or NULL */
	struct virtio_device **devices; /* borrowed until machine_free */
	size_t ndevices;
	enum engine_uml_mode uml_mode;
	bool jail_relaxed; /* run without layers the host forbids */
	struct machine_events events;
};

struct machine;

/*
 * Which engine an automatic choice takes on this host, with the reason as one
 * line. asked = ENGINE_KVM or ENGINE_UML checks that one: ERR_UNSUPPORTED with
 * the remedy when it cannot run here.
 */
int engine_select(enum engine_kind asked, enum engine_kind *ret_kind,
		  char *reason, size_t reason_len, struct err *err);

const char *engine_kind_name(enum engine_kind kind); /* "auto", "kvm", "uml" */

/*
 * Start the machine. Devices are served by threads or on the given loop as
 * each device asks; the machine's exit is reported on the loop. A forbidden
 * jail layer fails with ERR_UNSUPPORTED naming layer and remedy, unless
 * jail_relaxed. Call it on a thread that lives as long as the machine shall: a
 * uml machine is killed when that thread ends. What it needs of the host it has
 * opened when it returns; only machine_describe() may open more.
 */
int machine_start(struct loop *loop, enum engine_kind kind,
		  const struct machine_desc *desc, struct machine **ret,
		  struct err *err);

/* Stop at once, like a power cut; on_exit still follows. Any state. */
void machine_kill(struct machine *m);
struct machine *machine_free(struct machine *m); /* kills if still running */

/* Process id of the guest kernel on the host; -1 if none. */
int machine_pid(const struct machine *m);

/* What the machine takes of the host besides what this process is charged. */
struct machine_usage {
	uint64_t cpu_ns; /* never goes back */
	uint64_t memory_bytes;
	/* Programs of the guest are processes of the host: one that begins and
	 * ends between two calls is missed. */
	bool programs_apart;
	/* Some were, or may have been: only the guest knows their time. */
	bool programs_missed;
};
/* Opens nothing, and does not wait. */
void machine_usage(struct machine *m, struct machine_usage *ret);

/*
 * Facts for `inspect`: engine, mode, CPU placement and the state of each jail
 * layer, as {"engine":"uml","mode":"ptrace","cpu":1,"jail":{"user_ns":"on",
 * ...}}. cpu is null when not pinned; a layer the host refused (relaxed jail)
 * is "off: <reason>". Appends JSON text.
 */
void machine_describe(const struct machine *m, struct buf *json);

/*
 * How often the guest has left for this process so far, by kind, as
 * {"mmio_write":70,...}; nothing when the engine does not count. Appends JSON
 * text, opens nothing.
 */
void machine_exits(const struct machine *m, struct buf *json);

/*
 * Jail layers the machine runs without, as text for a warning ("network
 * namespace, seccomp filter"); returns their number, 0 when all are on.
 */
size_t machine_relaxed(const struct machine *m, char *buf, size_t len);

/* One line of `doctor`. */
enum check_state { CHECK_OK, CHECK_WARN, CHECK_FAIL, CHECK_INFO };
struct engine_check {
	enum check_state state;
	char name[40];
	char detail[240];
	char remedy[240]; /* "" when there is nothing to do */
};
/* Fill at most max checks about engines and jail layers; returns the count. */
size_t engine_doctor(struct engine_check *checks, size_t max);

#endif
