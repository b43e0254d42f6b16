/* SPDX-License-Identifier: Apache-2.0 */
/* What this library is, and what it can do. */
#include <string.h>

#include "api/api_int.h"
#include "base/compiler.h"

/* docs/sdk.md tells what each stands for. */
static const char *const features[] = {
	"agent",   "cancel",	"exec",	   "fs",	   "images",
	"logs",	   "metrics",	"network", "options-json", "patches",
	"secrets", "snapshots", "tls",	   "volume-fs",	   "volumes",
};

const char *msb_version(void)
{
	return MSB_VERSION;
}

unsigned msb_abi_version(void)
{
	return MSB_ABI_VERSION;
}

bool msb_feature_supported(const char *name)
{
	for (size_t i = 0; name && i < ARRAY_SIZE(features); i++)
		if (strcmp(features[i], name) == 0)
			return true;
	return false;
}
