/* SPDX-License-Identifier: Apache-2.0 */
/* Logins at registries. */
#include <errno.h>
#include <string.h>

#include "api/api_int.h"
#include "image/credentials.h"

int msb_registry_login(msb_t *m, const char *host, const char *username,
		       const char *password, msb_error_t **ret_err)
{
	struct err err = { 0 };
	int rc = registry_login(m->config_home.fd, host, username, password,
				&err);

	return rc ? api_fail_err(&err, rc, ret_err) : 0;
}

int msb_registry_logout(msb_t *m, const char *host, bool *ret_found,
			msb_error_t **ret_err)
{
	struct err err = { 0 };
	bool found = false;
	int rc = registry_logout(m->config_home.fd, host, &found, &err);

	if (rc)
		return api_fail_err(&err, rc, ret_err);
	if (ret_found)
		*ret_found = found;
	return 0;
}

int msb_registry_list(msb_t *m,
		      int (*fn)(void *ctx, const msb_registry_t *registry),
		      void *ctx, msb_error_t **ret_err)
{
	struct registry_entry *list = NULL;
	struct err err = { 0 };
	size_t n = 0;
	int rc = registry_list(m->config_home.fd, &list, &n, &err);

	if (rc)
		return api_fail_err(&err, rc, ret_err);
	for (size_t i = 0; i < n; i++) {
		const msb_registry_t r = { .struct_size = sizeof(r),
					   .host = list[i].host,
					   .username = list[i].username,
					   .source = list[i].source };

		if (fn(ctx, &r))
			break;
	}
	registry_list_free(list, n);
	return 0;
}
