/* SPDX-License-Identifier: Apache-2.0 */
/* Choice of the engine, and dispatch to the one that was chosen. */
#include "engine/engine.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/compiler.h"
#include "engine/host.h"
#include "engine/kvm/advice.h"
#include "engine/kvm/kvm.h"
#include "engine/machine.h"
#include "engine/uml/uml.h"

static const char *const kind_names[] = {
	[ENGINE_AUTO] = "auto",
	[ENGINE_KVM] = "kvm",
	[ENGINE_UML] = "uml",
};
_Static_assert(ARRAY_SIZE(kind_names) == ENGINE_KIND_COUNT,
	       "kind_names[] does not match enum engine_kind");

const char *engine_kind_name(enum engine_kind kind)
{
	return (unsigned)kind < ENGINE_KIND_COUNT ? kind_names[kind] : "?";
}

static const char *kvm_reason(enum engine_kind asked)
{
	return asked == ENGINE_KVM ? "kvm was asked for"
				   : "/dev/kvm can be used, and the CPU "
				     "virtualises in hardware";
}

static const char *uml_reason(enum engine_kind asked, const char *no_kvm)
{
	return asked == ENGINE_UML ? "uml was asked for" : no_kvm;
}

int engine_select_from(const struct host_facts *f, enum engine_kind asked,
		       enum engine_kind *ret_kind, char *reason,
		       size_t reason_len, struct err *err)
{
	struct kvm_advice no;
	bool no_kvm = kvm_advise(f, &no);
	bool kvm = asked == ENGINE_KVM || (asked == ENGINE_AUTO && !no_kvm);

	if (asked != ENGINE_AUTO && asked != ENGINE_KVM && asked != ENGINE_UML)
		return err_set(err, ERR_INVALID, EINVAL, "unknown engine %d",
			       (int)asked);
	if (kvm && no_kvm)
		return err_set(err, ERR_UNSUPPORTED,
			       f->kvm_errno ? f->kvm_errno : ENOTSUP,
			       "the kvm engine cannot run here: %s; %s",
			       no.reason, no.remedy);
	if (reason_len)
		(void)snprintf(reason, reason_len, "%s",
			       kvm ? kvm_reason(asked)
				   : uml_reason(asked, no.reason));
	*ret_kind = kvm ? ENGINE_KVM : ENGINE_UML;
	return 0;
}

int engine_select(enum engine_kind asked, enum engine_kind *ret_kind,
		  char *reason, size_t reason_len, struct err *err)
{
	struct host_facts f = { 0 };

	if (asked != ENGINE_UML)
		host_facts_read_kvm(&f);
	return engine_select_from(&f, asked, ret_kind, reason, reason_len, err);
}

int machine_start(struct loop *loop, enum engine_kind kind,
		  const struct machine_desc *desc, struct machine **ret,
		  struct err *err)
{
	/* looking at the host takes time, and with a choice made there is no
	 * need */
	if (kind == ENGINE_AUTO) {
		int rc = engine_select(kind, &kind, NULL, 0, err);

		if (rc)
			return rc;
	}
	return kind == ENGINE_KVM ? kvm_start(loop, desc, ret, err)
				  : uml_start(loop, desc, ret, err);
}

void machine_kill(struct machine *m)
{
	m->ops->kill(m);
}

struct machine *machine_free(struct machine *m)
{
	if (m)
		m->ops->free(m);
	return NULL;
}

int machine_pid(const struct machine *m)
{
	return m->ops->pid(m);
}

void machine_usage(struct machine *m, struct machine_usage *ret)
{
	*ret = (struct machine_usage){ 0 };
	if (m->ops->usage)
		m->ops->usage(m, ret);
}

void machine_describe(const struct machine *m, struct buf *json)
{
	m->ops->describe(m, json);
}

void machine_exits(const struct machine *m, struct buf *json)
{
	if (m->ops->exits)
		m->ops->exits(m, json);
}

size_t machine_relaxed(const struct machine *m, char *buf, size_t len)
{
	return m->ops->relaxed(m, buf, len);
}
