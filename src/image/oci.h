/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Image manifests, indexes and configurations: OCI image spec 1.1 and Docker's
 * schema 2. Everything here comes from strangers: sizes and counts are bounded
 * and every digest is checked before it is used.
 */
#ifndef MSB_IMAGE_OCI_H
#define MSB_IMAGE_OCI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "image/digest.h"

#define OCI_DOCUMENT_MAX (4u << 20)
#define OCI_MAX_LAYERS 512u
#define OCI_MAX_ENTRIES                                                        \
	4096u /* of an index, and of lists in a configuration                  \
	       */
#define OCI_MAX_BLOB (1ull << 40)

#define OCI_MEDIA_MANIFEST "application/vnd.oci.image.manifest.v1+json"
#define OCI_MEDIA_INDEX "application/vnd.oci.image.index.v1+json"
#define OCI_MEDIA_CONFIG "application/vnd.oci.image.config.v1+json"
#define OCI_MEDIA_LAYER "application/vnd.oci.image.layer.v1.tar"
#define OCI_MEDIA_DOCKER_MANIFEST                                              \
	"application/vnd.docker.distribution.manifest.v2+json"
#define OCI_MEDIA_DOCKER_LIST                                                  \
	"application/vnd.docker.distribution.manifest.list.v2+json"

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
	char *ref_name;	 /* annotation org.opencontainers.image.ref.name */
	char *full_name; /* annotation io.containerd.image.name */
	bool attestation;
};

struct oci_manifest {
	enum oci_kind kind;
	char *media_type; /* OCI's own for the kind when it does not say */
	/* OCI_MANIFEST */
	struct oci_descriptor config;
	struct oci_descriptor *layers;
	size_t nlayers;
	/* OCI_INDEX */
	struct oci_index_entry *entries;
	size_t nentries;
};

bool oci_media_is_index(const char *media_type);
bool oci_media_is_manifest(const char *media_type);

/*
 * ERR_IMAGE with what is wrong, ERR_UNSUPPORTED for what is no image (an
 * artifact, encrypted layers, Docker's schema 1). Nothing to free on failure.
 */
int oci_manifest_parse(const char *text, size_t len, struct oci_manifest *ret,
		       struct err *err);
void oci_manifest_fini(struct oci_manifest *m);
/* Index of the first entry for linux and arch ("amd64"), or -ENOENT. */
int oci_index_choose(const struct oci_manifest *m, const char *arch);

struct oci_config {
	struct strv env; /* KEY=VALUE */
	struct strv entrypoint, cmd;
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
