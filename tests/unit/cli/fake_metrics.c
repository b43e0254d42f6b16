/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Metrics of the stand-in library: a line of $MSB_HOME/metrics for each
 * sandbox, read anew each time, with what KEYS below names. A state of
 * "disabled" is a sandbox that takes no samples.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake.h"

#define LINE_SIZE 1024
/* name state cpus percent cpu-us memory limit guest guest-total disk-read
 * disk-write rx tx read-rate write-rate rx-rate tx-rate sampled-ms uptime-ms */
#define KEYS 19

static const msb_metrics_t absent = { .struct_size = 0 };

/* A line; false when it is not one. state >= 16 bytes, name that of the line.
 */
static bool parse(char *line, msb_metrics_t *m, char *name, char *state)
{
	int n;

	*m = absent;
	m->struct_size = sizeof(*m);
	n = sscanf(line,
		   "%199s %15s %u %lf %" SCNu64 " %" SCNu64 " %" SCNu64
		   " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64
		   " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64
		   " %" SCNd64 " %" SCNu64,
		   name, state, &m->cpus, &m->cpu_percent, &m->cpu_time_us,
		   &m->memory_bytes, &m->memory_limit_bytes,
		   &m->guest_memory_bytes, &m->guest_memory_total_bytes,
		   &m->disk_read_bytes, &m->disk_write_bytes, &m->net_rx_bytes,
		   &m->net_tx_bytes, &m->disk_read_rate, &m->disk_write_rate,
		   &m->net_rx_rate, &m->net_tx_rate, &m->sampled_unix_ms,
		   &m->uptime_ms);
	if (n != KEYS)
		return false;
	for (char *p = name; *p; p++)
		if (*p == '~') /* what a name cannot hold in a file of words */
			*p = '\n';
	m->name = name;
	m->interval_ms = 1000;
	m->started_unix_ms = m->sampled_unix_ms - (int64_t)m->uptime_ms;
	m->state = !strcmp(state, "stalled")  ? MSB_METRICS_STALLED
		   : !strcmp(state, "exited") ? MSB_METRICS_EXITED
					      : MSB_METRICS_RUNNING;
	return true;
}

static FILE *open_file(const msb_t *m)
{
	char *path = str_fmt("%s/metrics", m->home);
	FILE *f = fopen(path, "re");

	free(path);
	return f;
}

int msb_metrics_all(msb_t *m, unsigned flags,
		    int (*fn)(void *ctx, const msb_metrics_t *sample),
		    void *ctx, msb_error_t **ret_err)
{
	char line[LINE_SIZE], name[200], state[16];
	FILE *f = open_file(m);
	msb_metrics_t sample;
	int rc = 0;

	if (getenv("FAKE_METRICS_ERROR"))
		rc = fake_fail(ret_err, MSB_ERR_IO, EIO,
			       "io error: ", "the registry is gone");
	while (!rc && f && fgets(line, sizeof(line), f)) {
		if (!parse(line, &sample, name, state) ||
		    !strcmp(state, "disabled"))
			continue;
		if (sample.state == MSB_METRICS_EXITED &&
		    !(flags & MSB_METRICS_WITH_EXITED))
			continue;
		if (fn(ctx, &sample))
			break;
	}
	if (f)
		(void)fclose(f);
	return rc;
}

int msb_sandbox_metrics(msb_sandbox_t *s, msb_metrics_t *ret,
			msb_error_t **ret_err)
{
	static char name[200]; /* as long as the handle, and longer */
	char line[LINE_SIZE], state[16];
	FILE *f = open_file(fake_home(s));
	bool found = false;

	while (f && !found && fgets(line, sizeof(line), f))
		found = parse(line, ret, name, state) &&
			!strcmp(name, msb_sandbox_name(s));
	if (f)
		(void)fclose(f);
	if (found && !strcmp(state, "disabled"))
		return fake_fail(ret_err, MSB_ERR_METRICS_DISABLED, ENODATA,
				 "metrics disabled for sandbox: ", name);
	if (found && ret->state != MSB_METRICS_EXITED &&
	    msb_sandbox_status(s) == MSB_STATUS_RUNNING)
		return 0;
	return fake_fail(ret_err, MSB_ERR_METRICS_UNAVAILABLE, ENODATA, "",
			 "no metrics");
}

int msb_config_set_metrics_interval_ms(msb_config_t *c, uint32_t ms,
				       msb_error_t **e)
{
	(void)e;
	fake_called(c->m, "set_metrics_interval_ms %u", ms);
	return 0;
}
