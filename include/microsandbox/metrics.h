/* SPDX-License-Identifier: Apache-2.0 */
/* What sandboxes use (docs/metrics.md). */
#ifndef MICROSANDBOX_METRICS_H
#define MICROSANDBOX_METRICS_H

#include "microsandbox/core.h"

MSB_BEGIN_DECLS

/* How often the runtime takes a sample; 0: never. Default: config.json, 1000.
 */
int msb_config_set_metrics_interval_ms(msb_config_t *c, uint32_t ms,
				       msb_error_t **e);

typedef enum {
	MSB_METRICS_RUNNING,
	MSB_METRICS_STALLED, /* no sample for three intervals */
	MSB_METRICS_EXITED,  /* the last sample of a sandbox that is gone */
} msb_metrics_state_t;
typedef struct {
	size_t struct_size;
	const char *name; /* of the sandbox; valid until the function returns,
			     or as long as the sandbox's handle */
	msb_metrics_state_t state;
	unsigned cpus;
	int64_t started_unix_ms, sampled_unix_ms;
	uint64_t uptime_ms;   /* at the time of the sample */
	uint64_t cpu_time_us; /* of the host, for all of it, since the start */
	double cpu_percent;   /* over the last interval; 100 is one whole CPU */
	uint64_t memory_bytes; /* of the host */
	uint64_t memory_limit_bytes;
	uint64_t guest_memory_bytes; /* in use, as the guest says; 0: unknown */
	uint64_t guest_memory_total_bytes;
	uint64_t disk_read_bytes, disk_write_bytes; /* by the guest */
	uint64_t net_rx_bytes, net_tx_bytes;	    /* of the guest */
	/* Bytes per second between the last two samples, as cpu_percent. */
	uint64_t disk_read_rate, disk_write_rate, net_rx_rate, net_tx_rate;
	uint32_t interval_ms; /* between samples */
} msb_metrics_t;
/* The latest sample. MSB_ERR_METRICS_DISABLED, or
 * MSB_ERR_METRICS_UNAVAILABLE: it does not run, or there is none yet. */
int msb_sandbox_metrics(msb_sandbox_t *s, msb_metrics_t *ret,
			msb_error_t **ret_err);
/* Also the last samples of sandboxes that have ended, where they are not
 * overwritten yet; a sandbox that runs again has only its newest. */
#define MSB_METRICS_WITH_EXITED (1u << 0)
/*
 * Calls fn for every sandbox of this home that runs and has a sample, by name;
 * non-zero ends it, which is no error. flags: MSB_METRICS_WITH_EXITED, or 0.
 * Reads shared memory only, unless one is stalled.
 */
int msb_metrics_all(msb_t *m, unsigned flags,
		    int (*fn)(void *ctx, const msb_metrics_t *sample),
		    void *ctx, msb_error_t **ret_err);

MSB_END_DECLS

#endif
