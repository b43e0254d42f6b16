/* SPDX-License-Identifier: Apache-2.0 */
/* Image references: grammar, defaults and canonical form. */
#include "image/reference.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"

#define DEFAULT_REGISTRY "docker.io"
#define DEFAULT_PREFIX "library/"
#define DEFAULT_TAG "latest"
#define NAME_MAX_LEN 255u /* of a registry and of a repository */
#define TAG_MAX_LEN 128u
#define TEXT_MAX (2 * NAME_MAX_LEN + TAG_MAX_LEN + DIGEST_TEXT_MAX + 3)

static bool is_lower_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static int bad(struct err *err, const char *text, const char *what)
{
	return err_set(err, ERR_INVALID, EINVAL,
		       "'%s' is not an image reference: %s", text, what);
}

/* A port from 1 to 65535. */
static bool port_valid(const char *text)
{
	uint32_t port;

	return is_digit(text[0]) && strlen(text) <= 5 &&
	       str_to_u32(text, &port) == 0 && port > 0 && port < 65536;
}

/* Labels of letters, digits and inner hyphens, or a bracketed IPv6 address. */
static bool host_valid(const char *host, size_t len)
{
	if (len > 2 && host[0] == '[' && host[len - 1] == ']')
		return strspn(host + 1, "0123456789abcdef:.") == len - 2;
	if (!len || host[0] == '-' || host[len - 1] == '-')
		return false;
	for (size_t i = 0; i < len; i++) {
		if (is_lower_alnum(host[i]) || host[i] == '_')
			continue;
		if (i == 0 || i + 1 == len || host[i - 1] == '.')
			return false;
		if (host[i] == '-' || (host[i] == '.' && host[i - 1] != '-'))
			continue;
		return false;
	}
	return true;
}

static bool registry_valid(const char *text)
{
	size_t len = strlen(text);
	const char *bracket = strrchr(text, ']');
	const char *colon = strrchr(bracket ? bracket : text, ':');

	if (!len || len > NAME_MAX_LEN)
		return false;
	if (!colon)
		return host_valid(text, len);
	return host_valid(text, (size_t)(colon - text)) &&
	       port_valid(colon + 1);
}

/* Groups of letters and digits, joined by '.', '_', '__' or hyphens. */
static size_t component_len(const char *text)
{
	size_t n = 0;

	for (;;) {
		size_t joint, start = n;

		while (is_lower_alnum(text[n]))
			n++;
		if (n == start)
			return 0;
		joint = strspn(text + n, "-");
		if (!joint && text[n] == '.')
			joint = 1;
		if (!joint && text[n] == '_')
			joint = text[n + 1] == '_' ? 2 : 1;
		if (!joint)
			return n;
		n += joint;
	}
}

static const char *repository_fault(const char *text)
{
	if (!*text)
		return "the repository is missing";
	if (strlen(text) > NAME_MAX_LEN)
		return "the repository is longer than 255 characters";
	for (;;) {
		size_t n = component_len(text);

		if (!n || (text[n] && text[n] != '/'))
			return "a repository consists of lower-case letters, "
			       "digits and '.', '_', '-' between them";
		if (!text[n])
			return NULL;
		text += n + 1;
	}
}

static bool tag_valid(const char *text)
{
	size_t len = strlen(text);

	if (!len || len > TAG_MAX_LEN || text[0] == '.' || text[0] == '-')
		return false;
	for (size_t i = 0; i < len; i++) {
		char c = text[i];

		if (!is_lower_alnum(c) && !(c >= 'A' && c <= 'Z') &&
		    !strchr("_.-", c))
			return false;
	}
	return true;
}

/* Whether the part before the first slash is a registry. */
static bool is_registry(const char *text, size_t len)
{
	return memchr(text, '.', len) || memchr(text, ':', len) ||
	       (len == strlen("localhost") && !memcmp(text, "localhost", len));
}

/* The registry, in lower case; *rest is what follows its slash. */
static char *take_registry(char *text, char **rest)
{
	char *slash = strchr(text, '/');

	if (!slash || !is_registry(text, (size_t)(slash - text))) {
		*rest = text;
		return strdup(DEFAULT_REGISTRY);
	}
	*slash = 0;
	*rest = slash + 1;
	for (char *p = text; *p; p++)
		if (*p >= 'A' && *p <= 'Z')
			*p = (char)(*p - 'A' + 'a');
	if (!strcmp(text, "index.docker.io"))
		return strdup(DEFAULT_REGISTRY);
	return strdup(text);
}

