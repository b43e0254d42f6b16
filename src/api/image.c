/* SPDX-License-Identifier: Apache-2.0 */
/* Images in the cache, as objects and as JSON. */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "api/image_int.h"
#include "base/clock.h"

/* What is kept of a layer. */
struct layer {
	struct digest diff_id, blob;
	char *media_type;
	uint64_t size;
};

struct msb_image {
	char *reference, *canonical, *json;
	char *arch, *os; /* NULL: not told */
	struct digest digest;
	int64_t created_ms;
	int64_t used_ms; /* -1: it is damaged */
	int64_t size;	 /* likewise */
	struct layer *layers;
	size_t nlayers;
};

struct msb_image_list {
	msb_image_t **items;
	size_t n;
};

/* ---- JSON: a NULL anywhere means out of memory -------------------------- */

static json_t *text_or_null(const char *text)
{
	return text && *text ? json_string(text) : json_null();
}

static json_t *text_list(const struct strv *s)
{
	json_t *list = json_array();

	for (size_t i = 0; i < s->n; i++)
		if (json_array_append_new(list, json_string(s->v[i]))) {
			json_decref(list);
			return NULL;
		}
	return list;
}

static json_t *words_or_null(const struct strv *s)
{
	return s->n ? text_list(s) : json_null();
}

static json_t *label_map(const struct strv *labels)
{
	json_t *map = json_object();

	for (size_t i = 0; i < labels->n; i++) {
		const char *label = labels->v[i];
		size_t n = strcspn(label, "=");
		autofree char *key = str_fmt("%.*s", (int)n, label);
		const char *value = label + n + (label[n] == '=');

		if (!key || json_object_set_new(map, key, json_string(value))) {
			json_decref(map);
			return NULL;
		}
	}
	return map;
}

static json_t *config_object(const struct image *img)
{
	const struct oci_config *c = &img->config;

	return json_pack("{s:s,s:o,s:o,s:o,s:o,s:o,s:o,s:o}", "digest",
			 img->config_digest.text, "env", text_list(&c->env),
			 "cmd", words_or_null(&c->cmd), "entrypoint",
			 words_or_null(&c->entrypoint), "working_dir",
			 text_or_null(c->workdir), "user",
			 text_or_null(c->user), "labels", label_map(&c->labels),
			 "stop_signal", text_or_null(c->stop_signal));
}

