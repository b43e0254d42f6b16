/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stands in for a dynamically linked program in the static tarball: runs the
 * program of its own name below "bundle" with the loader and the libraries that
 * lie beside that, whatever the host has. The tree may lie anywhere, which is
 * why the program cannot name its loader itself.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#ifndef MSB_LOADER
#error "the name of the dynamic loader is not known"
#endif

/* Options of the loader, then the program, then what we were given. */
enum { ARG_LIBRARIES = 3, ARG_PROGRAM = 6, ARG_FIRST_GIVEN = 7, ARGS_MAX = 64 };

struct paths {
	char self[4096], dir[4096 + 8];
	char loader[4096 + 64], program[4096 + 264];
};

static int fail(const char *what)
{
	(void)fprintf(stderr, "%s: %s\n", what, strerror(errno));
	return 127;
}

/* Everything from where this file lies. */
static int find(struct paths *p)
{
	ssize_t n = readlink("/proc/self/exe", p->self, sizeof(p->self));
	char *slash;

	if (n < 0)
		return -1;
	if ((size_t)n == sizeof(p->self)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	p->self[n] = 0;
	slash = strrchr(p->self, '/');
	if (!slash || strlen(slash) > 255) {
		errno = EINVAL;
		return -1;
	}
	*slash = 0;
	(void)snprintf(p->dir, sizeof(p->dir), "%s/bundle", p->self);
	(void)snprintf(p->loader, sizeof(p->loader), "%s/" MSB_LOADER, p->dir);
	(void)snprintf(p->program, sizeof(p->program), "%s/%s", p->dir,
		       slash + 1);
	return 0;
}

int main(int argc, char **argv)
{
	static struct paths p;
	char *args[ARGS_MAX] = { (char *)MSB_LOADER, (char *)"--inhibit-cache",
				 (char *)"--library-path" };

	if (find(&p) < 0)
		return fail("/proc/self/exe");
	if (argc > ARGS_MAX - ARG_FIRST_GIVEN) {
		errno = E2BIG;
		return fail(p.program);
	}
	args[ARG_LIBRARIES] = p.dir;
	args[ARG_LIBRARIES + 1] = (char *)"--argv0";
	args[ARG_LIBRARIES + 2] = argc > 0 ? argv[0] : p.program;
	args[ARG_PROGRAM] = p.program;
	for (int i = 1; i < argc; i++)
		args[ARG_FIRST_GIVEN + i - 1] = argv[i];
	(void)execve(p.loader, args, environ);
	return fail(p.loader);
}
