/* SPDX-License-Identifier: Apache-2.0 */
/* Which TLS sessions are kept for the next connection to a server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "net/tls/session_int.h"

#define EACH 16u
#define ALL 256u

static const struct net_endpoint here = { { .family = AF_INET }, 443 };
static const struct net_endpoint there = { { .family = AF_INET }, 8443 };

static SSL_SESSION *session(int version)
{
	SSL_SESSION *s = SSL_SESSION_new();

	assert_non_null(s);
	assert_int_equal(SSL_SESSION_set_protocol_version(s, version), 1);
	return s;
}

static void assert_takes(struct tls_resume *r, const char *name,
			 const struct net_endpoint *peer,
			 const SSL_SESSION *wanted)
{
	SSL_SESSION *s = resume_take(r, name, peer);

	assert_ptr_equal(s, wanted);
	SSL_SESSION_free(s);
}

/* One use each, the latest first; a few, not any number. */
static void test_tickets(void **state MSB_UNUSED)
{
	SSL_SESSION *s[EACH + 1];
	struct tls_resume *r;

	assert_int_equal(resume_new(&r), 0);
	assert_takes(r, "a.example", &here, NULL);
	for (unsigned i = 0; i <= EACH; i++) {
		s[i] = session(TLS1_3_VERSION);
		resume_keep(r, "a.example", &here, s[i]);
	}
	assert_takes(r, "b.example", &here, NULL);
	assert_takes(r, "a.example", &there, NULL);
	for (unsigned i = EACH; i > 0; i--)
		assert_takes(r, "a.example", &here, s[i]);
	assert_takes(r, "a.example", &here, NULL);
	resume_free(r);
}

/* One for all connections; a new one takes its place. */
static void test_sessions(void **state MSB_UNUSED)
{
	SSL_SESSION *first = session(TLS1_2_VERSION);
	SSL_SESSION *second = session(TLS1_2_VERSION);
	struct tls_resume *r;

	assert_int_equal(resume_new(&r), 0);
	resume_keep(r, "a.example", &here, first);
	assert_takes(r, "a.example", &here, first);
	assert_takes(r, "a.example", &here, first);
	resume_keep(r, "a.example", &here, second);
	assert_takes(r, "a.example", &here, second);
	assert_takes(r, "a.example", &here, second);
	resume_free(r);
}

/* The one that was not used for longest makes room. */
static void test_room(void **state MSB_UNUSED)
{
	struct tls_resume *r;
	SSL_SESSION *s;
	char name[32];

	assert_int_equal(resume_new(&r), 0);
	for (unsigned i = 0; i < ALL; i++) {
		snprintf(name, sizeof(name), "s%u.example", i);
		resume_keep(r, name, &here, session(TLS1_2_VERSION));
	}
	s = resume_take(r, "s0.example", &here);
	assert_non_null(s);
	SSL_SESSION_free(s);
	resume_keep(r, "new.example", &here, session(TLS1_2_VERSION));
	assert_takes(r, "s1.example", &here, NULL);
	s = resume_take(r, "s0.example", &here);
	assert_non_null(s);
	SSL_SESSION_free(s);
	resume_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tickets),
		cmocka_unit_test(test_sessions),
		cmocka_unit_test(test_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
