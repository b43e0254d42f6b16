/* SPDX-License-Identifier: Apache-2.0 */
/* Functions of libmicrosandbox that call back, and those that go in pairs. */
#include "bridge.h"
#include "_cgo_export.h"

int64_t gomsb_log_next(msb_cancel_t *k, msb_log_t *l, msb_log_entry_t *ret,
		       char **ret_cursor, msb_error_t **e)
{
	msb_cancel_t *before = msb_cancel_use(k);
	int64_t rc;

	do
		rc = msb_log_next(l, -1, ret, e);
	while (!rc && msb_log_fd(l) >= 0 && !msb_log_ended(l));
	(void)msb_cancel_use(before);
	if (rc <= 0)
		return rc;
	rc = msb_log_cursor(l, ret_cursor, e);
	return rc < 0 ? rc : 1;
}

static int on_entry(void *ctx, const char *name, const msb_fs_info_t *info)
{
	return gomsbEntry((uintptr_t)ctx, (char *)name, (msb_fs_info_t *)info);
}

int64_t gomsb_fs_list(msb_cancel_t *k, msb_fs_t *fs, const char *path,
		      uintptr_t h, msb_error_t **e)
{
	GOMSB_RETURN(k, msb_fs_list(fs, path, on_entry, (void *)h, e));
}

static int on_metrics(void *ctx, const msb_metrics_t *sample)
{
	return gomsbMetrics((uintptr_t)ctx, (msb_metrics_t *)sample);
}

int64_t gomsb_metrics_all(msb_cancel_t *k, msb_t *m, uintptr_t h,
			  msb_error_t **e)
{
	GOMSB_RETURN(k, msb_metrics_all(m, 0, on_metrics, (void *)h, e));
}

static int on_check(void *ctx, const msb_check_t *check)
{
	return gomsbCheck((uintptr_t)ctx, (msb_check_t *)check);
}

int64_t gomsb_doctor(msb_cancel_t *k, msb_t *m, uintptr_t h, msb_error_t **e)
{
	GOMSB_RETURN(k, msb_doctor(m, on_check, (void *)h, e));
}

static void on_removed(void *ctx, const char *name)
{
	gomsbRemoved((uintptr_t)ctx, (char *)name);
}

int64_t gomsb_volume_prune(msb_cancel_t *k, msb_t *m, uintptr_t h,
			   msb_error_t **e)
{
	GOMSB_RETURN(k, msb_volume_prune(m, on_removed, (void *)h, e));
}

static void on_skipped(void *ctx, const char *path, const char *why)
{
	gomsbSkipped((uintptr_t)ctx, (char *)path, (char *)why);
}

int64_t gomsb_copy(msb_cancel_t *k, msb_sandbox_t *from, const char *from_path,
		   msb_sandbox_t *to, const char *to_path, uintptr_t h,
		   msb_error_t **e)
{
	msb_copy_options_t o = { .struct_size = sizeof(o),
				 .skipped = on_skipped,
				 .ctx = (void *)h };

	GOMSB_RETURN(k, msb_copy(from, from_path, to, to_path, &o, e));
}

static int on_image(void *ctx, const msb_image_event_t *event)
{
	return gomsbImage((uintptr_t)ctx, (msb_image_event_t *)event);
}

void gomsb_image_progress(msb_image_options_t *o, uintptr_t h)
{
	msb_image_options_set_progress(o, on_image, (void *)h);
}
