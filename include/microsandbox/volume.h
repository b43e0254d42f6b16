/* SPDX-License-Identifier: Apache-2.0 */
/* Named volumes. */
#ifndef MICROSANDBOX_VOLUME_H
#define MICROSANDBOX_VOLUME_H

#include "microsandbox/config.h"

MSB_BEGIN_DECLS

/*
 * A volume outlives the sandboxes that use it, and several may use it at once;
 * a disk only one that writes, or several that read. Names are 1 to 128 of
 * [A-Za-z0-9][A-Za-z0-9_.-]*.
 */
int msb_volume_create(msb_t *m, const char *name, const msb_volume_options_t *o,
		      msb_volume_t **ret, msb_error_t **ret_err);
int msb_volume_get(msb_t *m, const char *name, msb_volume_t **ret,
		   msb_error_t **ret_err);
void msb_volume_free(msb_volume_t *v);
/* By name. */
int msb_volume_list(msb_t *m, msb_volume_list_t **ret, msb_error_t **ret_err);
size_t msb_volume_list_count(const msb_volume_list_t *l);
const msb_volume_t *msb_volume_list_item(const msb_volume_list_t *l,
					 size_t i); /* borrowed */
void msb_volume_list_free(msb_volume_list_t *l);
/* With all it holds. MSB_ERR_VOLUME_IN_USE while a sandbox runs with it. */
int msb_volume_remove(msb_t *m, const char *name, msb_error_t **ret_err);
/* Remove each volume that no sandbox, running or not, is configured with, and
 * tell its name. */
int msb_volume_prune(msb_t *m, void (*removed)(void *ctx, const char *name),
		     void *ctx, msb_error_t **ret_err);

const char *msb_volume_name(const msb_volume_t *v);
const char *msb_volume_path(const msb_volume_t *v); /* its directory */
msb_volume_kind_t msb_volume_kind(const msb_volume_t *v);
uint64_t msb_volume_quota_mib(const msb_volume_t *v);	   /* 0 = none */
uint64_t msb_volume_capacity_bytes(const msb_volume_t *v); /* 0 = directory */
int64_t msb_volume_created_unix_ms(const msb_volume_t *v);
/* KEY=VALUE, sorted by key; NULL past the end. */
const char *msb_volume_label(const msb_volume_t *v, size_t i);
/* Bytes of its files, or of the disk's occupied blocks: looks at all of them.
 */
int msb_volume_used_bytes(const msb_volume_t *v, uint64_t *ret,
			  msb_error_t **ret_err);

MSB_END_DECLS

#endif
