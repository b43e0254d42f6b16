/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Patches of the root file system, at a sandbox's first start. Every path is
 * resolved within the root: links and ".." lead nowhere else.
 */
#ifndef MSB_AGENT_PATCH_H
#define MSB_AGENT_PATCH_H

#include "base/err.h"
#include "protocol/patch.h"

/*
 * Make the changes in encoded, in order, to the tree below the directory
 * rootfd; the first that fails ends it. Its message begins with the path. A
 * file that exists and may not be replaced is -EEXIST.
 */
int patch_apply_all(int rootfd, struct view encoded, struct err *err);

/* Those of PATCHES_PATH, which has that many bytes and is gone afterwards, to
 * the working directory. */
int patch_root(uint64_t bytes, struct err *err);

#endif
