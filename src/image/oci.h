/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Image manifests, indexes and configurations: OCI image spec 1.1 and Docker's
 * schema 2. Everything here comes from strangers: sizes and counts are bounded
 * and every digest is checked before it is used.
 */
#ifndef MSB_IMAGE_OCI_H
#define MSB_IMAGE_OCI_H

#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "image/digest.h"

#define OCI_DOCUMENT_MAX (4u << 20)
#define OCI_MAX_LAYERS 512u

struct oci_descriptor {
	char *media_type; /* "" when absent */
	struct digest digest;
	uint64_t size;
};

struct oci_platform {
	char os[32], arch[32], variant[32]; /* "" when absent */
};

enum oci_kind { OCI_MANIFEST, OCI_INDEX };

struct oci_index_entry {
	struct oci_descriptor desc;
	struct oci_platform platform; /* os "" when there is none */
	char *ref_name;		      /* annotation, or NULL */
	bool attestation;
};

struct oci_manifest {
	enum oci_kind kind;
	char *media_type;
	/* OCI_MANIFEST */
	struct oci_descriptor config;
	struct oci_descriptor *layers;
	size_t nlayers;
	/* OCI_INDEX */
	struct oci_index_entry *entries;
	size_t nentries;
};

/* ERR_INVALID with what is wrong. Nothing to free on failure. */
int oci_manifest_parse(const char *text, size_t len, struct oci_manifest *ret,
		       struct err *err);
void oci_manifest_fini(struct oci_manifest *m);
/* Index of the entry for linux and arch ("amd64"), or -ENOENT. */
int oci_index_choose(const struct oci_manifest *m, const char *arch);

struct oci_config {
	struct strv env, entrypoint, cmd;
	struct strv labels;		    /* KEY=VALUE */
	char *workdir, *user, *stop_signal; /* NULL when absent or empty */
	struct strv exposed_ports, volumes;
	char os[32], arch[32], variant[32];
	struct digest *diff_ids;
	size_t ndiff_ids;
};

int oci_config_parse(const char *text, size_t len, struct oci_config *ret,
		     struct err *err);
void oci_config_fini(struct oci_config *c);

#endif
