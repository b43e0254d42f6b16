/* SPDX-License-Identifier: Apache-2.0 */
/* What stands in the way of sandboxes on this host, and what to do about it. */
#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "api/api_int.h"
#include "engine/engine.h"
#include "net/config.h"

#define ENGINE_CHECKS_MAX 32
#define SPACE_FAIL_MIB 64u
#define SPACE_WARN_MIB 1024u
#define NOFILE_WARN 4096u

struct report {
	int (*fn)(void *ctx, const msb_check_t *check);
	void *ctx;
	int stopped; /* what fn returned last */
};

static void MSB_PRINTF(5, 6)
	say(struct report *r, msb_check_state_t state, const char *name,
	    const char *remedy, const char *fmt, ...)
{
	char detail[512];
	msb_check_t check = { .struct_size = sizeof(check),
			      .state = state,
			      .name = name,
			      .detail = detail,
			      .remedy = remedy };
	va_list ap;

	if (r->stopped)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(detail, sizeof(detail), fmt, ap);
	va_end(ap);
	r->stopped = r->fn(r->ctx, &check);
}

static void check_home(msb_t *m, struct report *r)
{
	struct stat st;

	if (fstat(m->home.fd, &st) < 0)
		say(r, MSB_CHECK_FAIL, "home", "set MSB_HOME", "%s: %s",
		    m->home.path, strerror(errno));
	else if (st.st_uid != geteuid())
		say(r, MSB_CHECK_WARN, "home",
		    "set MSB_HOME to a directory of your own",
		    "%s belongs to uid %u", m->home.path, st.st_uid);
	else if (st.st_mode & 077)
		say(r, MSB_CHECK_WARN, "home",
		    "chmod 700 it: others could reach your sandboxes",
		    "%s has mode %03o", m->home.path, st.st_mode & 0777);
	else if (faccessat(m->home.fd, ".", W_OK | X_OK, 0) < 0)
		say(r, MSB_CHECK_FAIL, "home", "set MSB_HOME",
		    "%s cannot be written", m->home.path);
	else
		say(r, MSB_CHECK_OK, "home", "", "%s", m->home.path);
}

static void check_space(msb_t *m, struct report *r)
{
	struct statvfs fs;
	uint64_t mib;

	if (fstatvfs(m->home.fd, &fs) < 0) {
		say(r, MSB_CHECK_WARN, "disk space", "", "unknown: %s",
		    strerror(errno));
		return;
	}
	mib = ((uint64_t)fs.f_bavail * fs.f_frsize) >> 20;
	if (mib < SPACE_FAIL_MIB)
		say(r, MSB_CHECK_FAIL, "disk space", "free some space",
		    "%llu MiB left for %s", (unsigned long long)mib,
		    m->home.path);
	else if (mib < SPACE_WARN_MIB)
		say(r, MSB_CHECK_WARN, "disk space", "free some space",
		    "%llu MiB left for %s", (unsigned long long)mib,
		    m->home.path);
	else
		say(r, MSB_CHECK_OK, "disk space", "", "%llu MiB free",
		    (unsigned long long)mib);
}

static void check_catalogue(msb_t *m, struct report *r)
{
	struct catalogue *cat;
	struct err err = { 0 };

	if (api_catalogue(m, false, &cat, &err))
		say(r, MSB_CHECK_FAIL, "catalogue", "", "%s", err.msg);
	else
		say(r, MSB_CHECK_OK, "catalogue", "", "%s",
		    cat ? "readable" : "none yet");
}

static void check_limits(struct report *r)
{
	struct rlimit limit = { 0 };

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 &&
	    limit.rlim_max < NOFILE_WARN)
		say(r, MSB_CHECK_WARN, "open files",
		    "raise the hard limit (ulimit -Hn)", "at most %llu",
		    (unsigned long long)limit.rlim_max);
	else
		say(r, MSB_CHECK_OK, "open files", "", "at most %llu",
		    (unsigned long long)limit.rlim_max);
	if (access("/proc/self/fd", X_OK) < 0)
		say(r, MSB_CHECK_FAIL, "/proc", "mount it",
		    "/proc/self/fd cannot be used: %s", strerror(errno));
	else
		say(r, MSB_CHECK_OK, "/proc", "", "mounted");
}

