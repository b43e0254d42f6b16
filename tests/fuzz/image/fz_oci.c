/* SPDX-License-Identifier: Apache-2.0 */
/* Manifests, indexes and configurations from strangers. */
#include <stdlib.h>

#include "image/oci.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const char *text = (const char *)data;
	struct oci_manifest m;
	struct oci_config c;
	struct err err = { 0 };

	if (!oci_manifest_parse(text, len, &m, &err)) {
		if (m.nlayers > OCI_MAX_LAYERS ||
		    m.nentries > OCI_MAX_ENTRIES || !m.media_type)
			abort();
		(void)oci_index_choose(&m, "amd64");
		oci_manifest_fini(&m);
	} else if (err.kind == ERR_NONE) {
		abort(); /* a failure says what is wrong */
	}
	if (!oci_config_parse(text, len, &c, NULL)) {
		if (c.ndiff_ids > OCI_MAX_LAYERS)
			abort();
		oci_config_fini(&c);
	}
	return 0;
}
