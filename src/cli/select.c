/* SPDX-License-Identifier: Apache-2.0 */
/* Sandboxes by their names or labels. */
#include "cli/select.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/str.h"
#include "cli/ui.h"

bool select_list(struct cli *cli, msb_list_t **ret)
{
	const char **labels = calloc(cli->args.nitems + 1, sizeof(*labels));
	msb_error_t *e = NULL;
	size_t n = 0, pos = 0;
	bool ok;

	if (!labels) {
		ui_error("out of memory");
		return false;
	}
	while ((labels[n] = args_next(&cli->args, O_LABEL, &pos)))
		n++;
	ok = cli_ok(msb_sandbox_list_labelled(cli->m, labels, n, ret, &e), &e);
	free(labels);
	return ok;
}

/* Their names: what is done to one may change the others. */
static bool labelled_names(struct cli *cli, bool (*wanted)(msb_status_t status),
			   struct strv *ret)
{
	msb_list_t *l;
	int rc = 0;

	if (!select_list(cli, &l))
		return false;
	for (size_t i = 0; !rc && i < msb_list_count(l); i++) {
		const msb_sandbox_t *s = msb_list_item(l, i);

		if (!wanted || wanted(msb_sandbox_status(s)))
			rc = strv_add(ret, msb_sandbox_name(s));
	}
	msb_list_free(l);
	if (rc)
		ui_error("out of memory");
	return !rc;
}

static int each_labelled(struct cli *cli, bool (*wanted)(msb_status_t status),
			 int (*fn)(struct cli *cli, const char *name))
{
	struct strv names = { 0 };
	int code = 1;

	if (cli_open(cli) && labelled_names(cli, wanted, &names)) {
		code = 0;
		for (size_t i = 0; i < names.n; i++)
			if (fn(cli, names.v[i]))
				code = 1;
		if (!names.n && !cli_has(cli, O_QUIET))
			(void)fputs("No such sandboxes found.\n", stderr);
	}
	strv_fini(&names);
	return code;
}

int select_each(struct cli *cli, bool (*wanted)(msb_status_t status),
		int (*fn)(struct cli *cli, const char *name))
{
	if (!cli_has(cli, O_LABEL))
		return cli->args.nwords ? cli_each(cli, fn)
					: cli_usage(cli, "<NAME> is missing");
	if (cli->args.nwords)
		return cli_usage(cli, "'--label' cannot be used with names");
	return each_labelled(cli, wanted, fn);
}

int select_get(struct cli *cli, const char *name, bool quiet,
	       msb_sandbox_t **ret)
{
	msb_error_t *e = NULL;

	if (msb_sandbox_get(cli->m, name, ret, &e) >= 0)
		return 1;
	if (cli_has(cli, O_LABEL) &&
	    msb_error_kind(e) == MSB_ERR_SANDBOX_NOT_FOUND) {
		msb_error_free(e);
		return 0;
	}
	if (quiet)
		msb_error_free(e);
	else
		ui_library_error(e, NULL);
	return -1;
}