static json_t *layer_list(const struct image *img)
{
	json_t *list = json_array();

	for (size_t i = 0; i < img->nlayers; i++) {
		const struct image_layer *l = &img->layers[i];

		if (json_array_append_new(
			    list,
			    json_pack("{s:s,s:s,s:s,s:I,s:I,s:I}", "diff_id",
				      l->diff_id.text, "blob_digest",
				      l->blob.text, "media_type",
				      l->media_type ? l->media_type : "",
				      "compressed_size_bytes",
				      (json_int_t)l->blob_size,
				      "erofs_size_bytes",
				      (json_int_t)l->image_size, "position",
				      (json_int_t)i))) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

static void format_time(int64_t unix_ms, char *buf, size_t len)
{
	time_t t = (time_t)(unix_ms / 1000);
	struct tm tm;

	if (!gmtime_r(&t, &tm) ||
	    !strftime(buf, len, "%Y-%m-%dT%H:%M:%S+00:00", &tm))
		*buf = 0;
}

/* img NULL: only the name is known. */
static char *image_json(const msb_image_t *i, const struct image *img,
			bool details)
{
	char created[40];
	json_t *o;
	char *text;
	int rc = 0;

	format_time(i->created_ms, created, sizeof(created));
	o = json_pack(
		"{s:s,s:s,s:s,s:o,s:o,s:o,s:o}", "reference", i->reference,
		"digest", i->digest.text, "created_at", created, "size_bytes",
		img ? json_integer((json_int_t)image_size(img)) : json_null(),
		"architecture",
		img ? text_or_null(img->config.arch) : json_null(), "os",
		img ? text_or_null(img->config.os) : json_null(), "layer_count",
		img ? json_integer((json_int_t)img->nlayers) : json_null());
	if (o && details) {
		rc = json_object_set_new(
			o, "config", img ? config_object(img) : json_null());
		if (!rc)
			rc = json_object_set_new(o, "layers",
						 img ? layer_list(img)
						     : json_array());
	}
	text = o && !rc ? json_dumps(o, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
	json_decref(o);
	return text;
}

/* ---- objects ------------------------------------------------------------ */

/* NULL for "" and NULL; -ENOMEM. */
static int copy_fact(const char *text, char **ret)
{
	*ret = text && *text ? strdup(text) : NULL;
	return text && *text && !*ret ? -ENOMEM : 0;
}

static int copy_facts(msb_image_t *i, const struct image *img)
{
	i->layers = calloc(img->nlayers + 1, sizeof(*i->layers));
	if (!i->layers)
		return -ENOMEM;
	for (; i->nlayers < img->nlayers; i->nlayers++) {
		const struct image_layer *from = &img->layers[i->nlayers];
		struct layer *to = &i->layers[i->nlayers];

		to->diff_id = from->diff_id;
		to->blob = from->blob;
		to->size = from->blob_size;
		to->media_type =
			strdup(from->media_type ? from->media_type : "");
		if (!to->media_type)
			return -ENOMEM;
	}
	if (copy_fact(img->config.arch, &i->arch))
		return -ENOMEM;
	return copy_fact(img->config.os, &i->os);
}

/* img NULL: its files are missing. */
static msb_image_t *image_new(const struct image_ref *ref,
			      const struct image *img,
			      const struct image_name *n, int64_t used_ms,
			      bool details)
{
	msb_image_t *i = calloc(1, sizeof(*i));

	if (!i)
		return NULL;
	i->digest = n->manifest_digest;
	i->created_ms = n->created_unix_ms;
	i->used_ms = used_ms;
	i->size = img ? (int64_t)image_size(img) : -1;
	i->reference = image_ref_short(ref);
	i->canonical = image_ref_canonical(ref);
	if (i->reference && i->canonical && (!img || !copy_facts(i, img)))
		i->json = image_json(i, img, details);
	if (i->json)
		return i;
	msb_image_free(i);
	return NULL;
}

void msb_image_free(msb_image_t *img)
{
	if (!img)
		return;
	free(img->reference);
	free(img->canonical);
	free(img->json);
	free(img->arch);
	free(img->os);
	for (size_t i = 0; i < img->nlayers; i++)
		free(img->layers[i].media_type);
	free(img->layers);
	free(img);
}

void image_mark_used(const struct image_store *s, const struct digest *manifest)
{
	const struct timespec now[2] = { { .tv_nsec = UTIME_NOW },
					 { .tv_nsec = UTIME_OMIT } };
	autofree char *path = image_store_merged_path(s, manifest);

	if (path) /* of use to people alone */
		(void)utimensat(AT_FDCWD, path, now, AT_SYMLINK_NOFOLLOW);
}

static int64_t image_last_used(const struct image_store *s,
			       const struct digest *manifest)
{
	autofree char *path = image_store_merged_path(s, manifest);
	struct stat st;

	if (!path || lstat(path, &st) < 0)
		return -1;
	return (int64_t)st.st_atim.tv_sec * 1000 +
	       st.st_atim.tv_nsec / NSEC_PER_MSEC;
}

/* What a name in the store stands for; its files may be missing. */
static int image_of_name(const struct image_store *s,
			 const struct image_name *n, bool details,
			 msb_image_t **ret, struct err *err)
{
	struct image_ref ref;
	struct image img;
	int rc = image_ref_parse(n->reference, &ref, err);
	int found;

	if (rc)
		return rc;
	/* a damaged one is shown as such, not as an error of all */
	found = image_store_find_digest(s, &n->manifest_digest, &img, NULL);
	*ret = image_new(&ref, found ? NULL : &img, n,
			 found ? -1 : image_last_used(s, &n->manifest_digest),
			 details);
	if (!found)
		image_fini(&img);
	image_ref_fini(&ref);
	return *ret ? 0 : api_no_memory(err);
}

/* Looking for one name among those of the store, or collecting them all. */
struct collecting {
	const struct image_store *s;
	const char *canonical; /* NULL: all */
	msb_image_list_t *list;
	struct err *err;
	int rc;
};

static int on_name(void *ctx, const struct image_name *n)
{
	struct collecting *c = ctx;
	msb_image_list_t *l = c->list;
	msb_image_t **items;

	if (c->canonical && strcmp(c->canonical, n->reference) != 0)
		return 0;
	items = reallocarray(l->items, l->n + 1, sizeof(msb_image_t *));
	if (!items) {
		c->rc = api_no_memory(c->err);
		return 1;
	}
	l->items = items;
	c->rc = image_of_name(c->s, n, c->canonical != NULL, &items[l->n],
			      c->err);
	if (!c->rc)
		l->n++;
	return c->rc || c->canonical;
}

static int collect(msb_t *m, const char *canonical, msb_image_list_t *l,
		   struct err *err)
{
	struct image_store s;
	struct collecting c = {
		.s = &s, .canonical = canonical, .list = l, .err = err
	};
	int rc = image_store_of(m, &s, err);

	if (rc)
		return rc;
	rc = image_store_names(&s, on_name, &c, err);
	image_store_close(&s);
	return c.rc ? c.rc : rc < 0 ? rc : 0;
}

int msb_image_list(msb_t *m, msb_image_list_t **ret, msb_error_t **ret_err)
{
	msb_image_list_t *l = calloc(1, sizeof(*l));
	struct err err = { 0 };
	int rc = l ? collect(m, NULL, l, &err) : api_no_memory(&err);

	if (rc) {
		msb_image_list_free(l);
		return api_fail_err(&err, rc, ret_err);
	}
	*ret = l;
	return 0;
}

static int get(msb_t *m, const char *reference, msb_image_t **ret,
	       struct err *err)
{
	msb_image_list_t found = { 0 };
	autofree char *canonical = NULL;
	struct image_ref ref;
	int rc = image_reference_parse(reference, &ref, err);

	if (rc)
		return rc;
	canonical = image_ref_canonical(&ref);
	image_ref_fini(&ref);
	if (!canonical)
		return api_no_memory(err);
	rc = collect(m, canonical, &found, err);
	if (!rc && !found.n)
		rc = err_set(err, ERR_IMAGE_NOT_FOUND, ENOENT, "%.300s",
			     reference);
	if (!rc)
		*ret = found.items[0];
	free(found.items);
	return rc;
}

int msb_image_get(msb_t *m, const char *reference, msb_image_t **ret,
		  msb_error_t **ret_err)
{
	struct err err = { 0 };
	int rc = get(m, reference, ret, &err);

	return rc ? api_fail_err(&err, rc, ret_err) : 0;
}

int image_list_of(msb_t *m, const struct worker_event *done,
		  msb_image_list_t **ret, struct err *err)
{
	msb_image_list_t *l = calloc(1, sizeof(*l));
	int rc = l ? 0 : api_no_memory(err);

	for (size_t i = 0; !rc && i < done->nimages; i++)
		for (size_t k = 0; !rc && k < done->images[i].references.n; k++)
			rc = collect(m, done->images[i].references.v[k], l,
				     err);
	if (rc) {
		msb_image_list_free(l);
		return rc;
	}
	*ret = l;
	return 0;
}

size_t msb_image_list_count(const msb_image_list_t *l)
{
	return l->n;
}

const msb_image_t *msb_image_list_item(const msb_image_list_t *l, size_t i)
{
	return i < l->n ? l->items[i] : NULL;
}

void msb_image_list_free(msb_image_list_t *l)
{
	if (!l)
		return;
	for (size_t i = 0; i < l->n; i++)
		msb_image_free(l->items[i]);
	free(l->items);
	free(l);
}

const char *msb_image_reference(const msb_image_t *img)
{
	return img->reference;
}

const char *msb_image_canonical(const msb_image_t *img)
{
	return img->canonical;
}

const char *msb_image_digest(const msb_image_t *img)
{
	return img->digest.text;
}

int64_t msb_image_created_unix_ms(const msb_image_t *img)
{
	return img->created_ms;
}

int64_t msb_image_size_bytes(const msb_image_t *img)
{
	return img->size;
}

const char *msb_image_architecture(const msb_image_t *img)
{
	return img->arch;
}

const char *msb_image_os(const msb_image_t *img)
{
	return img->os;
}

int64_t msb_image_last_used_unix_ms(const msb_image_t *img)
{
	return img->used_ms;
}

size_t msb_image_layer_count(const msb_image_t *img)
{
	return img->nlayers;
}

int msb_image_layer(const msb_image_t *img, size_t i, msb_image_layer_t *ret)
{
	const struct layer *l;

	if (i >= img->nlayers)
		return -ERANGE;
	if (ret->struct_size < sizeof(*ret))
		return -EINVAL;
	l = &img->layers[i];
	ret->diff_id = l->diff_id.text;
	ret->digest = l->blob.text;
	ret->media_type = l->media_type;
	ret->size_bytes = l->size;
	return 0;
}

const char *msb_image_json(const msb_image_t *img)
{
	return img->json;
}
