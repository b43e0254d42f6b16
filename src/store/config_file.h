/* SPDX-License-Identifier: Apache-2.0 */
/*
 * <home>/config.json: settings of one home directory. A missing file gives the
 * defaults; an unknown key, a wrong type or an absurd value is an error that
 * names the file and the key. Documented in docs/config.md.
 */
#ifndef MSB_STORE_CONFIG_FILE_H
#define MSB_STORE_CONFIG_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define CONFIG_FILE_NAME "config.json"

struct config_file {
	char *home;	 /* directory for the state instead of this one */
	char *log_level; /* NULL = the runtime's own default */
	uint32_t busy_timeout_s, connect_timeout_s;
	char *runtime_path; /* msb-runtime instead of the installed one */
	char *guest_dir;    /* guest kernel and initramfs, likewise */
	char *msb_path;	    /* runtime and guest of the msb that is there */
	/* directories elsewhere */
	char *sandboxes_path, *cache_path, *volumes_path, *snapshots_path;
	uint32_t cpus;
	uint32_t memory_mib;
	char *shell, *workdir; /* NULL = unset */
	char *engine, *engine_mode, *engine_jail;
	char *update_url; /* where releases of msb come from, NULL = unset */
	uint32_t upper_size_mib;      /* of writable layers above images */
	uint32_t metrics_capacity;    /* slots of a new registry; 0 = default */
	uint32_t metrics_interval_ms; /* 0 = no samples */
	bool metrics_disabled;	      /* whatever the interval */
};

/* Read the file in dirfd; dir is its name for messages. */
int config_file_load(int dirfd, const char *dir, struct config_file *ret,
		     struct err *err);
/* The same from text; on failure nothing is left to free. */
int config_file_parse(const char *text, const char *name,
		      struct config_file *ret, struct err *err);
void config_file_fini(struct config_file *c);

#endif
