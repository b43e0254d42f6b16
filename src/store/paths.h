/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where state lives: the home directory, what lies below it, and how a failed
 * host call on one of its paths is told to a person.
 */
#ifndef MSB_STORE_PATHS_H
#define MSB_STORE_PATHS_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

#define SANDBOX_NAME_MAX 128
#define HOME_PATH_MAX 400 /* SQLite takes paths up to 512 bytes */

/* Files of a sandbox directory, relative to it. */
#define SANDBOX_LOG_DIR "logs"
#define SANDBOX_UPPER "upper.ext4" /* writable layer above an image */
#define SANDBOX_BOOT_ERROR "logs/boot-error.json"
#define SANDBOX_SECRETS "secrets"      /* values that come from nowhere else */
#define SANDBOX_PATCHES "patches.cbor" /* until the first boot is done */
#define SANDBOX_RUNTIME_DIR "runtime"
/* Files of its runtime directory, relative to that. */
#define RUNTIME_AGENT_SOCK "agent.sock"
#define RUNTIME_LOCK "runtime.lock"
#define RUNTIME_MACHINE_JSON "machine.json"
#define RUNTIME_EXIT_JSON "exit.json"
#define RUNTIME_USERS_LOCK "users.lock"
#define RUNTIME_WATCHDOG "watchdog"

/* Directories of a home that may lie elsewhere (config.json, "paths"). */
enum home_place {
	HOME_SANDBOXES, /* the directory of sandbox directories */
	HOME_CACHE,
	HOME_VOLUMES,
	HOME_SNAPSHOTS,
	HOME_PLACE_COUNT
};

struct home {
	char *path;		       /* absolute */
	char *place[HOME_PLACE_COUNT]; /* absolute */
	int fd;			       /* of path */
};

/*
 * The home directory as text: given, or $MSB_HOME, or $HOME/.microsandbox, or
 * .microsandbox; always absolute. *ret is malloc'ed.
 */
int home_resolve(const char *given, char **ret, struct err *err);

/* Open the directory path (which is copied), creating it with mode 0700. */
int home_open(const char *path, struct home *ret, struct err *err);
void home_fini(struct home *h);
/* Use another directory, of an absolute path, which is copied; NULL: do not. */
int home_set_place(struct home *h, enum home_place place, const char *path,
		   struct err *err);
/*
 * Does each of them have a directory to itself? Else one that cleans up would
 * take what belongs to another. By their paths; links are not looked at.
 */
int home_check_places(const struct home *h, struct err *err);

/* malloc'ed "<sandboxes>/<name>[/<rest>]"; NULL when out of memory. */
char *home_sandbox_path(const struct home *h, const char *name,
			const char *rest);
/* Descriptor of a sandbox's directory or a directory in it; -errno. */
int home_sandbox_open(const struct home *h, const char *name, const char *rest);
/* Make <name>, its logs and its runtime directory, all 0700. */
int home_sandbox_create(const struct home *h, const char *name,
			struct err *err);
/* Remove <name> with all it holds; a missing one is success. */
int home_sandbox_remove(const struct home *h, const char *name,
			struct err *err);
/* 1 when the directory exists, 0, -errno. */
int home_sandbox_exists(const struct home *h, const char *name);

/* 1 to 128 of [A-Za-z0-9][A-Za-z0-9_.-]* */
bool sandbox_name_valid(const char *name);

/*
 * "cannot <action> '<path>': <system's text>", with the kind and the remedy
 * that fit the errno.
 */
int path_err(struct err *err, int sys, const char *action, const char *path);
#ifdef __clang_analyzer__ /* as err_set() */
#define path_err(...) ((void)path_err(__VA_ARGS__), -1)
#endif

#endif
