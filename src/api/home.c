/* SPDX-License-Identifier: Apache-2.0 */
/* Opening a home directory; its catalogue and the children started for it. */
#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "api/metrics.h"

static int set_places(msb_t *m, struct err *err)
{
	const struct config_file *f = &m->cfg;
	const char *const paths[HOME_PLACE_COUNT] = {
		[HOME_SANDBOXES] = f->sandboxes_path,
		[HOME_CACHE] = f->cache_path,
		[HOME_VOLUMES] = f->volumes_path,
		[HOME_SNAPSHOTS] = f->snapshots_path,
	};
	int rc = 0;

	for (unsigned i = 0; !rc && i < HOME_PLACE_COUNT; i++)
		rc = home_set_place(&m->home, (enum home_place)i, paths[i],
				    err);
	if (!rc)
		rc = home_check_places(&m->home, err);
	if (rc)
		err_prefix(err, "%s/" CONFIG_FILE_NAME, m->config_home.path);
	return rc;
}

static int open_home(const char *home, msb_t *m, struct err *err)
{
	autofree char *path = NULL;
	int rc = home_resolve(home, &path, err);

	if (!rc)
		rc = home_open(path, &m->config_home, err);
	if (!rc)
		rc = config_file_load(m->config_home.fd, m->config_home.path,
				      &m->cfg, err);
	if (!rc)
		rc = home_open(m->cfg.home ? m->cfg.home : path, &m->home, err);
	if (rc)
		return rc;
	return set_places(m, err);
}

int msb_open(const char *home, msb_t **ret, msb_error_t **ret_err)
{
	struct err err = { 0 };
	msb_t *m = calloc(1, sizeof(*m));
	int rc;

	if (!m)
		return api_fail_err(&err, api_no_memory(&err), ret_err);
	m->home.fd = m->config_home.fd = -1;
	(void)pthread_mutex_init(&m->lock, NULL); /* cannot fail on Linux */
	rc = open_home(home, m, &err);
	if (rc) {
		msb_close(m);
		return api_fail_err(&err, rc, ret_err);
	}
	*ret = m;
	return 0;
}

void msb_close(msb_t *m)
{
	if (!m)
		return;
	api_children_reap(m);
	for (size_t i = 0; i < m->nchildren; i++)
		close_fd(&m->children[i].pidfd);
	free(m->children);
	m->metrics = metrics_registry_close(m->metrics);
	m->cat = catalogue_free(m->cat);
	config_file_fini(&m->cfg);
	home_fini(&m->home);
	home_fini(&m->config_home);
	(void)pthread_mutex_destroy(&m->lock);
	free(m);
}

const char *msb_home(const msb_t *m)
{
	return m->home.path;
}

const char *msb_snapshot_dir(const msb_t *m)
{
	return m->home.place[HOME_SNAPSHOTS];
}

int api_catalogue(msb_t *m, bool create, struct catalogue **ret,
		  struct err *err)
{
	struct err local = { 0 };
	int rc = 0;

	(void)pthread_mutex_lock(&m->lock);
	if (!m->cat) {
		rc = catalogue_open(
			m->home.path, create, m->cfg.connect_timeout_s * 1000,
			m->cfg.busy_timeout_s * 1000, &m->cat, &local);
		if (rc == -ENOENT && !create)
			rc = 0;
	}
	*ret = m->cat;
	(void)pthread_mutex_unlock(&m->lock);
	if (rc && err)
		*err = local;
	return rc;
}

void api_catalogue_settle(msb_t *m)
{
	struct catalogue *cat;

	if (!api_catalogue(m, false, &cat, NULL) && cat)
		catalogue_settle(cat);
}

void api_child_add(msb_t *m, pid_t pid)
{
	struct child c = { .pid = pid };
	struct child *list;

	c.pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	(void)pthread_mutex_lock(&m->lock);
	list = reallocarray(m->children, m->nchildren + 1, sizeof(*list));
	if (list) {
		list[m->nchildren++] = c;
		m->children = list;
	} else {
		close_fd(&c.pidfd); /* it stays a zombie until we exit */
	}
	(void)pthread_mutex_unlock(&m->lock);
}

/* True when the child needs no more looking after. */
static bool child_reap(struct child *c)
{
	siginfo_t info = { 0 };

	if (c->pidfd < 0)
		return waitpid(c->pid, NULL, WNOHANG) != 0;
	/* ECHILD: the program that uses us has reaped it already */
	return waitid(P_PIDFD, (id_t)c->pidfd, &info, WEXITED | WNOHANG) < 0 ||
	       info.si_pid != 0;
}

void api_children_reap(msb_t *m)
{
	size_t kept = 0;

	(void)pthread_mutex_lock(&m->lock);
	for (size_t i = 0; i < m->nchildren; i++) {
		if (child_reap(&m->children[i]))
			close_fd(&m->children[i].pidfd);
		else
			m->children[kept++] = m->children[i];
	}
	m->nchildren = kept;
	(void)pthread_mutex_unlock(&m->lock);
}
