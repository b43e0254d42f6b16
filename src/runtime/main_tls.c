/* SPDX-License-Identifier: Apache-2.0 */
/*
 * msb-runtime-tls: the process of a sandbox whose TLS is intercepted, that has
 * secrets, or trusts what the host trusts. It is a program of its own because a
 * TLS library costs every process that carries it time and memory.
 */
#include "net/tls/ca.h"
#include "net/tls/proxy.h"
#include "runtime/run.h"

static const struct runtime_tls tls = {
	.open = tls_proxy_new,
	.close = tls_proxy_free,
	.ca_pem = tls_proxy_ca_pem,
	.host_roots_pem = tls_host_roots_pem,
	.ops = &tls_proxy_ops,
};

int main(int argc, char **argv)
{
	return runtime_main(argc, argv, &tls);
}
