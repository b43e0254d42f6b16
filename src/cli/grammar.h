/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Grammars of option values: pure functions over text. 0, or a negative errno
 * with *err saying what is wrong; outputs are written on success only.
 */
#ifndef MSB_CLI_GRAMMAR_H
#define MSB_CLI_GRAMMAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* "512", "512M", "1.5G" in MiB. */
int grammar_size(const char *text, uint32_t *ret_mib, struct err *err);

/* "30s", "5m", "1h", "90" in seconds, more than zero; flag names the option in
 * messages. */
int grammar_duration(const char *flag, const char *text, uint64_t *ret_s,
		     struct err *err);
/* The same and "500ms"; zero is allowed. In milliseconds. */
int grammar_grace(const char *flag, const char *text, uint64_t *ret_ms,
		  struct err *err);

/* "2026-05-22T10:11:12.5+02:00", or "30s", "5m", "2h", "1d" before now_ns; what
 * nanoseconds since 1970 cannot tell is the nearest they can. */
int grammar_time(const char *text, int64_t now_ns, int64_t *ret_ns,
		 struct err *err);

/*
 * KEY=VALUE, or KEY to copy from the environment (lookup, as getenv). *ret_key
 * is malloc'ed, *ret_value borrows from text or from the environment.
 */
int grammar_env(const char *text, char *(*lookup)(const char *), char **ret_key,
		const char **ret_value, struct err *err);

/* The option a mount was given with: which further options it has. */
enum mount_flavour {
	MOUNT_ARG_VOLUME, /* -v */
	MOUNT_ARG_DIR,
	MOUNT_ARG_FILE,
	MOUNT_ARG_DISK,
	MOUNT_ARG_NAMED,
	MOUNT_ARG_TMPFS
};

struct mount_arg {
	char *source, *guest; /* owned; source is NULL for a tmpfs */
	bool named;	      /* source is the name of a volume, not a path */
	bool readonly, noexec, nosuid, nodev, follow_symlinks;
	int stat_virt;	/* 0 strict, 1 relaxed, 2 off */
	int host_perms; /* 0 private, 1 mirror */
	bool has_quota; /* quota_mib was given; 0 is no limit */
	uint32_t quota_mib;
	bool disk;	   /* a named volume of kind disk */
	uint32_t size_mib; /* of a tmpfs or a disk; 0 = not given */
	int format;	   /* -1 not given, 0 raw, 1 qcow2, 2 vmdk */
	char *fstype;	   /* owned; NULL = not given */
};
/* SRC:DST[,opt...] or SRC:DST:opt[,opt...] */
int grammar_mount(enum mount_flavour flavour, const char *text,
		  struct mount_arg *ret, struct err *err);
/* PATH[:SIZE][:opt,...] or PATH:opt[,...] */
int grammar_tmpfs(const char *text, struct mount_arg *ret, struct err *err);
void mount_arg_fini(struct mount_arg *m);

struct copy_arg {
	char *sandbox; /* owned; NULL: a path of the host */
	char *path;    /* owned */
};
/* PATH of the host, or NAME:/PATH in a sandbox. */
int grammar_copy(const char *text, struct copy_arg *ret, struct err *err);
void copy_arg_fini(struct copy_arg *c);

struct rlimit_arg {
	char resource[16]; /* lower case */
	uint64_t soft, hard;
};
int grammar_rlimit(const char *text, struct rlimit_arg *ret, struct err *err);

/* 0 if-missing, 1 always, 2 never */
int grammar_pull(const char *text, int *ret, struct err *err);

int grammar_shell(const char *text, struct err *err);
int grammar_init(const char *text, struct err *err);
int grammar_log_level(const char *text, struct err *err);

enum script_kind { SCRIPT_SNIPPET, SCRIPT_RAW, SCRIPT_PATH };
struct script {
	char *name; /* owned */
	char *body; /* owned, len bytes; SCRIPT_PATH: the path */
	size_t len;
};
/*
 * NAME=BODY or NAME:PATH. A snippet has its escapes decoded, a shebang for
 * shell (NULL = /bin/sh) in front and a newline at the end.
 */
int grammar_script(enum script_kind kind, const char *text, const char *shell,
		   struct script *ret, struct err *err);
void script_fini(struct script *s);

#define DETACH_MAX_KEYS 16
/* "ctrl-p,ctrl-q": the bytes, at most DETACH_MAX_KEYS of them. */
int grammar_detach_keys(const char *text, uint8_t *ret_keys, size_t *ret_n,
			struct err *err);

/* One secret as it is written. */
struct secret_arg {
	char *env;
	char *value; /* of --secret ENV=VALUE@HOST, else NULL; wiped */
	char *path;  /* of --secret-file, else NULL */
	char *text;  /* what hosts point into */
	const char **hosts;
	size_t nhosts;
};

/* ENV=VALUE@HOST[,HOST...], ENV@HOST[,HOST...]; with file,
 * ENV=PATH@HOST[,HOST...]. Messages never tell what is in the middle. */
int grammar_secret(const char *text, bool file, struct secret_arg *ret,
		   struct err *err);
void secret_arg_fini(struct secret_arg *a);
/* ENV=PLACE[,PLACE...]: *ret_env is the length of ENV, *places gets bits of
 * MSB_SECRET_IN_*. */
int grammar_secret_places(const char *text, size_t *ret_env, unsigned *places,
			  struct err *err);
/* Take the value out of a word of our command line, which others can see. */
void grammar_secret_hide(char *text);

#endif
