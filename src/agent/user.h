/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Users of the guest, read from its /etc/passwd and /etc/group by hand: a
 * static program must not depend on the guest's name service.
 */
#ifndef MSB_AGENT_USER_H
#define MSB_AGENT_USER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "base/err.h"
#include "protocol/cbor.h"

/* Both borrow from the text they were found in. */
struct passwd_entry {
	struct view name, home;
	uint32_t uid, gid;
};

/* First entry of that name (uid ignored), or of that uid (name.p == NULL). 0,
 * or -ENOENT. Lines that do not parse are skipped. */
int passwd_find(struct view text, struct view name, uint32_t uid,
		struct passwd_entry *ret);
/* 0, or -ENOENT. */
int group_find(struct view text, struct view name, uint32_t *ret_gid);
/*
 * Groups that list the user as a member, with gid in front: at most max,
 * without duplicates. Returns how many.
 */
size_t group_list(struct view text, struct view user, uint32_t gid, gid_t *ret,
		  size_t max);

/* "USER|UID[:GROUP|GID]", both parts trimmed. */
struct user_spec {
	struct view user, group; /* group.p == NULL: not given */
	bool user_is_id, group_is_id;
	uint32_t uid, gid;
};
/* The views borrow from spec. Fails on an empty user or group part. */
int user_spec_parse(struct view spec, struct user_spec *ret, struct err *err);
bool user_spec_is_blank(struct view spec);

/*
 * A file kept in memory for as long as it stays what it was. A look at its
 * attributes is cheap where opening it asks the host.
 */
struct text_file {
	char *text; /* owned */
	size_t len;
	struct stat st; /* when it was read */
	bool settled;	/* it had been unchanged for a while then */
};

struct user_files {
	struct text_file passwd, group;
};

void user_files_fini(struct user_files *f);

#define USER_GROUPS_MAX 256

/* What a process of that user runs with. */
struct user_creds {
	bool change; /* false: stay what the agent is */
	uint32_t uid, gid;
	size_t ngroups;
	gid_t groups[USER_GROUPS_MAX];
	char home[512]; /* "" = none known */
};

/*
 * Resolve a specification against the guest's files as they are now. A blank
 * spec is the implicit root user: no change of identity, home of uid 0.
 */
int user_resolve(struct user_files *f, struct view spec, struct user_creds *ret,
		 struct err *err);

#endif
