/* SPDX-License-Identifier: Apache-2.0 */
/* Names of the jail's layers, and what to say when the host refuses one. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/compiler.h"
#include "engine/uml/jail.h"

static const struct {
	const char *name, *title;
} layers[] = {
	[JAIL_USER_NS] = { "user_ns", "user namespace" },
	[JAIL_PID_NS] = { "pid_ns", "process namespace" },
	[JAIL_MOUNT_NS] = { "mount_ns", "mount namespace" },
	[JAIL_NET_NS] = { "net_ns", "network namespace" },
	[JAIL_IPC_NS] = { "ipc_ns", "IPC namespace" },
	[JAIL_UTS_NS] = { "uts_ns", "UTS namespace" },
	[JAIL_CGROUP_NS] = { "cgroup_ns", "cgroup namespace" },
	[JAIL_ROOT] = { "root", "empty root directory" },
	[JAIL_CAPS] = { "capabilities", "dropped capabilities" },
	[JAIL_NO_NEW_PRIVS] = { "no_new_privs", "no new privileges" },
	[JAIL_SECCOMP] = { "seccomp", "seccomp filter" },
	[JAIL_RLIMITS] = { "rlimits", "resource limits" },
};
_Static_assert(ARRAY_SIZE(layers) == JAIL_LAYER_COUNT,
	       "layers[] does not match enum jail_layer");

/* The host's cap on namespaces of that kind; COUNT when there is none. */
static enum host_sysctl limit_of(enum jail_layer l)
{
	static const struct {
		enum jail_layer layer;
		enum host_sysctl sysctl;
	} map[] = {
		{ JAIL_USER_NS, HOST_MAX_USER_NS },
		{ JAIL_PID_NS, HOST_MAX_PID_NS },
		{ JAIL_MOUNT_NS, HOST_MAX_MNT_NS },
		{ JAIL_NET_NS, HOST_MAX_NET_NS },
		{ JAIL_IPC_NS, HOST_MAX_IPC_NS },
		{ JAIL_UTS_NS, HOST_MAX_UTS_NS },
		{ JAIL_CGROUP_NS, HOST_MAX_CGROUP_NS },
	};

	for (size_t i = 0; i < ARRAY_SIZE(map); i++)
		if (map[i].layer == l)
			return map[i].sysctl;
	return HOST_SYSCTL_COUNT;
}

const char *jail_layer_name(enum jail_layer l)
{
	return layers[l].name;
}

const char *jail_layer_title(enum jail_layer l)
{
	return layers[l].title;
}

struct text {
	char *reason, *remedy;
	size_t reason_len, remedy_len;
};

MSB_PRINTF(2, 3)
static void say_reason(const struct text *t, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(t->reason, t->reason_len, fmt, ap);
	va_end(ap);
}

MSB_PRINTF(2, 3)
static void say_remedy(const struct text *t, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(t->remedy, t->remedy_len, fmt, ap);
	va_end(ap);
}

#define IN_CONTAINER                                                           \
	"inside a container, let its seccomp and AppArmor profiles permit "    \
	"this (Docker: --security-opt seccomp=unconfined --security-opt "      \
	"apparmor=unconfined)"

/* Settings that forbid the layer whatever the error number says. */
static bool refused_by_setting(const struct host_facts *f, enum jail_layer l,
			       const struct text *t)
{
	enum host_sysctl limit = limit_of(l);
	bool needs_user_ns = l <= JAIL_ROOT;

	if (limit < HOST_SYSCTL_COUNT && f->sysctl[limit] == 0) {
		say_reason(t, "%s is 0", host_sysctl_name(limit));
		say_remedy(t, "sudo sysctl -w %s=10000",
			   host_sysctl_name(limit));
		return true;
	}
	if (!needs_user_ns || f->euid == 0)
		return false;
	if (f->sysctl[HOST_USERNS_CLONE] == 0) {
		say_reason(t, "user namespaces are reserved for root (%s=0)",
			   host_sysctl_name(HOST_USERNS_CLONE));
		say_remedy(t, "sudo sysctl -w %s=1",
			   host_sysctl_name(HOST_USERNS_CLONE));
		return true;
	}
	if (f->sysctl[HOST_APPARMOR_USERNS] == 1) {
		say_reason(t,
			   "AppArmor takes all rights from user namespaces of "
			   "ordinary users (%s=1)",
			   host_sysctl_name(HOST_APPARMOR_USERNS));
		say_remedy(t,
			   "load an AppArmor profile with 'userns,' for "
			   "msb-runtime, or sudo sysctl -w %s=0",
			   host_sysctl_name(HOST_APPARMOR_USERNS));
		return true;
	}
	return false;
}

static void refused_by_error(enum jail_layer l, enum jail_step step, int sys,
			     const struct text *t)
{
	enum host_sysctl limit = limit_of(l);

	if ((sys == ENOSPC || sys == EUSERS) && limit < HOST_SYSCTL_COUNT) {
		say_reason(t, "the host's limit of namespaces is reached");
		say_remedy(t,
			   "raise it (sudo sysctl -w %s=10000), or nest fewer "
			   "containers",
			   host_sysctl_name(limit));
		return;
	}
	if (sys == EINVAL || sys == ENOSYS) {
		say_reason(t, "the host's kernel does not have it (%s)",
			   strerrordesc_np(sys));
		say_remedy(t, "use a Linux kernel of 5.11 or later with "
			      "namespaces and seccomp filters built in");
		return;
	}
	if (step == STEP_ID_MAP) {
		say_reason(t, "its user map cannot be written (%s)",
			   strerrordesc_np(sys));
		say_remedy(t, "run as an ordinary user, or as root with the "
			      "capabilities SETUID and SETGID");
		return;
	}
	say_reason(t, "the host refuses it (%s)", strerrordesc_np(sys));
	say_remedy(t, IN_CONTAINER);
}

void jail_refusal(const struct host_facts *f, enum jail_layer l,
		  enum jail_step step, int sys, char *reason, size_t reason_len,
		  char *remedy, size_t remedy_len)
{
	struct text t = { reason, remedy, reason_len, remedy_len };

	if (!refused_by_setting(f, l, &t))
		refused_by_error(l, step, sys, &t);
}

void jail_refusal_in(const struct host_facts *f, const struct jail_state *s,
		     enum jail_layer l, char *reason, size_t reason_len,
		     char *remedy, size_t remedy_len)
{
	struct text t = { reason, remedy, reason_len, remedy_len };

	if (l > JAIL_USER_NS && l <= JAIL_ROOT && s->layer[JAIL_USER_NS].off &&
	    s->layer[l].sys == EPERM) {
		say_reason(&t, "it needs the user namespace");
		say_remedy(&t, "%s", "");
		return;
	}
	jail_refusal(f, l, s->layer[l].step, s->layer[l].sys, reason,
		     reason_len, remedy, remedy_len);
}