/* Cuts copy into its parts and checks them; text is for messages. */
static int parse_parts(const char *text, char *copy, struct image_ref *r,
		       struct err *err)
{
	char *at = strchr(copy, '@'), *rest, *colon;
	const char *tag = NULL, *fault;

	if (at) {
		*at = 0;
		if (digest_parse(at + 1, &r->digest))
			return bad(err, text, "the digest is not one");
		r->has_digest = true;
	}
	r->registry = take_registry(copy, &rest);
	if (!r->registry)
		return err_sys(err, ERR_NO_MEMORY, ENOMEM, "read a reference");
	if (!registry_valid(r->registry))
		return bad(err, text, "the registry is not a host name");
	colon = strchr(rest, ':');
	if (colon) {
		*colon = 0;
		tag = colon + 1;
		if (!tag_valid(tag))
			return bad(err, text,
				   "a tag consists of letters, digits, '_', "
				   "'.' and '-', 128 of them at most");
	} else if (!r->has_digest) {
		tag = DEFAULT_TAG;
	}
	fault = repository_fault(rest);
	if (fault)
		return bad(err, text, fault);
	r->repository = str_fmt("%s%s",
				!strcmp(r->registry, DEFAULT_REGISTRY) &&
						!strchr(rest, '/')
					? DEFAULT_PREFIX
					: "",
				rest);
	r->tag = tag ? strdup(tag) : NULL;
	if (!r->repository || (tag && !r->tag))
		return err_sys(err, ERR_NO_MEMORY, ENOMEM, "read a reference");
	if (strlen(r->repository) > NAME_MAX_LEN)
		return bad(err, text,
			   "the repository is longer than 255 characters");
	return 0;
}

int image_ref_parse(const char *text, struct image_ref *ret, struct err *err)
{
	struct image_ref r = { 0 };
	autofree char *copy = NULL;
	size_t len = strnlen(text, TEXT_MAX + 1);
	int rc;

	if (!len)
		return err_set(err, ERR_INVALID, EINVAL,
			       "an image reference must not be empty");
	if (len > TEXT_MAX)
		return err_set(err, ERR_INVALID, EINVAL,
			       "an image reference has %u characters at most",
			       (unsigned)TEXT_MAX);
	for (size_t i = 0; i < len; i++)
		if (text[i] <= ' ' || text[i] > '~')
			return err_set(err, ERR_INVALID, EINVAL,
				       "an image reference has neither spaces "
				       "nor unusual characters in it");
	copy = strdup(text);
	if (!copy)
		return err_sys(err, ERR_NO_MEMORY, ENOMEM, "read a reference");
	rc = parse_parts(text, copy, &r, err);
	if (rc) {
		image_ref_fini(&r);
		return rc;
	}
	*ret = r;
	return 0;
}

void image_ref_fini(struct image_ref *r)
{
	free(r->registry);
	free(r->repository);
	free(r->tag);
	memset(r, 0, sizeof(*r));
}

static char *with_suffix(const char *registry, const char *repository,
			 const char *tag, const struct image_ref *r)
{
	return str_fmt("%s%s%s%s%s%s%s", registry, *registry ? "/" : "",
		       repository, tag ? ":" : "", tag ? tag : "",
		       r->has_digest ? "@" : "",
		       r->has_digest ? r->digest.text : "");
}

char *image_ref_canonical(const struct image_ref *r)
{
	return with_suffix(r->registry, r->repository, r->tag, r);
}

char *image_ref_short(const struct image_ref *r)
{
	const char *registry = r->registry, *repository = r->repository;
	const char *tag = r->tag, *slash;

	if (tag && !r->has_digest && !strcmp(tag, DEFAULT_TAG))
		tag = NULL;
	if (strcmp(registry, DEFAULT_REGISTRY) != 0)
		return with_suffix(registry, repository, tag, r);
	if (str_starts(repository, DEFAULT_PREFIX) &&
	    !strchr(repository + strlen(DEFAULT_PREFIX), '/'))
		return with_suffix("", repository + strlen(DEFAULT_PREFIX), tag,
				   r);
	/* Its first part must not be taken for a registry. */
	slash = strchr(repository, '/');
	if (slash && !is_registry(repository, (size_t)(slash - repository)))
		registry = "";
	return with_suffix(registry, repository, tag, r);
}

const char *image_ref_api_host(const struct image_ref *r)
{
	return !strcmp(r->registry, DEFAULT_REGISTRY) ? "registry-1.docker.io"
						      : r->registry;
}