static void check_artefacts(msb_t *m, const char *engine, struct report *r)
{
	struct artefacts a = { 0 };
	autofree char *worker = NULL;
	struct err err = { 0 };

	if (artefacts_find(m, engine, false, &a, &err)) {
		say(r, MSB_CHECK_FAIL, "installation", "install msb completely",
		    "%s", err.msg);
		return;
	}
	say(r, MSB_CHECK_OK, "runtime", "", "%s", a.runtime);
	say(r, MSB_CHECK_OK, "guest kernel", "", "%s", a.kernel);
	say(r, MSB_CHECK_OK, "guest agent", "", "%s", a.initramfs);
	artefacts_fini(&a);
	if (artefacts_find(m, engine, true, &a, &err))
		say(r, MSB_CHECK_WARN, "runtime with TLS",
		    "install msb completely to use secrets", "%s", err.msg);
	else
		say(r, MSB_CHECK_OK, "runtime with TLS", "", "%s", a.runtime);
	artefacts_fini(&a);
	if (artefact_find_worker(m, &worker, &err))
		say(r, MSB_CHECK_WARN, "image worker",
		    "install msb completely to pull images", "%s", err.msg);
	else
		say(r, MSB_CHECK_OK, "image worker", "", "%s", worker);
}

static void check_engines(msb_t *m, struct report *r)
{
	static const msb_check_state_t states[] = {
		[CHECK_OK] = MSB_CHECK_OK,
		[CHECK_WARN] = MSB_CHECK_WARN,
		[CHECK_FAIL] = MSB_CHECK_FAIL,
		[CHECK_INFO] = MSB_CHECK_INFO,
	};
	struct engine_check *checks;
	enum engine_kind kind;
	struct err err = { 0 };
	size_t n;

	/* which one it is and why, engine_doctor() says below */
	if (engine_select(ENGINE_AUTO, &kind, NULL, 0, &err))
		say(r, MSB_CHECK_FAIL, "engine", "", "%s", err.msg);
	else
		check_artefacts(m, engine_kind_name(kind), r);
	checks = calloc(ENGINE_CHECKS_MAX, sizeof(*checks));
	if (!checks)
		return;
	n = engine_doctor(checks, ENGINE_CHECKS_MAX);
	for (size_t i = 0; i < n; i++)
		say(r, states[checks[i].state], checks[i].name,
		    checks[i].remedy, "%s", checks[i].detail);
	free(checks);
}

/* What the host lends to the sandboxes' network. */
static void check_network(struct report *r)
{
	autoclose int ping =
		socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_ICMP);
	bool has4 = net_host_has(AF_INET), has6 = net_host_has(AF_INET6);

	if (has4 || has6)
		say(r, MSB_CHECK_OK, "network", "", "%s%s%s",
		    has4 ? "IPv4" : "", has4 && has6 ? " and " : "",
		    has6 ? "IPv6" : "");
	else
		say(r, MSB_CHECK_WARN, "network", "",
		    "no route: sandboxes have no addresses");
	if (ping >= 0)
		say(r, MSB_CHECK_OK, "ping", "", "allowed");
	else
		say(r, MSB_CHECK_INFO, "ping",
		    "sysctl net.ipv4.ping_group_range lets users ping",
		    "sandboxes cannot ping other hosts");
}

int msb_doctor(msb_t *m, int (*fn)(void *ctx, const msb_check_t *check),
	       void *ctx, msb_error_t **ret_err)
{
	struct report r = { .fn = fn, .ctx = ctx };

	(void)ret_err; /* what fails is a check of its own */
	check_home(m, &r);
	check_space(m, &r);
	check_catalogue(m, &r);
	check_limits(&r);
	check_network(&r);
	check_engines(m, &r);
	return r.stopped < 0 ? r.stopped : 0;
}
