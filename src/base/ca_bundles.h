/* SPDX-License-Identifier: Apache-2.0 */
/* Where the host keeps the certificates of those who vouch for servers. */
#ifndef MSB_BASE_CA_BUNDLES_H
#define MSB_BASE_CA_BUNDLES_H

/* Elements of an array of paths, the first that has something wins: Debian,
 * Gentoo, Alpine, Arch; Fedora; SUSE; others. */
#define HOST_CA_BUNDLES                                                        \
	"/etc/ssl/certs/ca-certificates.crt",                                  \
		"/etc/pki/tls/certs/ca-bundle.crt",                            \
		"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",           \
		"/etc/ssl/ca-bundle.pem",                                      \
		"/var/lib/ca-certificates/ca-bundle.pem",                      \
		"/etc/ca-certificates/extracted/tls-ca-bundle.pem",            \
		"/etc/ssl/cert.pem"

#endif
