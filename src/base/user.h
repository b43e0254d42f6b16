/* SPDX-License-Identifier: Apache-2.0 */
/* Users of a guest, looked up in the text of its /etc/passwd. */
#ifndef MSB_BASE_USER_H
#define MSB_BASE_USER_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Numeric owner a user specification "USER|UID[:GROUP|GID]" stands for, looked
 * up in the text of an /etc/passwd (NULL: none). False when it cannot be told;
 * then the outputs are untouched.
 */
bool user_lookup(const char *spec, const char *passwd, uint32_t *ret_uid,
		 uint32_t *ret_gid);

#endif
