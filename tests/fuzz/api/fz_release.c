/* SPDX-License-Identifier: Apache-2.0 */
/* What a source of releases says: versions and lists of sums. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/release_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void require(bool ok)
{
	if (!ok)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const char *text = (const char *)data;
	char version[RELEASE_VERSION_MAX + 1], sum[RELEASE_SUM_LEN + 1];
	char before[RELEASE_VERSION_MAX + 1];

	if (!release_latest_parse(text, len, version)) {
		require(release_version_valid(version));
		require(!release_version_compare(version, version));
		require(release_version_compare(version, "1.0") ==
			-release_version_compare("1.0", version));
	}
	if (!release_sums_before(text, len, "5.0", before)) {
		char name[RELEASE_NAME_MAX];

		require(release_version_valid(before));
		require(release_version_compare(before, "5.0") < 0);
		(void)snprintf(name, sizeof(name),
			       RELEASE_PREFIX
			       "%s" RELEASE_SUFFIX RELEASE_ARCHIVE,
			       before);
		require(release_sums_find(text, len, name, sum) != -ENOENT);
	}
	if (!release_sums_find(text, len, "a", sum))
		require(strspn(sum, "0123456789abcdef") == RELEASE_SUM_LEN);
	return 0;
}
