/* SPDX-License-Identifier: Apache-2.0 */
/* What writing and reading the JSON form of a configuration share. */
#ifndef MSB_STORE_SANDBOX_CONFIG_INT_H
#define MSB_STORE_SANDBOX_CONFIG_INT_H

#include <jansson.h>

#include "base/cleanup.h"
#include "store/sandbox_config.h"

/* By the values of their enums; NULL-terminated. */
extern const char *const config_stat_virt[];
extern const char *const config_host_perms[];
extern const char *const config_mount_kinds[];
extern const char *const config_disk_formats[];

struct config_flag {
	const char *key; /* NULL ends the list */
	unsigned flag;
};
extern const struct config_flag config_mount_flags[];

static inline void cleanup_json(json_t **j)
{
	json_decref(*j);
}
#define auto_json MSB_CLEANUP(cleanup_json)

#endif
