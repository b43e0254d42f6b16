/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The runtime of one sandbox: everything it owns and the states it goes
 * through.
 *
 *   BOOTING --core.ready--> RUNNING --stop--> STOPPING --machine exit--> DOWN
 *      |                       |                  | deadline: machine_kill
 *      +---- any failure ------+----- machine exit ----------------------^
 *
 * BOOTING: no client is served; a stop kills the machine at once, as nothing
 * of value has happened in it. RUNNING: clients are served. STOPPING: the agent
 * was asked to end; clients still are served. DOWN: the loop ends, sandbox_end
 * writes down what has happened.
 */
#ifndef MSB_RUNTIME_SANDBOX_H
#define MSB_RUNTIME_SANDBOX_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "engine/engine.h"
#include "logs/logs.h"
#include "loop/loop.h"
#include "runtime/bootlog.h"
#include "runtime/compose.h"
#include "runtime/jail.h"
#include "runtime/relay.h"
#include "runtime/report.h"
#include "runtime/run.h"
#include "runtime/sampler.h"
#include "runtime/spec.h"
#include "virtio/dev/console.h"
#include "virtio/dev/fs.h"

enum sandbox_state { BOOTING, RUNNING, STOPPING, DOWN };

/* Inherited descriptors; the numbers are the launch contract. */
enum { SPEC_FD = 3, REPORT_FD, LOCK_FD, WATCHDOG_FD, VALUES_FD, METRICS_FD };

#define READY_TIMEOUT_MS 180000u
/* More than the agent gives itself to write everything back, less than what
 * `stop` waits for. */
#define FLUSH_WINDOW_MS 8000u
#define CLOCK_SYNC_MS 60000u
/* Shares and disks; an engine may have room for fewer, and says so. */
#define MAX_SHARES 61
#define MAX_MOUNTS (MAX_SHARES - 2) /* a root takes one or two */

struct fs_share {
	struct share share;
	struct virtio_device *device; /* owned, with the file server in it */
	int dir_fd; /* of the exported directory, for the jail; owned */
	bool readonly;
};

struct vm_disk {
	struct share share;	      /* its serial number; "" in the root */
	struct virtio_device *device; /* owned, with the disk in it */
	dev_t dev;		      /* its file */
	ino_t ino;
	bool temporary; /* it is removed with the sandbox when that ends */
};

struct sandbox {
	struct runtime_spec spec;
	enum sandbox_state state;
	struct loop *loop;
	struct logs *logs;
	struct relay *relay;
	struct machine *machine;
	struct vconsole *console;
	struct virtio_device *rng, *balloon;
	struct virtio_device *nic;	   /* NULL: no network */
	struct net_addresses link;	   /* of the nic */
	const struct runtime_tls *tls_lib; /* NULL: a runtime without TLS */
	struct tls_proxy *tls;		   /* NULL: no interception */
	struct fs_share *shares; /* [0] is the root directory, if it is one */
	size_t nshares;
	struct vm_disk *disks; /* those of the root first */
	size_t ndisks;
	int dir_fd, runtime_fd, logs_fd, listen_fd, report_fd;
	int values_fd; /* of secrets, until they are read; or -1 */
	struct report_file machine_file, exit_file;
	uint64_t started_ns; /* monotonic */
	uint64_t watched_ms; /* of the loop: when its limit of time began */

	struct posted violation;
	struct watch signals, watchdog, clock_jump;
	int signal_fd, clock_fd;
	struct timer ready_timer, stop_timer, idle_timer, max_timer,
		clock_timer;

	/* how and why it ends */
	bool has_reason; /* the first one counts */
	enum exit_reason reason;
	bool has_code; /* of the startup command */
	int code;
	bool attached; /* the creator's death ends the sandbox */
	bool released; /* an ephemeral one ends with its last session */
	bool killed;
	bool trust_host_cas;  /* the guest is to */
	bool machine_gone;    /* machine_exit is filled */
	atomic_bool violated; /* a secret was about to go where it may not */
	struct machine_exit machine_exit;
	struct boot_failure
		failure; /* BOOTING only; message is in failure_text */
	char failure_text[600];

	struct sampler sampler;
	struct bootlog *bootlog; /* until ready */
	struct buf machine_text; /* the engine's description, until ready */
	struct jail_result jail;
};

/* boot.c: 0, or -errno with s->failure set */
int sandbox_boot(struct sandbox *s);
/* Free the machine and its devices. */
void sandbox_unboot(struct sandbox *s);
/* Keep a filled err, or an errno with what failed, as the reason of the failed
 * boot; both give back rc. */
int sandbox_boot_err(struct sandbox *s, const char *stage, int rc,
		     const struct err *err);
int sandbox_boot_errno(struct sandbox *s, const char *stage, int rc,
		       const char *what);

/* modify.c: what of another configuration (JSON text) can be changed now: the
 * limits of time, and the network's policy. */
int sandbox_modify(struct sandbox *s, const char *text, size_t len,
		   struct err *err);
/* watch.c: in seconds; 0: none. */
void sandbox_set_limits(struct sandbox *s, uint64_t max_s, uint64_t idle_s);

/* network.c: the network and its card, if the sandbox has one; 0, or -errno
 * with s->failure set. Opens all of the host it needs. */
int sandbox_make_network(struct sandbox *s);
/* The certificate of the interception's authority (PEM), or NULL. */
const char *sandbox_ca_pem(const struct sandbox *s);
/* Those the host trusts, if the guest is to: PEM; 0 or -errno. */
int sandbox_host_cas_pem(struct sandbox *s, struct buf *out);
void sandbox_free_network(struct sandbox *s);
/* Its addresses as a JSON object; nothing without a card. */
void sandbox_describe_network(const struct sandbox *s, struct buf *json);

/* disks.c: open and lock what the configuration names; 0, or -errno with
 * s->failure set. s->shares are made already. */
int sandbox_make_disks(struct sandbox *s);
void sandbox_settle_disks(struct sandbox *s); /* the guest is ready */
void sandbox_free_disks(struct sandbox *s);

/* life.c */
/* The machine runs, before the guest has said anything: from here on this
 * process opens nothing but what its clients and its guest ask for. */
void sandbox_seal(struct sandbox *s);
void sandbox_on_ready(struct sandbox *s);
void sandbox_on_agent_closed(struct sandbox *s);
void sandbox_on_shutdown(struct sandbox *s); /* a client has sent it */
/* End the sandbox in good order. The first reason given is the one kept. */
void sandbox_stop(struct sandbox *s, enum exit_reason reason);
/* End it now; what the guest has not written is lost. */
void sandbox_kill(struct sandbox *s, enum exit_reason reason);
void sandbox_on_machine_exit(struct sandbox *s, const struct machine_exit *e);
void sandbox_on_startup_exit(struct sandbox *s, const struct relay_exit *e);
void sandbox_fail_boot(struct sandbox *s, const char *stage, int sys,
		       const char *fmt, ...) MSB_PRINTF(4, 5);
/* After the loop: reports, files, clean-up. Returns the exit status. */
int sandbox_end(struct sandbox *s);

/* watch.c: signals, watchdog, timers; 0 or -errno */
int sandbox_watch(struct sandbox *s);
void sandbox_watch_ready(struct sandbox *s); /* what begins with ready */
void sandbox_watch_end(struct sandbox *s);
uint64_t sandbox_flush_window_ms(void);

#endif
