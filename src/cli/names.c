/* SPDX-License-Identifier: Apache-2.0 */
/* Names of what the home holds, for completion. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "cli/alias_dir.h"
#include "cli/complete.h"
#include "cli/show.h"

/* Opening a home makes one; pressing a key is no reason for that. */
static bool home_exists(void)
{
	const char *home = getenv("MSB_HOME"), *user = getenv("HOME");
	autofree char *own = NULL;

	if (home && *home)
		return !access(home, F_OK);
	if (!user || !*user)
		return false;
	own = str_fmt("%s/.microsandbox", user);
	return own && !access(own, F_OK);
}

static bool fits(enum value_kind what, msb_status_t status)
{
	bool stopped =
		status == MSB_STATUS_STOPPED || status == MSB_STATUS_CRASHED;

	return what == VALUE_RUNNING ? !stopped
				     : what != VALUE_STOPPED || stopped;
}

static void put_sandboxes(msb_t *m, enum value_kind what, struct candidates *c)
{
	msb_list_t *l;

	if (msb_sandbox_list(m, &l, NULL) < 0)
		return;
	for (size_t i = 0; i < msb_list_count(l); i++) {
		const msb_sandbox_t *s = msb_list_item(l, i);
		const char *image = msb_sandbox_image(s);
		enum table_style style;
		char status[16];
		autofree char *text = NULL, *help = NULL;

		if (!fits(what, msb_sandbox_status(s)))
			continue;
		text = str_fmt("%s%s", msb_sandbox_name(s),
			       what == VALUE_ENDPOINT ? ":/" : "");
		help = str_fmt("%s, %s",
			       show_status(msb_sandbox_status(s), status,
					   sizeof(status), &style),
			       image ? image : "-");
		if (text)
			candidate_add(c, text, help);
	}
	msb_list_free(l);
}

static void put_images(msb_t *m, struct candidates *c)
{
	msb_image_list_t *l;

	if (msb_image_list(m, &l, NULL) < 0)
		return;
	for (size_t i = 0; i < msb_image_list_count(l); i++)
		candidate_add(c, msb_image_reference(msb_image_list_item(l, i)),
			      "image");
	msb_image_list_free(l);
}

static void put_volumes(msb_t *m, enum value_kind what, struct candidates *c)
{
	msb_volume_list_t *l;

	if (msb_volume_list(m, &l, NULL) < 0)
		return;
	for (size_t i = 0; i < msb_volume_list_count(l); i++) {
		const msb_volume_t *v = msb_volume_list_item(l, i);
		autofree char *text = str_fmt("%s%s", msb_volume_name(v),
					      what == VALUE_MOUNT ? ":" : "");

		if (text)
			candidate_add(c, text, "volume");
	}
	msb_volume_list_free(l);
}

static void put_snapshots(msb_t *m, struct candidates *c)
{
	msb_snapshot_list_t *l;

	if (msb_snapshot_list(m, &l, NULL) < 0)
		return;
	for (size_t i = 0; i < msb_snapshot_list_count(l); i++) {
		const msb_snapshot_t *s = msb_snapshot_list_item(l, i);
		const char *name = msb_snapshot_name(s);

		candidate_add(c, name ? name : msb_snapshot_path(s),
			      "snapshot");
	}
	msb_snapshot_list_free(l);
}

/* Each label of a sandbox once, however many have it. */
static void put_labels(msb_t *m, struct candidates *c)
{
	struct strv seen = { 0 };
	msb_list_t *l;

	if (msb_sandbox_list(m, &l, NULL) < 0)
		return;
	for (size_t i = 0; i < msb_list_count(l); i++) {
		const msb_sandbox_t *s = msb_list_item(l, i);
		const char *label;

		for (size_t n = 0; (label = msb_sandbox_label(s, n)); n++) {
			bool known = false;

			for (size_t k = 0; k < seen.n && !known; k++)
				known = !strcmp(seen.v[k], label);
			if (!known && !strv_add(&seen, label))
				candidate_add(c, label, "label");
		}
	}
	strv_fini(&seen);
	msb_list_free(l);
}

static int put_registry(void *ctx, const msb_registry_t *r)
{
	candidate_add(ctx, r->host, r->username);
	return 0;
}

static void put_installed(msb_t *m, struct candidates *c)
{
	autofree char *bin = str_fmt("%s/bin", msb_home(m));
	autoclose int dir = bin ? alias_dir_open(bin, false, NULL) : -1;
	struct strv names = { 0 };

	if (dir >= 0 && !alias_dir_names(dir, &names, NULL))
		for (size_t i = 0; i < names.n; i++) {
			struct alias_info info;

			if (alias_dir_read(dir, names.v[i], &info))
				continue;
			candidate_add(c, names.v[i], info.image);
			alias_info_fini(&info);
		}
	strv_fini(&names);
}

void complete_names(struct cli *cli, enum value_kind what, struct candidates *c)
{
	if (!cli->m && (!home_exists() || msb_open(NULL, &cli->m, NULL) < 0))
		return;
	switch (what) {
	case VALUE_SANDBOX:
	case VALUE_RUNNING:
	case VALUE_STOPPED:
	case VALUE_ENDPOINT:
		put_sandboxes(cli->m, what, c);
		break;
	case VALUE_IMAGE:
	case VALUE_ROOT:
		put_images(cli->m, c);
		break;
	case VALUE_MOUNT:
	case VALUE_VOLUME:
		put_volumes(cli->m, what, c);
		break;
	case VALUE_SNAPSHOT:
		put_snapshots(cli->m, c);
		break;
	case VALUE_REGISTRY:
		(void)msb_registry_list(cli->m, put_registry, c, NULL);
		break;
	case VALUE_INSTALLED:
		put_installed(cli->m, c);
		break;
	case VALUE_LABEL:
		put_labels(cli->m, c);
		break;
	case VALUE_OTHER:
	case VALUE_FILE:
	case VALUE_DIR:
	case VALUE_KEY_FILE:
	case VALUE_VARIABLE:
	case VALUE_SECRET:
	case VALUE_COMMAND:
		break;
	}
}
