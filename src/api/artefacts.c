/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finding the runtime program and the guest's files. They lie beside this code,
 * which is the library or a program it is linked into, in a build directory;
 * below libexec and share when installed. The tree may be moved as a whole, so
 * places are relative to the file with this code.
 */
#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "api/api_int.h"

#define RUNTIME_NAME "msb-runtime"
#define TLS_SUFFIX "-tls" /* of the one with a TLS library */
#define WORKER_NAME "msb-image"
#define UML_KERNEL "linux-um"
#if defined(__x86_64__)
#define KVM_KERNEL "vmlinux-x86_64"
#elif defined(__aarch64__)
#define KVM_KERNEL "Image-arm64"
#endif

/* Below the directory of this code, in order. */
static const char *const runtime_places[] = { "", "../libexec/microsandbox/",
					      "../../libexec/microsandbox/" };
static const char *const guest_places[] = { "guest/",
					    "../share/microsandbox/guest/",
					    "../../share/microsandbox/guest/" };
static const char *const image_places[] = {
	"images/", "../share/microsandbox/images/",
	"../../share/microsandbox/images/"
};

char *artefact_own_dir(const msb_t *m)
{
	autofree char *real = NULL;
	const char *path = m->cfg.msb_path ? m->cfg.msb_path : "/proc/self/exe";
	struct link_map *map;
	Dl_info info;
	char *slash;

	/* without a dynamic linker there is only the program itself */
	if (!m->cfg.msb_path && getauxval(AT_BASE)) {
		if (!dladdr1((const void *)(uintptr_t)&msb_version, &info,
			     (void **)&map, RTLD_DL_LINKMAP))
			return NULL;
		/* a program has no name there: that of dladdr() is what it
		 * was called by, which need not be a path */
		if (*map->l_name)
			path = map->l_name;
	}
	real = path ? realpath(path, NULL) : NULL;
	slash = real ? strrchr(real, '/') : NULL;
	if (!slash)
		return NULL;
	slash[1] = 0;
	return take_ptr(real);
}

/* <dir><place><name> without its dots if it can be used; malloc'ed. */
static char *usable(const char *dir, const char *place, const char *name,
		    int mode)
{
	autofree char *path = str_fmt("%s%s%s", dir, place, name);

	return path && access(path, mode) == 0 ? realpath(path, NULL) : NULL;
}

static int find_one(const msb_t *m, const char *const *places, size_t nplaces,
		    const char *fixed, const char *name, int mode, char **ret,
		    struct err *err)
{
	autofree char *dir = NULL;

	if (fixed) {
		if (access(fixed, mode) == 0)
			*ret = realpath(fixed, NULL);
		return *ret ? 0
			    : path_err(err, errno, "use (from config.json)",
				       fixed);
	}
	dir = artefact_own_dir(m);
	if (!dir && m->cfg.msb_path)
		return path_err(err, errno, "use (from config.json)",
				m->cfg.msb_path);
	for (size_t i = 0; dir && i < nplaces; i++) {
		*ret = usable(dir, places[i], name, mode);
		if (*ret)
			return 0;
	}
	return err_set(err, ERR_RUNTIME, ENOENT,
		       "%s not found below '%s'; install msb completely, or "
		       "name its place in config.json (paths)",
		       name, dir ? dir : "?");
}

static int find_guest_file(const msb_t *m, const char *name, char **ret,
			   struct err *err)
{
	autofree char *fixed = NULL;

	if (m->cfg.guest_dir) {
		fixed = str_fmt("%s/%s", m->cfg.guest_dir, name);
		if (!fixed)
			return api_no_memory(err);
	}
	return find_one(m, guest_places, ARRAY_SIZE(guest_places), fixed, name,
			R_OK, ret, err);
}

static int find_runtime(const msb_t *m, bool tls, char **ret, struct err *err)
{
	autofree char *fixed = NULL;

	if (m->cfg.runtime_path) {
		fixed = str_fmt("%s%s", m->cfg.runtime_path,
				tls ? TLS_SUFFIX : "");
		if (!fixed)
			return api_no_memory(err);
	}
	return find_one(m, runtime_places, ARRAY_SIZE(runtime_places), fixed,
			tls ? RUNTIME_NAME TLS_SUFFIX : RUNTIME_NAME, X_OK, ret,
			err);
}

int artefacts_find(const msb_t *m, const char *engine, bool tls,
		   struct artefacts *ret, struct err *err)
{
	const char *kernel = !strcmp(engine, "uml") ? UML_KERNEL : KVM_KERNEL;
	struct artefacts a = { 0 };
	int rc = find_runtime(m, tls, &a.runtime, err);

	if (!rc)
		rc = find_guest_file(m, kernel, &a.kernel, err);
	if (!rc)
		rc = find_guest_file(m, "initramfs.cpio", &a.initramfs, err);
	if (rc) {
		artefacts_fini(&a);
		return rc;
	}
	*ret = a;
	return 0;
}

int artefact_find_worker(const msb_t *m, char **ret, struct err *err)
{
	autofree char *beside = NULL;
	char *slash;

	/* Where the runtime is said to be, the worker is, too. */
	if (m->cfg.runtime_path) {
		slash = strrchr(m->cfg.runtime_path, '/');
		beside = str_fmt("%.*s" WORKER_NAME,
				 (int)(slash + 1 - m->cfg.runtime_path),
				 m->cfg.runtime_path);
		if (!beside)
			return api_no_memory(err);
	}
	*ret = NULL;
	return find_one(m, runtime_places, ARRAY_SIZE(runtime_places), beside,
			WORKER_NAME, X_OK, ret, err);
}

char *artefact_find_image(const msb_t *m, const char *name)
{
	autofree char *file = str_fmt("%s.tar", name);
	autofree char *dir = artefact_own_dir(m);
	char *path = NULL;

	for (size_t i = 0; file && dir && !path && i < ARRAY_SIZE(image_places);
	     i++)
		path = usable(dir, image_places[i], file, R_OK);
	return path;
}

void artefacts_fini(struct artefacts *a)
{
	free(a->runtime);
	free(a->kernel);
	free(a->initramfs);
	memset(a, 0, sizeof(*a));
}
