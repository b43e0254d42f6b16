/* SPDX-License-Identifier: Apache-2.0 */
/* What stands in the way of sandboxes on this host, and what to do about it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api/api_int.h"
#include "api/doctor_host.h"
#include "engine/engine.h"

#define ENGINE_CHECKS_MAX 32

static void check_catalogue(msb_t *m, struct doctor_report *r)
{
	struct catalogue *cat;
	struct err err = { 0 };

	if (api_catalogue(m, false, &cat, &err))
		doctor_say(r, MSB_CHECK_FAIL, "catalogue",
			   "restore db/msb.db in the home from a backup, or "
			   "move it away: sandboxes are forgotten, images and "
			   "volumes stay",
			   "%s", err.msg);
	else
		doctor_say(r, MSB_CHECK_OK, "catalogue", "", "%s",
			   cat ? "readable" : "none yet");
}

static void check_artefacts(msb_t *m, const struct artefacts *a,
			    const char *engine, struct doctor_report *r)
{
	struct artefacts tls = { 0 };
	autofree char *worker = NULL;
	struct err err = { 0 };

	doctor_say(r, MSB_CHECK_OK, "runtime", "", "%s", a->runtime);
	doctor_say(r, MSB_CHECK_OK, "guest kernel", "", "%s", a->kernel);
	doctor_say(r, MSB_CHECK_OK, "guest agent", "", "%s", a->initramfs);
	if (artefacts_find(m, engine, true, &tls, &err))
		doctor_say(r, MSB_CHECK_WARN, "runtime with TLS",
			   "install msb completely to use secrets", "%s",
			   err.msg);
	else
		doctor_say(r, MSB_CHECK_OK, "runtime with TLS", "", "%s",
			   tls.runtime);
	artefacts_fini(&tls);
	err = (struct err){ 0 };
	if (artefact_find_worker(m, &worker, &err))
		doctor_say(r, MSB_CHECK_WARN, "image worker",
			   "install msb completely to pull images", "%s",
			   err.msg);
	else
		doctor_say(r, MSB_CHECK_OK, "image worker", "", "%s", worker);
}

static void check_engines(struct doctor_report *r)
{
	static const msb_check_state_t states[] = {
		[CHECK_OK] = MSB_CHECK_OK,
		[CHECK_WARN] = MSB_CHECK_WARN,
		[CHECK_FAIL] = MSB_CHECK_FAIL,
		[CHECK_INFO] = MSB_CHECK_INFO,
	};
	struct engine_check *checks =
		calloc(ENGINE_CHECKS_MAX, sizeof(*checks));
	size_t n = checks ? engine_doctor(checks, ENGINE_CHECKS_MAX) : 0;

	for (size_t i = 0; i < n; i++)
		doctor_say(r, states[checks[i].state], checks[i].name,
			   checks[i].remedy, "%s", checks[i].detail);
	free(checks);
}

/* What is installed for the engine that would be taken. */
static const char *find_artefacts(msb_t *m, struct artefacts *ret,
				  struct err *err)
{
	enum engine_kind kind;
	const char *name;

	/* which one it is and why, engine_doctor() says below */
	if (engine_select(ENGINE_AUTO, &kind, NULL, 0, err))
		return NULL;
	name = engine_kind_name(kind);
	return artefacts_find(m, name, false, ret, err) ? NULL : name;
}

int msb_doctor(msb_t *m, int (*fn)(void *ctx, const msb_check_t *check),
	       void *ctx, msb_error_t **ret_err)
{
	struct doctor_report r = { .fn = fn, .ctx = ctx };
	struct doctor_host f = { .home = m->home.path };
	struct artefacts a = { 0 };
	struct err err = { 0 };
	const char *engine = find_artefacts(m, &a, &err);

	(void)ret_err; /* what fails is a check of its own */
	f.guest_file = engine ? a.kernel : NULL;
	doctor_host_read(m->home.fd, &f);
	doctor_host_home(&f, &r);
	check_catalogue(m, &r);
	if (engine)
		check_artefacts(m, &a, engine, &r);
	else
		doctor_say(&r, MSB_CHECK_FAIL, "installation",
			   "install msb completely", "%s", err.msg);
	doctor_host_rest(&f, &r);
	check_engines(&r);
	artefacts_fini(&a);
	return r.stopped < 0 ? r.stopped : 0;
}
